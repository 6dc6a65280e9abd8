"""Direct supervision of a volume where the truth is known: solid or empty, and of which colour."""

import torch
import torch.nn.functional as F
from torch import Tensor

THINNEST = 1e-6  # optical depth; bounds the loss of a solid point that is empty


def occupancy_loss(
    sigmas: Tensor,  # [...], densities before activation
    solid: Tensor,  # [...], bool
    thickness: float,  # world units
) -> Tensor:  # [...]
    """Cross-entropy of "a layer of this thickness is opaque": its opacity is the probability."""
    depth = F.softplus(sigmas - 1) * thickness  # activation and shift of the renderer
    opaque = -torch.log(-torch.expm1(-depth.clamp(min=THINNEST)))
    return torch.where(solid, opaque, depth)
