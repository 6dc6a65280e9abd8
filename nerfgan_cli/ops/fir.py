"""FIR resampling: insert zeros, filter, decimate (StyleGAN2; eg3d.md section 2.3).

Inserting zeros and filtering is a transposed convolution, which skips the zeros: every filter here
is one depthwise convolution, plain or transposed.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

RESAMPLE_TAPS = (1, 3, 3, 1)  # the low-pass filter of every StyleGAN2 and EG3D layer
SEPARABLE_FROM = 8  # filters with as many taps stay one-dimensional

Pair = tuple[int, int]


def fir_filter(taps: Sequence[float]) -> Tensor:
    """The filter of sum 1: [n, n] (outer product) for short lists of taps, [n] for long ones."""
    fir = torch.tensor(taps, dtype=torch.float32)
    if len(taps) < SEPARABLE_FROM:
        fir = fir.outer(fir)
    return fir / fir.sum()


def upfirdn2d(
    x: Tensor,  # [B, C, H, W]
    fir: Tensor,  # [h, w], or [n] for rows and columns alike
    up: Pair = (1, 1),  # (x, y), as `down`
    down: Pair = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),  # (x0, x1, y0, y1); negative crops
    flip: bool = False,  # False: true convolution, True: correlation
    gain: float = 1.0,
) -> Tensor:
    """Inserts up − 1 zeros after each sample, pads, filters, keeps every down-th sample."""
    if fir.ndim == 1:
        fir = fir * gain**0.5
        x = upfirdn2d(x, fir[None, :], (up[0], 1), (down[0], 1), (*padding[:2], 0, 0), flip)
        return upfirdn2d(x, fir[:, None], (1, up[1]), (1, down[1]), (0, 0, *padding[2:]), flip)
    fir = (fir * gain).to(x.dtype)
    if up == (1, 1):
        kernel = fir if flip else fir.flip((0, 1))  # torch's conv2d is a correlation
        return _filter(x, kernel, down, padding)
    kernel = fir.flip((0, 1)) if flip else fir  # its transpose is a convolution
    y = _insert_and_filter(x, kernel, up, padding)
    return y if down == (1, 1) else y[:, :, :: down[1], :: down[0]]


def _filter(x: Tensor, kernel: Tensor, down: Pair, padding: tuple[int, int, int, int]) -> Tensor:
    """Pads, then correlates every channel with the kernel."""
    x0, x1, y0, y1 = padding
    same = (0, 0)
    if x0 == x1 >= 0 and y0 == y1 >= 0:
        same = (y0, x0)  # padded within the convolution: no copy of x
    else:
        x = F.pad(x, padding)
    C = x.shape[1]
    return F.conv2d(
        x, kernel.expand(C, 1, -1, -1), stride=(down[1], down[0]), padding=same, groups=C
    )


def _insert_and_filter(
    x: Tensor, kernel: Tensor, up: Pair, padding: tuple[int, int, int, int]
) -> Tensor:
    """Inserts zeros, pads, convolves every channel with the kernel."""
    C = x.shape[1]
    h, w = kernel.shape
    # What the whole convolution has beyond the padded one, at each end.
    x0, x1 = w - 1 - padding[0], w - up[0] - padding[1]
    y0, y1 = h - 1 - padding[2], h - up[1] - padding[3]
    same = (0, 0)
    if x0 == x1 >= 0 and y0 == y1 >= 0:
        same, x0, x1, y0, y1 = (y0, x0), 0, 0, 0, 0
    y = F.conv_transpose2d(
        x, kernel.expand(C, 1, -1, -1), stride=(up[1], up[0]), padding=same, groups=C
    )
    return F.pad(y, (-x0, -x1, -y0, -y1)) if any((x0, x1, y0, y1)) else y


def filter2d(x: Tensor, fir: Tensor) -> Tensor:
    """Filters at the same size."""
    n = fir.shape[-1]
    before, after = n // 2, (n - 1) // 2
    return upfirdn2d(x, fir, padding=(before, after, before, after))


def upsample2d(x: Tensor, fir: Tensor, up: int = 2) -> Tensor:
    """Enlarges by an integer factor, keeping the mean."""
    n = fir.shape[-1]
    before, after = (n + up - 1) // 2, (n - up) // 2
    return upfirdn2d(x, fir, up=(up, up), padding=(before, after, before, after), gain=up**2)


def downsample2d(x: Tensor, fir: Tensor, down: int = 2) -> Tensor:
    """Low-pass filters and keeps every down-th sample."""
    n = fir.shape[-1]
    before, after = (n - down + 1) // 2, (n - down) // 2
    return upfirdn2d(x, fir, down=(down, down), padding=(before, after, before, after))


def blur_taps(sigma: float) -> Tensor:
    """2^(−(i/σ)²) for |i| ≤ ⌊3σ⌋, of sum 1 (eg3d.md 9.4)."""
    radius = int(3 * sigma)
    taps = torch.arange(-radius, radius + 1).div(sigma).square().neg().exp2()
    return taps / taps.sum()


def blur2d(x: Tensor, sigma: float) -> Tensor:
    """The blur of early training: zeros outside the image; nothing below σ = ⅓ pixel."""
    taps = blur_taps(sigma).to(x.device) if sigma > 0 else x.new_ones(1)
    return x if len(taps) == 1 else upfirdn2d(x, taps, padding=(len(taps) // 2,) * 4)
