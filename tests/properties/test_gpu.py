"""What a GPU draws and trains is what the CPU does; for machines that have one."""

from dataclasses import replace
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch
from distill_case import STYLEGAN3, write_case
from training_case import read

from nerfgan_cli.bench.probe import Case, Probe
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation import features
from nerfgan_cli.evaluation.extractors import Extractor
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.evaluation.rows import Work
from nerfgan_cli.evaluation.samples import Drawn
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.generators.precision import exact
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


def test_an_evaluation_finds_the_same(tmp_path: Path) -> None:
    """Though a GPU is not waited for, and looks at more pictures at once than it draws."""
    found = {}
    for device in (CPU, GPU):
        setting = Setting(
            name="student",
            generator=load_model(find_model(STUDENT), device),
            images=None,
            teacher=load_model(find_model(TEACHER), device),
            data=ToyHeads(128, 64),
            number=160,  # more than a part
            seed=0,
            batch=None,
            world=World(device),
            cache=tmp_path / device.type,
            progress=lambda what, done, of: None,
        )
        exact(device)
        few = replace(setting, number=16)
        values = [*METRICS["fid"].measure(setting), *METRICS["psnr"].measure(few)]
        found[device.type] = {value.name: value.value for value in values}
    assert found["cuda"] == {
        name: pytest.approx(value, rel=0.01) for name, value in found["cpu"].items()
    }


def test_values_that_are_not_finite_are_noticed_late() -> None:
    pictures = torch.zeros(2, 8, 8, 3, dtype=torch.uint8, device=GPU)
    drawn = Drawn(pictures, torch.tensor(False, device=GPU))
    mean = Extractor("mean", "", lambda shown: shown.float().mean(dim=(2, 3)), GPU)
    pending = features._begin([drawn], Work(np.arange(2), ("mean",)), [mean])
    with pytest.raises(WeightsError, match="not finite"):
        pending.wait()


def test_memory_of_drawing_is_measured() -> None:
    """In a process of its own: allocated within reserved, more for more pictures, and limited."""
    limit = 2 << 30
    case = Case("light", "ffhq512-64", "fp32", "cuda", 1, limit)
    with Probe(case) as probe:
        one, four = probe.measure(1), probe.measure(4)
        assert one is not None
        assert four is not None
        assert 0 < one.own < four.own <= four.whole <= limit
        assert probe.measure(4096) is None


def step_finitely(recipe: Recipe, steps: int) -> None:
    task = build_task(recipe, World(GPU))
    task.initialize(print)
    task.begin(0)
    for step in range(steps):
        for name, value in task.step(step).items():
            assert isfinite(float(value)), name
    for name, tensor in collect(task).items():
        assert bool(tensor.isfinite().all()), name
