"""Likeness to ToyHeads: the truth itself scores best, other heads and billboards worse."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.toyheads.identity import heads_from_latent
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.generators.contract import (
    DEFAULT_OPTIONS,
    DrawOptions,
    Generator,
    Rendering,
    Subject,
)
from nerfgan_cli.metrics.toyheads import Likeness, likeness
from nerfgan_cli.nn.mapping import MappingNetwork


class Drawer(Generator):
    """Draws the heads themselves, perhaps of the wrong latents or flat."""

    kind = "drawer"
    z_dim = w_dim = 64
    num_ws = 1
    img_resolution, raw_resolution = 32, 16
    camera_preset = "ffhq"
    has_depth = True

    def __init__(self, flat: bool = False, shift: int = 0) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.flat, self.shift = flat, shift
        self.sides: set[int] = set()  # that were drawn

    def config(self) -> dict[str, Any]:
        return {}

    def mapping(
        self,
        z: Tensor,
        conditioning: Camera,
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        return z.roll(self.shift, dims=0)[:, None]

    def latent_space(self) -> MappingNetwork:
        raise AssertionError("a latent of this drawer is its code")

    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Subject:
        return Subject(ws)

    def draw(
        self, subject: Subject, camera: Camera, options: DrawOptions = DEFAULT_OPTIONS
    ) -> Rendering:
        heads, side = heads_from_latent(subject.ws[:, 0]), self.rays_per_side(options)
        raw, self.sides = draw(heads, camera, side), self.sides | {side}
        ramp = torch.linspace(2.6, 2.8, side).expand(len(heads), 1, side, side)
        depth = ramp if self.flat else raw.depth.nan_to_num(posinf=3.0)
        image = raw.image if options.raw_only else draw(heads, camera, 32).image
        return Rendering(image, raw.image, raw.image, depth)


def measured(generator: Generator, options: DrawOptions = DEFAULT_OPTIONS) -> Likeness:
    return likeness(generator, np.arange(900, 904), [0.0, 0.4], batch=2, options=options)


@pytest.mark.parametrize("options", [DEFAULT_OPTIONS, DrawOptions(resolution=24, raw_only=True)])
def test_the_truth_scores_best(options: DrawOptions) -> None:
    drawer = Drawer()
    exact = measured(drawer, options)
    assert drawer.sides == {options.resolution or drawer.raw_resolution}
    assert exact.psnr > 90 < exact.psnr_raw
    assert exact.ssim == pytest.approx(1)
    assert exact.distinctness > 60
    assert exact.sharpness == pytest.approx(1, abs=1e-4)
    assert exact.depth_error == pytest.approx(0, abs=1e-6)
    assert exact.depth_correlation == pytest.approx(1, abs=1e-4)
    assert exact.backdrop_error == pytest.approx(0, abs=1e-6)
    assert exact.billboard_error > 0.02
    assert exact.other_depth_error > 0.005


def test_other_heads_and_billboards_score_worse() -> None:
    other, flat = measured(Drawer(shift=1)), measured(Drawer(flat=True))
    assert other.psnr < 25
    assert other.ssim < 0.8
    assert other.distinctness < -60
    assert other.other_depth_error == pytest.approx(0, abs=1e-6)
    assert flat.psnr > 90
    assert flat.depth_correlation < 0.5
    assert flat.depth_error > 0.03
