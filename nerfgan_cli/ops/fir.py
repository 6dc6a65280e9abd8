"""FIR resampling: insert zeros, filter, decimate (StyleGAN2; eg3d.md section 2.3)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

RESAMPLE_TAPS = (1, 3, 3, 1)  # the low-pass filter of every StyleGAN2 and EG3D layer
SEPARABLE_FROM = 8  # filters with as many taps stay one-dimensional


def fir_filter(taps: Sequence[float]) -> Tensor:
    """The filter of sum 1: [n, n] (outer product) for short lists of taps, [n] for long ones."""
    fir = torch.tensor(taps, dtype=torch.float32)
    if len(taps) < SEPARABLE_FROM:
        fir = fir.outer(fir)
    return fir / fir.sum()


def upfirdn2d(
    x: Tensor,  # [B, C, H, W]
    fir: Tensor,  # [h, w], or [n] for rows and columns alike
    up: tuple[int, int] = (1, 1),  # (x, y), as `down`
    down: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),  # (x0, x1, y0, y1); negative crops
    flip: bool = False,  # False: true convolution, True: correlation
    gain: float = 1.0,
) -> Tensor:
    """Inserts up − 1 zeros after each sample, pads, filters, keeps every down-th sample."""
    B, C, H, W = x.shape
    if up != (1, 1):
        x = x.reshape(B, C, H, 1, W, 1)
        x = F.pad(x, (0, up[0] - 1, 0, 0, 0, up[1] - 1)).reshape(B, C, H * up[1], W * up[0])
    x = F.pad(x, padding)
    if not flip:
        fir = fir.flip(list(range(fir.ndim)))
    fir = fir.to(x.dtype)
    if fir.ndim == 1:
        fir = fir * gain**0.5
        x = _depthwise(x, fir[None, :], (1, down[0]))
        return _depthwise(x, fir[:, None], (down[1], 1))
    return _depthwise(x, fir * gain, (down[1], down[0]))


def _depthwise(x: Tensor, kernel: Tensor, stride: tuple[int, int]) -> Tensor:
    """Correlates every channel with the same kernel."""
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, -1, -1), stride=stride, groups=channels)


def filter2d(x: Tensor, fir: Tensor) -> Tensor:
    """Filters at the same size."""
    n = fir.shape[-1]
    before, after = n // 2, (n - 1) // 2
    return upfirdn2d(x, fir, padding=(before, after, before, after))


def upsample2d(x: Tensor, fir: Tensor, up: int = 2) -> Tensor:
    """Enlarges by an integer factor, keeping the mean."""
    n = fir.shape[-1]
    before, after = (n + up - 1) // 2, (n - up) // 2
    pad = (before, after, before, after)
    return upfirdn2d(x, fir, up=(up, up), padding=pad, gain=up**2)


def downsample2d(x: Tensor, fir: Tensor, down: int = 2) -> Tensor:
    """Low-pass filters and keeps every down-th sample."""
    n = fir.shape[-1]
    before, after = (n - down + 1) // 2, (n - down) // 2
    pad = (before, after, before, after)
    return upfirdn2d(x, fir, down=(down, down), padding=pad)
