"""OpenCV's pairs of matrices: extrinsics and K in pixels, as arrays or as text.

- `.npz`: "extrinsics" (world to camera) or "cam2world" [N, 3 or 4, 4], "intrinsics" or "K"
  [N, 3, 3] or [3, 3], and "names" [N]; without names, in the order of the sorted pictures.
- `NAME.txt` or `NAME_cam.txt` beside each picture: 12 or 16 numbers of world to camera, then 9 of
  K; words and what follows (depths of MVSNet) are left aside.
"""

import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np

from nerfgan_cli.cameras import FOCAL_RANGE
from nerfgan_cli.data.camera_formats.matrices import (
    Reading,
    intrinsics_matrix,
    pose_matrix,
    to_pose,
)
from nerfgan_cli.data.camera_formats.objects import TO_CAMERA, TO_WORLD
from nerfgan_cli.data.views import Matrix, Units, View
from nerfgan_cli.errors import InputError

POSES = ("extrinsics", *TO_CAMERA, *(key for key in (*TO_WORLD, "poses") if key != "extrinsics"))
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")


def views_of_arrays(
    content: Mapping[str, Any], pictures: list[str] | None, reading: Reading
) -> list[View]:
    """All cameras of an .npz; pictures of None are not asked for, and names may stay empty."""
    pose_key = next((key for key in POSES if key in content), None)
    k_key = next((key for key in ("intrinsics", "K") if key in content), None)
    if pose_key is None or k_key is None:
        raise InputError(
            f'it holds {", ".join(content) or "nothing"}: give "extrinsics" and "intrinsics".'
        )
    poses, intrinsics = np.atleast_2d(content[pose_key]), content[k_key]
    if poses.ndim == 2 and pictures is None:
        poses = poses[None]
    names = pictures if pictures is not None else [""] * len(poses)
    if "names" in content:
        names = [str(name) for name in content["names"]]
    if not len(poses) == len(names) == (len(intrinsics) if intrinsics.ndim == 3 else len(names)):
        raise InputError(
            f"it has {len(poses)} poses and {intrinsics.shape} intrinsics for {len(names)} "
            "pictures: make them as many."
        )
    to_camera = pose_key == "extrinsics" or pose_key in TO_CAMERA
    return [
        view(
            name,
            pose,
            intrinsics[index] if intrinsics.ndim == 3 else intrinsics,
            to_camera,
            reading,
        )
        for index, (name, pose) in enumerate(zip(names, poses, strict=True))
    ]


def load(data: bytes, suffix: str) -> dict[str, Any]:
    """The arrays of an .npz by name, the one of an .npy by an empty name."""
    try:
        content = np.load(BytesIO(data), allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": content}
        with content as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"it is no {suffix} of plain arrays ({error}): write it anew.") from error


def view_of_text(picture: str, text: str, reading: Reading) -> View:
    """One camera from the text file beside its picture."""
    values = [float(number) for number in NUMBER.findall(text)]
    for size in (16, 12):
        rows = size == 12 or values[12:16] == [0, 0, 0, 1]
        if len(values) >= size + 9 and rows:
            return view(picture, values[:size], values[size : size + 9], True, reading)
    raise InputError(
        f"the camera of {picture} has {len(values)} numbers: give 12 or 16 of [R t], then 9 of K."
    )


def view(name: str, pose: object, intrinsics: object, to_camera: bool, reading: Reading) -> View:
    what = f"the camera of {name}"
    matrix: Matrix = intrinsics_matrix(intrinsics, what)
    if reading.to_camera is not None:
        to_camera = reading.to_camera
    units = Units.pixels if matrix[0, 0] > FOCAL_RANGE[1] else Units.sides
    return View(
        name, to_pose(pose_matrix(pose, what), to_camera, reading.opengl, what), matrix, units
    )
