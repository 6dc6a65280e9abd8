"""Density regularisation: nearby points shall be alike (EG3D section 5; eg3d.md 9.5).

The release's experimental variants also want density not to fall along −z, into the head.
"""

import torch
from torch import Tensor

REGULARIZERS = ("l1", "monotonic-detach", "monotonic-fixed")
MONOTONIC_POINTS = 2000
MONOTONIC_STEP = 1 / 256  # from a point to the one behind it, in sides of the volume's box
MONOTONIC_WEIGHT = 10.0
REGION = 1.0  # half the side of the sampled cube, in world units whatever the volume's box


def point_pairs(
    uniform: Tensor,  # [B, N, 3] in [0, 1)
    offsets: Tensor,  # [B, N, 3] in world units
) -> Tensor:  # [B, 2·N, 3]
    """Points spread over the cube, then their neighbours."""
    points = _spread(uniform)
    return torch.cat([points, points + offsets], dim=1)


def points_in_line(uniform: Tensor, step: float) -> Tensor:  # [B, N, 3] in [0, 1) -> [B, 2·N, 3]
    """Points spread over the cube, then those a step (world units) behind them, along −z."""
    points = _spread(uniform)
    return torch.cat([points, points - points.new_tensor([0.0, 0.0, step])], dim=1)


def _spread(uniform: Tensor) -> Tensor:
    return (2 * uniform - 1) * REGION


def smoothness_loss(densities: Tensor) -> Tensor:  # [B, 2·N, 1], before activation -> []
    """Mean |difference| of the densities at the pairs."""
    first, second = densities.chunk(2, dim=1)
    return (first - second).abs().mean()


def monotonic_loss(densities: Tensor, hold_front: bool) -> Tensor:  # as above -> []
    """Mean of what density loses from points to those behind them.

    `hold_front`: no gradient into the points in front ("monotonic-detach").
    """
    front, behind = densities.chunk(2, dim=1)
    if hold_front:
        front = front.detach()
    return (front - behind).relu().mean()
