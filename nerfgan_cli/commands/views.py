"""Photographs of one subject as the command line gives them, each with its camera and its mask."""

from collections.abc import Sequence
from pathlib import Path

import typer
from torch import Tensor

from nerfgan_cli.camera_checks import unlike_lens
from nerfgan_cli.camera_files import load_cameras, read_cameras
from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.commands.options import counted
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.faces.records import is_assumed
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.inversion.photos import View, face_mask, read_mask, read_square, to_target

FACE = Path("face")  # instead of a mask: where nerfgan align found the face


def open_views(
    photos: Sequence[Path],
    cameras: Sequence[Path],
    masks: Sequence[Path],
    generator: Generator,
) -> list[View]:
    """The photographs with their cameras, the frontal one where no file tells it.

    Nor is a camera known that nerfgan align was told to assume.
    """
    if len(cameras) not in (0, 1, len(photos)):
        raise UsageError(
            f"{len(cameras)} cameras for {counted(len(photos), 'photograph')}: give --camera "
            "once for each, or one file for all."
        )
    chosen = [FACE] * len(photos) if list(masks) == [FACE] else masks
    if len(chosen) not in (0, len(photos)):
        raise UsageError("give --mask once for each photograph, or not at all.")
    side = generator.img_resolution
    views = []
    for index, photo in enumerate(photos):
        target = to_target(read_square(photo, side))
        beside = photo.with_suffix(".json")
        file = cameras[index % len(cameras)] if cameras else beside if beside.is_file() else None
        mask = open_mask(chosen[index], photo, side) if chosen else None
        camera = open_camera(file, photo, generator)
        if lens := unlike_lens(camera, PRESETS[generator.camera_preset]):
            typer.echo(f"{file}: {lens}", err=True)
        known = file is not None and (bool(cameras) or not is_assumed(file))
        views.append(View(target, camera, mask, known))
    preset = PRESETS[generator.camera_preset]
    if (
        len(cameras) == 1 < len(photos)
        and len(read_cameras(cameras[0], Reading(preset)).cameras) == 1
    ):
        raise UsageError(
            f"{cameras[0]} has one camera for {len(photos)} photographs: give --camera once for "
            "each, or a file with the camera of each by name."
        )
    return views


def open_camera(file: Path | None, photo: Path, generator: Generator) -> Camera:
    """The one of the photograph's name, or the only one; without a file the frontal one."""
    preset = PRESETS[generator.camera_preset]
    if file is None:
        return preset.frontal()
    ((_, camera),) = load_cameras(file, preset, photo.name)
    return camera


def open_mask(mask: Path, photo: Path, side: int) -> Tensor:  # [1, 1, H, H]
    if mask != FACE:
        return read_mask(mask, side)
    record = photo.with_suffix(".json")
    if not record.is_file():
        raise InputError(
            f"there is no {record}, which would say where the face is: let nerfgan align make "
            "the crop, or give a picture as --mask."
        )
    return face_mask(record, photo, side)
