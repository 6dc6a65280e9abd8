"""A training small enough for tests: EG3D at 64² with next to no channels, ten pictures."""

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # which torch.optim takes seconds to import: once, not in every child
from PIL import Image
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.training.checkpoints import newest_state
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d_task import EG3DTask
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.recipe import Recipe
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.run import open_run
from nerfgan_cli.training.state import Facts, read_state

SIDE, PICTURES, BATCH, STEPS = 64, 10, 4, 6

# Every schedule moves and every interval passes within the six steps.
RECIPE = """
kind = "eg3d"
about = "for tests"
[data]
kind = "archive"
path = "{path}"
workers = 0
[model.generator]
z_dim = 8
w_dim = 16
img_resolution = 64
raw_resolution = 12
plane_resolution = 16
plane_channels = 4
channel_base = 128
channel_max = 8
superresolution = "Light64"
[model.generator.volume]
depth_resolution = 4
depth_resolution_importance = 4
[model.discriminator]
channel_base = 128
channel_max = 8
mbstd_group_size = 2
[loss]
r1_gamma = 1.0
r1_interval = 4
density_interval = 2
density_points = 10
swap_fade_kimg = 0.02
style_mixing = 0.5
blur_sigma = 2.0
blur_fade_kimg = 0.02
first_resolution = 8
resolution_fade_kimg = 0.02
augment = "ada"
ada_target = -2.0
ada_interval = 4
ada_kimg = 0.02
[train]
kimg = 0.024
batch = 4
batch_gpu = 2
snapshot_kimg = 0.008
log_kimg = 0.004
video_frames = 0
"""


def write_pictures(folder: Path, side: int = SIDE, radius: float = 2.7) -> Path:
    """A data set: a bright disc that moves with the camera."""
    folder.mkdir()
    random = np.random.RandomState(0)
    rows, columns = np.mgrid[:side, :side] / side
    labels = []
    for index in range(PICTURES):
        yaw = 0.3 * random.randn()
        disc = (columns - 0.5 - yaw / 2) ** 2 + (rows - 0.5) ** 2 < 0.08
        colors = np.where(disc[:, :, None], random.uniform(128, 255, 3), 20)
        name = f"img{index:04d}.png"
        Image.fromarray(colors.astype(np.uint8)).save(folder / name)
        camera = PRESETS["ffhq"].at(yaw)
        camera.cam2world[:, :3, 3] *= radius / 2.7
        labels.append([name, camera.label[0].tolist()])
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


def write_recipe(folder: Path) -> Path:
    """The recipe's file, and its pictures beside it."""
    file = folder / "tiny.toml"
    file.write_text(RECIPE.format(path=write_pictures(folder / "pictures")))
    return file


def read(file: Path, *settings: str) -> Recipe:
    return resolve(load(str(file), settings))


def build(file: Path, *settings: str) -> EG3DTask:
    """A task of this process alone, with weights of the recipe's seed."""
    task = build_task(read(file, *settings), World(torch.device("cpu")))
    assert isinstance(task, EG3DTask)
    return task


def train_run(folder: Path, recipe: Recipe) -> list[str]:
    """Trains in this process; returns what was said."""
    said: list[str] = []
    with open_run(folder, recipe):
        train(build_task(recipe, World(torch.device("cpu"))), folder, said.append)
    return said


def newest(folder: Path) -> tuple[Facts, dict[str, Tensor]]:
    path = newest_state(folder)
    assert path is not None
    return read_state(path)


def records(folder: Path) -> list[dict[str, float]]:
    """The log, without what depends on the clock and the machine."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [
        {
            key: value
            for key, value in json.loads(line).items()
            if not key.startswith(("time/", "resources/"))
        }
        for line in lines
    ]


def in_child(work: Callable[[], object]) -> int:
    """Runs something in a process of its own with one thread; how it ended, as `os.wait` says."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_call(number: int, module: Any, name: str, act: Callable[[], object]) -> None:
    """From now on, the n-th call of a function does something else first."""
    original, calls = getattr(module, name), []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            act()
        return original(*arguments, **options)

    setattr(module, name, counted)
