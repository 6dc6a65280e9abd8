"""Whether it is still the same head: cosine of what a recognition network says of two pictures."""

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError

Array = NDArray[np.float64]


def cosines(first: Array, second: Array) -> Array:  # [N, D] × 2 -> [N], in [-1, 1]
    """Lengths do not count (ArcFace, Deng et al. 2019)."""
    if first.shape != second.shape or first.ndim != 2:
        raise InputError(
            f"embeddings of shape {first.shape} and {second.shape} are no pairs: give one of each "
            "picture, by one network."
        )
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    if not (lengths > 0).all():
        raise InputError("an embedding is all zeros: take another recognition network.")
    found: Array = ((first * second).sum(axis=1) / lengths).clip(-1, 1)
    return found
