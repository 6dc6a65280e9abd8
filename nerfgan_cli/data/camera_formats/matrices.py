"""What the formats share: matrices from numbers, axes of OpenGL, lenses that bend lines."""

from typing import Any, NamedTuple

import numpy as np

from nerfgan_cli.cameras import CameraPreset
from nerfgan_cli.data.views import Matrix
from nerfgan_cli.errors import InputError

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # right, up, backward to right, down, forward
DISTORTION = 1e-3  # a coefficient that moves no point of a picture by a pixel in a thousand


def numbers(values: Any, what: str) -> Matrix:
    """Finite numbers of any nesting, flat."""
    try:
        flat = np.asarray(values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{what} holds something other than numbers: mend it.") from error
    if not np.isfinite(flat).all():
        raise InputError(f"{what} holds numbers that are not finite: mend it.")
    return flat


def pose_matrix(values: Any, what: str) -> Matrix:  # [4, 4]
    """From 12 or 16 numbers by rows."""
    flat = numbers(values, what)
    if len(flat) not in (12, 16):
        raise InputError(f"{what} has {len(flat)} numbers: give 3×4 or 4×4.")
    matrix = np.eye(4)
    matrix.reshape(-1)[: len(flat)] = flat
    return matrix


def intrinsics_matrix(values: Any, what: str) -> Matrix:  # [3, 3]
    flat = numbers(values, what)
    if len(flat) != 9:
        raise InputError(f"{what} has {len(flat)} numbers: give 3×3.")
    return flat.reshape(3, 3)


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Matrix:  # [3, 3]
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def inverse(matrix: Matrix, what: str) -> Matrix:
    """Between world-to-camera and camera-to-world."""
    try:
        return np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise InputError(f"{what} has no inverse: mend its rotation.") from error


def refuse_distortion(coefficients: Any, what: str) -> None:
    """A pinhole camera cannot show what a lens has bent."""
    bent = [float(value) for value in coefficients if abs(float(value)) > DISTORTION]
    if bent:
        raise InputError(
            f"{what} bends lines (coefficient {bent[0]:.3g}): undistort the pictures first, "
            "as with colmap image_undistorter."
        )


class Reading(NamedTuple):
    """What a file leaves open."""

    preset: CameraPreset  # where cameras that are only angles stand, and their focal length
    to_camera: bool | None = None  # matrices take world to camera; None: as the format has it
    opengl: bool = False  # camera axes are OpenGL's


def to_pose(matrix: Matrix, to_camera: bool, opengl: bool, what: str) -> Matrix:  # [4, 4]
    """Camera to world in OpenCV's axes."""
    if to_camera:
        matrix = inverse(matrix, what)
    return matrix @ OPENGL if opengl else matrix
