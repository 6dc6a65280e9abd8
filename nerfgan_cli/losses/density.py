"""Density regularisation: nearby points shall be alike (EG3D section 5; eg3d.md 9.5)."""

import torch
from torch import Tensor

REGION = 1.0  # half the side of the sampled cube, in world units whatever the volume's box


def point_pairs(
    uniform: Tensor,  # [B, N, 3] in [0, 1)
    offsets: Tensor,  # [B, N, 3] in world units
) -> Tensor:  # [B, 2·N, 3]
    """Points spread over the cube, then their neighbours."""
    points = (2 * uniform - 1) * REGION
    return torch.cat([points, points + offsets], dim=1)


def smoothness_loss(densities: Tensor) -> Tensor:  # [B, 2·N, 1], before activation -> []
    """Mean |difference| of the densities at the pairs."""
    first, second = densities.chunk(2, dim=1)
    return (first - second).abs().mean()
