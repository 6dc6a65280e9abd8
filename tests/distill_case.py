"""A distillation small enough for tests: a random EG3D of 64² with its discriminator.

A random Mimic3D of the same size can take its place.
"""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import torch
from training_case import write_pictures

from nerfgan_cli.checkpoints.format import save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.generators.eg3d import EG3D, EG3DConfig
from nerfgan_cli.generators.mimic3d import Mimic3D, Mimic3DConfig
from nerfgan_cli.nn.discriminators import DiscriminatorConfig, DualDiscriminator
from nerfgan_cli.nn.volume_config import VolumeConfig
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.distill_task import DistillTask
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.recipe_files import load

TEACHER = EG3DConfig(
    z_dim=8,
    w_dim=16,
    img_resolution=64,
    raw_resolution=16,
    plane_resolution=16,
    plane_channels=4,
    channel_base=128,
    channel_max=8,
    superresolution="Light64",
    volume=VolumeConfig(depth_resolution=6, depth_resolution_importance=6),
)
MIMIC3D = Mimic3DConfig(
    **{item.name: getattr(TEACHER, item.name) for item in fields(EG3DConfig)}
    | {"volume": VolumeConfig(6, 6, plane_axes="fixed")}
)
CRITIC = DiscriminatorConfig(64, channel_base=128, channel_max=8, mbstd_group_size=2)

# Stage 1 for three steps, the discriminator alone for one, then both for two.
RECIPE = """
kind = "distill"
about = "for tests"
[data]
kind = "archive"
path = "{folder}/pictures"
workers = 0
[teacher]
model = "{folder}/teacher.safetensors"
discriminator = "{folder}/critic.safetensors"
raw_resolution = 16
statistics = 50
statistics_images = 4
[model]
preset = "light"
channel_base = 128
channel_max = 8
[loss]
perceptual = "discriminator"
r1_interval = 2
discriminator_alone_kimg = 0.004
augment = "ada"
ada_target = -2.0
ada_interval = 1
ada_kimg = 0.02
[train]
kimg = 0.024
switch_kimg = 0.012
plateau = 0.0
batch = 4
batch_gpu = 2
snapshot_kimg = 0.008
log_kimg = 0.004
video_frames = 0
heldout = 4
"""

# Settings of a student of another kind, as small.
STYLEGAN3 = (
    *("model.network=stylegan3-t", "model.num_layers=4", "model.margin_size=4"),
    "model.channel_base=64",
)


def write_case(folder: Path) -> Path:
    """The recipe's file, with all that it names beside it."""
    write_pictures(folder / "pictures")
    save_teacher(folder / "teacher.safetensors", 1)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        critic = DualDiscriminator(CRITIC)
    save_model(folder / "critic.safetensors", critic, Provenance("critic"))
    file = folder / "distill.toml"
    file.write_text(RECIPE.format(folder=folder))
    return file


def save_teacher(path: Path, seed: int, config: EG3DConfig = TEACHER) -> None:
    """Random, but dense enough for a surface to be seen."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        teacher = Mimic3D(config) if isinstance(config, Mimic3DConfig) else EG3D(config)
    with torch.no_grad():
        teacher.decoder.net[2].bias[0] += 20
    save_model(path, teacher, Provenance("teacher.pkl", licence="Some terms."))


def read(file: Path, *settings: str) -> DistillRecipe:
    recipe = resolve(load(str(file), settings))
    assert isinstance(recipe, DistillRecipe)
    return recipe


def build(file: Path, *settings: str, say: Callable[[str], None] = print) -> DistillTask:
    """A task that is ready for its first step."""
    task = build_task(read(file, *settings), World(torch.device("cpu")))
    assert isinstance(task, DistillTask)
    task.initialize(say)
    task.begin(0)
    return task
