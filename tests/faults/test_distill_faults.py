"""What can happen to a distillation: kills at any moment, other teachers, missing networks."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from distill_case import build, read, save_teacher, write_case
from training_case import at_call, in_child, newest, records, train_run

from nerfgan_cli.checkpoints import published
from nerfgan_cli.checkpoints.format import save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import InputError, UsageError, WeightsError
from nerfgan_cli.nn.discriminators import (
    DiscriminatorConfig,
    DualDiscriminator,
    DummyDualDiscriminator,
)
from nerfgan_cli.training import adversary, distill_task

pytestmark = pytest.mark.usefixtures("quick_training")

# Stage 2 begins by itself after the second interval, in the middle of the run; Muon steps matrices.
MUON = ("optim.first_matrix_lr=0.002", "optim.matrix_lr=0.002")
BY_ITSELF = ("train.switch_kimg=1", "train.plateau=0.99", "train.plateau_kimg=0.004", *MUON)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("distillation"))


@pytest.fixture(scope="module")
def uninterrupted(case: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of six steps, by how they switch."""
    folder = tmp_path_factory.mktemp("runs")
    for name, settings in (("kimg", ()), ("plateau", BY_ITSELF)):
        assert in_child(lambda s=settings, n=name: train_run(folder / n, read(case, *s))) == 0
    return {name: folder / name for name in ("kimg", "plateau")}


def assert_same_run(folder: Path, expected: Path) -> None:
    """Every tensor of the state to the last bit, and every record of the log."""
    facts, tensors = newest(folder)
    expected_facts, expected_tensors = newest(expected)
    assert facts.step == expected_facts.step == 6
    assert tensors.keys() == expected_tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected_tensors[name]), name
    assert records(folder) == records(expected)


def test_the_switch_is_where_it_should_be(uninterrupted: dict[str, Path]) -> None:
    for name, stages in {"kimg": [1, 1, 1, 2, 2, 2], "plateau": [1, 1, 2, 2, 2, 2]}.items():
        assert [record["schedule/stage"] for record in records(uninterrupted[name])] == stages
    _, tensors = newest(uninterrupted["kimg"])
    assert tensors["module.ada.pipe.p"] > 0  # else resuming it would prove little


MOMENTS: dict[str, tuple[str, int, Any, str]] = {
    "in stage 1": ("kimg", 2, distill_task, "descend"),
    "as stage 2 begins": ("kimg", 1, adversary, "descend"),
    "in stage 2": ("kimg", 5, adversary, "judge"),
    "after it began by itself": ("plateau", 5, adversary, "judge"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    case: Path, tmp_path: Path, uninterrupted: dict[str, Path], moment: str
) -> None:
    name, number, module, function = MOMENTS[moment]
    recipe = read(case, *(BY_ITSELF if name == "plateau" else ()))
    folder = tmp_path / "run"

    def killed() -> None:
        at_call(number, module, function, lambda: os.kill(os.getpid(), signal.SIGKILL))
        train_run(folder, recipe)

    assert in_child(killed) == -signal.SIGKILL
    assert in_child(lambda: train_run(folder, recipe)) == 0
    assert_same_run(folder, uninterrupted[name])


def test_a_run_continues_with_its_own_teacher_only(case: Path, tmp_path: Path) -> None:
    """Wherever its file lies by now; another one is refused and nothing is lost."""
    run, moved, other = tmp_path / "run", tmp_path / "moved.safetensors", tmp_path / "other"
    train_run(run, read(case, "train.kimg=0.008"))
    before = sorted(path.name for path in (run / "checkpoints").iterdir())
    with (run / "log.jsonl").open("a") as log:
        log.write('{"images": 12, "kimg": 0.012}\n')  # beyond the checkpoint
    texts = [(run / name).read_text() for name in ("recipe.toml", "log.jsonl")]
    save_teacher(other.with_suffix(".safetensors"), 9)
    with pytest.raises(InputError, match=r"the teacher.* is not the one that this run learned"):
        train_run(run, read(case, f"teacher.model={other.with_suffix('.safetensors')}"))
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == before
    assert [(run / name).read_text() for name in ("recipe.toml", "log.jsonl")] == texts
    moved.write_bytes((case.parent / "teacher.safetensors").read_bytes())
    train_run(run, read(case, f"teacher.model={moved}"))
    assert newest(run)[0].step == 6
    assert str(moved) in (run / "recipe.toml").read_text()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (("teacher.model={0}/none.safetensors",), InputError, "there is no file"),
        (("teacher.model=eg3d",), UsageError, "there is no model named 'eg3d'"),
        (("teacher.model=ffhq512-128",), WeightsError, "the weights of ffhq512-128 are not insta"),
        (("teacher.model={0}/critic.safetensors",), WeightsError, "is a discriminator, which has"),
        (("teacher.model=light-toyheads",), WeightsError, "light-toyheads is a student, which has"),
        (
            ("teacher.img_resolution=128",),
            WeightsError,
            "draws 64².* for a teacher that draws 128²",
        ),
        (("teacher.discriminator=none",), WeightsError, "has no discriminator: set teacher.discr"),
        (("teacher.discriminator=critic",), WeightsError, "discriminator critic .* is not there"),
        (("teacher.discriminator={0}/teacher.safetensors",), WeightsError, "has no discriminator"),
        (("teacher.discriminator={0}/large.safetensors",), WeightsError, "looks at 128² and the"),
        (
            ("teacher.discriminator={0}/dummy.safetensors",),
            WeightsError,
            "is a DummyDualDiscriminator, with which no run could go on",
        ),
        (("loss.perceptual=lpips-vgg",), WeightsError, "distance by VGG16 needs vgg16-397923af"),
        (("loss.perceptual=vgg16-l1",), WeightsError, "distance by VGG16 needs vgg16-397923af"),
        (
            ("loss.perceptual=lpips-vgg", "loss.perceptual_weights={0}/none.pth"),
            InputError,
            "there is no file",
        ),
    ],
)
def test_networks_that_are_not_there(
    case: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: tuple[str, ...],
    error: type[Exception],
    words: str,
) -> None:
    """Told before anything is written."""

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(published, "urlopen", offline)
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    large = DualDiscriminator(DiscriminatorConfig(128, channel_base=128, channel_max=4))
    save_model(case.parent / "large.safetensors", large, Provenance("large"))
    dummy = DummyDualDiscriminator(DiscriminatorConfig(64, channel_base=128, channel_max=4))
    save_model(case.parent / "dummy.safetensors", dummy, Provenance("dummy"))
    filled = [setting.format(case.parent) for setting in settings]
    with pytest.raises(error, match=words):
        build(case, *filled)
