"""Plain twin of `ops/filtered_lrelu.py`: the seven steps of stylegan3.md 1.4, as written.

Zeros are inserted, and each filter is a depthwise convolution (one per axis if it is separable).
"""

from math import sqrt

import torch.nn.functional as F
from torch import Tensor


def filtered_lrelu(
    x: Tensor,  # [B, C, H, W]
    up_filter: Tensor | None = None,  # [T] or [Ty, Tx]
    down_filter: Tensor | None = None,
    bias: Tensor | None = None,  # [C]
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),  # x0, x1, y0, y1
    gain: float = sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
    flip: bool = False,
) -> Tensor:  # [B, C, H', W']
    if bias is not None:
        x = x + bias.reshape(1, -1, 1, 1)
    x = convolve(F.pad(insert_zeros(x, up), padding), up_filter, gain=up, flip=flip)
    x = F.leaky_relu(x, slope) * gain
    if clamp is not None:
        x = x.clamp(-clamp, clamp)
    return convolve(x, down_filter, gain=1, flip=flip)[:, :, ::down, ::down]


def insert_zeros(x: Tensor, up: int) -> Tensor:
    """Every sample is followed by up − 1 zeros, the last one too."""
    B, C, H, W = x.shape
    x = F.pad(x.reshape(B, C, H, 1, W, 1), (0, up - 1, 0, 0, 0, up - 1))
    return x.reshape(B, C, H * up, W * up)


def convolve(x: Tensor, fir: Tensor | None, gain: int, flip: bool) -> Tensor:
    """True convolution without padding, the gain once per axis."""
    if fir is None:
        return x * gain**2
    taps = fir if flip else fir.flip(tuple(range(fir.ndim)))
    kernels = [taps[:, None], taps[None]] if taps.ndim == 1 else [taps]
    scale = gain if taps.ndim == 1 else gain**2
    for kernel in kernels:
        weight = (kernel * scale).to(x.dtype).expand(x.shape[1], 1, *kernel.shape)
        x = F.conv2d(x, weight, groups=x.shape[1])
    return x
