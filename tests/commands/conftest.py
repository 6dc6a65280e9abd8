"""What the tests of commands share: a way to run them, and small models."""

import pytest
import torch
from cli import ROOT, Done  # of this folder
from golden import Golden, filled

from nerfgan_cli.checkpoints.format import save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.commands.app import main
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.nn.volume_config import VolumeConfig

SUPERRESOLUTION = "SuperresolutionHybrid2X"  # to 128²


@pytest.fixture
def nerfgan(capfd):
    """Runs a command line within this process."""

    def run(*arguments: object) -> Done:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """The file of a small EG3D generator: 128², two times 8 samples per ray."""
    config = EG3DConfig(
        z_dim=16,
        img_resolution=128,
        channel_base=1024,
        channel_max=16,
        superresolution=SUPERRESOLUTION,
        volume=VolumeConfig(depth_resolution=8, depth_resolution_importance=8),
    )
    return write(tmp_path_factory, "teacher", filled(EG3D(config)))


@pytest.fixture(scope="session")
def student(tmp_path_factory):
    """The file of a small student: 128², features of 64²."""
    from nerfgan_cli.generators.student import Student
    from nerfgan_cli.generators.student_config import PredictorConfig, StudentConfig

    config = StudentConfig(
        img_resolution=128,
        predictor=PredictorConfig("stylegan2", channel_base=1024, channel_max=16),
        superresolution=SUPERRESOLUTION,
    )
    torch.manual_seed(0)
    return write(tmp_path_factory, "student", Student(config))


def write(tmp_path_factory, name, model):
    path = tmp_path_factory.mktemp("models") / f"{name}.safetensors"
    save_model(path, model, Provenance(source=name))
    return path


@pytest.fixture(scope="session")
def golden_checkpoint():
    """The bytes of a small checkpoint in the official format."""
    return (
        Golden(ROOT / "tests" / "goldens" / "eg3d_checkpoint.npz").array("pickle_recent").tobytes()
    )
