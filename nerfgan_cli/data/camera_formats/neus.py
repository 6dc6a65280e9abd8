"""NeuS's `cameras_sphere.npz`: `world_mat_0`, … K·[R t] of 4×4, and `scale_mat_0`, ….

Pixels have their centres at whole numbers there, half a pixel from ours. `scale_mat` takes the
unit sphere, in which NeuS reconstructs, to the world. Pictures are `image/000.png`, ….
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import rq

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.camera_formats.matrices import inverse, numbers
from nerfgan_cli.data.views import Matrix, Units, View
from nerfgan_cli.errors import InputError

FILE = "cameras_sphere.npz"
WORLD, SCALE = "world_mat_", "scale_mat_"
HALF = 0.5  # of a pixel, between its corner and its centre


def is_neus(content: Mapping[str, Any]) -> bool:
    return f"{WORLD}0" in content


def picture_name(index: int) -> str:
    return f"image/{index:03d}.png"


def views_of_neus(content: Mapping[str, Any]) -> list[View]:
    """The size of the pictures is told by their principal point, which NeuS has in the middle."""
    count = sum(key.startswith(WORLD) for key in content)
    views = []
    for index in range(count):
        what = f"{WORLD}{index}"
        if what not in content:
            raise InputError(f"it lacks {what}: number the cameras from 0 without gaps.")
        flat = numbers(content[what], what)
        if len(flat) not in (12, 16):
            raise InputError(f"{what} has {len(flat)} numbers: give 4×4.")
        intrinsics, pose = decompose(flat.reshape(-1, 4)[:3], what)
        intrinsics[:2, 2] += HALF
        width, height = (2 * intrinsics[:2, 2]).round().astype(int).tolist()
        size = (max(width, 1), max(height, 1))
        views.append(View(picture_name(index), pose, intrinsics, Units.pixels, size))
    return views


def decompose(projection: Matrix, what: str) -> tuple[Matrix, Matrix]:  # [3, 4]
    """K and camera to world of K·[R t], whatever its scale."""
    upper, rotation = rq(projection[:, :3])
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    upper, rotation = upper * signs, signs[:, None] * rotation
    if not abs(upper[2, 2]) > 0 or abs(np.diag(upper)).min() < 1e-12:
        raise InputError(f"{what} is no camera, its first three columns are singular: mend it.")
    to_camera = np.eye(4)
    to_camera[:3, :3], to_camera[:3, 3] = rotation, np.linalg.solve(upper, projection[:, 3])
    if np.linalg.det(rotation) < 0:  # a projection is as good with the other sign
        to_camera[:3] *= -1
    return upper / upper[2, 2], inverse(to_camera, what)


def neus_arrays(
    cameras: Camera,
    side: int,  # of the pictures
    center: tuple[float, float, float],  # of the sphere that is reconstructed
    radius: float,
) -> dict[str, NDArray[np.float64]]:
    """What `cameras_sphere.npz` holds."""
    scale = np.diag([radius, radius, radius, 1.0])
    scale[:3, 3] = center
    arrays = {}
    for index in range(len(cameras)):
        pose = cameras.cam2world[index].double().cpu().numpy()
        intrinsics = np.eye(4)
        intrinsics[:2, :3] = side * cameras.intrinsics[index, :2].double().cpu().numpy()
        intrinsics[:2, 2] -= HALF
        arrays[f"{WORLD}{index}"] = intrinsics @ np.linalg.inv(pose)
        arrays[f"{SCALE}{index}"] = scale
    return arrays
