"""What a warm start learns from: heads of ToyHeads with their pictures and distances.

Points and views are those of few rays, spread over the whole picture and moved by a part of their
distance, so that in time all of it is seen; what each of them meets is exact. A part is a random
square of the picture at the generator's own scale, antialiased.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.parallel import leave_signals_to_parent
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.training.distributed import Slices
from nerfgan_cli.training.randomness import keyed
from nerfgan_cli.training.warm_recipe import WarmRecipe

Truth = Mapping[str, Tensor]
"""z [B, 92]; label [B, 25] of what is seen; raw [B, 3, r, r] and image [B, 3, R, R] in [−1, 1], the
latter of parts only; depth [B, 1, r, r], infinite where nothing is."""


class TruthSet(Dataset[Truth]):
    """Slice `number` of a run, always the same."""

    def __init__(self, recipe: WarmRecipe, data: ImageSet, slices: Slices) -> None:
        self.recipe, self.data, self.slices = recipe, data, slices

    def __getitem__(self, number: int) -> Truth:
        recipe, size = self.recipe, self.slices.size
        first = number * size
        indices = np.arange(first, first + size)
        z = latents(recipe.data.seed, indices)
        heads = heads_from_latent(z)
        camera = Camera.from_label(self.data.labels(indices % len(self.data)))
        generator = keyed("cpu", recipe.train.seed, "crop", number)
        if recipe.stage_at(number // self.slices.count) != "parts":
            rays = recipe.loss.rays
            left, top = (torch.rand(2, size, generator=generator) - 0.5) / rays
            moved = camera.cropped(left, top, 1)
            drawn = draw(heads, moved, rays, samples_per_side=1)
            return {"z": z, "label": moved.label, "raw": drawn.image, "depth": drawn.depth}
        crop, config = recipe.loss.crop, recipe.model.generator
        corners = torch.randint(config.raw_resolution - crop + 1, (2, size), generator=generator)
        left, top = corners / config.raw_resolution
        part = camera.cropped(left, top, crop / config.raw_resolution)
        drawn = draw(heads, part, crop)
        scale = config.img_resolution // config.raw_resolution
        image = draw(heads, part, crop * scale).image
        truth = {"z": z, "label": part.label, "raw": drawn.image, "depth": drawn.depth}
        return truth | {"image": image}


class SliceNumbers(Sampler[int]):
    """Of this process's slices, from a step on."""

    def __init__(self, slices: Slices, first_step: int) -> None:
        self.slices, self.first_step = slices, first_step

    def __iter__(self) -> Iterator[int]:
        step = self.first_step
        while True:
            yield from (step * self.slices.count + index for index in self.slices.own)
            step += 1


def truths(recipe: WarmRecipe, data: ImageSet, slices: Slices, first_step: int) -> Iterator[Truth]:
    """One slice after the other, drawn ahead by `data.workers` processes."""
    workers = recipe.data.workers
    loader: DataLoader[Truth] = DataLoader(
        TruthSet(recipe, data, slices),
        batch_size=None,
        sampler=SliceNumbers(slices, first_step),
        num_workers=workers,
        worker_init_fn=leave_signals_to_parent if workers else None,
    )
    return iter(loader)
