"""What sets with published labels share: labels by name or number, poses set to the published."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.camera_formats.finding import find_cameras
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.data.framing import Framing
from nerfgan_cli.data.pictures import BadPictureError, is_picture, upright_size
from nerfgan_cli.data.preparation import Cut, Plan, Progress, measure, plan_cuts
from nerfgan_cli.data.storage import Storage
from nerfgan_cli.data.views import PictureIndex
from nerfgan_cli.errors import InputError

FFHQ_PICTURES = 70_000
NUMBERED = re.compile(r"(?:.*/)?(?:img)?(\d{5,8})(_mirror)?(?:\.\w+)?")

Entry = TypeVar("Entry")
Normalise = Callable[[Camera], Camera]
Frame = Callable[[str, int, int], Framing]


def plan_published(
    storage: Storage,
    cameras: Path | None,
    normalise: Normalise,
    frame: Frame,
    workers: int,
    progress: Progress,
) -> Plan:
    """Pictures that have a published camera; labels of other pictures are left aside."""
    pictures = [name for name in storage.names if is_picture(name)]
    if not pictures:
        raise InputError(f"{storage.path} holds no pictures: give a folder or a zip that does.")
    found = find_cameras(storage, pictures, cameras, Reading(PRESETS["ffhq"]))
    views = match_published({view.name: view for view in found.views}, pictures)
    if not views:
        raise InputError(
            f"none of the {len(found.views)} cameras belongs to a picture of {storage.path}, "
            f"such as {pictures[0]}: use the published names."
        )

    def plan(picture: str) -> Cut:
        with measure(storage, picture) as image:
            framing = frame(picture, *upright_size(image))
        pose = torch.from_numpy(views[picture].cam2world)[None].float()
        intrinsics = torch.from_numpy(views[picture].intrinsics)[None].float()
        return Cut(picture, framing, normalise(Camera(pose, intrinsics)).label[0], fill=None)

    cuts, bad = plan_cuts(sorted(views), plan, workers, progress)
    notes = [f"{len(views)} pictures have one of the {len(found.views)} published cameras"]
    left = sorted(set(pictures) - set(views))
    if left:
        notes.append(f"left out, without a camera: {len(left)} ({left[0]} …)")
    return Plan(cuts, bad, notes)


def match_published(entries: dict[str, Entry], pictures: list[str]) -> dict[str, Entry]:
    """By name; else by number, as FFHQ's 00012.png is img00000012.png of the labels."""
    index = PictureIndex(pictures)
    matched: dict[str, Entry] = {}
    for name, entry in entries.items():
        picture = index.find(name)
        if picture is not None:
            matched[picture] = entry
    if matched:
        return matched
    by_number = {number: entry for name, entry in entries.items() if (number := number_of(name))}
    if len(by_number) > FFHQ_PICTURES and not any(mirrored for _, mirrored in by_number):
        raise InputError(
            "the labels number pictures and their mirror images in one row, so no number tells "
            "its picture: take the labels whose mirror images are called …_mirror."
        )
    return {
        picture: by_number[number]
        for picture in pictures
        if (number := number_of(picture)) in by_number
    }


def number_of(name: str) -> tuple[int, bool] | None:
    """The number in a published name, and whether it is that of a mirror image."""
    match = NUMBERED.fullmatch(name)
    return (int(match[1]), match[2] is not None) if match else None


def whole_square(picture: str, width: int, height: int) -> Framing:
    """The picture as it is."""
    if width != height:
        raise BadPictureError(f"it is {width}×{height}, not square: crop it as published")
    return Framing(0, 0, 0, width)
