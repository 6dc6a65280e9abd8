"""Plain twins of `ops/fir.py` and `ops/conv.py`: eg3d.md 2.3 and 2.4 as written.

Zeros are inserted, every pixel is padded by hand, and each resampling is done before the kernel.
"""

import torch.nn.functional as F
from torch import Tensor


def upfirdn2d(
    x: Tensor,  # [B, C, H, W]
    fir: Tensor,  # [h, w], or [n] for rows and columns alike
    up: tuple[int, int] = (1, 1),
    down: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    flip: bool = False,
    gain: float = 1.0,
) -> Tensor:
    B, C, H, W = x.shape
    buffer = x.new_zeros(B, C, H * up[1], W * up[0])
    buffer[:, :, :: up[1], :: up[0]] = x
    buffer = F.pad(buffer, padding)
    if fir.ndim == 1:
        fir = fir.outer(fir)
    kernel = fir * gain if flip else fir.flip((0, 1)) * gain
    y = F.conv2d(buffer.reshape(-1, 1, *buffer.shape[2:]), kernel[None, None])
    return y.reshape(B, C, *y.shape[2:])[:, :, :: down[1], :: down[0]]


def conv2d_resample(
    x: Tensor, weight: Tensor, fir: Tensor, up: int, down: int, flip_weight: bool
) -> Tensor:
    """With padding k // 2 and the 4-tap filter."""
    k = weight.shape[-1]
    p = k // 2
    if flip_weight:
        weight = weight.flip((2, 3))
    if up == 2:
        x = upfirdn2d(x, fir, (2, 2), padding=(p + 2, p + 1, p + 2, p + 1), gain=4)
        return F.conv2d(x, weight)
    if down == 2:
        return F.conv2d(upfirdn2d(x, fir, padding=(p + 1,) * 4), weight, stride=2)
    return F.conv2d(x, weight, padding=p)
