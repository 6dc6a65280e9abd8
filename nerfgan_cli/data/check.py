"""Everything that is wrong with a data set, told at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from nerfgan_cli.cameras import Camera, find_problems
from nerfgan_cli.data.conventions import CameraSummary, summarise
from nerfgan_cli.data.labels import FILE, Labels, parse_labels, read_labels
from nerfgan_cli.data.parallel import ordered_map
from nerfgan_cli.data.pictures import BadPictureError, decode, find_flaws, is_picture, open_picture
from nerfgan_cli.data.storage import Storage, is_unsafe, open_storage, repeated
from nerfgan_cli.errors import InputError

Progress = Callable[[Iterable["Inspection"], int], Iterable["Inspection"]]


class Problem(NamedTuple):
    """What is wrong with one file or label, and what to do."""

    name: str
    text: str


class Inspection(NamedTuple):
    """What one picture's file is like."""

    name: str
    size: tuple[int, int] | None  # None if it cannot be opened
    flaws: list[str]


class Report(NamedTuple):
    """A data set, examined."""

    path: Path
    pictures: list[str]
    labels: Labels
    resolution: int | None  # of most pictures
    problems: list[Problem]  # sorted by name
    warnings: list[str]
    cameras: CameraSummary | None  # of the labels that are fine

    def healthy(self) -> list[str]:
        """Pictures without a problem."""
        bad = {problem.name for problem in self.problems}
        return [name for name in self.pictures if name not in bad]


def check(path: Path, workers: int, progress: Progress = lambda items, total: items) -> Report:
    """Examines every file and label. Only a path that holds no files at all is an InputError."""
    storage = open_storage(path)
    pictures = sorted({name for name in storage.names if is_picture(name)})
    problems = list(check_names(storage, pictures))
    try:
        labels = read_labels(storage)
        problems += check_labels(labels, pictures)
    except InputError as error:
        labels = parse_labels([])
        problems.append(Problem(FILE, str(error).rstrip(".")))
    sizes: Counter[tuple[int, int]] = Counter()
    size_of: dict[str, tuple[int, int]] = {}
    work = ordered_map(partial(inspect, storage), pictures, workers)
    for name, size, flaws in progress(work, len(pictures)):
        problems += [Problem(name, flaw) for flaw in flaws]
        if size is not None:
            sizes[size] += 1
            size_of[name] = size
    resolution = usual_side(sizes)
    problems += check_sizes(resolution, size_of, path)
    cameras = valid_cameras(labels)
    summary = summarise(cameras) if len(cameras) else None
    warnings = summary.warnings(len(cameras)) if summary else []
    return Report(path, pictures, labels, resolution, sorted(problems), warnings, summary)


def inspect(storage: Storage, name: str) -> Inspection:
    """Opens and decodes one picture."""
    try:
        image = open_picture(storage.read(name))
    except (BadPictureError, InputError) as error:
        return Inspection(name, None, [str(error).rstrip(".")])
    flaws = list(find_flaws(image))
    try:
        decode(image)
    except BadPictureError as error:
        flaws.append(str(error))
    return Inspection(name, image.size, flaws)


def check_names(storage: Storage, pictures: list[str]) -> Iterator[Problem]:
    if not pictures:
        yield Problem(str(storage.path), "it holds no pictures: add some")
    for name in repeated(storage.names):
        yield Problem(name, f"it is in the zip {storage.names.count(name)} times: keep one")
    for name in storage.names:
        if is_unsafe(name):
            yield Problem(name, "its name leads out of the data set: rename it")


def check_labels(labels: Labels, pictures: list[str]) -> Iterator[Problem]:
    """Labels without pictures, pictures without labels, and labels that are no cameras."""
    for name, text in labels.bad.items():
        yield Problem(name, text)
    for name in labels.repeated:
        yield Problem(name, f"it has several labels in {FILE}: keep one")
    labelled = set(labels.names) | set(labels.bad)
    for name in sorted(set(pictures) - labelled):
        yield Problem(name, f"it has no label in {FILE}: add one or remove the picture")
    for name in sorted(set(labels.names) - set(pictures)):
        yield Problem(name, f"{FILE} has a label for it, but there is no such picture: remove it")
        if is_unsafe(name):
            yield Problem(name, "its name leads out of the data set: rename it")
    for index, text in find_problems(Camera.from_label(torch.from_numpy(labels.numbers))):
        yield Problem(labels.names[index], f"its label: {text}")


def check_sizes(
    resolution: int | None, sizes: dict[str, tuple[int, int]], path: Path
) -> Iterator[Problem]:
    """Networks need one square size, a power of two."""
    if resolution is None:
        return
    if resolution & (resolution - 1):
        yield Problem(str(path), f"its side of {resolution} is no power of two: resize it")
    for name, (width, height) in sizes.items():
        if width == height != resolution:
            yield Problem(name, f"it is {width}², most are {resolution}²: resize it")


def usual_side(sizes: Counter[tuple[int, int]]) -> int | None:
    """The side of most square pictures."""
    square = [size for size, _ in sizes.most_common() if size[0] == size[1]]
    return square[0][0] if square else None


def valid_cameras(labels: Labels) -> Camera:
    camera = Camera.from_label(torch.from_numpy(labels.numbers))
    bad = {index for index, _ in find_problems(camera)}
    return camera[torch.tensor([i for i in range(len(camera)) if i not in bad], dtype=torch.long)]
