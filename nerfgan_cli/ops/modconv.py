"""Modulated convolution of StyleGAN2 and StyleGAN3, in its shared-weight form.

The styles scale the input channels and the demodulation scales the output channels, so that one
weight serves the whole batch. This equals per-sample weights (stylegan3.md 1.5 and 11.5 a) and
lets a sample never depend on its batch mates.
"""

import torch
from torch import Tensor

from nerfgan_cli.ops.conv import conv2d_resample

DEMODULATION_EPS = 1e-8


def modulated_conv2d(
    x: Tensor,  # [B, I, H, W]
    weight: Tensor,  # [O, I, k, k], float32
    styles: Tensor,  # [B, I], float32
    *,
    demodulate: bool = True,
    input_gain: Tensor | None = None,  # broadcastable to [B, I]; not undone by the demodulation
    padding: int = 0,
    up: int = 1,
    fir: Tensor | None = None,  # for up = 2
) -> Tensor:  # [B, O, H', W'], in the dtype of x
    """Convolves x with weight · styles, each output channel scaled to unit variance if asked."""
    if demodulate and x.dtype == torch.float16:
        # Keeps half-precision products in range; cancels in the demodulation.
        fan_in = weight[0].numel()
        largest = weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
        weight = weight / (largest * fan_in**0.5)
        styles = styles / styles.detach().abs().amax(dim=1, keepdim=True)
    scale_in = styles if input_gain is None else styles * input_gain
    y = x * scale_in.to(x.dtype)[:, :, None, None]
    y = conv2d_resample(y, weight.to(x.dtype), fir, up=up, padding=padding, flip_weight=up > 1)
    if demodulate:
        energy = styles.square() @ weight.square().sum(dim=(2, 3)).t()
        scale_out = (energy + DEMODULATION_EPS).rsqrt()
        y = y * scale_out.to(y.dtype)[:, :, None, None]
    return y
