"""From latents to heads."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.data.toyheads import palettes
from nerfgan_cli.data.toyheads.beard import put_beard
from nerfgan_cli.data.toyheads.face import put_face
from nerfgan_cli.data.toyheads.hair import put_hair
from nerfgan_cli.data.toyheads.looks import Looks, looks_of
from nerfgan_cli.data.toyheads.measures import Measures, measure
from nerfgan_cli.data.toyheads.parts import PartsList
from nerfgan_cli.data.toyheads.threads import one_thread
from nerfgan_cli.data.toyheads.traits import LATENT_SIZE, Traits
from nerfgan_cli.data.toyheads.tufts import put_tufts
from nerfgan_cli.data.toyheads.wear import put_backdrop, put_clothes, put_glasses, put_hat

__all__ = ["LATENT_SIZE", "Heads", "heads_from_latent", "latents"]


@dataclass(frozen=True, eq=False)
class Heads:
    """B heads."""

    latent: Tensor  # [B, 92]
    rows: Tensor  # [B, P, ROW], the parts (`parts.py`)
    colours: Tensor  # [B, P, 3] in [0, 1]
    looks: Looks  # what is painted on the parts, and the light
    measures: Measures
    traits: Traits

    def __len__(self) -> int:
        return len(self.latent)

    @property
    def device(self) -> torch.device:
        return self.rows.device

    def describe(self, index: int) -> dict[str, float | str]:
        """The traits of one head by name."""
        return self.traits.describe(index)

    def numbers(self) -> tuple[Tensor, Tensor]:  # [B, N] each
        """What states a head: its traits, and what follows from them in paint, light, colour."""
        looks = [getattr(self.looks, field.name).reshape(len(self), -1) for field in fields(Looks)]
        traits = self.traits.numbers().to(self.device)
        return traits, torch.cat([*looks, self.colours.flatten(1)], dim=1)


@one_thread()
def heads_from_latent(z: Tensor) -> Heads:  # [B, 92]
    """The heads of Gaussian vectors, whose lengths do not matter. On the device of `z`.

    They are put together on the CPU: many small numbers.
    """
    traits = Traits(z.detach().cpu())
    measures = measure(traits)
    looks = looks_of(traits, measures)
    parts = PartsList(len(z))
    put_face(parts, traits, measures, looks.skin, looks.hair)
    put_hair(parts, traits, measures, looks.hair)
    put_tufts(parts, traits, measures, looks.hair)
    put_beard(parts, traits, measures, palettes.shade(looks.hair, -0.12))
    put_clothes(parts, traits, looks.cloth)
    put_glasses(parts, traits, measures)
    put_hat(parts, traits, measures)
    put_backdrop(parts, looks.backdrop)
    rows, colours = parts.stack()
    return Heads(z, rows.to(z.device), colours.to(z.device), looks.to(z.device), measures, traits)


def latents(seed: int, indices: np.ndarray) -> Tensor:  # [B] -> [B, 92]
    """The latent of (seed, index) is always the same, whatever else is drawn."""
    return torch.from_numpy(keyed_normals(seed, 0, indices, LATENT_SIZE)).float()


def keyed_normals(
    seed: int, purpose: int, indices: np.ndarray, count: int
) -> np.ndarray:  # [B, count]
    """Gaussian numbers keyed by (seed, purpose, index): a counter-based generator's own use."""
    key = np.array([seed, purpose], dtype=np.uint64)
    draws = np.empty((indices.size, count))
    for row, index in zip(draws, indices.reshape(-1).tolist(), strict=True):
        random = np.random.Philox(key=key, counter=[0, 0, 0, index])
        np.random.Generator(random).standard_normal(out=row)
    return draws
