"""Biased activation: activation, gain and clamp in one fixed order (StyleGAN2)."""

from collections.abc import Callable
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

LRELU_SLOPE = 0.2

# Activation and its default gain, which keeps unit variance for a unit normal input.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "linear": (lambda x: x, 1.0),
    "relu": (torch.relu, sqrt(2)),
    "lrelu": (lambda x: F.leaky_relu(x, LRELU_SLOPE), sqrt(2)),
    "tanh": (torch.tanh, 1.0),
    "sigmoid": (torch.sigmoid, 1.0),
    "elu": (F.elu, 1.0),
    "selu": (F.selu, 1.0),
    "softplus": (F.softplus, 1.0),
    "swish": (F.silu, sqrt(2)),
}


def bias_act(
    x: Tensor,  # [B, C, ...]
    bias: Tensor | None = None,  # [C]
    activation: str = "linear",
    gain: float | None = None,  # None: the activation's default
    clamp: float | None = None,
) -> Tensor:
    """clip(act(x + bias) · gain, ±clamp); the clamp comes last, after the gain."""
    function, default_gain = ACTIVATIONS[activation]
    if bias is not None:
        x = x + bias.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
    x = function(x)
    gain = default_gain if gain is None else gain
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)
