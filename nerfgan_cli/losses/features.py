"""Distance of feature images: smooth L1 (NeRF-GAN Distillation, eq. 1; Girshick 2015)."""

import torch.nn.functional as F
from torch import Tensor

RGB = 3  # the first channels of a feature image are its picture


def smooth_l1(
    drawn: Tensor,  # [B, C, h, w]
    target: Tensor,  # [B, C, h, w]
    beta: float = 1.0,  # where the square turns into a line; 0: plain L1
    rgb_weight: float = 1.0,  # of each channel of the picture; the others have 1
) -> Tensor:  # [B]
    """Mean over pixels, weighted mean over channels."""
    distance = F.smooth_l1_loss(drawn, target, reduction="none", beta=beta).mean(dim=(2, 3))
    weights = distance.new_ones(distance.shape[1])
    weights[:RGB] = rgb_weight
    mean: Tensor = (distance * weights).sum(dim=1) / weights.sum()
    return mean
