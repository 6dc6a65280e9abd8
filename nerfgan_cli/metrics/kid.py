"""Kernel distance between two sets of features (Bińkowski et al. 2018), as EG3D measures it."""

from collections.abc import Callable

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
    first, second = real.__getitem__, generated.__getitem__
    sizes = len(real), len(generated)
    return kid_with_error(first, sizes[0], second, sizes[1], seed, subsets, subset_size)[0]


def kid_with_error(
    real: Callable[[NDArray[np.int64]], NDArray[np.floating]],  # rows of given indices
    real_count: int,
    generated: Callable[[NDArray[np.int64]], NDArray[np.floating]],
    generated_count: int,
    seed: int = 0,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
) -> tuple[float, float]:
    """The mean over subsets and its standard error. Only a subset's rows are in memory."""
    size = min(real_count, generated_count, subset_size)
    if size < 2:
        raise InputError(
            f"a kernel distance of {real_count} and {generated_count} features is undefined: "
            "give at least two of each."
        )
    random = np.random.RandomState(seed)  # as torch-fidelity draws: the same subsets
    distances = []
    for _ in range(subsets):
        ours = random.choice(generated_count, size, replace=False)
        theirs = random.choice(real_count, size, replace=False)
        distances.append(
            squared_discrepancy(generated(ours).astype(np.float64), real(theirs).astype(np.float64))
        )
    return float(np.mean(distances)), float(np.std(distances) / np.sqrt(subsets))


def squared_discrepancy(x: Array, y: Array) -> float:  # [m, D], [m, D]
    """Unbiased estimate with the cubic polynomial kernel."""
    m = len(x)
    within = _kernel(x, x) + _kernel(y, y)
    pairs = within.sum() - np.trace(within)
    return float(pairs / (m * (m - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: Array, y: Array) -> Array:  # [m, D], [m, D] -> [m, m]
    kernel: Array = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel
