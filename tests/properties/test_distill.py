"""Distillation: lessons, losses, stages, what learns and what does not, caches, comparisons."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from math import isfinite, pi
from pathlib import Path

import numpy as np
import pytest
import torch
from distill_case import CRITIC, STYLEGAN3, TEACHER, build, read, save_teacher, write_case
from torch import Tensor, nn
from training_case import BATCH, newest, train_run
from training_case import read as read_eg3d

from nerfgan_cli.cameras import PRESETS, angles_from_pose
from nerfgan_cli.checkpoints.format import load_model, load_network, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.contract import DrawOptions, Rendering, Subject
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PredictorConfig, student_config
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.nn.discriminators import DualDiscriminator
from nerfgan_cli.nn.stylegan3 import SynthesisLayer
from nerfgan_cli.training import comparison
from nerfgan_cli.training.curriculum import Curriculum
from nerfgan_cli.training.distill import Lesson, consistency_loss, reconstruction_losses, weigh
from nerfgan_cli.training.distill_networks import build_optimizer
from nerfgan_cli.training.distill_recipe import DistillRecipe, DistillTrain, Loss, Optim
from nerfgan_cli.training.distill_task import DistillTask, half_and_half
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d import Exhibit, Views
from nerfgan_cli.training.estimate import estimate
from nerfgan_cli.training.heldout import Pair, Pixels
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.lessons import lesson_number
from nerfgan_cli.training.recipe_files import bundled, load
from nerfgan_cli.training.state import collect
from nerfgan_cli.training.update import follow
from nerfgan_cli.training.viewpoints import (
    FACES,
    Spread,
    gaussian,
    mixed_cameras,
    spread_cameras,
    usual_spread,
)

pytestmark = pytest.mark.usefixtures("quick_training")

CPU = torch.device("cpu")
ALONE = ("train.stage=1", "train.heldout=0")
MEAN = "module.generator.renderer_mapping.code_mean"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("distillation"))


def same(first: Lesson, second: Lesson) -> bool:
    pairs = zip(first._replace(camera=None), second._replace(camera=None), strict=True)  # type: ignore[arg-type]
    equal = all(a is b or torch.equal(a, b) for a, b in pairs)
    return equal and torch.equal(first.camera.label, second.camera.label)


def spread(angle: str, angles: Spread = FACES) -> Tensor:
    cameras = spread_cameras(PRESETS["ffhq"], angles)(4000, torch.Generator().manual_seed(0))
    return angles_from_pose(cameras.cam2world)[("yaw", "pitch").index(angle)]


# Lessons


def test_a_lesson_is_what_the_teacher_draws(case: Path) -> None:
    """Of the frozen teacher, from the lesson's own w and camera."""
    task = build(case, "teacher.jitter=false", *ALONE)
    lesson, teacher = task.lessons(3), task.teacher
    ws = lesson.w[:, None].expand(-1, teacher.num_ws, -1)
    with torch.no_grad():
        drawn = teacher.synthesis(ws, lesson.camera, DrawOptions(resolution=16))
    for name in ("features", "image", "depth"):
        assert torch.equal(getattr(lesson, name), getattr(drawn, name))
    assert not lesson.features.requires_grad
    assert same(lesson, task.lessons(3))
    assert not torch.equal(lesson.w[0], lesson.w[1])
    assert not torch.equal(lesson.w, task.lessons(4).w)


def test_jitter_is_small_and_of_the_lesson_alone(case: Path) -> None:
    plain, jittered = (
        build(case, f"teacher.jitter={choice}", *ALONE).lessons for choice in ("false", "true")
    )
    difference = (plain(0).features - jittered(0).features).abs()
    assert 0 < difference.mean() < 0.1
    assert same(jittered(0), jittered(0))


def test_several_views_share_a_subject(case: Path) -> None:
    task = build(case, "train.batch_gpu=4", "teacher.views_per_latent=2", "teacher.jitter=false")
    lesson, teacher = task.lessons(0), task.teacher
    assert torch.equal(lesson.w[0::2], lesson.w[1::2])
    assert not torch.equal(lesson.w[0], lesson.w[2])
    labels = lesson.camera.label
    assert len(labels.unique(dim=0)) > 2
    for index in range(4):
        ws = lesson.w[index : index + 1, None].expand(-1, teacher.num_ws, -1)
        drawn = teacher.synthesis(ws, lesson.camera[index], DrawOptions(resolution=16))
        torch.testing.assert_close(lesson.features[index : index + 1], drawn.features)
        torch.testing.assert_close(lesson.image[index : index + 1], drawn.image)


def test_planes_are_made_once_for_all_views(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = build(case, "train.batch_gpu=4", "teacher.views_per_latent=4")
    subjects: list[int] = []
    original = task.teacher.prepare

    def prepare(ws: Tensor, options: DrawOptions) -> Subject:
        subjects.append(len(ws))
        return original(ws, options)

    monkeypatch.setattr(task.teacher, "prepare", prepare)
    task.lessons(0)
    assert subjects == [1]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("teacher.conditioning=same",), "own"),
        (("teacher.conditioning=swapped", "teacher.swap_probability=0"), "own"),
        (("teacher.conditioning=swapped", "teacher.swap_probability=1"), "other"),
        (("teacher.conditioning=frontal",), "frontal"),
    ],
)
def test_which_camera_conditions_the_teacher(
    case: Path, settings: tuple[str, ...], expected: str
) -> None:
    """Point 1 of the open ones."""
    lessons = build(case, *settings, *ALONE).lessons
    camera = PRESETS["ffhq"].at(torch.linspace(-1, 1, 50))
    given = lessons._conditioning(camera, torch.Generator().manual_seed(0))
    frontal = PRESETS["ffhq"].frontal()
    assert torch.equal(given.label, camera.label) == (expected == "own")
    assert torch.equal(given.label, frontal.expand(50).label) == (expected == "frontal")


