"""What `nerfgan train` refuses to start a Mimic3D from."""

from pathlib import Path

import pytest

SMALL = ("--set", "model.generator.channel_max=16", "--set", "data.workers=0")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--branch", "3d"), "--branch is of a distillation from a Mimic3D, and this recipe is of"),
        (("--stage", 1), "--stage is of a distillation"),
        (("--views-per-latent", 2), "--views-per-latent is of a distillation"),
        (("--cache-targets", 8), "--cache-targets is of a distillation"),
    ],
)
def test_options_of_a_distillation(nerfgan, option, words: str) -> None:
    nerfgan("train", "mimic3d-toyheads-3d", "--dry-run", *option).refused(2, words, "'mimic3d'")


def test_weights_that_mean_something_else(nerfgan, teacher: Path, student: Path, tmp_path) -> None:
    run = tmp_path / "run"
    command = ("train", "mimic3d-toyheads-2d-warm", "--out", run, *SMALL)
    eg3d = nerfgan(*command, "--set", f"train.init={teacher}")
    eg3d.refused(4, "is an EG3D with the planes xy, xz, zx, and a Mimic3D has xy, yz, zx")
    other = nerfgan(*command, "--set", f"train.init={student}")
    other.refused(4, "is a student, and this recipe trains a mimic3d")
    assert not [*run.glob("checkpoints/*")]
