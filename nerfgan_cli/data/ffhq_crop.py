"""The crop of EG3D's face pictures from five points (Deep3DFaceRecon's alignment; eg3d.md 11.3).

Points are left eye, right eye, nose tip, left and right mouth corner, as seen in the picture.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.data.framing import Framing
from nerfgan_cli.errors import InputError

Points = NDArray[np.float64]

STANDARD = np.array(  # of the mean face, x right, y up, z towards the viewer, in face units
    [
        [-0.311487, 0.290361, 0.133780],
        [0.309799, 0.289720, 0.131795],
        [0.003253, -0.046179, 0.552442],
        [-0.252169, -0.381339, 0.224057],
        [0.248466, -0.381282, 0.222358],
    ]
)
RESCALE = 300.0  # pixels of one face unit in the resized picture
LEAST_SCALE = 1.0  # pixels of the picture per face unit: less is no face
TARGET, CROP = 1024, 700  # sides in it: of a first square, and of its middle that is kept


class Fit(NamedTuple):
    """Weak perspective: point = scale · (rotation · standard point) + offset, y up."""

    scale: float  # pixels per face unit
    offset: Points  # [2], pixels


def fit_points(points: Points, height: int) -> Fit:  # [5, 2], y down
    """Least squares over the five points."""
    if points.shape != STANDARD[:, :2].shape or not np.isfinite(points).all():
        raise InputError(f"landmarks of shape {points.shape} are no five points: give x, y each.")
    upward = np.stack([points[:, 0], height - 1 - points[:, 1]], axis=1)
    design = np.concatenate([STANDARD, np.ones((5, 1))], axis=1)
    solution = np.linalg.lstsq(design, upward, rcond=None)[0]  # [4, 2]
    scale = float(np.linalg.norm(solution[:3], axis=0).mean())
    if not scale > LEAST_SCALE:
        raise InputError("the five landmarks are one point: find them anew.")
    return Fit(scale, solution[3])


class Layout(NamedTuple):
    """Where EG3D's square lies in the resized picture, with the release's rounding."""

    fit: Fit
    resized: tuple[int, int]  # width and height of the whole picture
    left_top: tuple[int, int]  # of the first square, of `TARGET`


def layout_of_points(points: Points, width: int, height: int) -> Layout:  # [5, 2]
    fit = fit_points(points, height)
    zoom = RESCALE / fit.scale
    x, y = fit.offset
    resized = int(width * zoom), int(height * zoom)
    left = resized[0] / 2 - TARGET / 2 + (x - width / 2) * zoom
    top = resized[1] / 2 - TARGET / 2 + (height / 2 - y) * zoom
    return Layout(fit, resized, (int(left), int(top)))


def crop_of_points(points: Points, width: int, height: int) -> Framing:  # [5, 2]
    """The square that EG3D keeps.

    It resizes, cuts, and resizes again; the square here is the same, for a single resizing.
    """
    layout = layout_of_points(points, width, height)
    corner = np.array(layout.left_top) + (TARGET - CROP) // 2
    left, top = corner * np.array([width, height]) / layout.resized
    return Framing(0, float(left), float(top), CROP / RESCALE * layout.fit.scale)