def test_swaps_are_as_likely_as_in_the_teachers_training(case: Path) -> None:
    lessons = build(case, *ALONE).lessons
    assert lessons.swap_probability == 0.5  # gpc_reg_prob of the teacher's notes
    camera = PRESETS["ffhq"].at(torch.linspace(2, 3, 400))
    given = lessons._conditioning(camera, torch.Generator().manual_seed(0))
    kept = (given.label == camera.label).all(dim=1).float().mean()
    assert 0.4 < kept < 0.6


def test_truncation_of_some_or_all(case: Path) -> None:
    """Point 6: towards the teacher's average, always in its own w."""
    whole = build(case, *ALONE).lessons
    average = torch.full_like(whole.teacher.backbone.mapping.w_avg, 0.3)
    whole.teacher.backbone.mapping.w_avg.copy_(average)
    cut = replace(whole, table=replace(whole.table, truncation=0.7))
    torch.testing.assert_close(cut(0).w, average + 0.7 * (whole(0).w - average))
    some = replace(whole, table=replace(whole.table, truncation_share=0.5), size=200)
    camera, draws = PRESETS["ffhq"].at(torch.zeros(200)), [torch.Generator() for _ in range(2)]
    codes = [lessons.codes(camera, draw)[:, 0] for lessons, draw in zip((whole, some), draws)]  # noqa: B905
    psi = (codes[1] - average).norm(dim=1) / (codes[0] - average).norm(dim=1)
    assert 0.4 < (psi < 0.999).float().mean() < 0.6
    assert psi.min() > 0.499
    assert psi.max() < 1.001


