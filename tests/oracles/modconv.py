"""Plain twin of `ops/modconv.py`: one weight per sample, all samples in a grouped convolution."""

import torch
import torch.nn.functional as F
from oracles.fir import upfirdn2d
from torch import Tensor

EPS = 1e-8


def modulated_conv2d(
    x: Tensor,  # [B, I, H, W]
    weight: Tensor,  # [O, I, k, k]
    styles: Tensor,  # [B, I]
    *,
    demodulate: bool = True,
    input_gain: Tensor | float = 1.0,  # broadcastable to [B, I]
    padding: int = 0,
    up: int = 1,
    fir: Tensor | None = None,
) -> Tensor:
    B = len(x)
    out_channels, in_channels, k, _ = weight.shape
    weights = weight * styles[:, None, :, None, None]  # [B, O, I, k, k]
    if demodulate:
        weights = weights * (weights.square().sum(dim=(2, 3, 4), keepdim=True) + EPS).rsqrt()
    weights = weights * (torch.ones_like(styles) * input_gain)[:, None, :, None, None]
    if up == 2:
        assert fir is not None
        before, after = padding + 2, padding + 1
        x = upfirdn2d(x, fir, (2, 2), padding=(before, after, before, after), gain=4)
        weights, padding = weights.flip((3, 4)), 0  # up-sampling layers convolve
    x = x.reshape(1, B * in_channels, *x.shape[2:])
    y = F.conv2d(x, weights.reshape(-1, in_channels, k, k), padding=padding, groups=B)
    return y.reshape(B, out_channels, *y.shape[2:])
