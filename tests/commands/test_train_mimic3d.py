"""What `nerfgan train` refuses to start a Mimic3D from."""

from pathlib import Path

SMALL = ("--set", "model.generator.channel_max=16", "--set", "data.workers=0")


def test_weights_that_mean_something_else(nerfgan, teacher: Path, student: Path, tmp_path) -> None:
    run = tmp_path / "run"
    command = ("train", "mimic3d-toyheads-2d-warm", "--out", run, *SMALL)
    eg3d = nerfgan(*command, "--set", f"train.init={teacher}")
    eg3d.refused(4, "is an EG3D with the planes xy, xz, zx, and a Mimic3D has xy, yz, zx")
    other = nerfgan(*command, "--set", f"train.init={student}")
    other.refused(4, "is a student, and this recipe trains a mimic3d")
    assert not [*run.glob("checkpoints/*")]
