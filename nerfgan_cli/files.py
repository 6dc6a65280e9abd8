"""Files that are either complete or absent: written in a folder of their own, then moved."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nerfgan_cli.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path to write to; the file takes the place of `path` if all goes well.

    Whatever ends the block early, Ctrl-C included, leaves what was at `path` untouched. Entering
    it before long work tells at once whether the folder can be written to.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: choose the name of a file.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a regular file: choose another name.")
    # A folder, because a program that we started may write a little longer than we live.
    folder = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(folder)
        yield folder / path.name
        os.replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose the name of a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise InputError(
            f"cannot write into {folder.parent} ({reason}): "
            "check the folder and its permissions, or choose another one."
        ) from error
