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
    error = first.astype(np.float64) - second.astype(np.float64)
    mean = np.square(error).reshape(len(error), -1).mean(axis=1)
    found: NDArray[np.float64] = 10 * np.log10(PEAK**2 / np.maximum(mean, 1e-12))
    return found.clip(max=LARGEST)
