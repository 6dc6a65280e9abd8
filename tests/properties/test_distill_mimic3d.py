"""Mimic3D as the teacher of a student: what its branches show, and what is made of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from distill_case import MIMIC3D, build, read, save_teacher, write_case
from torch import Tensor, nn
from training_case import newest, records, train_run

from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions, Rendering
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.nn.patches import cut
from nerfgan_cli.training.distill import (
    Lesson,
    consistency_loss,
    pairs_of,
    reconstruction_losses,
)
from nerfgan_cli.training.distill_networks import build_student
from nerfgan_cli.training.distill_recipe import DistillRecipe, Loss
from nerfgan_cli.training.distill_task import DistillTask
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.estimate import estimate
from nerfgan_cli.training.heldout import HeldOut, Pair, Pixels
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.lessons import open_lessons
from nerfgan_cli.training.recipe_files import load

pytestmark = pytest.mark.usefixtures("quick_training")

Lend = Callable[..., DistillTask]
ALONE = ("train.stage=1", "train.heldout=0")
STRICT = ("teacher.branch=3d",)
PATCHES = (*STRICT, "teacher.patch=24")
HYBRID = ("teacher.branch=hybrid", "teacher.patch=24")
TWO_VIEWS = ("teacher.views_per_latent=2", "loss.consistency=1")
ROUNDING = 2e-3  # of samples along rays of a cropped camera; see test_mimic3d.py


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = write_case(tmp_path_factory.mktemp("mimic3d"))
    save_teacher(file.parent / "eg3d.safetensors", 1)
    save_teacher(file.parent / "teacher.safetensors", 1, MIMIC3D)
    save_teacher(file.parent / "flat.safetensors", 1, replace(MIMIC3D, residual=False))
    return file


@pytest.fixture(scope="module")
def lend(case: Path) -> Lend:
    """A task with these settings and without jitter, one for all who only look at its lessons."""
    return cache(lambda *settings: build(case, "teacher.jitter=false", *settings, *ALONE))


class Shown:
    """What the teacher of a task draws of the subjects of a lesson, by branch."""

    def __init__(self, task: DistillTask, lesson: Lesson) -> None:
        self.teacher, self.lesson = task.teacher, lesson
        self.ws = lesson.w[:, None].expand(-1, task.teacher.num_ws, -1)

    def by(self, branch: str, size: int | None = None, **options: bool) -> Rendering:
        chosen = DrawOptions(resolution=size, branch=branch, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            return self.teacher.synthesis(self.ws, self.lesson.camera, chosen)


def shown(task: DistillTask) -> tuple[Lesson, Shown]:
    lesson = task.lessons(3)
    return lesson, Shown(task, lesson)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, int | None]]:
    """Branch and resolution of all that a Mimic3D draws from now on."""
    found: list[tuple[str | None, int | None]] = []
    draw = Mimic3D.draw

    def noted(self: Mimic3D, subject: object, camera: object, options: DrawOptions) -> Rendering:
        found.append((options.branch, options.resolution))
        return draw(self, subject, camera, options)  # type: ignore[arg-type]

    monkeypatch.setattr(Mimic3D, "draw", noted)
    return found


# Lessons


@pytest.mark.parametrize("settings", [(), ("teacher.branch=2d",)])
def test_the_2d_branch_teaches_as_an_eg3d(lend: Lend, settings: tuple[str, ...]) -> None:
    """And is the usual one."""
    lesson, teacher = shown(lend(*settings))
    drawn = teacher.by("2d", 16, official_raw=True)
    for name in ("features", "image", "image_raw", "depth"):
        assert torch.equal(getattr(lesson, name), getattr(drawn, name)), name
    assert (lesson.strict, lesson.corners) == (None, None)


def test_the_3d_branch_teaches_its_picture(lend: Lend, monkeypatch: pytest.MonkeyPatch) -> None:
    """With features of the other, but for the colours; no super-resolution is asked."""
    task = lend(*STRICT)
    with monkeypatch.context() as patch:
        patch.setattr(task.teacher.superresolution, "forward", None)
        lesson, teacher = shown(task)
        strict, coarse = teacher.by("3d"), teacher.by("2d", 16, raw_only=True)
    assert lesson.image.shape == (2, 3, 64, 64)
    assert torch.equal(lesson.image, strict.image)
    assert torch.equal(lesson.depth, strict.depth)
    assert torch.equal(lesson.features[:, 3:], coarse.features[:, 3:])
    reduced = F.avg_pool2d(strict.image, 4)
    torch.testing.assert_close(lesson.features[:, :3], reduced)
    assert torch.equal(lesson.image_raw, lesson.features[:, :3])
    assert (reduced - coarse.image).abs().max() > 0.01  # they are not the same field
    assert not lesson.image.requires_grad


@pytest.mark.parametrize("colours", ["coarse", "rendered"])
def test_whose_the_raw_colours_are(lend: Lend, colours: str) -> None:
    lesson, teacher = shown(lend(*STRICT, f"teacher.raw_colours={colours}"))
    branch = {"coarse": "2d", "rendered": "3d"}[colours]
    own = teacher.by(branch, 16, raw_only=True).image
    assert torch.equal(lesson.features[:, :3], own)
    assert torch.equal(lesson.image, teacher.by("3d").image)
    raw = own if colours == "rendered" else F.avg_pool2d(lesson.image, 4)
    torch.testing.assert_close(lesson.image_raw, raw)  # what goes with this picture


def test_a_patch_is_a_part_of_the_strict_picture(lend: Lend) -> None:
    """Depth and raw colours are those of the whole, by few rays."""
    task = lend(*PATCHES)
    lessons = [task.lessons(number) for number in range(3)]
    for lesson in lessons:
        teacher = Shown(task, lesson)
        assert lesson.corners is not None
        own = cut(teacher.by("3d").image, lesson.corners, 24)
        torch.testing.assert_close(lesson.image, own, rtol=0, atol=ROUNDING)
    small = teacher.by("3d", 16)
    assert torch.equal(lesson.depth, small.depth)
    assert torch.equal(lesson.features[:, :3], small.image)
    corners = torch.cat([lesson.corners for lesson in lessons if lesson.corners is not None])
    assert len(corners.unique(dim=0)) == 6
    assert corners.min() >= 0
    assert corners.max() <= 64 - 24


def test_a_hybrid_teaches_both_pictures(lend: Lend) -> None:
    lesson, teacher = shown(lend("teacher.branch=hybrid"))
    coarse, strict = teacher.by("2d", 16, official_raw=True), teacher.by("3d")
    for name in ("features", "image", "image_raw"):
        assert torch.equal(getattr(lesson, name), getattr(coarse, name)), name
    assert lesson.strict is not None
    assert torch.equal(lesson.strict, strict.image)
    assert torch.equal(lesson.depth, strict.depth)


@pytest.mark.parametrize("settings", [STRICT, HYBRID])
def test_views_stand_beside_those_of_their_subject(case: Path, settings: tuple[str, ...]) -> None:
    few = ("train.batch_gpu=4", "teacher.views_per_latent=2", "teacher.jitter=false", *ALONE)
    task = build(case, *settings, *few)
    lesson = task.lessons(0)
    strict = lesson.image if lesson.strict is None else lesson.strict
    own = Shown(task, lesson).by("3d").image
    if lesson.corners is not None:
        own = cut(own, lesson.corners, strict.shape[-1])
    torch.testing.assert_close(strict, own, rtol=0, atol=ROUNDING)
    assert torch.equal(lesson.w[0::2], lesson.w[1::2])


@pytest.mark.parametrize(
    ("colours", "drawn"), [("coarse", [("2d", 16)]), ("rendered", [("2d", 16), ("3d", 16)])]
)
def test_what_no_loss_needs_is_not_drawn(
    case: Path, asked: list[tuple[str | None, int | None]], colours: str, drawn: object
) -> None:
    """Features alone are of the 2D branch; with strict colours few rays are enough."""
    task = build(case, "loss.image=0", *STRICT, f"teacher.raw_colours={colours}", *ALONE)
    asked.clear()
    lesson = task.lessons(0)
    assert asked == drawn
    assert torch.equal(lesson.image, lesson.image_raw)
    assert "loss/features" in task.step(0)


# Losses


def exact(lesson: Lesson, whole: Tensor) -> Rendering:
    """A student that draws this picture."""
    return Rendering(whole, lesson.image_raw, lesson.features, None)


def test_a_patch_is_compared_where_it_is(lend: Lend) -> None:
    lesson, teacher = shown(lend(*PATCHES))
    whole = teacher.by("3d").image
    ((share, own, target),) = pairs_of(exact(lesson, whole), lesson, 0.5)
    assert share == 1
    assert torch.equal(target, lesson.image)
    torch.testing.assert_close(own, target, rtol=0, atol=ROUNDING)
    table = Loss(pixels=1.0, raw=0.0, image=0.0)
    found = reconstruction_losses(exact(lesson, whole.flip(3)), lesson, table, None)
    assert found["pixels"] > 10 * ROUNDING


class Difference(nn.Module):
    """A distance that can be reckoned with."""

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        return (drawn - target).abs().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("settings", [HYBRID, HYBRID[:1]])
def test_a_hybrid_weighs_both_pictures(lend: Lend, settings: tuple[str, ...]) -> None:
    """α of the loss of the picture is the 2D branch's; a pixel loss is the 3D branch's alone."""
    lesson, _ = shown(lend(*settings))
    assert lesson.strict is not None
    lesson = lesson._replace(
        image=torch.full_like(lesson.image, 0.25), strict=torch.full_like(lesson.strict, 0.5)
    )
    drawn = exact(lesson, torch.zeros(2, 3, 64, 64))
    table = Loss(raw=0.0, pixels=1.0, hybrid_share=0.25)
    found = reconstruction_losses(drawn, lesson, table, Difference())  # type: ignore[arg-type]
    assert found["image"].item() == pytest.approx(0.25 * 0.25 + 0.75 * 0.5)
    assert found["pixels"].item() == pytest.approx(0.75 * 0.5)


@pytest.mark.parametrize(("settings", "side"), [((), 16), (STRICT, 64), (HYBRID, 16)])
def test_views_are_compared_whichever_branch_teaches(
    case: Path, settings: tuple[str, ...], side: int
) -> None:
    """Along the depth of the lesson, whatever its size; the student learns from it."""
    task = build(case, *settings, *TWO_VIEWS, "teacher.jitter=false", *ALONE)
    lesson = task.lessons(0)
    branch = "3d" if settings else "2d"
    depth = Shown(task, lesson).by(branch, side, raw_only=True).depth
    assert depth is not None
    torch.testing.assert_close(lesson.depth, depth, rtol=0, atol=ROUNDING)
    loss = consistency_loss(task._draw(lesson, 1), lesson, 2, 0.1)
    assert loss > 0
    loss.backward()
    gradients = [p.grad for p in task.generator.predictor.parameters() if p.grad is not None]
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


# The student


@pytest.mark.parametrize("settings", [(), STRICT, HYBRID])
def test_the_student_starts_with_the_super_resolution_of_the_2d_branch(
    case: Path, settings: tuple[str, ...]
) -> None:
    """Whichever branch teaches: the 3D branch has none. It learns at the rate of what is given."""
    task = build(case, *settings, "model.superresolution=Light64", *ALONE)
    own, its = task.generator.superresolution, task.teacher.superresolution
    assert its is not None
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), its.parameters(), strict=True))
    rates = {g["rate"]: g["params"] for g in task.optimizers["generator"].param_groups}
    assert {id(each) for each in rates["sr_lr"]} == {id(each) for each in own.parameters()}
    frozen = ("loss.freeze_superresolution=true", "loss.image=0", *ALONE)
    if settings:
        with pytest.raises(UsageError, match=r"has to learn: set loss\.freeze_superresolution to"):
            build(case, *settings, *frozen)
    else:
        build(case, *frozen)
        task.teacher.prefer_branch("3d")  # as one that was tuned by its 3D branch does
        with pytest.raises(UsageError, match="pictures of a 3D branch"):
            build_student(read(case, *frozen, "model.superresolution=Light64"), task.teacher)


def test_the_card_tells_the_branch(lend: Lend) -> None:
    assert [lend(*each).card["branch"] for each in ((), HYBRID)] == ["2d", "hybrid"]


def test_a_run_of_the_3d_phase_brings_its_discriminator(
    case: Path, tiny_recipe: Path, tmp_path: Path
) -> None:
    """That of whole pictures, which judges a student's too."""
    settings = (
        "kind=mimic3d",
        "model.generator.volume.plane_axes=fixed",
        "loss.patch_adversarial=0.2",
    )
    sizes = {"channel_base": 64, "mbstd_group_size": 2}
    critic = [f"model.patch_discriminator.{key}={value}" for key, value in sizes.items()]
    recipe = resolve(load(str(tiny_recipe), [*settings, *critic, "train.kimg=0.004"]))
    train_run(tmp_path / "run", recipe)
    taught = (f"teacher.model={tmp_path / 'run'}", "teacher.discriminator=none")
    task = build(case, *taught, *STRICT, "train.heldout=0")
    _, tensors = newest(tmp_path / "run")
    for key, tensor in task.modules["discriminator"].state_dict().items():
        assert torch.equal(tensor, tensors[f"module.discriminator.{key}"])


