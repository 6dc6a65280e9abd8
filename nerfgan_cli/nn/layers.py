"""Layers shared by all networks: equalised fully connected layer, second-moment normalisation."""

import torch
from torch import Tensor, nn

from nerfgan_cli.ops.bias_act import bias_act


def normalize_2nd_moment(x: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x / √(mean(x²) + eps) over `dim`, per sample."""
    return x * (x.square().mean(dim=dim, keepdim=True) + eps).rsqrt()


class FullyConnectedLayer(nn.Module):
    """y = act(x·(W·m/√in)ᵀ + m·b): the learning-rate multiplier m changes speed, not function."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str = "linear",
        lr_multiplier: float = 1.0,
        weight_init: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight_gain = lr_multiplier / in_features**0.5
        self.bias_gain = lr_multiplier
        weight = torch.randn(out_features, in_features) * (weight_init / lr_multiplier)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.full([out_features], float(bias_init)))

    @property
    def matrix(self) -> Tensor:  # [out, in]
        scaled: Tensor = self.weight * self.weight_gain
        return scaled

    def forward(self, x: Tensor) -> Tensor:  # [..., in] -> [..., out]
        bias = self.bias * self.bias_gain
        y = torch.nn.functional.linear(x, self.matrix, bias)
        return bias_act(y, activation=self.activation)
