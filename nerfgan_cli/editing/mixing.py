"""Several subjects in one: layers of another (Karras et al. 2019, 3.1), and weighted sums.

Which layers a generator can exchange is its own affair: `Generator.mix`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Of a 256² backbone's 14 layers the first 4, 4 and 6: without pose, a head's shape and the outline
# of its hair; features and expression; colour and texture.
COARSE, MIDDLE = 4 / 14, 8 / 14
PARTS = ("coarse", "middle", "fine")


def layers_of(part: str, count: int) -> range:
    """The layers of a part (`PARTS`), of `count` layers in all."""
    bounds = [0, round(COARSE * count), round(MIDDLE * count), count]
    index = PARTS.index(part)
    return range(bounds[index], bounds[index + 1])


def together(subjects: Sequence[Tensor]) -> Tensor:  # N of [1, L, w_dim] -> [N, L, w_dim]
    """Codes of several subjects. Whoever has no offset, as some inversions do, has one of 0."""
    rows = max(codes.shape[1] for codes in subjects)
    return torch.cat([F.pad(codes, (0, 0, 0, rows - codes.shape[1])) for codes in subjects])


def blend(
    subjects: Sequence[Tensor],  # [1, L, w_dim] each
    weights: Sequence[float],  # their sum need not be 1
    average: Tensor,  # [1, L, w_dim], the latent space's
) -> Tensor:  # [1, L, w_dim]
    """w_avg + Σ aᵢ (wᵢ − w_avg): a weight of 0.5 alone is a truncation of 0.5."""
    *codes, middle = torch.split(together([*subjects, average]), 1)
    steps = [weight * (ws - middle) for weight, ws in zip(weights, codes, strict=True)]
    return middle + torch.stack(steps).sum(dim=0)
