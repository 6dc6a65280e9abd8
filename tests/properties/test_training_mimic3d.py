"""Training of Mimic3D in both phases: what each step trains, what a run may start from."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus
from training_case import newest, train_run, write_pictures

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.cameras import Camera
from nerfgan_cli.checkpoints.format import save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators import registry
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import PATCH, PRESETS
from nerfgan_cli.generators.registry import describe
from nerfgan_cli.nn.discriminators import DiscriminatorConfig, DualDiscriminator
from nerfgan_cli.ops.fir import blur2d
from nerfgan_cli.training import mimic3d
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d_draws import Schedule
from nerfgan_cli.training.estimate import estimate
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.mimic3d_recipe import Mimic3DRecipe
from nerfgan_cli.training.mimic3d_task import Mimic3DTask
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.state import collect
from nerfgan_cli.training.warm_task import WarmTask

RECIPE = """
kind = "mimic3d"
about = "for tests"
[data]
kind = "archive"
path = "{path}"
workers = 0
[model.generator]
z_dim = 8
w_dim = 16
img_resolution = 128
raw_resolution = 12
plane_resolution = 16
plane_channels = 4
channel_base = 128
channel_max = 8
superresolution = "Light128"
residual = false
[model.generator.volume]
depth_resolution = 4
depth_resolution_importance = 4
plane_axes = "fixed"
[model.discriminator]
channel_base = 128
channel_max = 8
mbstd_group_size = 2
[model.patch_discriminator]
channel_base = 128
channel_max = 8
mbstd_group_size = 2
[loss]
r1_gamma = 1.0
r1_interval = 2
density_interval = 2
density_points = 10
blur_sigma = 2.0
blur_fade_kimg = 0.1
first_resolution = 8
augment = "ada"
ada_interval = 2
perceptual = "discriminator"
perceptual_discriminator = "{critic}"
[train]
kimg = 0.002
batch = 2
snapshot_kimg = 0.002
log_kimg = 0.002
video_frames = 0
"""
STRICT = ("model.generator.residual=true", "loss.imitation=1", "loss.patches=0.2")

pytestmark = pytest.mark.usefixtures("quick_training")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe of the 2D phase, with its pictures, and a discriminator to imitate by."""
    folder = tmp_path_factory.mktemp("mimic3d")
    critic = folder / "critic.safetensors"
    torch.manual_seed(0)
    config = DiscriminatorConfig(128, channel_base=128, channel_max=8)
    save_model(critic, DualDiscriminator(config), Provenance(source="test"))
    pictures = write_pictures(folder / "pictures", side=128)
    made = folder / "mimic3d.toml"
    made.write_text(RECIPE.format(path=pictures, critic=critic))
    return made


def read(file: Path, *settings: str) -> Mimic3DRecipe:
    found = resolve(load(str(file), settings))
    assert isinstance(found, Mimic3DRecipe)
    return found


def build(file: Path, *settings: str) -> Mimic3DTask:
    task = build_task(read(file, *settings), World(torch.device("cpu")))
    assert isinstance(task, Mimic3DTask)
    return task


def test_each_phase_trains_its_network_only(file: Path) -> None:
    task = build(file, *STRICT)
    task.begin(0)
    phases = list(task._phases(Schedule(0.5, 1.0, 8), {0: next(task.reals)}))
    assert [(phase.name, phase.interval) for phase in phases] == [
        *(("generator", 1), ("density", 2), ("discriminator", 1), ("r1", 2)),
        *(("patch_discriminator", 1), ("patch_r1", 2)),
    ]
    before = clones(task)
    for phase in (phases[0], *phases[4:]):
        signs = task.ada.signs.clone()
        numbers = task._descend(phase, 0)
        assert float(numbers[f"loss/{phase.name}"]) > 0
        after = clones(task)
        changed = {
            name.split(".")[1] for name, tensor in after.items() if differs(tensor, before[name])
        }
        trained = "generator" if phase.name == "generator" else "patch_discriminator"
        assert changed == {trained}, phase.name
        assert torch.equal(task.ada.signs, signs)  # whole pictures alone move the augmentation
        before = after


def clones(task: Mimic3DTask) -> dict[str, Tensor]:
    return {name: x.clone() for name, x in collect(task).items() if name.startswith("module.")}


def differs(one: Tensor, other: Tensor) -> bool:
    return not torch.equal(one, other)