def test_cameras_of_a_spread() -> None:
    """A Gaussian that is cut off at 2.25 deviations has 0.932 of its own."""
    assert spread("yaw").std().item() == pytest.approx(0.932 * 0.3, rel=0.04)
    assert spread("pitch").std().item() == pytest.approx(0.932 * 0.155, rel=0.04)
    assert spread("yaw").abs().max() < 0.3 * 2.25 + 1e-6
    flat = spread("yaw", FACES._replace(uniform=True))
    assert flat.abs().max() < 0.3
    assert flat.std().item() == pytest.approx(0.3 / 3**0.5, rel=0.05)
    assert gaussian(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx(
        [-2.25, 0.0, 2.25], abs=1e-4
    )


def test_some_cameras_from_a_wider_box() -> None:
    preset = PRESETS["ffhq"]
    usual, wide = (spread_cameras(preset, Spread(yaw, 0.1, uniform=True)) for yaw in (0.1, 1.0))
    mixed = mixed_cameras(usual, wide, 0.5)(2000, torch.Generator().manual_seed(0))
    far = (angles_from_pose(mixed.cam2world)[0].abs() > 0.1).float().mean()
    assert 0.4 < far < 0.5
    assert mixed_cameras(usual, wide, 0.0) is usual


def test_a_share_of_wide_cameras_in_a_recipe(case: Path) -> None:
    """Beyond 0.7 radians there are no others: 2.25 deviations of 0.3 end there."""
    settings = ("data.kind=spread", "data.path=none", "teacher.wide_yaw=1.4", *ALONE)
    for share, far in ((0.0, 0.0), (0.5, 0.25), (1.0, 0.5)):
        task = build(case, *settings, f"teacher.wide_share={share}", "teacher.wide_pitch=0.1")
        cameras = task.lessons.cameras(400, torch.Generator().manual_seed(0))
        yaw, pitch = angles_from_pose(cameras.cam2world)[:2]
        beyond = yaw.abs() > 0.7
        assert beyond.float().mean().item() == pytest.approx(far, abs=0.08)
        assert (pitch[beyond].abs() <= 0.1).all()


def test_the_usual_spread_is_that_of_the_domain(case: Path) -> None:
    assert usual_spread("ffhq", None, None, None) == FACES
    assert usual_spread("cars", None, 0.2, None) == Spread(pi, 0.2, uniform=True)
    settings = ("data.kind=spread", "data.path=none", *ALONE)
    task = build(case, *settings, "model.camera_preset=cars")
    cameras = task.lessons.cameras(100, torch.Generator().manual_seed(0))
    assert angles_from_pose(cameras.cam2world)[0].abs().max() > 2.5


@pytest.mark.parametrize(("settings", "drawn"), [(("loss.image=0",), 0), ((), 1)])
def test_stage_1_enlarges_only_what_it_compares(case: Path, settings: tuple[str, ...], drawn: int):
    task = build(case, "train.heldout=0", *settings)
    calls: list[int] = []
    task.generator.superresolution.register_forward_hook(lambda *_: calls.append(1))
    numbers = task.step(0)
    assert numbers["schedule/stage"] == 1
    assert len(calls) == drawn * task.slices.count
    calls.clear()
    assert task.step(4)["schedule/stage"] == 2
    assert len(calls) == task.slices.count


def test_the_card_tells_the_distance_that_is_used(case: Path) -> None:
    assert build(case).card["perceptual"] == "discriminator"
    without = build(case, "train.stage=1", "loss.raw=0", "loss.image=0")
    assert without.card["perceptual"] == "none"


def test_stage_1_needs_no_pictures(case: Path) -> None:
    task = build(case, "data.kind=spread", "data.path=none", *ALONE)
    assert task.data is None
    assert "loss/image" in task.step(0)


# Losses


def rendering(lesson: Lesson, offset: float = 0.0) -> Rendering:
    return Rendering(
        lesson.image + offset, lesson.image_raw + offset, lesson.features + offset, None
    )


def test_the_teachers_own_pictures_have_no_loss(case: Path) -> None:
    task = build(case)
    lesson, table = task.lessons(0), replace(task.recipe.loss, pixels=1.0)
    none = reconstruction_losses(rendering(lesson), lesson, table, task.perceptual)
    assert list(none) == ["features", "raw", "image", "pixels"]
    assert all(value.abs() < 1e-6 for value in none.values())
    some = reconstruction_losses(rendering(lesson, 0.5), lesson, table, task.perceptual)
    assert some["features"].item() == pytest.approx(0.125)
    assert some["pixels"].item() == pytest.approx(0.5)
    assert some["raw"] > 1e-4
    assert some["image"] > 1e-4


def test_losses_without_a_weight_are_not_computed(case: Path) -> None:
    task = build(case)
    lesson = task.lessons(0)
    for name in ("features", "raw", "image"):
        table = replace(task.recipe.loss, **{name: 0.0})
        found = reconstruction_losses(rendering(lesson), lesson, table, task.perceptual)
        assert set(found) == {"features", "raw", "image"} - {name}


def test_losses_are_weighed_as_published() -> None:
    table, one = Loss(), torch.ones([])
    for name, weight in {"features": 1, "raw": 1, "image": 1, "adversarial": 0.1}.items():
        assert weigh({name: one}, table).item() == pytest.approx(weight)
    both = {"features": 2 * one, "adversarial": 5 * one}
    assert weigh(both, replace(table, features=3.0)).item() == pytest.approx(6.5)


def test_larger_pictures_can_be_reduced_before_they_are_compared(case: Path) -> None:
    task = build(case)
    lesson, sides = task.lessons(0), []

    class Noting(nn.Module):
        def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
            sides.append((drawn.shape[-1], target.shape[-1]))
            return drawn.flatten(1).sum(dim=1)

    for size in (None, 32, 100):
        table = replace(task.recipe.loss, perceptual_size=size)
        reconstruction_losses(rendering(lesson), lesson, table, Noting())  # type: ignore[arg-type]
    assert sides == [(16, 16), (64, 64), (16, 16), (32, 32), (16, 16), (64, 64)]


def test_views_are_compared_with_the_next_of_the_same_subject(case: Path) -> None:
    """A student that draws the teacher's pictures is as consistent as those, another one less."""
    settings = ("train.batch_gpu=4", "teacher.views_per_latent=2", "loss.consistency=1")
    task = build(case, *settings, *ALONE)
    lesson = task.lessons(0)
    own = consistency_loss(rendering(lesson), lesson, 2, 0.05)
    shifted = rendering(lesson)._replace(
        image=lesson.image + torch.tensor([0.0, 1.0, 0.0, 1.0]).view(-1, 1, 1, 1)
    )
    assert consistency_loss(shifted, lesson, 2, 0.05) > own + 0.1
    assert "loss/consistency" in task.step(0)


def test_every_open_point_of_the_student_is_a_key(case: Path) -> None:
    choices = {
        **{"camera_preset": "cars", "code_input": "normalized", "camera_encoding": "fourier"},
        "ray_map": True,
        **{"mapping_layers": 3, "code_output": "per-layer", "sr_styles": "linear", "head": "tanh"},
        **{"network": "stylegan3-r", "num_layers": 6, "margin_size": 4, "output_scale": 0.5},
        **{"superresolution": "Light64", "mapping_lr_multiplier": 0.1, "channel_base": 64},
    }
    settings = [f"model.{key}={json.dumps(value)}" for key, value in choices.items()]
    config = build(case, *settings, *ALONE).generator.student_config
    for key, value in choices.items():
        assert getattr(config if hasattr(config, key) else config.predictor, key) == value
    assert build(case, *settings[:1], *ALONE).result.camera_preset == "cars"
    assert build(case, *ALONE).result.camera_preset == "ffhq"


def test_the_predictor_starts_as_the_teachers_planes_if_asked(case: Path) -> None:
    for start in ("planes", "scratch"):
        task = build(case, f"model.predictor_start={start}", *ALONE)
        task.initialize(print)
        planes = task.teacher.backbone.synthesis.b8.conv1.weight
        for student in (task.generator, task.average):
            copied = torch.equal(student.predictor.b8.conv1.weight, planes)
            assert copied == (start == "planes")


# What learns


def changed(task: DistillTask, act: Callable[[], object]) -> set[str]:
    """Modules whose tensors are others after an act; the teacher's and the distance's too."""
    watched = {"teacher": task.teacher, "perceptual": task.perceptual, **task.modules}
    before = {
        f"{name}.{key}": tensor.clone()
        for name, module in watched.items()
        if module is not None
        for key, tensor in module.state_dict().items()
    }
    act()
    return {
        key
        for key, tensor in before.items()
        if not torch.equal(
            tensor, watched[key.partition(".")[0]].state_dict()[key.partition(".")[2]]
        )  # type: ignore[union-attr]
    }


def names(keys: set[str]) -> set[str]:
    return {key.partition(".")[0] for key in keys}


def test_each_stage_trains_what_it_should(case: Path) -> None:
    """Three steps of imitation, one of the discriminator alone, then both."""
    task = build(case)
    expected = [{"generator", "average"}] * 3
    expected += [
        {"curriculum", "discriminator", "ada"},
        *[{*expected[0], "discriminator", "ada"}] * 2,
    ]
    stages = []
    for step in range(6):
        numbers: dict[str, float | Tensor] = {}
        moved = changed(task, lambda step=step, numbers=numbers: numbers.update(task.step(step)))
        assert names(moved) == expected[step], step
        assert not any(".mapping_network." in key for key in moved)  # a seed stays a person
        stages.append(numbers["schedule/stage"])
        assert ("loss/adversarial" in numbers) == (step >= 4)
        assert ("loss/features" in numbers) == (step != 3)
        assert ("loss/r1" in numbers) == (step == 4)
    assert stages == [1, 1, 1, 2, 2, 2]
    assert not any(p.grad is not None for p in task.teacher.parameters())
    assert not any(p.requires_grad for p in task.teacher.parameters())


def test_a_stage_alone(case: Path) -> None:
    imitation = build(case, *ALONE)
    learning = {
        id(parameter)
        for group in imitation.optimizers["generator"].param_groups
        for parameter in group["params"]
    }
    frozen = {id(p) for p in imitation.generator.mapping_network.parameters()}
    assert {id(p) for p in imitation.generator.parameters()} == learning | frozen
    assert not learning & frozen
    assert set(imitation.modules) == {"generator", "average", "curriculum", "signature"}
    numbers = [imitation.step(step) for step in range(5)]
    assert all(each["schedule/stage"] == 1 for each in numbers)
    contest = build(case, "train.stage=2", "loss.discriminator_alone_kimg=0")
    assert {"loss/features", "loss/adversarial", "loss/discriminator"} <= set(contest.step(0))


def test_gradients_are_those_of_the_weighted_sum(case: Path) -> None:
    """Over all slices of the batch; the adversarial term reaches the student alone."""
    settings = ("train.stage=2", "loss.discriminator_alone_kimg=0", "loss.augment=none")
    task = build(case, *settings, "optim.lr=0", "optim.sr_lr=0", "optim.discriminator_lr=0")
    task.step(0)
    weight = task.generator.renderer_mapping.layers[0].weight
    assert weight.grad is not None
    found = weight.grad.clone()
    assert task.adversary is not None
    critic = task.adversary.network
    total = torch.zeros([])
    for index in range(2):
        lesson = task.lessons(index)
        moment = task.adversary.moment("student", 0, index)
        losses = task.losses(task._draw(lesson, 2), lesson, moment)
        assert set(losses) == {"features", "raw", "image", "adversarial"}
        total = total + weigh(losses, task.recipe.loss) / 2
    for parameter in critic.parameters():
        parameter.grad = None
    (expected,) = torch.autograd.grad(total, weight)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in critic.parameters())


