"""A training of Mimic3D small enough for tests: pictures of 128², next to no channels."""

from pathlib import Path

import torch
from training_case import write_pictures

from nerfgan_cli.checkpoints.format import save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.nn.discriminators import DiscriminatorConfig, DualDiscriminator
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.mimic3d_recipe import Mimic3DRecipe
from nerfgan_cli.training.mimic3d_task import Mimic3DTask
from nerfgan_cli.training.recipe_files import load

SIDE = 128
JUDGE = DiscriminatorConfig(SIDE, channel_base=128, channel_max=8)
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
perceptual_discriminator = "{judge}"
[train]
kimg = 0.002
batch = 2
snapshot_kimg = 0.002
log_kimg = 0.002
video_frames = 0
"""
STRICT = ("model.generator.residual=true", "loss.imitation=1", "loss.patch_adversarial=0.2")


def write_case(folder: Path) -> Path:
    """The recipe of the 2D phase, with its pictures, and a discriminator to imitate by."""
    judge = folder / "judge.safetensors"
    torch.manual_seed(0)
    save_model(judge, DualDiscriminator(JUDGE), Provenance(source="test"))
    pictures = write_pictures(folder / "pictures", side=SIDE)
    made = folder / "mimic3d.toml"
    made.write_text(RECIPE.format(path=pictures, judge=judge))
    return made


def read(file: Path, *settings: str) -> Mimic3DRecipe:
    found = resolve(load(str(file), settings))
    assert isinstance(found, Mimic3DRecipe)
    return found


def build(file: Path, *settings: str) -> Mimic3DTask:
    task = build_task(read(file, *settings), World(torch.device("cpu")))
    assert isinstance(task, Mimic3DTask)
    return task
