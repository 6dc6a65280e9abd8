"""Biased activation: activation, gain and clamp in one fixed order (StyleGAN2)."""

from collections.abc import Callable
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

LRELU_SLOPE = 0.2
LRELU_GAIN = sqrt(2)

# Activation, in place where asked and possible, and its default gain, which keeps unit variance
# for a unit normal input.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor, bool], Tensor], float]] = {
    "linear": (lambda x, inplace: x, 1.0),
    "relu": (F.relu, LRELU_GAIN),
    "lrelu": (lambda x, inplace: F.leaky_relu(x, LRELU_SLOPE, inplace), LRELU_GAIN),
    "tanh": (lambda x, inplace: torch.tanh(x), 1.0),
    "sigmoid": (lambda x, inplace: torch.sigmoid(x), 1.0),
    "elu": (lambda x, inplace: F.elu(x, inplace=inplace), 1.0),
    "selu": (F.selu, 1.0),
    "softplus": (lambda x, inplace: F.softplus(x), 1.0),
    "swish": (F.silu, sqrt(2)),
}


def bias_act(
    x: Tensor,  # [B, C, ...]
    bias: Tensor | None = None,  # [C]
    activation: str = "linear",
    gain: float | None = None,  # None: the activation's default
    clamp: float | None = None,
    overwrite: bool = False,  # x is a temporary, whose memory may be reused
) -> Tensor:
    """clip(act(x + bias) · gain, ±clamp); the clamp comes last, after the gain."""
    function, default_gain = ACTIVATIONS[activation]
    gain = default_gain if gain is None else gain
    # On a CPU, fresh memory for a large image costs several times the arithmetic.
    inplace = overwrite and not torch.is_grad_enabled()
    if bias is not None:
        bias = bias.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
        x = x.add_(bias) if inplace else x + bias
    x = function(x, inplace)
    if gain != 1:
        x = x.mul_(gain) if inplace else x * gain
    if clamp is not None:
        x = x.clamp_(-clamp, clamp) if inplace else x.clamp(-clamp, clamp)
    return x
