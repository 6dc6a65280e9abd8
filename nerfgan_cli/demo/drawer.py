"""A model that is ready to draw: people by their seeds, cameras by their angles."""

from collections.abc import Iterable, Iterator
from math import radians
from pathlib import Path

import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.generators.contract import DrawOptions, Generator, Subject
from nerfgan_cli.generators.drawing import choose_batch, draw_views, latent
from nerfgan_cli.generators.precision import set_precision
from nerfgan_cli.media import Picture, pictures_of

TRUNCATION = 0.7  # as nerfgan image has it


class Drawer:
    """See the module. Computes as nerfgan image does: in bf16 where that is fast."""

    def __init__(self, model: Path, device: torch.device, resolution: int | None = None) -> None:
        self.model, self.device = model, device
        self.generator: Generator = load_model(model, device).eval().requires_grad_(False)
        set_precision(self.generator, "auto", device)
        self.preset = PRESETS[self.generator.camera_preset]
        self.options = DrawOptions(resolution=resolution or self.generator.raw_resolution)

    def cameras(self, yaws: Iterable[float]) -> Camera:  # degrees
        return self.preset.at([radians(yaw) for yaw in yaws])

    @torch.inference_mode()
    def styles(self, seeds: Iterable[int]) -> Tensor:  # [N, L, w_dim]
        z = torch.cat([latent(seed, self.generator.z_dim) for seed in seeds]).float()
        frontal = self.preset.frontal().to(self.device)
        return self.generator.mapping(z.to(self.device), frontal, TRUNCATION)

    @torch.inference_mode()
    def views(self, ws: Tensor, cameras: Camera) -> Iterator[Picture]:  # [1, L, w_dim]
        """One person, from each camera."""
        yield from self.draw(self.generator.prepare(ws, self.options), cameras)

    @torch.inference_mode()
    def draw(self, subject: Subject, cameras: Camera) -> Iterator[Picture]:
        batch = choose_batch(self.generator)
        for rendering in draw_views(self.generator, subject, cameras, self.options, batch):
            yield from pictures_of(rendering, "image")