def test_frozen_super_resolution(case: Path) -> None:
    settings = ("loss.freeze_superresolution=true", "loss.image=0", *ALONE)
    task = build(case, *settings)
    moved = changed(task, lambda: task.step(0))
    assert not any(".superresolution." in key for key in moved)
    assert any(key.startswith("generator.predictor.") for key in moved)
    own, its = task.generator.superresolution, task.teacher.superresolution
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), its.parameters(), strict=True))
    with pytest.raises(UsageError, match=r"set model\.superresolution to Light64"):
        build(case, *settings, "model.superresolution=SuperresolutionHybrid2X")


def test_pictures_that_no_loss_needs_are_not_drawn(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = build(case, "loss.image=0", *ALONE)
    monkeypatch.setattr(task.teacher.superresolution, "forward", None)
    monkeypatch.setattr(task.generator.superresolution, "forward", None)
    assert "loss/features" in task.step(0)


def test_rates_and_momentum_by_stage(case: Path) -> None:
    settings = ("optim.first_lr=0.001", "optim.first_betas=[0.9, 0.98]", "optim.last_lr=0.5")
    task = build(case, *settings, "optim.decay_kimg=0.02")
    found = []
    for step in range(6):
        task.step(step)
        own, enlarging = task.optimizers["generator"].param_groups
        found.append((own["lr"], enlarging["lr"], own["betas"]))
    assert found[0] == (0.001, 0.001, (0.9, 0.98))
    assert found[2][0] < 0.001
    assert found[5] == (0.0025 / 2, 0.0005, (0.0, 0.99))


def test_a_super_resolution_that_is_the_teachers_has_a_rate_of_its_own() -> None:
    """One that is new learns like the rest, one that is frozen not at all."""
    enlarging = "SuperresolutionHybrid2X"
    teacher = EG3D(replace(TEACHER, img_resolution=128, superresolution=enlarging))
    for name, frozen, rates in (
        (enlarging, False, {"lr", "sr_lr"}),
        (enlarging, True, {"lr"}),
        ("Light128", False, {"lr"}),
    ):
        config = student_config("light", teacher, superresolution=name)
        student = Student(replace(config, predictor=PredictorConfig("stylegan2", 128, 8)))
        student.superresolution.requires_grad_(not frozen)
        groups = build_optimizer(student, teacher, Optim()).param_groups
        grouped = {group["rate"]: {id(each) for each in group["params"]} for group in groups}
        assert set(grouped) == rates
        own = {id(parameter) for parameter in student.superresolution.parameters()}
        assert grouped.get("sr_lr", own) == own
        assert bool(grouped["lr"] & own) == (name == "Light128")


def test_muon_is_for_new_matrices(case: Path) -> None:
    settings = ("optim.matrix_lr=0.002", "optim.first_matrix_lr=0.01", "optim.first_lr=0")
    settings = (*settings, "model.channel_base=2048", "model.channel_max=16")
    task = build(case, *settings, "optim.first_sr_lr=0", *ALONE)
    student = task.generator
    moved = changed(task, lambda: task.step(0))
    matrices = {
        f"generator.{part}.{name}"
        for part in ("predictor", "renderer_mapping")
        for name, parameter in student.get_submodule(part).named_parameters()
        if parameter.ndim > 1 and min(parameter.shape[:2]) >= 16
    }
    learned = {f"generator.{name}" for name, _ in student.named_parameters()}
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in matrices} > {"conv1", "affine"}
    assert moved & learned == matrices
    assert {group["lr"] for group in task.optimizers["generator"].param_groups} == {0, 0.01}
    with pytest.raises(UsageError, match=r"set optim\.matrix_lr too"):
        build(case, "optim.first_matrix_lr=0.01")


def test_it_learns_to_imitate(case: Path) -> None:
    """The same lesson over and over: its losses fall."""
    settings = (
        "teacher.cache_targets=4",
        "train.batch_gpu=4",
        f"teacher.cache_folder={case.parent / 'few'}",
    )
    task = build(case, *settings, *ALONE, "optim.first_betas=[0.9, 0.99]")
    numbers = [task.step(step) for step in range(16)]
    for name in ("features", "raw", "image"):
        values = [float(each[f"loss/{name}"]) for each in numbers]
        assert sum(values[-2:]) < 0.6 * sum(values[:2]), name


def test_the_first_pictures_have_the_teachers_mean(case: Path) -> None:
    """And the student's inputs are standardised with the teacher's codes and cameras."""
    task = build(case, "teacher.statistics=3000", "teacher.statistics_images=80", *ALONE)
    student, lesson = task.generator, task.lessons(0)
    mapping = student.renderer_mapping
    entered = torch.cat([mapping._enter(task.lessons(n).w[:, None]) for n in range(40)])
    assert entered.mean().abs() < 0.1
    assert entered.std().item() == pytest.approx(1, abs=0.15)
    assert mapping.camera_encoding.label_std.max() > 0.1
    bias = student.predictor.output_bias * student.student_config.predictor.output_scale
    mean = torch.stack([task.lessons(n).features.mean(dim=(0, 2, 3)) for n in range(8)]).mean(dim=0)
    assert (bias - mean).abs().max() < 0.25 * lesson.features.std()


