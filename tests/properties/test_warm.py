"""The supervised warm start: its truth, its losses, that it learns."""

import numpy as np
import pytest
import torch

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.losses.occupancy import occupancy_loss
from nerfgan_cli.nn.rays import camera_rays
from nerfgan_cli.nn.superresolution import build_superresolution
from nerfgan_cli.training.distributed import Slices, World
from nerfgan_cli.training.estimate import estimate
from nerfgan_cli.training.feed import open_data
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.schedules import learning_rate
from nerfgan_cli.training.warm import EDGE, point_losses, trace
from nerfgan_cli.training.warm_recipe import WarmRecipe
from nerfgan_cli.training.warm_task import WarmTask
from nerfgan_cli.training.warm_truth import TruthSet

SMALL = (
    *("train.batch=4", "train.batch_gpu=4", "data.workers=0", "loss.crop=8"),
    *("loss.rays=8", "loss.points_kimg=0", "loss.views_kimg=0", "optim.decay_kimg=76"),
    *("model.generator.channel_max=16", "model.generator.w_dim=32", "train.precision=fp32"),
    *("model.generator.plane_resolution=32", "optim.warmup_kimg=0", "loss.traits_kimg=0"),
    *("model.generator.volume.depth_resolution=6",),
    *("model.generator.volume.depth_resolution_importance=6",),
)


pytestmark = pytest.mark.usefixtures("quick_training")


def recipe(*settings: str) -> WarmRecipe:
    found = resolve(load("eg3d-toyheads-warm", [*SMALL, *settings]))
    assert isinstance(found, WarmRecipe)
    return found


def truth_set(made: WarmRecipe) -> TruthSet:
    return TruthSet(made, open_data(made.data, 128), Slices(4, 1, range(1)))


def test_occupancy_is_a_cross_entropy() -> None:
    sigmas = torch.tensor([-20.0, -20.0, 400.0, 400.0, 30.0], requires_grad=True)
    solid = torch.tensor([False, True, False, True, True])
    loss = occupancy_loss(sigmas, solid, 0.02)
    opacity = 1 - torch.exp(torch.tensor(-29 * 0.02))
    torch.testing.assert_close(loss[4], -opacity.log())
    assert loss[0] < 1e-6 < 5 < loss[1]
    assert loss[3] < 1e-3 < 5 < loss[2]
    loss.sum().backward()
    assert sigmas.grad is not None
    assert sigmas.grad.isfinite().all()
    assert sigmas.grad[4] < 0 < sigmas.grad[2]


def test_rays_of_a_part_are_those_of_the_whole() -> None:
    camera = PRESETS["ffhq"].at(yaw=[0.3, -0.2], pitch=0.1)
    left, top = torch.tensor([0.25, 0.0]), torch.tensor([0.5, 0.125])
    part = camera_rays(camera.cropped(left, top, 0.5), 8).directions.view(2, 8, 8, 3)
    whole = camera_rays(camera, 16).directions.view(2, 16, 16, 3)
    torch.testing.assert_close(part[0], whole[0, 8:16, 4:12])
    torch.testing.assert_close(part[1], whole[1, 2:10, 0:8])


def test_a_part_is_enlarged_like_the_whole() -> None:
    """But for its edge, whose surroundings it lacks."""
    torch.manual_seed(0)
    module = build_superresolution("Light128", 8, w_dim=16)
    rgb, x, ws = torch.randn(1, 3, 64, 64), torch.randn(1, 8, 64, 64), torch.randn(1, 1, 16)
    whole = module(rgb, x, ws).image
    window = slice(16, 40)
    part = module.enlarge(rgb[..., window, window], x[..., window, window], ws).image
    inner = slice(2 * EDGE, -2 * EDGE)
    expected = whole[..., 32:80, 32:80]
    torch.testing.assert_close(part[..., inner, inner], expected[..., inner, inner])
    assert not torch.allclose(part, expected)


def test_truth_is_of_its_number_alone() -> None:
    truths = truth_set(recipe("loss.points_kimg=0.004", "loss.views_kimg=0.008"))
    first, again, second = truths[5], truths[5], truths[2]
    assert set(first) == {"z", "label", "raw", "depth", "image"}
    assert set(second) == {"z", "label", "raw", "depth"}
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
    assert first["image"].shape == (4, 3, 16, 16)
    assert not torch.equal(first["z"][0], first["z"][1])


def test_both_pictures_of_a_part_agree() -> None:
    truth = truth_set(recipe("loss.crop=32"))[0]
    reduced = torch.nn.functional.avg_pool2d(truth["image"], 2)
    assert (reduced - truth["raw"]).abs().mean() < 0.02
    assert (truth["raw"] - truth["raw"].flip(3)).abs().mean() > 0.05  # it is no plain colour


def test_points_end_at_the_surface() -> None:
    made = recipe()
    generator = EG3D(made.model.generator)
    truth = truth_set(made)[0]
    traced = trace(generator, truth)
    rays = camera_rays(Camera.from_label(truth["label"]), 8)
    assert torch.equal(rays.origins, traced.rays.origins)
    inside = traced.seen[..., 0]
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(traced.end[..., 0][inside], truth["depth"].flatten(1)[inside])
    assert (traced.near < traced.end).all()


