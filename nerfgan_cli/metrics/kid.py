"""Kernel distance between two sets of features (Bińkowski et al. 2018), as EG3D measures it."""

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError

SUBSETS = 100
SUBSET_SIZE = 1000

Array = NDArray[np.float64]


def kid(
    real: NDArray[np.floating],  # [N, D]
    generated: NDArray[np.floating],  # [M, D]
    seed: int = 0,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
) -> float:
    """Mean over random subsets of the unbiased squared maximum mean discrepancy.

    May be negative. Papers print it times 100 or 1000.
    """
    size = min(len(real), len(generated), subset_size)
    if size < 2:
        raise InputError(
            f"a kernel distance of {len(real)} and {len(generated)} features is undefined: "
            "give at least two of each."
        )
    random = np.random.default_rng(seed)
    distances = [
        squared_discrepancy(
            generated[random.choice(len(generated), size, replace=False)].astype(np.float64),
            real[random.choice(len(real), size, replace=False)].astype(np.float64),
        )
        for _ in range(subsets)
    ]
    return float(np.mean(distances))


def squared_discrepancy(x: Array, y: Array) -> float:  # [m, D], [m, D]
    """Unbiased estimate with the cubic polynomial kernel."""
    m = len(x)
    within = _kernel(x, x) + _kernel(y, y)
    pairs = within.sum() - np.trace(within)
    return float(pairs / (m * (m - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: Array, y: Array) -> Array:  # [m, D], [m, D] -> [m, m]
    kernel: Array = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel
