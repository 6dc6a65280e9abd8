"""What a GPU draws and trains is what the CPU does; for machines that have one."""

from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch
from training_case import read

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task

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


def test_the_bundled_model_draws_the_same() -> None:
    z = torch.randn(2, 92, generator=torch.Generator().manual_seed(0))
    images = []
    for device in (CPU, GPU):
        model = load_model(find_model(None), device)
        ws = model.mapping(z.to(device), CAMERA[:1].to(device))
        with torch.inference_mode():
            images.append(model.synthesis(ws, CAMERA.to(device)).image.cpu())
    torch.testing.assert_close(images[0], images[1], atol=0.02, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_training_steps_stay_finite(tiny_recipe: Path, precision: str) -> None:
    task = build_task(read(tiny_recipe, f"train.precision={precision}"), World(GPU))
    task.initialize(print)
    task.begin(0)
    for step in range(3):
        numbers = task.step(step)
        assert all(isfinite(float(value)) for value in numbers.values())
