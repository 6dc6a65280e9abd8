"""Structural similarity of pictures as they are saved (Wang et al. 2004; metrics.md 7).

A Gaussian window of 11×11, σ = 1.5, with the population's covariance, per channel, in double
precision; the mean over the places where the window lies within the picture.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SIGMA = 1.5
RADIUS = 5  # of the window, pixels
PEAK = 255.0
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def ssim(
    first: NDArray[np.uint8],  # [B, H, W, 3]
    second: NDArray[np.uint8],  # [B, H, W, 3]
) -> NDArray[np.float64]:  # [B]
    """Of each pair; 1 where both are equal."""
    x, y = (_channels(pictures) for pictures in (first, second))
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    scale = (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    found: NDArray[np.float64] = (likeness / scale).reshape(len(first), -1).mean(dim=1).numpy()
    return found


def _channels(pictures: NDArray[np.uint8]) -> Tensor:  # [B·3, 1, H, W]
    B, H, W, C = pictures.shape
    return torch.from_numpy(pictures).double().permute(0, 3, 1, 2).reshape(B * C, 1, H, W)


def _blur(x: Tensor) -> Tensor:  # [B, 1, H, W] -> [B, 1, H - 10, W - 10]
    places = torch.arange(-RADIUS, RADIUS + 1, dtype=x.dtype)
    window = torch.exp(-0.5 * (places / SIGMA) ** 2)
    window = window / window.sum()
    return F.conv2d(F.conv2d(x, window[None, None, :, None]), window[None, None, None, :])
