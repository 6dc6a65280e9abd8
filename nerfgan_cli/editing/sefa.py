"""Directions that change styles most (SeFa; Shen and Zhou 2021), from the weights alone."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.editing.ganspace import point_upwards


class Factors(NamedTuple):
    vectors: Tensor  # [D, D], float64, a direction in each row, the strongest first
    strengths: Tensor  # [D], share of ‖A‖² that lies along each


def factorize(
    matrices: Sequence[Tensor],  # [out, D] each, from codes to the styles of a layer
    normalise: bool = False,  # every style counts the same, however large
) -> Factors:
    """Eigenvectors of Σ AᵀA: the right singular vectors of all matrices above one another."""
    stacked = torch.cat([matrix.detach().cpu().double() for matrix in matrices])
    if normalise:
        stacked = stacked / stacked.norm(dim=1, keepdim=True).clamp(min=1e-12)
    values, columns = torch.linalg.eigh(stacked.T @ stacked)
    values = values.flip(0).clamp(min=0)
    return Factors(point_upwards(columns.T.flip(0)), values / values.sum())
