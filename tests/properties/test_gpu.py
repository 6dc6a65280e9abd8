"""What a GPU draws and trains is what the CPU does; for machines that have one."""

from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch
from distill_case import STYLEGAN3, write_case
from training_case import read

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task
from nerfgan_cli.training.recipe import Recipe
from nerfgan_cli.training.state import collect

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

CPU, GPU = torch.device("cpu"), torch.device("cuda")
CAMERA = PRESETS["ffhq"].at([-0.3, 0.3])


def test_heads_are_the_same_pictures() -> None:
    """But for pixels on edges, where rounding decides what a ray meets."""
    z = latents(0, np.arange(2))
    found = [
        draw(heads_from_latent(z.to(device)), CAMERA.to(device), 64).image.cpu()
        for device in (CPU, GPU)
    ]
    assert ((found[0] - found[1]).abs() < 0.01).float().mean() > 0.995


@pytest.mark.parametrize("name", [TEACHER, STUDENT])
def test_bundled_models_draw_the_same(name: str) -> None:
    z = torch.randn(2, 92, generator=torch.Generator().manual_seed(0))
    images = []
    for device in (CPU, GPU):
        model = load_model(find_model(name), device)
        ws = model.mapping(z.to(device), CAMERA[:1].to(device))
        with torch.inference_mode():
            images.append(model.synthesis(ws, CAMERA.to(device)).image.cpu())
    torch.testing.assert_close(images[0], images[1], atol=0.02, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_training_steps_stay_finite(tiny_recipe: Path, precision: str) -> None:
    step_finitely(read(tiny_recipe, f"train.precision={precision}"), 3)


@pytest.mark.parametrize("network", [(), STYLEGAN3], ids=["stylegan2", "stylegan3"])
@pytest.mark.parametrize("precision", ["auto", "fp32", "fp16", "bf16"])
def test_distillation_steps_stay_finite(
    tmp_path: Path, precision: str, network: tuple[str, ...]
) -> None:
    """Of imitation, of the discriminator alone, and of both."""
    settings = (f"train.precision={precision}", f"teacher.precision={precision}", *network)
    step_finitely(read(write_case(tmp_path), *settings), 6)


def step_finitely(recipe: Recipe, steps: int) -> None:
    task = build_task(recipe, World(GPU))
    task.initialize(print)
    task.begin(0)
    for step in range(steps):
        for name, value in task.step(step).items():
            assert isfinite(float(value)), name
    for name, tensor in collect(task).items():
        assert bool(tensor.isfinite().all()), name