def test_losses_vanish_for_the_truth_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that is solid behind each surface, and of its colour, has no loss."""
    made = recipe()
    generator = EG3D(made.model.generator).eval()
    truth = truth_set(made)[0]
    traced = trace(generator, truth)
    draws = torch.Generator().manual_seed(0)
    subject = generator.prepare(generator.mapping(truth["z"], PRESETS["ffhq"].frontal()))

    def losses(sign: float) -> dict[str, float]:
        def sample(_: object, points: torch.Tensor) -> object:
            far = (points.view(4, 64, -1, 3) - traced.rays.origins[:, :, None]).norm(dim=-1)
            sigma = torch.where(far > traced.end, 900.0, -900.0) * sign
            colors = (traced.colour + 1) / 2
            colors = colors[:, :, None].expand(*far.shape, 3).flatten(1, 2)
            return type("Decoded", (), {"sigma": sigma.flatten(1)[..., None], "colors": colors})

        monkeypatch.setattr(generator, "sample", sample)
        found = point_losses(generator, subject, traced, made.loss, draws)
        return {name: float(value) for name, value in found.items()}

    right, wrong = losses(1.0), losses(-1.0)
    assert right["colour"] < 1e-6
    assert right["occupancy"] < 0.05 < 3 < wrong["occupancy"]


def test_rays_of_a_view_are_spread_over_it() -> None:
    """And fall elsewhere each time, less than their distance away from their grid."""
    truths = truth_set(recipe("loss.views_kimg=1"))
    grid = open_data(recipe().data, 128).labels(np.arange(8))
    shifts = [truths[n]["label"][:, [18, 21]] - grid[4 * n : 4 * n + 4, [18, 21]] for n in (0, 1)]
    moved = torch.cat(shifts)
    assert moved.abs().max() <= 0.5 / 8
    assert moved.std(dim=0).min() > 0.1 / 8


def test_it_learns() -> None:
    """All stages that draw, on the same few heads."""
    for settings, names in (
        (["loss.points_kimg=100"], ["occupancy", "colour"]),
        (["loss.views_kimg=100"], ["raw", "depth"]),
        ([], ["raw", "depth", "image"]),
    ):
        made = recipe(*settings)
        task = WarmTask(made, World(torch.device("cpu")))
        task.begin(0)
        truth = next(task.truths)
        task.truths = iter(lambda truth=truth: truth, None)
        numbers = [task.step(step) for step in range(20)]
        for name in names:
            values = [float(each[f"loss/{name}"]) for each in numbers]
            assert sum(values[-4:]) < 0.9 * sum(values[:4]), name


def test_the_mapping_network_learns_traits() -> None:
    made = recipe("loss.traits_kimg=0.16", "loss.traits_batch=64", "model.generator.w_dim=64")
    task = WarmTask(made, World(torch.device("cpu")))
    task.begin(0)
    drawing = task.generator.backbone.synthesis.state_dict()
    before = {name: tensor.clone() for name, tensor in drawing.items()}
    numbers = [task.step(step) for step in range(40)]
    for name in ("traits", "looks"):
        values = [float(each[f"loss/{name}"]) for each in numbers]
        assert values[0] > 0.8
        assert sum(values[-4:]) < 0.8 * sum(values[:4])
    assert all(torch.equal(tensor, before[name]) for name, tensor in drawing.items())
    assert "loss/occupancy" in task.step(40)


def test_the_super_resolution_learns_late_at_rates_of_its_own() -> None:
    made = recipe("loss.views_kimg=0.008", "loss.parts_kimg=0.016", "optim.decay_kimg=0.008")
    task = WarmTask(made, World(torch.device("cpu")))
    task.begin(0)
    first = task.generator.superresolution.state_dict()["block0.conv0.weight"].clone()
    rates = []
    for step in range(6):
        task.step(step)
        weight = task.generator.superresolution.state_dict()["block0.conv0.weight"]
        assert torch.equal(weight, first) == (step < 2)
        groups = task.optimizers["drawing"].param_groups
        rates.append({g["enlarging"]: g["lr"] / g["full_lr"] for g in groups})
    assert rates[2] == pytest.approx({False: 0.03, True: 1.0})
    assert rates[4] == pytest.approx({False: 0.03, True: 0.515})


def test_what_it_will_take_is_told_beforehand() -> None:
    sizes = estimate(build_task(recipe(), World(torch.device("meta"))))
    assert set(sizes.parameters) == {"generator", "readout"}
    counts = [count for parts in sizes.parameters.values() for count in parts.values()]
    assert sizes.training > 12 * sum(counts)  # the mapping network has two optimisers
    assert sizes.activations > 0


def test_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(n, 1, 10, 0.1) for n in (0, 500, 1000, 5000, 10_000, 20_000)]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(0.5, abs=0.01)
    assert rates[2] > 0.9 > rates[3] > rates[4]
    assert rates[4] == rates[5] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("data.kind=archive", "toyheads"),
        ("model.generator.z_dim=32", "set model.generator.z_dim to 92"),
        ("model.generator.raw_resolution=32", "raw_resolution to 64"),
        ("loss.crop=65", "make it smaller"),
        ("loss.shell=0", "use > 0"),
        ("model.generator.plane_channels=0", "plane_channels of 0 is impossible"),
        ("optim.lr=-1", r"optim\.lr of -1"),
        ("optim.ema_rampup=-1", r"optim\.ema_rampup of -1"),
        ("optim.betas=[2.0, 3.0]", r"optim\.betas cannot be .*below 1"),
        ("model.generator.camera_preset=moon", "use one of ffhq, afhq, cars"),
    ],
)
def test_impossible_recipes(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe(setting, "data.path=x")
