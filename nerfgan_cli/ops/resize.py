"""Resizing of images and features (EG3D; eg3d.md sections 5 and 6)."""

import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.ops.fir import RESAMPLE_TAPS, fir_filter, upfirdn2d, upsample2d


def resize(x: Tensor, size: int, antialias: bool = True) -> Tensor:
    """Bilinear, pixel centres at half-integers: [B, C, H, W] -> [B, C, size, size]."""
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=antialias)


def filtered_resizing(
    x: Tensor,  # [B, C, H, W]
    size: int,
    mode: str | float = "antialiased",  # "antialiased", "none", "classic" or a blend in (0, 1)
) -> Tensor:  # [B, C, size, size]
    """The resizing of real raw images in training."""
    if mode == "antialiased":
        return resize(x, size)
    if mode == "none":
        return resize(x, size, antialias=False)
    if mode == "classic":
        fir = fir_filter(RESAMPLE_TAPS).to(x.device)
        x = resize(upsample2d(x, fir), 2 * size + 2, antialias=False)
        return upfirdn2d(x, fir, down=(2, 2), flip=True)
    amount = float(mode)  # of low-pass filtering
    return (1 - amount) * resize(x, size, antialias=False) + amount * resize(x, size)
