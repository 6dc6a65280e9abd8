"""What the 3D phase of Mimic3D computes, reckoned by hand (mimic3d.md 7 to 10)."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus
from training_mimic3d_case import SIDE, STRICT, build, write_case

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import PATCH
from nerfgan_cli.losses.density import smoothness_loss
from nerfgan_cli.nn.patches import cut
from nerfgan_cli.ops.fir import blur2d
from nerfgan_cli.ops.resize import resize
from nerfgan_cli.training import mimic3d_task
from nerfgan_cli.training.eg3d import (
    DensityPoints,
    Latents,
    Moment,
    PhaseResult,
    Truth,
    density_phase,
    draw_views,
)
from nerfgan_cli.training.eg3d_draws import Schedule, SliceDraws
from nerfgan_cli.training.mimic3d import (
    Imitation,
    PatchAdversary,
    PatchTerms,
    draw_patches,
    generator_phase_3d,
    patch_discriminator_phase,
    patch_r1_phase,
    prepare_fakes,
)
from nerfgan_cli.training.mimic3d_task import Mimic3DTask

pytestmark = pytest.mark.usefixtures("quick_training")

CORNERS = torch.tensor([[0, 64], [37, 11]])
RAYS, SIGMA = 8, 1.5


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("mimic3d"))


@pytest.fixture(scope="module")
def task(file: Path) -> Mimic3DTask:
    """Of the 3D phase, for all who change none of its weights."""
    return build(file, *STRICT, "optim.stream_lr=0.5", "optim.residual_lr=0.25", "loss.r1_gamma=3")


@pytest.fixture(scope="module")
def generator(task: Mimic3DTask) -> Mimic3D:
    return task.generator.eval()


@pytest.fixture
def latents() -> Latents:
    camera = CAMERAS["ffhq"].at([0.2, -0.1])
    return Latents(torch.randn(2, 8, generator=torch.manual_seed(0)), camera, torch.ones(2))


def brighter(pictures: Tensor) -> Tensor:
    """An augmentation that can be told."""
    return pictures + 1


MOMENTS = [
    Moment(0.0, 0.0, RAYS, DrawOptions()),
    Moment(0.0, SIGMA, RAYS, DrawOptions(), brighter),
]


def mean(pictures: Tensor) -> Tensor:  # [B]
    return pictures.mean(dim=(1, 2, 3))


def distance(a: Tensor, b: Tensor) -> Tensor:  # [B]
    return mean((a - b).abs())


def as_shown(pictures: Tensor, moment: Moment) -> Tensor:
    """To a discriminator."""
    blurred = blur2d(pictures, moment.blur_sigma)
    return blurred if moment.augment is None else blurred + 1


class Brightness(torch.nn.Module):
    """In place of a discriminator: its logit is four times the mean of the first picture."""

    def forward(self, picture: Tensor, *_: Any) -> Tensor:  # [B, 1]
        self.saw = picture
        return 4 * mean(picture)[:, None]


class Drawn:
    """What the generator draws in a phase, if nothing else has a part in it."""

    def __init__(self, generator: Mimic3D, latents: Latents, moment: Moment) -> None:
        with torch.no_grad():
            subject = prepare_fakes(generator, latents, moment)
            self.image, self.raw = draw_views(generator, subject, latents, moment)
            self.patch = draw_patches(generator, subject, latents, CORNERS, moment)


def part(pictures: Tensor, index: int) -> Tensor:
    top, left = CORNERS[index].tolist()
    return pictures[index, :, top : top + PATCH, left : left + PATCH]


def test_patches_are_parts_of_the_strict_picture(generator: Mimic3D, latents: Latents) -> None:
    patch = Drawn(generator, latents, MOMENTS[0]).patch
    with torch.no_grad():
        options = DrawOptions(branch="3d", skipping=False)
        subject = prepare_fakes(generator, latents, MOMENTS[0])
        whole = generator.draw(subject, latents.camera, options).image
    for index in range(2):
        torch.testing.assert_close(patch[index], part(whole, index), atol=1e-5, rtol=0)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_generator_learns_from_the_sum_of_its_terms(
    generator: Mimic3D, latents: Latents, moment: Moment
) -> None:
    """Softplus of minus the logits of both discriminators; patches and pattern at one place.

    Both discriminators see what is blurred and augmented, the imitation what is neither.
    """
    whole, judge = cast(Any, Brightness()), Brightness()
    truth = Truth(torch.rand(2, 3, SIDE, SIDE), 0.5)
    learned = PatchTerms(
        Imitation(cast(Any, distance), 3.0), PatchAdversary(cast(Any, judge), 0.25), 2.0
    )
    with torch.no_grad():
        found = generator_phase_3d(generator, whole, latents, CORNERS, moment, learned, truth)
    drawn = Drawn(generator, latents, moment)
    patch = drawn.patch
    torch.testing.assert_close(judge.saw, as_shown(patch, moment))
    pattern, exact = (
        torch.stack([part(pictures, index) for index in range(2)])
        for pictures in (drawn.image, truth.image)
    )
    expected = {
        "imitation": distance(patch, pattern),
        "patch_adversarial": softplus(-4 * mean(as_shown(patch, moment))),
        "patch_truth": distance(patch, exact),
        "truth": distance(drawn.image, truth.image)
        + distance(drawn.raw, resize(truth.image, drawn.raw.shape[-1])),
    }
    if moment.augment is None:  # which gets both views at once
        expected["adversarial"] = softplus(-4 * mean(drawn.image))
    for name, value in expected.items():
        torch.testing.assert_close(found.terms[name].flatten(), value)
    weights = {"imitation": 3.0, "patch_adversarial": 0.25, "patch_truth": 2.0}
    weights |= {"adversarial": 1.0, "truth": 0.5}
    assert found.terms.keys() == weights.keys()
    total = sum(weight * found.terms[name] for name, weight in weights.items())
    torch.testing.assert_close(found.loss, total)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_patch_discriminator_tells_reals_from_fakes(
    generator: Mimic3D, latents: Latents, moment: Moment
) -> None:
    """R1 is half of gamma times the squared gradient at reals, as they are shown."""
    judge, reals = cast(Any, Brightness()), torch.rand(2, 3, PATCH, PATCH)
    found = patch_discriminator_phase(generator, judge, latents, CORNERS, reals, moment)
    patch = Drawn(generator, latents, moment).patch
    fake, real = (4 * mean(as_shown(each, moment)) for each in (patch, reals))
    torch.testing.assert_close(found.loss.flatten(), softplus(fake) + softplus(-real))
    assert {name: scores.flatten().tolist() for name, scores in found.scores.items()} == {
        "patch_fake": pytest.approx(fake.tolist()),
        "patch_real": pytest.approx(real.tolist()),
    }
    penalty = patch_r1_phase(judge, reals, 5.0, moment)
    torch.testing.assert_close(judge.saw, as_shown(reals, moment))
    squared = 16 / reals[0].numel()  # of as many equal slopes
    torch.testing.assert_close(penalty.loss.flatten(), torch.full((2,), 2.5 * squared))


class Silent(torch.nn.Module):
    """A discriminator that has nothing to say."""

    def forward(self, picture: Tensor, *_: Any) -> Tensor:  # [B, 1]
        return picture.new_zeros(len(picture), 1)


def test_imitation_teaches_the_3d_branch_and_not_its_pattern(
    generator: Mimic3D, latents: Latents
) -> None:
    learned = PatchTerms(Imitation(cast(Any, distance), 1.0))
    silent = cast(Any, Silent())
    result = generator_phase_3d(generator, silent, latents, CORNERS, MOMENTS[0], learned)
    generator.zero_grad()
    result.loss.mean().backward()
    for name, parameter in generator.named_parameters():
        taught = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        if name.startswith("superresolution"):
            assert not taught, name
        elif "decoder" in name or "mapping" in name or ".block" in name or ".conv" in name:
            assert taught or "affine" in name or "noise" in name, name
    generator.zero_grad()


def test_the_density_of_all_planes_is_smoothed(generator: Mimic3D, latents: Latents) -> None:
    """Whichever branch is preferred."""
    points = torch.rand(2, 40, 3), 0.01 * torch.randn(2, 40, 3)
    with torch.no_grad():
        ws = generator.mapping(latents.z, latents.camera)
        by_branch = {}
        for branch in ("2d", "3d"):
            subject = generator.prepare(ws, DrawOptions(branch=branch))
            first = 2 * points[0] - 1
            pairs = torch.cat([first, first + points[1]], dim=1)
            by_branch[branch] = 0.25 * smoothness_loss(generator.density(subject, pairs))
        found = density_phase(generator, latents, DensityPoints(*points), MOMENTS[0], 0.25)
        torch.testing.assert_close(found.loss, by_branch["3d"])
        assert (found.loss - by_branch["2d"]).abs().max() > 1e-4
        generator.prefer_branch("3d")
        again = density_phase(generator, latents, DensityPoints(*points), MOMENTS[0], 0.25)
        generator.prefer_branch("2d")
    assert torch.equal(found.loss, again.loss)


def test_real_patches_come_from_places_of_their_own(
    task: Mimic3DTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of fakes, in the same phase and in that of the generator, are elsewhere."""
    asked: dict[str, tuple[Any, ...]] = {}

    def note(name: str) -> None:
        def noted(*arguments: Any) -> PhaseResult:
            asked[name] = arguments
            return PhaseResult(torch.zeros(2, 1), {})

        monkeypatch.setattr(mimic3d_task, name, noted)

    for name in ("generator_phase_3d", "patch_discriminator_phase", "patch_r1_phase"):
        note(name)
    task.begin(0)
    real = next(task.reals)
    phases = {each.name: each for each in task._phases(Schedule(0.5, SIGMA, RAYS), {0: real})}
    draws = {
        name: SliceDraws(0, name, 0, 0, 2, torch.device("cpu"))
        for name in ("generator", "patch_discriminator", "patch_r1")
    }
    for name, each in draws.items():
        phases[name].compute(each)
    _, _, _, corners, patches, moment = asked["patch_discriminator_phase"]
    own = draws["patch_discriminator"]
    places = own.corners(SIDE, "fake"), own.corners(SIDE, "real")
    assert torch.equal(corners, places[0])
    assert torch.equal(patches, cut(real.image, places[1], PATCH))
    assert not torch.equal(*places)
    assert not torch.equal(asked["generator_phase_3d"][3], corners)
    assert (moment.blur_sigma, moment.augment is None) == (SIGMA, False)
    _, patches, gamma, moment = asked["patch_r1_phase"]
    assert torch.equal(patches, cut(real.image, draws["patch_r1"].corners(SIDE, "real"), PATCH))
    assert (gamma, moment.blur_sigma, moment.augment is None) == (3.0, SIGMA, False)


def test_stream_and_residual_planes_have_rates_of_their_own(task: Mimic3DTask) -> None:
    groups = task.optimizers["generator"].param_groups
    names = {id(weight): name for name, weight in task.generator.named_parameters()}
    parts = [{names.pop(id(weight)) for weight in group["params"]} for group in groups]
    assert not names  # each is in one of them
    assert all(".block." in name for name in parts[1])
    assert all(".block2." in name or ".block3." in name for name in parts[2])
    assert not any(".block." in name or ".block2." in name for name in parts[0])
    full = 0.0025 * 2 / 3  # of a regulariser in each second step
    assert [group["lr"] for group in groups] == pytest.approx([full, 0.5 * full, 0.25 * full])


def test_the_distance_of_imitation_is_exact(file: Path) -> None:
    """Whatever precision the discriminators and the super-resolution have."""
    task = build(file, *STRICT, "train.precision=bf16")
    assert task.terms.imitation is not None
    assert task.adversary is not None
    distance, judge = (
        {vars(each)["compute_dtype"] for each in network.modules() if "compute_dtype" in vars(each)}
        for network in (task.terms.imitation.distance, task.adversary.discriminator)
    )
    assert distance == {torch.float32}
    assert torch.bfloat16 in judge
