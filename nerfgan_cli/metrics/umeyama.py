"""The similarity that brings one set of points closest to another (Umeyama 1991).

target ≈ scale · source · rotationᵀ + shift, least squares; a reflection is never taken.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError

Array = NDArray[np.float64]


class Similarity(NamedTuple):
    """For N sets of points at once."""

    scale: Array  # [N]
    rotation: Array  # [N, D, D], of determinant 1
    shift: Array  # [N, D]

    def __call__(self, points: Array) -> Array:  # [N, K, D]
        turned = points @ self.rotation.transpose(0, 2, 1)
        moved: Array = self.scale[:, None, None] * turned + self.shift[:, None]
        return moved


def fit_similarity(source: Array, target: Array) -> Similarity:  # [N, K, D] × 2, K ≥ 3
    """Equations 34 to 43."""
    if source.shape != target.shape or source.ndim != 3 or source.shape[1] < 3:
        raise InputError(
            f"points of shape {source.shape} cannot be laid on {target.shape}: give the same "
            "points of both, three or more."
        )
    from_mean, to_mean = source.mean(axis=1), target.mean(axis=1)
    apart, wanted = source - from_mean[:, None], target - to_mean[:, None]
    spread = np.square(apart).sum(axis=(1, 2))
    if not (spread > 0).all():
        raise InputError("all its points are one point: find them anew.")
    left, values, right = np.linalg.svd(wanted.transpose(0, 2, 1) @ apart)
    signs = np.ones_like(values)
    signs[:, -1] = np.sign(np.linalg.det(left) * np.linalg.det(right))
    rotation = (left * signs[:, None]) @ right
    scale = (values * signs).sum(axis=1) / spread
    turned = (rotation @ from_mean[:, :, None])[:, :, 0]
    return Similarity(scale, rotation, to_mean - scale[:, None] * turned)
