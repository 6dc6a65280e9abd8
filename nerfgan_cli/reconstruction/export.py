"""Views of subjects for reconstruction elsewhere, and scores of what comes back (metrics.md 8.2).

consistency.json              the protocol
000007/image/000.png, …       a folder for each subject, with its pictures
000007/mask/000.png, …        white: NeuS asks for masks, the protocol has none
000007/cameras_sphere.npz     cameras as NeuS reads them
000007/transforms.json        as NeRF's programs do
000007/cameras.json           as nerfgan does
000007/rendered/000.png, …    to be put there: the scene's renderings of the same views
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nerfgan_cli.camera_files import file_content
from nerfgan_cli.camera_forms import transforms_of
from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.camera_formats.neus import FILE, neus_arrays, picture_name
from nerfgan_cli.data.pictures import BadPictureError, decode, open_picture
from nerfgan_cli.errors import InputError
from nerfgan_cli.files import make_folder, replacing
from nerfgan_cli.media import Picture, write_png
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.ssim import ssim

PROTOCOL = "consistency.json"
RENDERED = "rendered"
REACH = 1.4  # radius of NeuS's sphere, in half depths: that of the cube's inside, 0.7 for faces


class Score(NamedTuple):
    """Of one subject: means over its views."""

    subject: str
    views: int
    psnr: float
    ssim: float


def write_subject(
    folder: Path, pictures: Iterable[Picture], cameras: Camera, half_depth: float
) -> None:
    """All files of one subject."""
    make_folder(folder / "image")
    make_folder(folder / "mask")
    side = 0
    for index, picture in enumerate(pictures):
        side = len(picture)
        write_png(picture, folder / picture_name(index))
        write_png(np.full_like(picture, 255), folder / "mask" / f"{index:03d}.png")
    named = [(picture_name(index), cameras[index]) for index in range(len(cameras))]
    write_json(file_content(named), folder / "cameras.json")
    write_json(transforms_of(named, side), folder / "transforms.json")
    with replacing(folder / FILE) as unfinished:
        arrays = neus_arrays(cameras, side, (0.0, 0.0, 0.0), REACH * half_depth)
        np.savez(unfinished, **arrays)  # type: ignore[arg-type]


def write_json(content: dict[str, Any], path: Path) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")


def score(folder: Path) -> Iterator[Score]:
    """The renderings that lie beside the pictures, against these, subject by subject."""
    if not (folder / PROTOCOL).is_file():
        raise InputError(
            f"{folder} has no {PROTOCOL}: give the folder that nerfgan consistency --export wrote."
        )
    for subject in sorted(path for path in folder.iterdir() if (path / "image").is_dir()):
        pairs = [
            (read(original), read(rendered_of(subject, original)))
            for original in sorted((subject / "image").glob("*.png"))
        ]
        for original, again in pairs:
            if original.shape != again.shape:
                raise InputError(
                    f"a rendering in {subject / RENDERED} is {again.shape[1]}×{again.shape[0]} and "
                    f"its picture {original.shape[1]}×{original.shape[0]}: render at that size."
                )
        first, second = (np.stack(side) for side in zip(*pairs, strict=True))
        values = psnr(second, first), ssim(second, first)
        yield Score(subject.name, len(pairs), *(float(value.mean()) for value in values))


def rendered_of(subject: Path, original: Path) -> Path:
    path = subject / RENDERED / original.name
    if not path.is_file():
        raise InputError(
            f"there is no {path}: put the scene's rendering of {original} there, and so of all "
            "views."
        )
    return path


def read(path: Path) -> Picture:
    try:
        with open_picture(path.read_bytes()) as image:
            return np.asarray(decode(image).convert("RGB"))
    except BadPictureError as error:
        raise InputError(f"{path}: {error}.") from error
