"""`transforms.json` of Blender's NeRF scenes, instant-ngp and nerfstudio: OpenGL axes."""

from collections.abc import Mapping
from math import tan
from typing import Any

from nerfgan_cli.data.camera_formats.matrices import (
    OPENGL,
    numbers,
    pinhole,
    pose_matrix,
    refuse_distortion,
)
from nerfgan_cli.data.views import Matrix, Units, View
from nerfgan_cli.errors import InputError

DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
MODELS = (None, "PINHOLE", "OPENCV", "SIMPLE_PINHOLE")


def views_of_transforms(content: Mapping[str, Any]) -> list[View]:
    """All frames; what a frame does not say itself, the file says for all."""
    frames = content.get("frames")
    if not isinstance(frames, list) or not all(isinstance(frame, Mapping) for frame in frames):
        raise InputError('its "frames" are no list of objects: export it again.')
    common = {key: value for key, value in content.items() if key != "frames"}
    return [view_of_frame({**common, **frame}) for frame in frames]


def view_of_frame(frame: Mapping[str, Any]) -> View:
    name = str(frame.get("file_path", ""))
    what = f"the frame of {name!r}"
    if not name or "transform_matrix" not in frame:
        raise InputError(f'{what} lacks "file_path" or "transform_matrix": export it again.')
    if frame.get("camera_model") not in MODELS:
        raise InputError(f"{what} is {frame['camera_model']}: undistort the pictures first.")
    refuse_distortion(numbers([frame.get(key, 0) for key in DISTORTION], what), what)
    pose = pose_matrix(frame["transform_matrix"], what) @ OPENGL
    return View(name, pose, *lens(frame, what))


def lens(frame: Mapping[str, Any], what: str) -> tuple[Matrix, Units, tuple[int, int] | None]:
    """Focal lengths in pixels, or the horizontal field of view."""
    known = {key: value for key, value in frame.items() if key in KEYS}
    values = dict(zip(known, numbers(list(known.values()), what).tolist(), strict=True))
    size = (int(values["w"]), int(values["h"])) if {"w", "h"} <= values.keys() else None
    if "fl_x" in values and (size or {"cx", "cy"} <= values.keys()):
        fx = values["fl_x"]
        cx = values["cx"] if "cx" in values else values["w"] / 2
        cy = values["cy"] if "cy" in values else values["h"] / 2
        return pinhole(fx, values.get("fl_y", fx), cx, cy), Units.pixels, size
    if "camera_angle_x" not in values:
        raise InputError(f'{what} has neither "camera_angle_x" nor "fl_x", "w" and "h": add them.')
    focal = 0.5 / tan(values["camera_angle_x"] / 2)
    return pinhole(focal, focal, 0.5, 0.5), Units.widths, size


KEYS = ("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x")
