"""COLMAP's text export: `cameras.txt` (lenses) and `images.txt` (poses, world to camera)."""

import numpy as np

from nerfgan_cli.data.camera_formats.matrices import (
    inverse,
    numbers,
    pinhole,
    refuse_distortion,
)
from nerfgan_cli.data.views import Matrix, Units, View
from nerfgan_cli.errors import InputError

FILES = ("cameras.txt", "images.txt")
# Which parameters are fx, fy, cx, cy; what follows is distortion.
MODELS = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2),
    "PINHOLE": (0, 1, 2, 3),
    "SIMPLE_RADIAL": (0, 0, 1, 2),
    "RADIAL": (0, 0, 1, 2),
    "OPENCV": (0, 1, 2, 3),
    "FULL_OPENCV": (0, 1, 2, 3),
}

Lens = tuple[Matrix, tuple[int, int]]


def views_of_colmap(cameras: str, images: str) -> list[View]:
    """One view per registered picture."""
    lenses = dict(read_lens(line) for line in content(cameras))
    views = []
    for line in images_only(images):
        fields = line.split(maxsplit=9)
        if len(fields) < 10:
            raise InputError(f"images.txt has a line of {len(fields)} fields: export it again.")
        name = fields[9].strip()
        pose = numbers(fields[1:8], f"the pose of {name}")
        if fields[8] not in lenses:
            raise InputError(f"{name} has camera {fields[8]}, which cameras.txt lacks: add it.")
        to_camera = np.eye(4)
        to_camera[:3, :3], to_camera[:3, 3] = rotation(pose[:4], name), pose[4:]
        intrinsics, size = lenses[fields[8]]
        views.append(View(name, inverse(to_camera, name), intrinsics, Units.pixels, size))
    return views


def read_lens(line: str) -> tuple[str, Lens]:
    """CAMERA_ID MODEL WIDTH HEIGHT PARAMETERS…"""
    fields = line.split()
    if len(fields) < 7 or fields[1] not in MODELS:
        model = fields[1] if len(fields) > 1 else line
        raise InputError(
            f"cameras.txt has the camera model {model}: undistort the pictures first, "
            "as with colmap image_undistorter."
        )
    what = f"camera {fields[0]} of cameras.txt"
    values = numbers(fields[2:], what)
    width, height, *parameters = values.tolist()
    order = MODELS[fields[1]]
    if len(parameters) <= max(order):
        raise InputError(f"{what} has {len(parameters)} parameters: export it again.")
    refuse_distortion(parameters[max(order) + 1 :], what)
    return fields[0], (pinhole(*(parameters[index] for index in order)), (int(width), int(height)))


def rotation(quaternion: Matrix, name: str) -> Matrix:  # w, x, y, z -> [3, 3]
    length = np.linalg.norm(quaternion)
    if not length > 0:
        raise InputError(f"the pose of {name} has no rotation: export it again.")
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def content(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def images_only(text: str) -> list[str]:
    """Every second line; those between list points and may be empty."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in lines[::2] if line.strip()]
