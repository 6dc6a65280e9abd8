"""Layers of the discriminators: equalised convolution, minibatch standard deviation."""

import torch
from torch import Tensor, nn

from nerfgan_cli.ops.bias_act import ACTIVATIONS, bias_act
from nerfgan_cli.ops.conv import conv2d_resample
from nerfgan_cli.ops.fir import RESAMPLE_TAPS, fir_filter

STD_EPS = 1e-8


class Conv2dLayer(nn.Module):
    """Convolution with run-time weight gain, optional down-sampling, biased activation."""

    weight: Tensor
    bias: Tensor | None
    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        bias: bool = True,
        activation: str = "linear",
        down: int = 1,
        conv_clamp: float | None = None,
        gain: float = 1.0,  # on top of the activation's, and on the clamp
        frozen: bool = False,  # weight and bias are buffers
    ) -> None:
        super().__init__()
        self.activation = activation
        self.down = down
        self.padding = kernel_size // 2
        self.weight_gain = (in_channels * kernel_size**2) ** -0.5
        self.act_gain = gain * ACTIVATIONS[activation][1]
        self.clamp = None if conv_clamp is None else conv_clamp * gain
        weight = torch.randn(out_channels, in_channels, kernel_size, kernel_size)
        self._hold("weight", weight, frozen)
        self._hold("bias", torch.zeros(out_channels) if bias else None, frozen)
        self.register_buffer("resample_filter", fir_filter(RESAMPLE_TAPS))

    def _hold(self, name: str, value: Tensor | None, frozen: bool) -> None:
        if frozen:
            self.register_buffer(name, value)
        else:
            self.register_parameter(name, None if value is None else nn.Parameter(value))

    def forward(self, x: Tensor) -> Tensor:  # [B, I, H, W] -> [B, O, H/down, W/down]
        weight = (self.weight * self.weight_gain).to(x.dtype)
        x = conv2d_resample(x, weight, self.resample_filter, down=self.down, padding=self.padding)
        return bias_act(x, self.bias, self.activation, self.act_gain, self.clamp)


def minibatch_std(
    x: Tensor,  # [B, C, H, W]
    group_size: int,  # samples that are compared; B must be divisible by it if it is larger
    features: int = 1,  # channels appended, each over C / features channels
) -> Tensor:  # [B, C + features, H, W]
    """Appends the standard deviation over groups of samples (Karras et al. 2018).

    The groups are strided: sample i is in group i mod (B / group_size).
    """
    B, C, H, W = x.shape
    G = min(group_size, B)
    grouped = x.reshape(G, B // G, features, C // features, H, W)
    std = (grouped.var(dim=0, correction=0) + STD_EPS).sqrt()
    statistic = std.mean(dim=(2, 3, 4))  # [B/G, features]
    planes = statistic[:, :, None, None].repeat(G, 1, H, W)
    return torch.cat([x, planes], dim=1)
