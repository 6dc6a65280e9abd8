"""Convolution with FIR up- or down-sampling (StyleGAN2; eg3d.md section 2.4).

Torch's conv2d is a correlation. The up-sampling layers of the releases store their kernels in
convolution order (`flip_weight=True`), all others in correlation order.
"""

import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.ops.fir import downsample2d, upfirdn2d, upsample2d


def conv2d_resample(
    x: Tensor,  # [B, I, H, W]
    weight: Tensor,  # [O, I, k, k], k odd
    fir: Tensor | None = None,  # [n, n], the low-pass filter; needed where up or down is 2
    up: int = 1,
    down: int = 1,
    padding: int = 0,  # at the larger of the two resolutions, on each side
    flip_weight: bool = False,  # True: convolution, False: correlation
) -> Tensor:  # [B, O, H·up/down, W·up/down] for padding = k // 2
    """Up-samples, convolves, down-samples."""
    if up == 1 and down == 1:
        return F.conv2d(x, _correlation(weight, flip_weight), padding=padding)
    assert fir is not None
    assert up == 1 or down == 1
    k = weight.shape[-1]
    assert k > 1 or padding == 0
    if k == 1 and up > 1:
        return upsample2d(F.conv2d(x, weight), fir, up)
    if k == 1:
        return F.conv2d(downsample2d(x, fir, down), weight)
    n = fir.shape[-1]
    if up > 1:
        # Zero insertion commutes with the filter, so the small kernel goes first: its transposed
        # convolution skips the zeros, and the filter runs on fewer channels.
        kernel = weight if flip_weight else weight.flip((2, 3))
        y = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=up)
        before = padding + (n + up - 1) // 2 - (k - 1)
        after = padding + (n - up) // 2 - (k - up)
        return upfirdn2d(y, fir, padding=(before, after, before, after), gain=up**2)
    before, after = padding + (n - down + 1) // 2, padding + (n - down) // 2
    x = upfirdn2d(x, fir, padding=(before, after, before, after))
    return F.conv2d(x, _correlation(weight, flip_weight), stride=down)


def _correlation(weight: Tensor, flip: bool) -> Tensor:
    return weight.flip((2, 3)) if flip else weight
