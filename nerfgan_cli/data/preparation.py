"""From pictures with foreign cameras to a data set: plan every cut, then draw them.

Planning reads the headers of all pictures, so that every label is known, and every camera checked,
before any work begins.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from nerfgan_cli import __version__
from nerfgan_cli.cameras import Camera, find_problems
from nerfgan_cli.data.framing import Framing, frame
from nerfgan_cli.data.parallel import ordered_map
from nerfgan_cli.data.pictures import (
    BadPictureError,
    Colour,
    open_picture,
    orientation,
    to_rgb,
    upright_size,
)
from nerfgan_cli.data.selections import mirror_labels
from nerfgan_cli.data.storage import READ_ERRORS, Storage, unreadable
from nerfgan_cli.data.views import Units, View
from nerfgan_cli.data.worlds import Similarity
from nerfgan_cli.data.writing import Bad, Entry
from nerfgan_cli.errors import InputError


class Cut(NamedTuple):
    """A square of one picture, and its label."""

    picture: str
    framing: Framing
    label: Tensor  # [25]
    fill: Colour | None  # beyond the picture's edges; None: the picture mirrored
    heed_exif: bool = True


class Plan(NamedTuple):
    """What will be cut, what cannot be, and what a person should know about it."""

    cuts: list[Cut]
    bad: list[Bad]
    notes: list[str]
    world: Similarity | None = None  # how a foreign world was brought into ours


Progress = Callable[[Iterable[Cut | Bad], int], Iterable[Cut | Bad]]


def plan_cuts(
    pictures: Sequence[str], planner: Callable[[str], Cut], workers: int, progress: Progress
) -> tuple[list[Cut], list[Bad]]:
    """Cuts of all pictures whose headers can be read and whose labels can be right."""

    def attempt(picture: str) -> Cut | Bad:
        try:
            return planner(picture)
        except (BadPictureError, InputError) as error:
            return Bad(picture, str(error).rstrip("."))

    results = list(progress(ordered_map(attempt, pictures, workers), len(pictures)))
    cuts = [result for result in results if isinstance(result, Cut)]
    bad = [result for result in results if isinstance(result, Bad)]
    if not cuts:
        return [], bad
    wrong = dict(find_problems(Camera.from_label(torch.stack([cut.label for cut in cuts]))))
    bad += [Bad(cuts[index].picture, f"its camera: {text}") for index, text in wrong.items()]
    return [cut for index, cut in enumerate(cuts) if index not in wrong], bad


def plan_view(
    storage: Storage, view: View, upright: bool, crop: bool, fill: Colour, picture: str
) -> Cut:
    """The cut of one picture with its camera."""
    with measure(storage, picture) as image:
        heed_exif = decide_exif(image, view)
        width, height = upright_size(image) if heed_exif else image.size
    framing, label = frame(view, width, height, upright, crop)
    return Cut(picture, framing, label, fill, heed_exif)


def decide_exif(image: Image.Image, view: View) -> bool:
    """Whether the camera belongs to the picture as EXIF turns it or to its pixels as stored."""
    if orientation(image) == 1 or view.units in (Units.sides, Units.final):
        return True
    stored, turned = image.size, upright_size(image)
    if view.size is None or stored == turned:
        raise BadPictureError(
            f"EXIF says to turn it (orientation {orientation(image)}), and its camera does not say "
            "which way round it was: turn its pixels and drop the tag"
        )
    return view.size != stored


def measure(storage: Storage, picture: str) -> Image.Image:
    """The header of a picture; to be closed."""
    try:
        return open_picture(storage.open(picture))
    except READ_ERRORS as error:
        raise unreadable(storage.path, picture, error) from error


class Finish(NamedTuple):
    """How all pictures of a data set are finished."""

    resolution: int
    background: Colour  # behind what is transparent
    mirror: bool  # each is followed by its mirror image


def make_entries(storage: Storage, cuts: Sequence[Cut], finish: Finish) -> list[Entry]:
    """What `write_data_set` writes; the pictures of one cut stand together."""
    entries = []
    for cut in cuts:
        facts = (__version__, cut.picture, storage.stamp(cut.picture), cut.framing, cut.fill)
        key = repr((*facts, cut.heed_exif, finish.resolution, finish.background))
        entries.append(Entry(cut.picture, key, cut.label))
        if finish.mirror:
            label = mirror_labels(cut.label[None])[0]
            entries.append(Entry(cut.picture, f"{key} mirrored", label))
    return entries


def draw_cuts(
    storage: Storage, cuts: Sequence[Cut], finish: Finish, numbers: list[int]
) -> list[Image.Image]:
    """Entries of one cut: the picture, its mirror image, or both."""
    pictures = 1 + finish.mirror
    cut = cuts[numbers[0] // pictures]
    image = to_rgb(open_picture(storage.read(cut.picture)), finish.background, cut.heed_exif)
    image = cut.framing.apply(image, finish.resolution, cut.fill)
    flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return [flipped if number % pictures else image for number in numbers]
