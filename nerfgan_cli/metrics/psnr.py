"""Peak signal-to-noise ratio of pictures as they are saved (metrics.md 7)."""

import numpy as np
from numpy.typing import NDArray

LARGEST = 100.0  # dB, of pictures that are equal
PEAK = 255.0


def psnr(
    first: NDArray[np.uint8],  # [B, ...]
    second: NDArray[np.uint8],  # [B, ...]
) -> NDArray[np.float64]:  # [B], dB
    """Of each pair, over all of its pixels and channels."""
    error = np.maximum(squared_error(first, second), 1e-12)
    found: NDArray[np.float64] = 10 * np.log10(PEAK**2 / error)
    return found.clip(max=LARGEST)


def squared_error(
    first: NDArray[np.uint8],  # [B, ...]
    second: NDArray[np.uint8],  # [B, ...]
) -> NDArray[np.float64]:  # [B]
    """The mean of each pair."""
    error = first.astype(np.float64) - second.astype(np.float64)
    found: NDArray[np.float64] = np.square(error).reshape(len(error), -1).mean(axis=1)
    return found