def test_imitation_teaches_the_3d_branch_from_the_2d_branch(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patches lie pixel on pixel, and no gradient flows into the pattern."""
    task = build(file, *STRICT, "loss.patches=0", "loss.augment=none")
    seen: dict[str, Tensor] = {}
    original = mimic3d.imitation_loss

    def noted(distance: Any, strict: Tensor, pattern: Tensor) -> Tensor:
        seen.update(strict=strict, pattern=pattern)
        return original(distance, strict, pattern)

    monkeypatch.setattr(mimic3d, "imitation_loss", noted)
    # Alone: the discriminator of whole pictures has nothing to say.
    monkeypatch.setattr(mimic3d, "fool", silent(mimic3d.fool))
    task.begin(0)
    phase = next(task._phases(Schedule(0.0, 0.0, 8), {}))
    task._descend(phase, 0)
    assert seen["strict"].shape == seen["pattern"].shape == (2, 3, PATCH, PATCH)
    gradients = {name: p.grad for name, p in task.generator.named_parameters()}
    for name, gradient in gradients.items():
        taught = gradient is not None and bool(gradient.abs().sum() > 0)
        if name.startswith("superresolution"):
            assert not taught, name
        elif "block2" in name or "block3" in name or name.startswith("decoder"):
            assert taught or "affine" in name or "noise" in name, name


def silent(function: Any) -> Any:
    def quiet(*arguments: Any) -> Any:
        result = function(*arguments)
        return result._replace(loss=0 * result.loss)

    return quiet


def test_patches_are_parts_of_the_strict_picture(file: Path) -> None:
    task = build(file, *STRICT)
    generator = task.generator.eval()
    camera = CAMERAS["ffhq"].at([0.2, -0.1])
    latents = mimic3d.Latents(torch.randn(2, 8), camera, torch.ones(2))
    moment = mimic3d.Moment(0.0, 0.0, 8, DrawOptions())
    corners = torch.tensor([[0, 64], [37, 11]])
    with torch.no_grad():
        subject = mimic3d.prepare_fakes(generator, latents, moment)
        patch = mimic3d.draw_patches(generator, subject, latents, corners, moment)
        options = DrawOptions(branch="3d", skipping=False)
        whole = generator.draw(subject, camera, options).image
    for index, (top, left) in enumerate(corners.tolist()):
        part = whole[index, :, top : top + PATCH, left : left + PATCH]
        torch.testing.assert_close(patch[index], part, atol=1e-5, rtol=0)


def test_both_phases_and_a_run_that_goes_on(file: Path, tmp_path: Path) -> None:
    """The 3D phase from a run of the 2D phase; what is resumed ends as what went through."""
    planar, through, resumed = (tmp_path / name for name in ("2d", "through", "resumed"))
    hasty = ("train.kimg=0.008", "loss.ada_kimg=0.02", "loss.ada_target=-2")
    train_run(planar, read(file, *hasty))
    strict = (*STRICT, f"train.init={planar}")
    said = train_run(through, read(file, *strict, "train.kimg=0.004"))
    assert not [sentence for sentence in said if "random" in sentence]
    assert (through / "samples" / "000000004-branches.png").is_file()
    assert not [*planar.glob("samples/*-branches.png")]
    train_run(resumed, read(file, *strict))
    train_run(resumed, read(file, *strict, "train.kimg=0.004"))
    one, other = newest(through)[1], newest(resumed)[1]
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    task = build(file, *strict)
    begun = {name: x.clone() for name, x in task.generator.state_dict().items()}
    task.initialize(said.append)
    before = newest(planar)[1]
    for name, tensor in task.generator.state_dict().items():
        new = "block2" in name or "block3" in name
        source = begun[name] if new else before[f"module.generator.{name}"]
        assert torch.equal(tensor, source), name
    loaded = task.discriminator.state_dict()["b128.conv0.weight"]
    assert torch.equal(loaded, before["module.discriminator.b128.conv0.weight"])
    assert task.ada.pipe.p == before["module.ada.pipe.p"] > 0

    with pytest.raises(WeightsError, match="3D phase, and this recipe is for the 2D phase"):
        build(file, f"train.init={through}").initialize(said.append)


def eg3d_like(generator: Mimic3D, axes: str) -> EG3D:
    """An EG3D of the sizes of a Mimic3D."""
    _, plain = describe(generator)
    del plain["residual"], plain["aware"]
    plain["volume"]["plane_axes"] = axes
    network = registry.build("eg3d", plain)
    assert isinstance(network, EG3D)
    return network.eval()


@pytest.mark.parametrize("settings", [(), STRICT, (*STRICT, "model.generator.aware=false")])
def test_planes_of_an_eg3d_pass_through(
    file: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    """If their axes are those of a Mimic3D; else nothing is begun, and the sentence says so."""
    task = build(file, *settings, "model.residual_gain=0")
    teacher, start = eg3d_like(task.generator, "fixed"), tmp_path / "eg3d.safetensors"
    save_model(start, teacher, Provenance(source="test"))
    begun = build(file, *settings, "model.residual_gain=0", f"train.init={start}")
    begun.initialize(lambda sentence: None)
    camera = CAMERAS["ffhq"].at([0.2, -0.1])
    with torch.no_grad():
        ws = teacher.mapping(torch.randn(2, 8), camera)
        expected = teacher.prepare(ws).planes
        branch = begun.average.branches[-1]
        subject = begun.average.prepare(ws, DrawOptions(branch=branch))
    assert expected is not None
    torch.testing.assert_close(subject.planes, expected, rtol=1e-4, atol=1e-5)
    assert subject.residual is None or not subject.residual.any()

    save_model(start, eg3d_like(task.generator, "released"), Provenance(source="test"))
    with pytest.raises(WeightsError, match="planes xy, xz, zx, and a Mimic3D has xy, yz, zx"):
        begun.initialize(lambda sentence: None)


def test_it_is_refused_in_one_sentence(file: Path) -> None:
    for settings, words in (
        (["model.generator.residual=true"], "teaches the residual planes"),
        (["loss.patch_truth=1"], "loss.patch_truth goes with loss.truth"),
        ([*STRICT, "loss.perceptual=lpips-vgg"], "give both, or neither"),
        ([*STRICT, "model.generator.img_resolution=32"], "img_resolution of 32"),
        ([*STRICT, "model.patch_discriminator.mbstd_group_size=3"], "patch_discriminator.mbstd"),
        (["model.generator.volume.plane_axes=released"], "plane axes"),
    ):
        with pytest.raises(UsageError, match=words):
            build(file, *settings)


def test_bundled_recipes_are_of_the_published_models() -> None:
    for name, published in PRESETS.items():
        recipe = resolve(load(f"mimic3d-{name}"))
        assert isinstance(recipe, Mimic3DRecipe)
        own, loss = recipe.generator_config(), recipe.loss
        if name.startswith("shapenet128"):  # cars are trained and filmed from other distances
            published = replace(published, camera_preset="cars", training=own.training)
        assert own == published, name
        strict, small = name.endswith("-3d"), published.img_resolution < 512
        assert loss.r1_gamma == (5 if name.startswith("afhq") else 1)
        assert loss.density_distance == (0.002 if strict else 0.004)
        assert (loss.imitation, loss.patches) == ((1, 0.2 if small else 0.1) if strict else (0, 0))
        assert loss.augment == ("ada" if name.startswith("afhq") else "none")
        assert (loss.swap_probability, recipe.train.batch) == (0.5, 32)
        scratch = name in ("ffhq512-2d", "ffhq256-2d", "shapenet128-2d")
        assert (recipe.train.init is None) == scratch
        assert (loss.blur_fade_kimg > 0) == (loss.swap_fade_kimg > 0) == scratch


def test_a_3d_phase_is_rehearsed_with_its_patches(file: Path) -> None:
    meta = World(torch.device("meta"))
    planar, strict = (
        estimate(build_task(read(file, *settings), meta)) for settings in ((), STRICT)
    )
    assert strict.activations > planar.activations
    assert set(strict.parameters) == {"generator", "discriminator", "patch_discriminator"}


def test_a_warm_start_teaches_both_branches() -> None:
    settings = (
        *("train.init=none", "train.batch=2", "train.batch_gpu=2", "data.workers=0"),
        *("loss.crop=8", "loss.rays=8", "loss.views_kimg=0", "model.generator.channel_max=16"),
        *("model.generator.w_dim=32", "model.generator.plane_resolution=32"),
        *("optim.warmup_kimg=0", "train.precision=fp32"),
    )
    task = build_task(
        resolve(load("mimic3d-toyheads-3d-warm", settings)), World(torch.device("cpu"))
    )
    assert isinstance(task, WarmTask)
    task.begin(0)
    truth = next(task.truths)
    losses = dict(task.drawing_losses(truth, "parts", None))
    both = task.weigh(losses)
    strict = losses.pop("strict")
    torch.testing.assert_close(both - task.weigh(losses), task.recipe.loss.strict * strict)
    # It is of the middle of the part, which the 3D branch draws as it draws the whole.
    subject = task.generator.prepare(task._mapping(truth["z"]), DrawOptions(branch="3d"))
    camera, options = Camera.from_label(truth["label"]), DrawOptions(branch="3d", resolution=16)
    whole = task.generator.draw(subject, camera, options).image
    middle = (whole - truth["image"])[:, :, 4:-4, 4:-4].abs().mean()
    torch.testing.assert_close(strict, middle, rtol=1e-3, atol=1e-4)

    last = task.generator.get_parameter("backbone.synthesis.b3d32.block3.torgb.weight")
    assert not last.any()  # the residual planes begin as nothing
    strict.backward()
    assert last.grad is not None
    assert last.grad.abs().sum() > 0
    assert task.generator.superresolution.block0.conv0.weight.grad is None


# Formulas of the 3D phase, by hand


class Brightness(torch.nn.Module):
    """In place of a discriminator: its logit is four times the mean of the first picture."""

    def forward(self, picture: Tensor, *_: Any) -> Tensor:  # [B, 1]
        self.saw = picture
        return 4 * picture.mean(dim=(1, 2, 3))[:, None]


def test_the_generator_learns_from_the_sum_of_its_terms(file: Path) -> None:
    """Softplus of minus the logits of both discriminators; patches and pattern at one place."""
    task = build(file, *STRICT)
    generator, whole, critic = task.generator.eval(), cast(Any, Brightness()), Brightness()
    camera, corners = CAMERAS["ffhq"].at([0.2, -0.1]), torch.tensor([[0, 64], [37, 11]])
    latents = mimic3d.Latents(torch.randn(2, 8), camera, torch.ones(2))
    moment = mimic3d.Moment(0.0, 1.5, 8, DrawOptions())
    truth = mimic3d.Truth(torch.rand(2, 3, 128, 128), 0.0)
    asked = mimic3d.Imitation(cast(Any, lambda a, b: (a - b).abs().mean(dim=(1, 2, 3))), 3.0)
    terms = mimic3d.PatchTerms(asked, mimic3d.Scrutiny(cast(Any, critic), 0.25), 2.0)
    with torch.no_grad():
        found = mimic3d.imitating_phase(generator, whole, latents, corners, moment, terms, truth)
        subject = mimic3d.prepare_fakes(generator, latents, moment)
        fakes = mimic3d.draw_views(generator, subject, latents, moment)
        patch = mimic3d.draw_patches(generator, subject, latents, corners, moment)
    places = [(slice(None), slice(t, t + PATCH), slice(u, u + PATCH)) for t, u in corners.tolist()]
    pattern, exact = (
        torch.stack([one[place] for one, place in zip(pictures, places, strict=True)])
        for pictures in (fakes.image, truth.image)
    )
    blurred = blur2d(patch, 1.5)
    torch.testing.assert_close(critic.saw, blurred)
    expected = softplus(-4 * blur2d(fakes.image, 1.5).mean(dim=(1, 2, 3)))
    expected += 3 * (patch - pattern).abs().mean(dim=(1, 2, 3))
    expected += 0.25 * softplus(-4 * blurred.mean(dim=(1, 2, 3)))
    expected += 2 * (patch - exact).abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(found.loss.flatten(), expected)


def test_the_patch_discriminator_tells_reals_from_fakes(file: Path) -> None:
    """Both blurred; R1 is half of gamma times the squared gradient at reals."""
    generator, critic = build(file, *STRICT).generator.eval(), cast(Any, Brightness())
    camera, corners = CAMERAS["ffhq"].at([0.2, -0.1]), torch.tensor([[0, 64], [37, 11]])
    latents = mimic3d.Latents(torch.randn(2, 8), camera, torch.ones(2))
    moment = mimic3d.Moment(0.0, 1.5, 8, DrawOptions())
    reals = torch.rand(2, 3, PATCH, PATCH)
    found = mimic3d.patch_discriminator_phase(generator, critic, latents, corners, reals, moment)
    with torch.no_grad():
        subject = mimic3d.prepare_fakes(generator, latents, moment)
        fakes = mimic3d.draw_patches(generator, subject, latents, corners, moment)
    fake, real = (4 * blur2d(each, 1.5).mean(dim=(1, 2, 3)) for each in (fakes, reals))
    torch.testing.assert_close(found.loss.flatten(), softplus(fake) + softplus(-real))
    assert {name: scores.flatten().tolist() for name, scores in found.scores.items()} == {
        "patch_fake": pytest.approx(fake.tolist()),
        "patch_real": pytest.approx(real.tolist()),
    }
    penalty = mimic3d.patch_r1_phase(critic, reals, 5.0, moment)
    torch.testing.assert_close(critic.saw, blur2d(reals, 1.5))
    squared = 16 / reals[0].numel()  # of as many equal slopes
    torch.testing.assert_close(penalty.loss.flatten(), torch.full((2,), 2.5 * squared))
