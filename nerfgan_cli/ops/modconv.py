"""Modulated convolution of StyleGAN2 and StyleGAN3, in its shared-weight form.

The styles scale the input channels and the demodulation scales the output channels, so that one
weight serves the whole batch. This equals per-sample weights (stylegan3.md 1.5 and 11.5 a) and
lets a sample never depend on its batch mates. Inference on a CPU, where passes over memory are
dear, folds both scales into the weight of each sample instead.
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
    input_gain: Tensor | float = 1.0,  # broadcastable to [B, I]; not undone by the demodulation
    padding: int = 0,
    up: int = 1,
    fir: Tensor | None = None,  # for up = 2
) -> Tensor:  # [B, O, H', W'], in the dtype of x; a new tensor
    """Convolves x with weight · styles, each output channel scaled to unit variance if asked."""
    if demodulate and x.dtype == torch.float16:
        # Keeps half-precision products in range; cancels in the demodulation.
        fan_in = weight[0].numel()
        largest = weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
        weight = weight / (largest * fan_in**0.5)
        styles = styles / styles.detach().abs().amax(dim=1, keepdim=True)

    def convolve(x: Tensor, weight: Tensor) -> Tensor:
        weight = weight.to(x.dtype)
        return conv2d_resample(x, weight, fir, up=up, padding=padding, flip_weight=up > 1)

    if _folding_pays(x, weight):
        gains = torch.ones_like(styles) * input_gain
        samples = [
            convolve(x[b : b + 1], _fold(weight, styles[b], gains[b], demodulate))
            for b in range(len(x))
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)
    scale_in = styles * input_gain
    y = convolve(x * scale_in.to(x.dtype)[:, :, None, None], weight)
    if demodulate:
        energy = styles.square() @ weight.square().sum(dim=(2, 3)).t()
        y = y * _demodulation(energy).to(y.dtype)[:, :, None, None]
    return y


def _demodulation(energy: Tensor) -> Tensor:
    return (energy + DEMODULATION_EPS).rsqrt()


def _folding_pays(x: Tensor, weight: Tensor) -> bool:
    """Whether scaling the weight costs less than scaling a sample, whatever the batch size."""
    if torch.is_grad_enabled() or x.device.type != "cpu":
        return False
    return x[0].numel() > weight.numel()


def _fold(
    weight: Tensor,  # [O, I, k, k]
    styles: Tensor,  # [I]
    gains: Tensor,  # [I]
    demodulate: bool,
) -> Tensor:  # [O, I, k, k], the weight of one sample
    weight = weight * styles[:, None, None]
    scale = gains[None, :]
    if demodulate:
        norm = torch.linalg.vector_norm(weight, dim=(1, 2, 3))
        scale = _demodulation(norm.square())[:, None] * scale
    return weight.mul_(scale[:, :, None, None])
