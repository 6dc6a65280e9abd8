"""Writing a data set: pictures are drawn in parallel, kept as they come, and packed at the end.

Finished pictures wait in a folder beside the zip, each under a hash of what it is. A command that
was interrupted finds them there; one with other settings looks for other names. The zip appears
when it is complete, and the folder goes. Meanwhile both need room.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeAlias
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from PIL import Image
from torch import Tensor

from nerfgan_cli.data.labels import FILE
from nerfgan_cli.data.parallel import ordered_map
from nerfgan_cli.data.pictures import BadPictureError
from nerfgan_cli.errors import InputError
from nerfgan_cli.files import make_folder, replacing

PNG_END = b"IEND\xaeB`\x82"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same pictures give the same zip


class Entry(NamedTuple):
    """One picture of the data set to be."""

    name: str  # where it comes from, for people
    key: str  # changes when the finished picture would
    label: Tensor  # [25]


class Bad(NamedTuple):
    """A picture that cannot be used."""

    name: str
    text: str


class BadPicturesError(InputError):
    """Some pictures cannot be used, and leaving them out was not asked for."""

    def __init__(self, bad: Sequence[Bad], total: int) -> None:
        first = bad[0]
        super().__init__(
            f"{len(bad)} of {total} pictures cannot be used ({first.name}: {first.text}): "
            "mend or remove them, or leave them out."
        )
        self.bad = bad


# Pictures of some entries, by their numbers; BadPictureError or InputError if they cannot be drawn.
Draw = Callable[[list[int]], list[Image.Image]]
Result: TypeAlias = tuple[list[int], Bad | None]  # a group, and what is wrong with all of it
Progress = Callable[[Iterable[Result], int], Iterable[Result]]
# `ordered_map`, or the one in processes.
Spread = Callable[[Callable[[list[int]], Result], list[list[int]], int], Iterable[Result]]


def write_data_set(
    out: Path,
    entries: Sequence[Entry],
    draw: Draw,
    group: int,  # entries that are drawn at once
    workers: int,
    skip_bad: bool,
    progress: Progress,
    spread: Spread = ordered_map,
) -> tuple[list[Entry], list[Bad]]:
    """Writes a zip in EG3D's format; returns what is in it, and what could not be used."""
    unfinished = unfinished_folder(out)
    groups = [
        list(range(start, min(start + group, len(entries))))
        for start in range(0, len(entries), group)
    ]
    with replacing(out) as path:
        make_folder(unfinished)
        good: list[Entry] = []
        bad: list[Bad] = []
        work = spread(partial(finish, unfinished, entries, draw), groups, workers)
        for numbers, problem in progress(work, len(groups)):
            if problem is None:
                good += [entries[number] for number in numbers]
            else:
                bad.append(problem)
        if bad and not (skip_bad and good):
            raise BadPicturesError(bad, len(groups))
        pack(path, unfinished, good)
    shutil.rmtree(unfinished)
    return good, bad


def unfinished_folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.unfinished")


def finish(folder: Path, entries: Sequence[Entry], draw: Draw, numbers: list[int]) -> Result:
    """Draws a group of pictures, except those that are there already."""
    places = {number: waiting_place(folder, entries[number]) for number in numbers}
    missing = [number for number in numbers if not is_complete(places[number])]
    try:
        for number, image in zip(missing, draw(missing) if missing else [], strict=True):
            with replacing(places[number]) as path:
                path.write_bytes(encode(image))
    except (BadPictureError, InputError) as error:
        return numbers, Bad(entries[numbers[0]].name, str(error).rstrip("."))
    return numbers, None


def waiting_place(folder: Path, entry: Entry) -> Path:
    digest = sha256(entry.key.encode()).hexdigest()[:32]
    return folder / digest[:2] / f"{digest[2:]}.png"


def is_complete(path: Path) -> bool:
    """A loss of power can leave a file without its content."""
    try:
        with path.open("rb") as file:
            file.seek(-len(PNG_END), os.SEEK_END)
            return file.read() == PNG_END
    except OSError:
        return False


def encode(image: Image.Image) -> bytes:
    """PNG of RGB pixels alone: no profiles, no notes."""
    buffer = BytesIO()
    Image.fromarray(np.asarray(image)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def pack(path: Path, folder: Path, entries: Sequence[Entry]) -> None:
    """Moves finished pictures into a zip that does not compress them again, with their labels."""
    labels = []
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for index, entry in enumerate(entries):
            name = f"{index // 1000:05d}/img{index:08d}.png"
            archive.writestr(ZipInfo(name, EPOCH), waiting_place(folder, entry).read_bytes())
            labels.append([name, [float(f"{number:.9g}") for number in entry.label.tolist()]])
        archive.writestr(ZipInfo(FILE, EPOCH), json.dumps({"labels": labels}))