# Stage 2


def test_stage_2_begins_when_imitation_stops_improving() -> None:
    plan = resolve_plan("train.plateau=0.1", "train.plateau_kimg=0.008", "train.switch_kimg=1")
    curriculum, world = Curriculum(plan, CPU), World(CPU)
    losses = [8.0, 6.0, 2.0, 2.0, 1.9, 1.9, 1.0]  # in pairs: 7, 2, 1.9
    since = []
    for step, loss in enumerate(losses):
        since.append(curriculum.since(step * BATCH))
        curriculum.observe(torch.tensor(loss), (step + 1) * BATCH, world)
    assert since == [None] * 6 + [0]
    late = Curriculum(replace(plan, switch_kimg=0.008), CPU)
    assert [late.since(step * BATCH) for step in range(4)] == [None, None, 0, 4]


def test_a_curriculum_goes_on_from_its_buffers() -> None:
    plan = resolve_plan("train.plateau=0.1", "train.plateau_kimg=0.008", "train.switch_kimg=1")
    first, world = Curriculum(plan, CPU), World(CPU)
    for step, loss in enumerate((8.0, 6.0, 6.9)):
        first.observe(torch.tensor(loss), (step + 1) * BATCH, world)
    second = Curriculum(plan, CPU)
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        each.observe(torch.tensor(6.9), 4 * BATCH, world)
        assert each.since(4 * BATCH) == 0


def resolve_plan(*settings: str) -> DistillTrain:
    recipe = resolve(load("distill-toyheads", [f"train.batch={BATCH}", *settings]))
    assert isinstance(recipe, DistillRecipe)
    return recipe.train


def test_raw_pictures_are_shown_as_in_the_teachers_training(case: Path) -> None:
    """After the first block, where the super-resolution starts from that very size."""
    task = build(case, "teacher.raw_resolution=32")
    lesson = task.lessons(0)
    for pictures in (lesson, task._draw(lesson, 2)):
        assert not torch.equal(pictures.image_raw, pictures.features[:, :3])
    task = build(case, "teacher.raw_resolution=32", "loss.official_raw=false")
    pure = task.lessons(0)
    assert torch.equal(pure.features, lesson.features)
    for pictures in (pure, task._draw(pure, 2)):
        assert torch.equal(pictures.image_raw, pictures.features[:, :3])


def test_magnitudes_are_followed_while_the_student_learns(case: Path) -> None:
    """Not while the discriminator learns alone."""
    task = build(case, *STYLEGAN3, "train.switch_kimg=0.004")
    for step, moves in enumerate((True, False)):
        moved = {key.rpartition(".")[2] for key in changed(task, lambda n=step: task.step(n))}
        assert ("magnitude_ema" in moved) == moves


def test_magnitudes_follow_the_mean_over_a_step(case: Path) -> None:
    """Once, however many slices it has."""
    task = build(case, *STYLEGAN3, *ALONE)
    layers = [layer for layer in task.generator.modules() if isinstance(layer, SynthesisLayer)]
    entered: dict[nn.Module, list[Tensor]] = {layer: [] for layer in layers}
    for layer in layers:
        layer.magnitude_ema_beta = 0.25
        layer.magnitude_ema.fill_(2.0)
    noting = [
        layer.register_forward_pre_hook(lambda own, given: entered[own].append(given[0]))
        for layer in layers
    ]
    for index in range(2):
        task._draw(task.lessons(index), 1)
    for hook in noting:
        hook.remove()
    task.step(0)
    for layer in layers:
        energy = torch.cat(entered[layer]).square().mean()
        torch.testing.assert_close(layer.magnitude_ema, 0.25 * 2 + 0.75 * energy)


def test_averaged_weights_keep_the_magnitudes_that_they_learned_with(case: Path) -> None:
    """Weights and what divides them are of the same time; other buffers are the newest."""
    task = build(case, *STYLEGAN3, "model.magnitude_ema_beta=0.25")
    layers = [
        [layer for layer in network.modules() if isinstance(layer, SynthesisLayer)]
        for network in (task.average, task.generator)
    ]
    for own, its in zip(*layers, strict=True):
        assert its.magnitude_ema_beta == 0.25
        own.magnitude_ema.fill_(1.0)
        its.magnitude_ema.fill_(0.2)
    task.generator.renderer_mapping.get_buffer("code_mean").fill_(7.0)
    follow(task.average, task.generator, 0.75)
    for own in layers[0]:
        assert float(own.magnitude_ema) == pytest.approx(0.8)
    assert (task.average.renderer_mapping.get_buffer("code_mean") == 7).all()


def test_steps_in_half_precision_stay_finite(case: Path) -> None:
    """Of both stages, teacher and all."""
    task = build(case, "train.precision=bf16", "teacher.precision=bf16")
    assert task.adversary is not None
    assert task.perceptual is not None
    dtypes = [
        {module.compute_dtype for module in network.modules() if hasattr(module, "compute_dtype")}
        for network in (task.generator, task.teacher, task.adversary.network, task.perceptual)
    ]
    assert all(torch.bfloat16 in found for found in dtypes)
    for step in range(6):
        for name, value in task.step(step).items():
            assert isfinite(float(value)), name
    assert all(bool(tensor.isfinite().all()) for tensor in collect(task).values())


@pytest.mark.parametrize("kind", ["data", "teacher", "half"])
def test_what_is_taken_for_real(case: Path, kind: str) -> None:
    task = build(case, f"loss.reals={kind}", "train.stage=2")
    lessons = {index: task.lessons(index) for index in range(2)}
    found = task._reals(0, lessons)
    for index, lesson in lessons.items():
        real = found[index]
        own = [torch.equal(real.views.image[i], lesson.image[i]) for i in range(2)]
        assert own == {"data": [False] * 2, "teacher": [True] * 2, "half": [False, True]}[kind]
        assert real.views.image_raw.shape == (2, 3, 16, 16)
        if own[1]:
            assert torch.equal(real.camera.label[1], lesson.camera.label[1])