# What training promises


@pytest.mark.parametrize("settings", [STRICT, HYBRID])
def test_targets_on_disk_are_those_of_the_teacher(
    lend: Lend, tmp_path: Path, settings: tuple[str, ...], case: Path
) -> None:
    cached = (f"teacher.cache_folder={tmp_path}", "teacher.cache_targets=8")
    plain, task = lend(*settings).lessons, lend(*settings)
    recipe = read(case, "teacher.jitter=false", *settings, *cached, *ALONE)
    kept = open_lessons(recipe, task.teacher, task.data, 2)
    expected = plain(1)._replace(camera=None)  # type: ignore[arg-type]
    for _ in range(2):  # drawn, and read
        found = kept(1)._replace(camera=None)  # type: ignore[arg-type]
        pairs = zip(expected, found, strict=True)
        assert all(a is b or torch.equal(a, b) for a, b in pairs)
    assert len(list(tmp_path.rglob("lesson-*"))) == 1


def test_each_kind_of_target_has_a_folder(case: Path, lend: Lend, tmp_path: Path) -> None:
    cached = (f"teacher.cache_folder={tmp_path}", "teacher.cache_targets=8")
    teacher, data = lend().teacher, lend().data

    def folder(*settings: str) -> Path:
        cache = open_lessons(read(case, *cached, *settings), teacher, data, 2).cache
        assert cache is not None
        return cache.folder

    usual = folder()
    assert usual == folder("teacher.branch=2d")
    assert folder(*STRICT) == folder(*STRICT, "teacher.raw_colours=downsampled")
    others = [
        STRICT,
        (*STRICT, "teacher.raw_colours=coarse"),
        (*STRICT, "teacher.raw_colours=rendered"),
        PATCHES,
        (*STRICT, "teacher.patch=32"),
        ("teacher.branch=hybrid",),
    ]
    assert len({usual, *(folder(*other) for other in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("settings", "names"), [(PATCHES, {"image", "raw"}), (HYBRID, {"image", "raw", "strict"})]
)
def test_held_out_pictures_are_whole_and_of_the_branch(
    lend: Lend, settings: tuple[str, ...], names: set[str]
) -> None:
    task = lend(*settings)
    heldout = HeldOut(task.lessons, 1, task.world)
    assert heldout.compare(task.average).keys() == {f"psnr/{name}" for name in names}
    (pair,) = heldout.pairs
    ws = pair.w[:, None].expand(-1, task.teacher.num_ws, -1)
    strict, flat = (
        to_pixels(task.teacher.synthesis(ws, pair.camera, options).image)
        for options in (DrawOptions(branch="3d"), DrawOptions(branch="2d", resolution=16))
    )
    assert np.array_equal(pair.image, flat if "strict" in names else strict)
    own = drawn_by(task, pair)
    heldout.pairs = [pair._replace(image=own)]
    again = heldout.compare(task.average)
    assert again["psnr/image"] == 100
    if pair.strict is not None:
        assert np.array_equal(pair.strict, strict)
        assert again["psnr/strict"] == pytest.approx(psnr(own, pair.strict).item())


def drawn_by(task: DistillTask, pair: Pair) -> Pixels:
    ws = pair.w[:, None].expand(-1, task.average.num_ws, -1)
    with torch.no_grad():
        return to_pixels(task.average.synthesis(ws, pair.camera).image)


@pytest.mark.parametrize(("settings", "drawn"), [(STRICT, ("3d", None)), (HYBRID, ("2d", 16))])
def test_the_branch_stands_beside_the_student(
    lend: Lend, asked: list[object], settings: tuple[str, ...], drawn: object
) -> None:
    """In snapshots, at its full size."""
    task = lend(*settings)
    asked.clear()
    assert task.pictures().keys() == {"beside-teacher"}
    assert set(asked) == {drawn}


def test_a_stopped_run_goes_on_as_if_nothing_had_been(case: Path, tmp_path: Path) -> None:
    """Of all that such a teacher can be asked at once."""
    usual = (*HYBRID, *TWO_VIEWS, "loss.pixels=1", "train.heldout=1", "train.switch_kimg=0.004")
    usual = (*usual, "loss.discriminator_alone_kimg=0")
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for folder, ends in ((whole, (0.008,)), (halves, (0.004, 0.008))):
        for end in ends:
            train_run(folder, read(case, *usual, f"train.kimg={end}"))
    (_, expected), (_, found) = newest(whole), newest(halves)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    last = records(whole)[-1]
    assert {"loss/pixels", "loss/consistency", "loss/adversarial", "psnr/strict"} <= last.keys()
    assert records(halves)[-1] == last
    assert (whole / "samples" / "000000008-beside-teacher.png").is_file()


def test_memory_can_be_estimated(case: Path) -> None:
    """Another picture is more to compare."""

    def size(*settings: str) -> int:
        task = build_task(read(case, *settings, *ALONE), World(torch.device("meta")))
        return estimate(task).activations

    assert size() == size(*STRICT) < size(*HYBRID)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("teacher.model={0}/flat.safetensors", *STRICT), "has only the branch 2d, too few for"),
        (("teacher.model={0}/flat.safetensors", *HYBRID), r"branch = hybrid: set that to 2d, or"),
        (("teacher.model={0}/eg3d.safetensors", "teacher.branch=2d"), "has no branches: leave"),
        (("teacher.branch=4d",), r"teacher\.branch cannot be '4d': use one of 2d, 3d, hybrid"),
        (("teacher.patch=24",), r"teacher\.patch is about .*: set teacher\.branch to 3d or hybrid"),
        (
            ("teacher.branch=2d", "teacher.raw_colours=downsampled"),
            r"teacher\.raw_colours is about",
        ),
        ((*STRICT, "teacher.raw_colours=fine"), r"use one of coarse, downsampled, rendered"),
        ((*PATCHES, "teacher.raw_colours=downsampled"), r"set teacher\.raw_colours to rendered or"),
        ((*STRICT, "teacher.patch=65"), r"a patch of 65² is no part of a picture of 64²"),
        ((*STRICT, "teacher.patch=8"), r"teacher\.patch of 8 is impossible"),
        ((*PATCHES, "loss.reals=teacher"), r"set loss\.reals to data, train\.stage to 1"),
        ((*HYBRID, "loss.hybrid_share=2"), r"loss\.hybrid_share of 2\S* is no probability"),
    ],
)
def test_what_is_refused(case: Path, settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(case, *(each.format(case.parent) for each in settings))


# Of mimic3d.md 21.4: branch, weights of pixels and views, whether there is a stage 2.
EXPERIMENT = {
    "-2d": ("2d", 0, 0, False),  # S0
    "": ("2d", 0, 0, True),  # S1
    "-3d": ("3d", 0, 0, False),  # S2
    "-3d-pixels": ("3d", 1, 0, False),  # S3
    "-3d-views": ("3d", 1, 1, False),  # S4
    "-3d-adv": ("3d", 1, 1, True),  # S5
    "-3d-adv-weak": ("3d", 1, 1, True),
    "-hybrid": ("hybrid", 1, 0, True),  # S6
    "-2d-pixels": ("2d", 1, 0, False),  # the control
    "-3d-patch": ("3d", 1, 0, False),
}


def test_all_begin_as_one() -> None:
    base, recipe = (resolve(load(f"distill-{x}toyheads-start")) for x in ("", "mimic3d-"))
    assert isinstance(base, DistillRecipe)
    teacher = replace(base.teacher, model="mimic3d-toyheads", branch="2d")
    assert recipe == replace(base, about=recipe.about, teacher=teacher)


@pytest.mark.parametrize("name", EXPERIMENT)
def test_recipes_differ_in_what_they_say(name: str) -> None:
    """And in nothing else from the student of the bundled EG3D."""
    base, recipe = (resolve(load(f"distill-{x}")) for x in ("toyheads", f"mimic3d-toyheads{name}"))
    assert isinstance(base, DistillRecipe)
    assert isinstance(recipe, DistillRecipe)
    branch, pixels, consistency, is_adversarial = EXPERIMENT[name]
    teacher = replace(base.teacher, model="mimic3d-toyheads", branch=branch)
    weight = 0.03 if name == "-3d-adv-weak" else base.loss.adversarial
    assert recipe == replace(
        base,
        about=recipe.about,
        teacher=replace(teacher, patch=64 if name == "-3d-patch" else None),
        loss=replace(base.loss, pixels=pixels, consistency=consistency, adversarial=weight),
        train=replace(base.train, stage=None if is_adversarial else 1),
    )
