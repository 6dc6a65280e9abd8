"""Files that are either complete or absent: written under another name, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nerfgan_cli.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives an empty file beside `path` to write to, which takes its place if all goes well.

    Whatever ends the block early, Ctrl-C included, leaves what was at `path` untouched. Opening
    it before long work tells at once whether the folder can be written to.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give -o the name of a file.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a regular file: give -o another name.")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not by `tempfile`, whose files only their owner may read.
        os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o666))
    except OSError as error:
        raise InputError(
            f"cannot write {path.name} into {path.parent} "
            f"({(error.strerror or 'refused').lower()}): "
            "check the folder and its permissions, or give another -o."
        ) from error
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
