"""What two views of one subject show of the same surface shall be alike.

The paper leaves open how to enforce correspondence (NeRF-GAN Distillation, section 4.9). Here one
view is carried over to the other along the teacher's depth (`nn/reprojection.py`) and compared
where both see the surface.
"""

import torch
from torch import Tensor

from nerfgan_cli.nn.reprojection import Surface, reproject


def view_consistency(
    image_a: Tensor,  # [B, 3, H, H]
    image_b: Tensor,  # [B, 3, H, H], of the same subjects
    surface_a: Surface,
    surface_b: Surface,
    tolerance: float,  # world units, of the depths
) -> Tensor:  # [B]
    """Mean |difference| over the pixels of b whose surface a sees too; 0 where there are none."""
    carried, seen = reproject(image_a, surface_a, surface_b, tolerance)
    difference = torch.where(seen, (carried - image_b).abs().mean(dim=1, keepdim=True), 0)
    return difference.sum(dim=(1, 2, 3)) / seen.sum(dim=(1, 2, 3)).clamp(min=1)
