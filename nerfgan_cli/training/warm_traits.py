"""Teaches a mapping network what a latent stands for, before anything is drawn.

All numbers that state a head shall be a linear function of its style code, each choice as a number
that is 1 or 0. So the network learns what is hard about ToyHeads, palettes and choices, from
millions of latents that cost next to nothing, and the synthesis only has to draw.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nerfgan_cli.data.toyheads.identity import Heads, heads_from_latent
from nerfgan_cli.data.toyheads.traits import LATENT_SIZE

SURVEYED = 4096  # heads whose numbers' means and deviations are taken
CONSTANT = 1e-4  # deviation of a number that is always the same
LIMIT = 5.0  # deviations; numbers of rare parts reach further


class TraitReadout(nn.Module):
    """A linear map from style codes to the numbers of a head, each in standard deviations.

    Its rows have length 1, so that a code must vary as much along each as the number does: what a
    code says faintly the synthesis would be slow to hear.
    """

    mean: Tensor  # [N]
    scale: Tensor  # [N], 0 for numbers that never change

    def __init__(self, w_dim: int, survey: torch.Generator) -> None:
        super().__init__()
        heads = heads_from_latent(torch.randn(SURVEYED, LATENT_SIZE, generator=survey))
        traits, looks = heads.numbers()
        numbers = torch.cat([traits, looks], dim=1)
        deviation = numbers.std(dim=0)
        self.traits = traits.shape[1]
        self.register_buffer("mean", numbers.mean(dim=0))
        self.register_buffer("scale", torch.where(deviation > CONSTANT, 1 / deviation, 0))
        self.weight = nn.Parameter(torch.randn(numbers.shape[1], w_dim, generator=survey))
        self.bias = nn.Parameter(torch.zeros(numbers.shape[1]))

    def forward(self, codes: Tensor, heads: Heads) -> dict[str, Tensor]:  # [B, w_dim]
        """Shares of the variance that are not explained: "traits" and "looks", [] each."""
        numbers = torch.cat(heads.numbers(), dim=1)
        wanted = ((numbers - self.mean) * self.scale).clamp(-LIMIT, LIMIT)
        varies = self.scale > 0
        found = F.linear(codes, F.normalize(self.weight, dim=1), self.bias)
        error = torch.where(varies, found - wanted, 0).square()
        groups = {"traits": slice(None, self.traits), "looks": slice(self.traits, None)}
        return {
            name: error[:, group].sum() / (varies[group].sum() * len(codes))
            for name, group in groups.items()
        }
