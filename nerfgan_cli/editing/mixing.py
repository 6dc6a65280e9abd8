"""Several subjects in one: layers of another (Karras et al. 2019, 3.1), and weighted sums.

Which layers a generator can exchange is its own affair: `Generator.mix`.
"""

from collections.abc import Sequence

import torch
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


def blend(
    codes: Tensor,  # [N, L, w_dim]
    weights: Sequence[float],  # N; their sum need not be 1
    average: Tensor,  # [w_dim], the latent space's
) -> Tensor:  # [1, L, w_dim]
    """w_avg + Σ aᵢ (wᵢ − w_avg): a weight of 0.5 alone is a truncation of 0.5."""
    scale = torch.tensor(weights).to(codes)[:, None, None]
    return average + (scale * (codes - average)).sum(dim=0, keepdim=True)
