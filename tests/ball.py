"""A Mimic3D whose volume is known: a ball of uneven surface and colour, in empty space.

Its planes are made by hand. Their first feature falls with the square of the column's coordinate,
so that the three of them add up to what falls with the square of the distance from the centre.
"""

from dataclasses import replace
from math import pi

import torch
from torch import Tensor

from nerfgan_cli.generators.contract import Subject
from nerfgan_cli.generators.eg3d import arrange
from nerfgan_cli.generators.mimic3d import PRESETS, Mimic3D
from nerfgan_cli.nn.skipping import find_solid
from nerfgan_cli.nn.volume_config import VolumeConfig

RADIUS = 0.25
STEEPNESS = 120.0  # of the density at the surface
SHIFT = 0.2  # of the first feature, so that zeros, which are outside, are empty
WAVES, RIPPLE = 6, 0.01  # along a side; of the squared distance
CONFIG = replace(
    PRESETS["shapenet128-3d"],
    z_dim=16,
    camera_preset="ffhq",
    plane_resolution=32,
    plane_channels=4,
    channel_base=256,
    channel_max=8,
    volume=VolumeConfig(24, 24, plane_axes="fixed"),
)


def build() -> Mimic3D:
    """With a decoder that reads the ball's planes."""
    torch.manual_seed(0)
    generator = Mimic3D(CONFIG).eval().requires_grad_(False)
    first, last = generator.decoder.net[0], generator.decoder.net[2]
    for layer in (first, last):
        layer.weight.zero_()
        layer.bias.zero_()
    # Hidden: the density's logit, then three colours, where softplus is nearly linear.
    for row in range(4):
        first.weight[row, row] = (3 * STEEPNESS if row == 0 else 3.0) / first.weight_gain
        first.bias[row] = STEEPNESS * (RADIUS**2 - 3 * SHIFT) if row == 0 else 8.0
        last.weight[row, row] = (12.0 if row == 0 else 1.0) / last.weight_gain
        last.bias[row] = -12.0 if row == 0 else -8.0
    return generator


def subject(generator: Mimic3D, turn: float = 0.0) -> Subject:
    """The ball, with its colours turned by so much of a wave."""
    coarse = _plane(32, turn)
    residual = torch.zeros(4, 64, 64)
    across = torch.sin(_coordinate(64) * 2 * pi * WAVES)
    residual[0] = RIPPLE * across * across[:, None]
    planes, added = (arrange(x.expand(1, 3, *x.shape)) for x in (coarse, residual))
    solid = find_solid(planes, added, generator.decoder, CONFIG.volume, 128)
    ws = torch.zeros(1, generator.num_ws, generator.w_dim)
    return Subject(ws, planes, residual=added, solid=solid)


def _plane(size: int, turn: float) -> Tensor:  # [4, H, H]
    x = _coordinate(size)
    colours = [torch.sin(2 * pi * (3 * x + turn + k / 3)).expand(size, -1) for k in range(3)]
    return torch.stack([(SHIFT - x.square()).expand(size, -1), *colours])


def _coordinate(size: int) -> Tensor:
    """Of texels, in [−½, ½]."""
    return (torch.arange(size) + 0.5) / size - 0.5
