"""Non-saturating logistic loss and R1 (Goodfellow et al. 2014; Mescheder et al. 2018)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def generator_loss(fake_logits: Tensor) -> Tensor:  # [B, 1] -> [B, 1]
    """−log sigmoid(D(fake))."""
    return F.softplus(-fake_logits)


def discriminator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:  # [B, 1]
    """−log(1 − sigmoid(D(fake))) − log sigmoid(D(real))."""
    return F.softplus(fake_logits) + F.softplus(-real_logits)


def r1_penalty(
    real_logits: Tensor,  # [B, 1]
    inputs: Sequence[Tensor],  # each [B, ...], what entered the discriminator
) -> Tensor:  # [B]
    """Squared gradient norm, summed over the inputs; the loss is γ/2 of it."""
    gradients = torch.autograd.grad(real_logits.sum(), inputs, create_graph=True)
    penalty: Tensor = sum(
        (gradient.square().flatten(1).sum(dim=1) for gradient in gradients),
        start=real_logits.new_zeros(len(real_logits)),
    )
    return penalty
