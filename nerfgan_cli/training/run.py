"""The folder of a training run: one process at a time, one recipe, leftovers cleared away.

    recipe.toml · log.jsonl · TensorBoard events · samples/ · checkpoints/

Every file but the log appears whole or not at all; the log is mended when a run is continued.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.files import make_folder, replacing
from nerfgan_cli.training.checkpoints import CHECKPOINTS, newest_state
from nerfgan_cli.training.recipe import FREE_KEYS, Recipe
from nerfgan_cli.training.recipe_reader import flatten, parse_toml, read_table, to_plain

RECIPE, LOCK = "recipe.toml", ".lock"
SAMPLES = "samples"


@contextmanager
def open_run(folder: Path, recipe: Recipe) -> Iterator[None]:
    """Makes the folder this process's own; a new run gets its recipe, other ones are refused."""
    make_folder(folder)
    if not (folder / RECIPE).exists() and any(
        not entry.name.startswith(".") for entry in folder.iterdir()
    ):
        raise InputError(f"{folder} holds other things than a run: give --out a new folder.")
    with locked(folder / LOCK):
        settle_recipe(folder / RECIPE, recipe)
        for part in (folder, folder / CHECKPOINTS, folder / SAMPLES):
            make_folder(part)
            for leftover in part.glob(".*.tmp"):  # of a process that was killed while writing
                shutil.rmtree(leftover, ignore_errors=True)
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock that ends with this process, however it ends, and is not left to children."""
    import fcntl  # not on Windows, where nothing is trained (`machine.py`)

    with path.open("a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise InputError(
                f"the run {path.parent} is being trained by process {owner}: "
                "wait for it, or give another --out."
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def settle_recipe(path: Path, recipe: Recipe) -> None:
    """Writes that of a new run. Of one that goes on, only free keys may have changed.

    They are written once data and networks are known to be the run's own (`loop.train`).
    """
    if newest_state(path.parent) is None:
        write_recipe(path, recipe)
        return
    before = parse_toml(path.read_text("utf-8"), str(path))
    if before.get("kind") == recipe.kind:  # keys that a newer version added had their defaults
        before = to_plain(read_table(type(recipe), before))
    refuse_changes(path.parent, flatten(before), flatten(to_plain(recipe)))


def write_recipe(path: Path, recipe: Recipe) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(tomli_w.dumps(to_plain(recipe)), "utf-8")


def refuse_changes(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Only how long a run is and how it is followed may change."""
    for key in {**before, **now}:
        if key not in FREE_KEYS and before.get(key) != now.get(key):
            raise UsageError(
                f"{folder} was started with {key} = {before.get(key)!r}, not {now.get(key)!r}: "
                "continue it with the same settings, or give another --out."
            )
