"""Numbers about samples, a row for each, on disk in parts: what makes an evaluation resumable.

The folder's name tells all that the rows depend on, so whoever asks the same again finds them. A
part's name tells its checksum; a part that was damaged is made again, and said. Processes share
the parts, and each writes its own; they need a folder that all of them see. Nothing here grows
with the number of samples but the disk.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.evaluation.samples import Indices
from nerfgan_cli.files import make_folder, replacing
from nerfgan_cli.training.distributed import World

VERSION = 2  # of the rows; raise it when the same facts give others
PART = 128  # rows; the last part of a smaller set has fewer

Rows: TypeAlias = NDArray[np.float32]  # [N, D]


class Work(NamedTuple):
    """Rows that are to be made, and for which tables."""

    indices: Indices
    lacking: tuple[str, ...]


# The rows of each part of a list, by the name of the table.
Make: TypeAlias = Callable[[Sequence[Work]], Iterator[Mapping[str, Rows]]]


def folder_of(cache: Path, kind: str, facts: Mapping[str, Any]) -> Path:
    """Where rows lie that depend on these facts."""
    text = json.dumps({"version": VERSION, **facts}, sort_keys=True)
    return cache / f"{kind}-{sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Table:
    """The first `count` rows of a folder, all of which are there."""

    folder: Path
    count: int

    @cached_property
    def _maps(self) -> list[Rows]:
        """Of the parts: what is read of a file is in memory, and the system may take it back."""
        names = {path.name.partition("-")[0]: path for path in self.folder.glob("*-*.npy")}
        wanted = (_name(number, self.count) for number in range(parts_of(self.count)))
        return [np.load(names[name], mmap_mode="r") for name in wanted]

    @property
    def width(self) -> int:
        return int(self._maps[0].shape[1])

    def parts(self, numbers: range) -> Iterator[Rows]:
        return (self._maps[number] for number in numbers)

    def __getitem__(self, indices: Indices) -> Rows:
        """Rows in any order; only these are read."""
        found = np.empty((len(indices), self.width), np.float32)
        numbers = indices // PART
        for number in np.unique(numbers):
            chosen = numbers == number
            found[chosen] = self._maps[number][indices[chosen] % PART]
        return found

    def all(self) -> Rows:
        return np.concatenate(self._maps)


def parts_of(count: int) -> int:
    return -(-count // PART)


def fill(
    world: World,
    folders: Mapping[str, Path],  # of several tables that are made together, by name
    count: int,
    make: Make,
    done: Callable[[int], None],  # is told how many rows there are
) -> dict[str, Table]:
    """The tables, of which only the parts that are not there are made.

    The first process says which they are, so that each gets its share of them, whoever made the
    others.
    """
    with world.alike():
        for folder in folders.values():
            make_folder(folder)
    lacking: list[Work] = world.tell(_lacking(folders, count) if world.first else None)
    own = lacking[world.rank :: world.size]
    ready = count - sum(len(work.indices) for work in lacking)
    done(ready)
    with world.alike():
        for work, made in zip(own, make(own), strict=True):
            for name in work.lacking:
                rows = np.asarray(made[name], dtype=np.float32)
                write_checked(folders[name], _name(int(work.indices[0]) // PART, count), rows)
            ready = min(count, ready + len(work.indices) * world.size)
            done(ready)
    return {name: Table(folder, count) for name, folder in folders.items()}


def _lacking(folders: Mapping[str, Path], count: int) -> list[Work]:
    found = []
    for number in range(parts_of(count)):
        part = _name(number, count)
        names = [name for name, folder in folders.items() if read_checked(folder, part) is None]
        if names:
            indices = np.arange(number * PART, min((number + 1) * PART, count))
            found.append(Work(indices, tuple(names)))
    return found


def read_checked(folder: Path, name: str) -> NDArray[Any] | None:
    """An array that `write_checked` wrote; what is damaged is said, and removed."""
    for path in folder.glob(f"{name}-*.npy"):
        content = path.read_bytes()
        if path.stem.rpartition("-")[2] == _checksum(content):
            array: NDArray[Any] = np.load(BytesIO(content))
            return array
        print(f"{path} is damaged: it is made again", file=sys.stderr)
        path.unlink()
    return None


def write_checked(folder: Path, name: str, array: NDArray[Any]) -> None:
    """The file's name holds the checksum of all its bytes."""
    content = BytesIO()
    np.save(content, array)
    with replacing(folder / f"{name}-{_checksum(content.getvalue())}.npy") as unfinished:
        unfinished.write_bytes(content.getvalue())


def _name(number: int, count: int) -> str:
    """Of a part: its first row and its length."""
    return f"{number * PART:08d}+{min(PART, count - number * PART):03d}"


def _checksum(content: bytes) -> str:
    return f"{crc32(content):08x}"
