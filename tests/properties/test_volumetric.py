"""Any teacher that satisfies the contract: that of `examples/new_teacher.py`, which is no EG3D."""

from importlib import import_module
from math import pi
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.registry import BUILDERS, build, register
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import student_config
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.training.distill_task import DistillTask
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.precision import half_precision_blocks
from nerfgan_cli.training.recipe_reader import override

pytestmark = pytest.mark.usefixtures("quick_training")

EXAMPLES = Path(__file__).parents[2] / "examples"
CAMERA = PRESETS["afhq"]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return import_module("new_teacher")


@pytest.fixture
def balls(example: ModuleType) -> VolumetricGenerator:
    torch.manual_seed(0)
    teacher: VolumetricGenerator = example.Balls(example.BallsConfig()).requires_grad_(False)
    return teacher


def prepare(example: ModuleType, folder: Path, *settings: str) -> DistillTask:
    """A distillation that is ready for its first step."""
    example.write_teacher(folder / "teacher.safetensors")
    recipe = example.recipe_for(folder / "teacher.safetensors", 0.06)
    override(recipe, [*settings, "train.heldout=8", "teacher.statistics_images=4"])
    task = build_task(resolve(recipe), World(torch.device("cpu")))
    assert isinstance(task, DistillTask)
    task.initialize(print)
    task.begin(0)
    return task


def test_it_draws_as_any_generator(balls: VolumetricGenerator, tmp_path: Path) -> None:
    """From its file; batch mates change nothing, and one subject serves many cameras."""
    save_model(tmp_path / "balls.safetensors", balls, Provenance("balls"))
    opened = load_model(tmp_path / "balls.safetensors")
    assert opened.has_depth
    ws, cameras = balls.mapping(torch.randn(2, balls.z_dim), CAMERA.frontal()), CAMERA.at([0, 0.4])
    both = opened.synthesis(ws, cameras)
    assert both.image.shape == (2, 3, 64, 64)
    assert both.features.shape == (2, 32, 32, 32)
    assert torch.equal(both.image_raw, both.features[:, :3])
    for index in range(2):
        alone = balls.synthesis(ws[[index]], cameras[index])
        for own, mine in zip(alone, both, strict=True):
            assert own is not None
            assert mine is not None
            torch.testing.assert_close(own, mine[[index]])
    views = balls.draw(balls.prepare(ws[:1]), cameras, DrawOptions(resolution=16, raw_only=True))
    assert views.image.shape == (2, 3, 16, 16)
    assert not torch.allclose(views.image[0], views.image[1], atol=0.1)


def test_its_depth_is_that_of_its_surfaces(balls: VolumetricGenerator) -> None:
    """All balls in the middle, grey before white: 2.7 − 0.13 away, and as deep as they are soft."""
    for parameter in balls.get_submodule("readout").parameters():
        parameter.zero_()
    drawn = balls.synthesis(torch.zeros(1, balls.num_ws, balls.w_dim), CAMERA.frontal())
    assert drawn.depth is not None
    softness = (pi / (2 * 400)) ** 0.5  # mean depth where density grows by 400 per unit of it
    assert drawn.depth[0, 0, 16, 16].item() == pytest.approx(2.7 - 0.13 + softness, abs=0.01)
    assert drawn.depth[0, 0, 0, 0].item() == pytest.approx(3.1, abs=0.01)
    assert drawn.image[0, :, 32, 32].tolist() == pytest.approx([0.0] * 3, abs=0.02)
    assert drawn.image[0, :, 0, 0].tolist() == pytest.approx([1.0] * 3, abs=0.02)


def test_a_student_learns_from_it(example: ModuleType, tmp_path: Path) -> None:
    """It knows its subjects by their seeds, and comes nearer to pictures that it was not shown."""
    task = prepare(example, tmp_path)
    teacher, student = task.teacher, task.average
    z, side = torch.randn(2, teacher.z_dim), CAMERA.at(0.5)
    assert torch.equal(teacher.mapping(z, side), student.mapping(z, side))
    assert task.heldout is not None
    before = task.heldout.compare(student)
    for step in range(task.recipe.train.steps):
        task.step(step)
    after = task.heldout.compare(student)
    assert after["psnr/image"] > before["psnr/image"] + 3
    assert after["psnr/raw"] > before["psnr/raw"] + 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("model.preset=slim",), "no super-resolution: choose the preset light, .* as Light64"),
        (("model.preset=paper",), "a paper student enlarges pictures as its teacher does"),
        (("loss.freeze_superresolution=true",), "the student's has to learn: set loss.freeze_"),
        (("model.predictor_start=planes",), "draws no tri-planes as which .* from scratch"),
    ],
)
def test_what_only_other_teachers_give(
    example: ModuleType, tmp_path: Path, settings: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        prepare(example, tmp_path, *settings)


def test_any_preset_with_a_super_resolution_of_its_own(balls: VolumetricGenerator) -> None:
    for preset in ("slim", "light"):
        config = student_config(preset, balls, superresolution="Light64")
        assert config.superresolution == "Light64"
        assert (config.superresolution_clamp, config.superresolution_antialias) == (256, True)
        assert (config.latent.c_dim, config.latent.num_ws) == (0, 3)


def test_nothing_of_it_is_asked_in_half_precision(balls: VolumetricGenerator) -> None:
    assert half_precision_blocks(balls) == []


def test_codes_that_a_student_would_not_make_are_refused(balls: VolumetricGenerator) -> None:
    """The weights fit, but a seed would be another subject."""
    student = Student(student_config("light", balls))
    student.start_from_teacher(balls)
    balls.mapping_network = MappingNetwork(4, 0, 16, 3, num_layers=2, lr_multiplier=1.0)
    with pytest.raises(UsageError, match="cannot find this teacher's subjects"):
        student.start_from_teacher(balls)


def test_a_kind_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerfgan_cli.generators.registry.BUILDERS", dict(BUILDERS))
    with pytest.raises(WeightsError, match="no models of kind 'cubes', only eg3d"):
        build("cubes", {})
    register("cubes", lambda config: torch.nn.Linear(config["size"], 1))
    weight: Tensor = build("cubes", {"size": 3}).get_parameter("weight")
    assert weight.shape == (1, 3)
    with pytest.raises(UsageError, match="there is a kind 'eg3d' already"):
        register("eg3d", lambda config: torch.nn.Linear(1, 1))