def test_halves() -> None:
    views = [Views(torch.full((4, 3, 2, 2), x), torch.full((4, 3, 1, 1), x)) for x in (1.0, 2.0)]
    cameras = [PRESETS["ffhq"].at(torch.full((4,), x)) for x in (0.1, 0.2)]
    both = half_and_half(*map(Exhibit, views, cameras))
    for tensor in both.views:
        assert tensor.flatten(1)[:, 0].tolist() == [1, 1, 2, 2]
    assert torch.equal(both.camera.label, torch.cat([c.label[:2] for c in cameras]))


def test_the_discriminator_starts_as_the_teachers_or_anew(case: Path) -> None:
    given = load_network(case.parent / "critic.safetensors").state_dict()
    taken = build(case).modules["discriminator"].state_dict()
    assert all(torch.equal(tensor, given[name]) for name, tensor in taken.items())
    sizes = ("model.discriminator.channel_base=128", "model.discriminator.channel_max=4")
    settings = (
        "loss.discriminator_start=scratch",
        *sizes,
        "model.discriminator.mbstd_group_size=2",
    )
    fresh = build(case, *settings).modules["discriminator"].state_dict()
    assert fresh["b64.conv0.weight"].shape[0] == 2


def test_augmentation_goes_on_where_the_teachers_ended(case: Path, tmp_path: Path) -> None:
    """As the file of its discriminator tells it (point 13)."""
    critic = tmp_path / "critic.safetensors"
    recorded = Provenance("critic", training={"augment_p": 0.375})
    save_model(critic, DualDiscriminator(CRITIC), recorded)

    def first(*settings: str) -> float:
        return float(build(case, *settings).modules["ada"].state_dict()["pipe.p"])

    named = f"teacher.discriminator={critic}"
    assert first() == 0
    assert first("loss.ada_start=0.25") == 0.25
    assert first(named) == 0.375
    assert first(named, "loss.ada_start=0.25") == 0.25
    assert first(named, "loss.augment=none", "loss.ada_target=0.6") == 0
    scratch = ("loss.discriminator_start=scratch", "model.discriminator.mbstd_group_size=2")
    assert first(named, *scratch) == 0


