"""Training of Mimic3D in both phases: what each step trains, what a run may start from."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_case import newest, records, train_run
from training_mimic3d_case import STRICT, build, read, write_case

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.cameras import Camera
from nerfgan_cli.checkpoints.format import load_network, save_model
from nerfgan_cli.checkpoints.provenance import AUGMENTATION, Provenance
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators import registry
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.registry import describe
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d_draws import Schedule
from nerfgan_cli.training.estimate import estimate
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.mimic3d_task import Mimic3DTask
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.state import collect
from nerfgan_cli.training.teacher import write_discriminator
from nerfgan_cli.training.warm_task import WarmTask

pytestmark = pytest.mark.usefixtures("quick_training")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("mimic3d"))


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


def test_both_phases_and_a_run_that_goes_on(file: Path, tmp_path: Path) -> None:
    """The 3D phase from a run of the 2D phase; what is resumed ends as what went through."""
    planar, through, resumed = (tmp_path / name for name in ("2d", "through", "resumed"))
    hasty = ("train.kimg=0.008", "loss.ada_kimg=0.02", "loss.ada_target=-2")
    train_run(planar, read(file, *hasty))
    strict = (*STRICT, f"train.init={planar}")
    said = train_run(through, read(file, *strict, "train.kimg=0.004"))
    new = [sentence for sentence in said if "random" in sentence]
    assert new == [
        f"no patch discriminator in {planar}: it starts from random weights, unless "
        "train.init_patch_discriminator names one."
    ]
    named = ("generator", "adversarial", "imitation", "patch_adversarial", "patch_discriminator")
    assert {f"loss/{name}" for name in named} <= records(through)[-1].keys()
    assert not {"loss/adversarial", "loss/imitation"} & records(planar)[-1].keys()
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
    with pytest.raises(WeightsError, match="trains no patch discriminator: give one of kind mimi"):
        write_discriminator(planar, tmp_path / "D_patch.safetensors", False, "D_patch")
    discriminators_go_on(file, through, tmp_path)


def discriminators_go_on(file: Path, run: Path, folder: Path) -> None:
    """Those of a run, as files; with that of whole pictures, how strongly they were augmented."""
    files = {name: folder / f"{name}.safetensors" for name in ("D", "D_patch")}
    for name, out in files.items():
        write_discriminator(run, out, False, name)
    strong = folder / "strong.safetensors"
    facts = Provenance(source="test", training={AUGMENTATION: 0.375})
    save_model(strong, load_network(files["D"]), facts)
    named = f"train.init_patch_discriminator={files['D_patch']}"
    task = build(file, *STRICT, named, f"train.init_discriminator={strong}")
    task.initialize(lambda sentence: None)
    state = newest(run)[1]
    for name in ("discriminator", "patch_discriminator"):
        for key, tensor in task.modules[name].state_dict().items():
            assert torch.equal(tensor, state[f"module.{name}.{key}"]), (name, key)
    assert task.ada.pipe.p == 0.375


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
        (["train.init_patch_discriminator=x"], "names one that nothing asks"),
    ):
        with pytest.raises(UsageError, match=words):
            build(file, *settings)


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
