"""The random numbers of an EG3D training: of one slice, in one phase of one step."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.mimic3d_config import PATCH
from nerfgan_cli.nn.patches import draw_corners
from nerfgan_cli.training.augment import AugmentDraws, AugmentPipe
from nerfgan_cli.training.eg3d import DensityPoints, Latents, Mixing, Moment
from nerfgan_cli.training.feed import random_cameras
from nerfgan_cli.training.randomness import keyed


class Schedule(NamedTuple):
    """What depends on the images seen."""

    swap_probability: float
    blur_sigma: float  # pixels
    resolution: int  # of the volume rendering


@dataclass(frozen=True)
class SliceDraws:
    """Small things are drawn on the CPU, so that nothing waits for a GPU; noise is drawn there."""

    seed: int
    phase: str
    step: int
    index: int  # of the slice in its batch
    count: int  # B, images in the slice
    device: torch.device

    def latents(self, network: EG3D, data: ImageSet, style_mixing: float) -> Latents:
        """Cameras are those of the data, whoever is drawn (EG3D section 5)."""
        generator = self._generator("latents", torch.device("cpu"))
        z = torch.randn(self.count, network.z_dim, generator=generator)
        camera = random_cameras(data, self.count, generator)
        swap = torch.rand(self.count, generator=generator)
        mixing = None
        if torch.rand([], generator=generator) < style_mixing:
            cutoff = int(torch.randint(1, network.num_ws, [], generator=generator))
            others = torch.randn(self.count, network.z_dim, generator=generator)
            mixing = Mixing(self._sent(others), cutoff)
        return Latents(self._sent(z), camera.to(self.device), swap, mixing=mixing)

    def points(self, number: int, distance: float, in_line: int = 0) -> DensityPoints:
        """For the density's regulariser: pairs, and points that have others behind them."""
        generator = self._generator("points", self.device)
        shape = (self.count, number, 3)
        uniform = torch.rand(shape, generator=generator, device=self.device)
        offsets = torch.randn(shape, generator=generator, device=self.device)
        lines = None
        if in_line:
            lines = torch.rand(self.count, in_line, 3, generator=generator, device=self.device)
        return DensityPoints(uniform, offsets * distance, lines)

    def corners(self, resolution: int, of: str) -> Tensor:  # [B, 2], pixels
        """Of patches of pictures of that resolution; `of` tells one draw from another."""
        generator = self._generator(f"{of} corners", torch.device("cpu"))
        return draw_corners(self.count, resolution, PATCH, generator)

    def moment(self, schedule: Schedule, pipe: AugmentPipe | None) -> Moment:
        """How pictures of this slice are drawn and shown; every showing is augmented anew."""
        drawing = DrawOptions(
            noise_mode="random",
            ray_chunk=schedule.resolution**2,  # gradients keep everything anyway
            generator=self._generator("noise", self.device),
        )
        if pipe is None:
            return Moment(*schedule, drawing)
        chance = self._generator("augmentation", self.device)

        def augment(images: Tensor) -> Tensor:
            augmented: Tensor = pipe(images, AugmentDraws.random(len(images), chance))
            return augmented

        return Moment(*schedule, drawing, augment)

    def _generator(self, purpose: str, device: torch.device) -> torch.Generator:
        return keyed(device, self.seed, f"{self.phase} {purpose}", self.step, self.index)

    def _sent(self, x: Tensor) -> Tensor:
        return x.to(self.device, non_blocking=True)