def test_a_teacher_that_is_a_run_brings_its_discriminator(
    tiny_recipe: Path, case: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train_run(run, read_eg3d(tiny_recipe, "train.kimg=0.004"))
    task = build(case, f"teacher.model={run}", "teacher.discriminator=none")
    _, tensors = newest(run)
    for key, tensor in task.modules["discriminator"].state_dict().items():
        assert torch.equal(tensor, tensors[f"module.discriminator.{key}"])
    assert "loss/raw" in task.step(0)


# Runs


def test_a_run_starts_from_another(case: Path, tmp_path: Path) -> None:
    """Stage 2 alone from a run of stage 1; a student of another teacher is refused."""
    first = tmp_path / "first"
    train_run(first, read(case, *ALONE, "train.kimg=0.008"))
    said: list[str] = []
    task = build(case, "train.stage=2", f"train.init={first}", say=said.append)
    assert not said
    build(case, "train.stage=2", say=said.append)
    assert "starts from random weights" in said[0]
    _, tensors = newest(first)
    for name in ("generator", "average"):
        for key, tensor in task.modules[name].state_dict().items():
            assert torch.equal(tensor, tensors[f"module.{name}.{key}"])
    other = tmp_path / "other.safetensors"
    save_teacher(other, 5)
    with pytest.raises(WeightsError, match="student of another teacher"):
        build(case, f"train.init={first}", f"teacher.model={other}")
    with pytest.raises(WeightsError, match=r"lacks .* that this recipe starts from"):
        build(case, f"train.init={case.parent / 'teacher.safetensors'}")


def test_a_student_starts_from_its_own_kind_only(case: Path, tmp_path: Path) -> None:
    """Where the tensors fit but mean something else; what changes no picture may differ."""
    run = tmp_path / "run"
    train_run(run, read(case, *ALONE, "train.kimg=0.004"))
    file = find_model(str(run))
    for init, setting, words in (
        (run, "model.code_input=normalized", r"model\.code_input = 'standardized', .* 'normali"),
        (file, "model.output_scale=1.0", r"model\.output_scale = 0\.25, and .* has 1\.0: change"),
        (file, "model.sr_styles=student", r"model\.sr_styles = 'teacher'"),
        (file, "teacher.raw_resolution=32", r"teacher\.raw_resolution = 16"),
    ):
        with pytest.raises(WeightsError, match=words):
            build(case, *ALONE, f"train.init={init}", setting)
    free = ("model.camera_preset=cars", "model.margin_size=4")  # StyleGAN2 has no margin
    task = build(case, *ALONE, f"train.init={file}", *free)
    assert torch.equal(task.generator.renderer_mapping.code_mean, newest(run)[1][MEAN])


def test_what_a_run_leaves(case: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_run(run, read(case, "train.kimg=0.008"))
    path = find_model(str(run))
    student = load_model(path)
    assert isinstance(student, Student)
    provenance = read_header(path).provenance
    assert provenance.licence == "Derived from teacher.pkl. Some terms."
    assert provenance.training["teacher"] == "teacher.safetensors"
    assert provenance.training["perceptual"] == "discriminator"
    assert (run / "samples" / "000000008-beside-teacher.png").is_file()


def test_cached_lessons_are_those_that_are_drawn(case: Path, tmp_path: Path) -> None:
    """The first epoch of a run with a cache is a run without one, to the last bit."""
    few = ("train.batch_gpu=2", "train.stage=1", "train.kimg=0.008")
    cached = (f"teacher.cache_folder={tmp_path / 'cache'}", "teacher.cache_targets=8")
    states = []
    for settings in ((), cached, cached):
        task = build(case, *few, *settings)
        for step in range(2):
            task.step(step)
        states.append(collect(task))
    for state in states[1:]:
        assert all(torch.equal(tensor, states[0][name]) for name, tensor in state.items())
    (folder,) = (tmp_path / "cache").iterdir()
    lessons = sorted(path.name for path in folder.glob("lesson-*"))
    assert lessons == [f"lesson-{n:09d}.safetensors" for n in range(4)]


def test_a_cache_spares_the_teacher(case: Path, tmp_path: Path) -> None:
    cached = (f"teacher.cache_folder={tmp_path}", "teacher.cache_targets=8")
    task = build(case, *cached, *ALONE)
    for number in range(4):
        task.lessons(number)
    asked: list[int] = []
    task.teacher.prepare = lambda *_: asked.append(1)  # type: ignore[assignment, method-assign]
    for step in range(2, 6):
        task.step(step)
    assert not asked
    assert task.lessons.cache is not None
    folders = [task.lessons.cache.folder, cache_folder(case, *cached)]
    assert folders[0] == folders[1]
    elsewhere = tmp_path / "other"
    shutil.copytree(case.parent, elsewhere)
    save_teacher(elsewhere / "teacher.safetensors", 1, replace(TEACHER, camera_preset="afhq"))
    others = (
        ("teacher.truncation=0.5",),
        ("loss.official_raw=false",),
        ("train.seed=1",),
        ("train.batch_gpu=4",),
        ("data.max_images=3",),
        ("model.camera_preset=cars", "data.kind=spread"),
        ("data.kind=spread",),
        ("data.kind=spread", "data.yaw_spread=0.5"),
        ("loss.image=0",),
        (f"teacher.model={elsewhere / 'teacher.safetensors'}",),
    )
    folders += [cache_folder(case, *cached, *settings) for settings in others]
    assert len(set(folders)) == len(folders) - 1


def cache_folder(case: Path, *settings: str) -> Path:
    cache = build(case, *ALONE, *settings).lessons.cache
    assert cache is not None
    return cache.folder


def test_lessons_come_again_in_another_order() -> None:
    epochs = [[lesson_number(8 * n + i, 8, 0) for i in range(8)] for n in range(3)]
    assert epochs[0] == list(range(8))
    assert all(sorted(epoch) == epochs[0] for epoch in epochs)
    assert epochs[1] != epochs[2] != epochs[0] != epochs[1]
    assert [lesson_number(n, 0, 0) for n in (0, 5, 10**6)] == [0, 5, 10**6]


def test_a_damaged_target_is_drawn_again(case: Path, tmp_path: Path) -> None:
    cached = (f"teacher.cache_folder={tmp_path}", "teacher.cache_targets=8")
    lessons = build(case, *cached, *ALONE).lessons
    first = lessons(0)
    (path,) = tmp_path.rglob("lesson-*")
    whole = path.read_bytes()
    for damage in (whole[: len(whole) // 2], whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:]):
        path.write_bytes(damage)
        assert same(lessons(0), first)
        assert path.read_bytes() == whole


def test_comparison_with_held_out_pictures(case: Path) -> None:
    task = build(case, "train.heldout=6")
    assert task.heldout is not None
    before = task.heldout.compare(task.average)
    assert len(task.heldout.pairs) == 6
    assert before.keys() == {"psnr/image", "psnr/raw"}
    perfect = [pair._replace(image=drawn_by(task.average, pair)) for pair in task.heldout.pairs]
    task.heldout.pairs = perfect
    assert task.heldout.compare(task.average)["psnr/image"] == 100
    shown = [bool(task._compare(images)) for images in range(4, 25, 4)]
    assert shown == [False, True] * 3  # with each snapshot


def drawn_by(student: Student, pair: Pair) -> Pixels:
    ws = pair.w[:, None].expand(-1, student.num_ws, -1)
    with torch.no_grad():
        return to_pixels(student.draw(Subject(ws), pair.camera).image)


def test_teacher_and_student_side_by_side(case: Path) -> None:
    """Three views each, and grey where they agree."""
    task = build(case, *ALONE)
    both = comparison.compare(task.teacher, task.average)
    assert both.shape[1] >= 9 * 64
    assert not np.array_equal(*(both[-64:, 192 * n :][:, :64] for n in (0, 1)))
    grey, white = (np.full((2, 2, 3), value, np.uint8) for value in (100, 255))
    assert (comparison.difference(grey, grey) == 128).all()
    assert (comparison.difference(grey, white) == 255).all()
    assert (comparison.difference(white, grey) == 0).all()


def test_psnr_in_closed_form() -> None:
    grey = np.full((2, 4, 4, 3), 102, np.uint8)  # 0.4 and 0.6 of 255
    other = np.stack([np.full((4, 4, 3), 153, np.uint8), grey[0]])
    assert psnr(grey, other).tolist() == pytest.approx([13.9794, 100.0], abs=1e-4)


def test_memory_can_be_estimated(case: Path) -> None:
    def size(*settings: str) -> int:
        return estimate(build_task(read(case, *settings), World(torch.device("meta")))).activations

    assert size("train.batch_gpu=4") == pytest.approx(2 * size("train.batch_gpu=2"), rel=0.02)
    assert size("train.stage=1") < size()
    assert size("loss.perceptual=lpips-vgg", "train.precision=bf16") != size()


@pytest.mark.parametrize("distance", ["discriminator", "lpips-vgg"])
def test_networks_to_learn_from_need_memory_too(case: Path, distance: str) -> None:
    recipe = read(case, f"loss.perceptual={distance}")
    task = build_task(recipe, World(torch.device("meta")))
    assert isinstance(task, DistillTask)
    assert task.perceptual is not None
    learning = sum(map(size_of, task.modules.values()))
    given = size_of(task.teacher) + size_of(task.perceptual)
    assert min(size_of(task.teacher), size_of(task.perceptual)) > 10_000
    assert estimate(task).weights == learning + given


def size_of(network: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


@pytest.mark.parametrize("network", ["stylegan3-t", "stylegan2"])
def test_training_goes_on_after_a_snapshot(case: Path, tmp_path: Path, network: str) -> None:
    """Nothing that a snapshot made without gradients is in the way of the next step."""
    sizes = ("model.channel_max=8", "model.channel_base=64")
    settings = (f"model.network={network}", "train.snapshot_kimg=0.004", *sizes)
    if network == "stylegan3-t":
        settings += ("model.num_layers=4", "model.margin_size=4")
    train_run(tmp_path / "run", read(case, *settings, "train.kimg=0.012", "train.heldout=2"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("data.kind=spread",), r"set train\.stage to 1, loss\.reals to teacher"),
        (("loss.consistency=1",), r"set teacher\.views_per_latent to 2"),
        (("teacher.views_per_latent=3",), r"make train\.batch_gpu a multiple of teacher\.views"),
        (("train.stage=3",), r"train\.stage cannot be 3"),
        (("loss.features=0", "loss.raw=0", "loss.image=0"), "nothing of .* imitates"),
        (("loss.perceptual=lpips",), "use one of lpips-vgg"),
        (("model.preset=papr",), "use one of paper"),
        (("model.camera_preset=car",), "use one of ffhq, afhq, cars"),
        (("model.code_input=raw",), "standardized"),
        (("teacher.conditioning=none",), "use one of swapped"),
        (("loss.reals=both",), "use one of data, teacher, half"),
        (("optim.first_betas=[1.0, 0.9]",), r"optim\.first_betas cannot be"),
        (("train.plateau_kimg=0",), r"train\.plateau_kimg of 0 is impossible"),
        (("teacher.cache_targets=1",), r"teacher\.cache_targets of 1 .* slices of 2 .*: use 2 or"),
        (("teacher.cache_targets=9", "train.batch_gpu=4"), "slices of 4 samples: use 12 or"),
        (("model.magnitude_ema_beta=2",), r"model\.magnitude_ema_beta of 2 is no probability"),
        (("optim.matrix_lr=-1",), r"optim\.matrix_lr of -1\.0 is impossible"),
        (("optim.first_lr=-1",), r"optim\.first_lr of -1\.0 is impossible"),
        (("optim.first_sr_lr=-1",), r"optim\.first_sr_lr of -1\.0 is impossible"),
        (
            ("optim.matrix_lr=1", "optim.first_matrix_lr=-1"),
            r"optim\.first_matrix_lr of -1\.0 is impossible",
        ),
        (("optim.ema_rampup=-1",), r"optim\.ema_rampup of -1\.0 is impossible"),
        (("optim.warmup_kimg=-1",), r"optim\.warmup_kimg of -1\.0 is impossible"),
        (("optim.decay_kimg=-1",), r"optim\.decay_kimg of -1\.0 is impossible"),
        (
            ("train.batch_gpu=1",),
            r"in groups of 2: make train\.batch_gpu a multiple of the groups of the teacher's",
        ),
        (
            ("loss.discriminator_start=scratch", "model.discriminator.mbstd_group_size=4"),
            r"in groups of 4: make .* a multiple of model\.discriminator\.mbstd_group_size",
        ),
        (
            (
                *("loss.reals=half", "train.batch_gpu=1", "loss.discriminator_start=scratch"),
                "model.discriminator.mbstd_group_size=1",
            ),
            r"cannot halve slices of 1 images: make train\.batch_gpu even",
        ),
    ],
)
def test_impossible_recipes(case: Path, settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(case, *settings)


PUBLISHED = {
    "distill-ffhq512": (64, 512, 1.0, "none", "ffhq512.zip"),
    "distill-afhqcats512": (128, 512, 5.0, "ada", "afhqcats512.zip"),
    "distill-shapenetcars128": (64, 128, 0.3, "none", "shapenetcars128.zip"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name: str) -> None:
    """NeRF-GAN Distillation, section 4.3, and the regularisers of each teacher's training."""
    recipe = resolve(load(name))
    assert isinstance(recipe, DistillRecipe)
    teacher, loss = recipe.teacher, recipe.loss
    sizes = (teacher.raw_resolution, teacher.img_resolution)
    assert (*sizes, loss.r1_gamma, loss.augment, recipe.data.path) == PUBLISHED[name]
    assert (loss.features, loss.raw, loss.image, loss.adversarial) == (1, 1, 1, 0.1)
    assert (loss.pixels, loss.consistency, loss.perceptual) == (0, 0, "lpips-vgg")
    assert (recipe.train.batch, recipe.train.stage, recipe.model.preset) == (16, None, "paper")
    assert recipe.data.mirror == (name != "distill-shapenetcars128")


def test_targets_of_bundled_recipes_are_whole_slices() -> None:
    counts = []
    for name in bundled():
        recipe = resolve(load(name))
        if isinstance(recipe, DistillRecipe) and recipe.teacher.cache_targets:
            counts.append(recipe.teacher.cache_targets)
            assert counts[-1] % (recipe.train.batch_gpu or recipe.train.batch) == 0, name
    assert len(counts) >= 2


ABLATIONS = {  # what of eq. 1 to 3 there is, whether the super-resolution learns, stages
    "lr-l1": ({"features"}, False, 1),
    "lr": ({"features", "raw"}, False, 1),
    "lr-hr": ({"features", "raw", "image"}, True, 1),
    "hr": ({"image"}, True, 1),
    "hr-adv": ({"image", "adversarial"}, True, None),
    "single-stage": ({"features", "raw", "image", "adversarial"}, True, 2),
    "views": ({"features", "raw", "image", "adversarial", "consistency"}, True, None),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations_change_what_they_say(name: str) -> None:
    base, recipe = (resolve(load(f"distill-toyheads{end}")) for end in ("", f"-{name}"))
    assert isinstance(recipe, DistillRecipe)
    assert isinstance(base, DistillRecipe)
    terms, learns, stage = ABLATIONS[name]
    weights = ("features", "raw", "image", "adversarial", "pixels", "consistency")
    given = {term for term in weights if getattr(recipe.loss, term)}
    assert given - ({"adversarial"} if recipe.train.stage == 1 else set()) == terms
    assert (not recipe.loss.freeze_superresolution, recipe.train.stage) == (learns, stage)
    train, optim = replace(recipe.train, stage=None), recipe.optim
    if name == "single-stage":  # from the rates of the one stage to those of the other
        assert optim.at(2).matrix_lr == base.optim.at(1).matrix_lr
        assert optim.matrix_lr * optim.last_lr == pytest.approx(base.optim.at(2).matrix_lr)
        assert optim.decay_kimg == train.kimg
        optim = base.optim
    assert replace(recipe, about=base.about, loss=base.loss, train=train, optim=optim) == base
