"""Principal components of w (GANSpace; Härkönen et al. 2020): how subjects differ most.

Samples stream through: memory does not grow with their number.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class Components(NamedTuple):
    mean: Tensor  # [D], float64, as the others
    vectors: Tensor  # [D, D], a component in each row, the largest first
    stds: Tensor  # [D], of the samples along each
    explained: Tensor  # [D], share of the whole variance


def principal_components(batches: Iterable[Tensor]) -> Components:  # [B, D] each
    """By the eigenvectors of the covariance; the largest entry of each component is positive."""
    count = 0
    for batch in (batch.cpu().double() for batch in batches):
        if not count:
            about = batch.mean(dim=0)  # near the mean, so that the squares stay small
            total = torch.zeros_like(about)
            products = about.new_zeros(len(about), len(about))
        offset = batch - about
        total += offset.sum(dim=0)
        products += offset.T @ offset
        count += len(batch)
    mean = total / count
    variances, columns = torch.linalg.eigh(products / count - torch.outer(mean, mean))
    variances = variances.flip(0).clamp(min=0)
    vectors = point_upwards(columns.T.flip(0))
    return Components(about + mean, vectors, variances.sqrt(), variances / variances.sum())


def point_upwards(vectors: Tensor) -> Tensor:  # [K, D]
    """Turns those around whose largest entry is negative: eigenvectors come with either sign."""
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return vectors * torch.where(largest < 0, -1.0, 1.0)
