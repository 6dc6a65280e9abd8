"""FFHQ with the cameras that EG3D published (eg3d.md 11.3).

Pictures are either crops as EG3D makes them, or FFHQ's aligned pictures together with the
published crop parameters, from which the crops are cut here. The parameters are for pictures
aligned a second time, 1500², which show 1.8 times as much about the same centre.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.ffhq_crop import Points, crop_of_points
from nerfgan_cli.data.ffhq_pose import ffhq_intrinsics, normalize_distance
from nerfgan_cli.data.framing import Framing
from nerfgan_cli.data.pictures import BadPictureError, is_picture
from nerfgan_cli.data.preparation import Plan, Progress
from nerfgan_cli.data.sources.published import (
    Frame,
    match_published,
    plan_published,
    whole_square,
)
from nerfgan_cli.data.storage import Storage
from nerfgan_cli.errors import InputError

WIDE = 1500  # side of the pictures that the crop parameters are for
ENLARGED = 1.8  # their field, in that of FFHQ's own alignment
ALIGNED = 1024  # side of FFHQ's own pictures


def plan_ffhq(
    storage: Storage, cameras: Path | None, crops: Path | None, workers: int, progress: Progress
) -> Plan:
    """`crops`: the published crop parameters; without them the pictures are crops already."""
    frame: Frame = refuse_aligned
    if crops is not None:
        pictures = [name for name in storage.names if is_picture(name)]
        frame = frame_by(match_published(read_crops(crops), pictures))
    return plan_published(storage, cameras, normalise, frame, workers, progress)


def normalise(camera: Camera) -> Camera:
    """2.7 from the origin along the same ray; the one focal length of all. ("orig")"""
    intrinsics = ffhq_intrinsics().expand(len(camera), 3, 3)
    return Camera(normalize_distance(camera.cam2world), intrinsics)


def refuse_aligned(picture: str, width: int, height: int) -> Framing:
    """A wrong crop looks similar and spoils every camera."""
    if width in (ALIGNED, WIDE):
        raise BadPictureError(
            f"it is {width}², as FFHQ aligns it, not EG3D's crop: give the published crop "
            "parameters too"
        )
    return whole_square(picture, width, height)


def frame_by(landmarks: dict[str, Points]) -> Frame:
    """Cuts by five points in the frame of the wide pictures."""

    def frame(picture: str, width: int, height: int) -> Framing:
        if picture not in landmarks:
            raise BadPictureError("it has no crop parameters: add them")
        whole_square(picture, width, height)
        crop = crop_of_points(landmarks[picture], WIDE, WIDE)
        field = WIDE if width == WIDE else WIDE / ENLARGED  # what this picture shows of it
        edge, zoom = (WIDE - field) / 2, width / field
        return Framing(0, (crop.left - edge) * zoom, (crop.top - edge) * zoom, crop.side * zoom)

    return frame


def read_crops(path: Path) -> dict[str, Points]:
    """The five points ("lm") of each picture of the published file."""
    try:
        content: Any = json.loads(path.read_text())
        points = {
            name: np.array(entry["lm"], dtype=np.float64).reshape(5, 2)
            for name, entry in content.items()
        }
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check the path.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f'{path} does not give five points "lm" for each picture ({error!r}): '
            "give the published cropping_params.json."
        ) from error
    return points
