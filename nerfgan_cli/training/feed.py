"""Pictures and cameras for training, in an order that follows from the step alone."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.data.contract import ImageSet, Item
from nerfgan_cli.data.conventions import FAR_OFF, ratio, summarise
from nerfgan_cli.data.opening import open_images
from nerfgan_cli.data.parallel import leave_signals_to_parent
from nerfgan_cli.data.sampler import InfiniteSampler
from nerfgan_cli.errors import InputError, NerfganError, UsageError
from nerfgan_cli.training.distributed import Slices, World
from nerfgan_cli.training.eg3d import Reals
from nerfgan_cli.training.recipe import Data

CHECKED = 256  # labels that are compared with the recipe's cameras


def open_data(table: Data, resolution: int) -> ImageSet:
    """The data set that a recipe names, for a generator of this resolution."""
    if table.kind == "toyheads":
        from nerfgan_cli.data.toyheads.dataset import ToyHeads

        data: ImageSet = ToyHeads(resolution, table.length, table.seed)
    else:
        assert table.path is not None
        path = Path(table.path).expanduser()
        data = open_images(path, table.max_images, table.rebalance, table.mirror, table.seed)
    if data.resolution != resolution:
        raise UsageError(
            f"the pictures of {data.name} are {data.resolution}² and the generator of this recipe "
            f"draws {resolution}²: prepare the data at {resolution}², or choose another recipe."
        )
    return data


def find_foreign_cameras(data: ImageSet, preset: CameraPreset) -> list[str]:
    """Warnings about cameras of another convention than the generator's."""
    count = min(len(data), CHECKED)
    labels = data.labels(np.linspace(0, len(data) - 1, count, dtype=np.int64))
    summary = summarise(Camera.from_label(labels))
    figures = (
        ("focal length", summary.focal.median, preset.focal),
        ("distance from the origin", summary.distance.median, preset.radius),
    )
    return [
        f"the {what} of the cameras of {data.name} is {actual:.4g}, that of the recipe's "
        f"{expected:.4g}: check the labels, or model.generator.camera_preset and volume."
        for what, actual, expected in figures
        if ratio(actual, expected) > FAR_OFF
    ]


class SliceSampler(Sampler[list[int]]):
    """The items of this process's slices, step by step, in the common order of all processes."""

    def __init__(self, length: int, seed: int, slices: Slices, first_step: int) -> None:
        self.length, self.seed = length, seed
        self.slices, self.first_step = slices, first_step

    def __iter__(self) -> Iterator[list[int]]:
        slices = self.slices
        seen = self.first_step * slices.size * slices.count
        order = iter(InfiniteSampler(self.length, self.seed, start=seen))
        while True:
            for index in range(slices.count):
                items = list(islice(order, slices.size))
                if index in slices.own:
                    yield items


def reals(
    dataset: ImageSet, world: World, slices: Slices, seed: int, workers: int, first_step: int
) -> Iterator[Reals]:
    """Real pictures of one slice after the other, read ahead by `workers` processes."""
    loader: DataLoader[Item] = DataLoader(
        dataset,
        batch_sampler=SliceSampler(len(dataset), seed, slices, first_step),
        num_workers=workers,
        pin_memory=world.device.type == "cuda",
        worker_init_fn=leave_signals_to_parent if workers else None,
    )
    for item in _explained(iter(loader)):
        image = item.image.to(world.device, non_blocking=True)
        camera = Camera.from_label(item.label.to(world.device, non_blocking=True))
        yield Reals(image.float() / 127.5 - 1, camera)


def random_cameras(dataset: ImageSet, count: int, generator: torch.Generator) -> Camera:
    """Cameras of items drawn with replacement."""
    indices = torch.randint(len(dataset), (count,), generator=generator)
    return Camera.from_label(dataset.labels(indices.numpy()))


def _explained(items: Iterator[Any]) -> Iterator[Any]:
    """Errors of the workers as the sentences they were, without their tracebacks."""
    while True:
        try:
            yield next(items)
        except NerfganError as error:  # noqa: PERF203
            raise type(error)(str(error).rpartition("Error: ")[2].strip()) from error
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise InputError(
                "a process that reads data has ended, perhaps for want of memory: "
                "start the same command again, with --set data.workers=0 if it happens again."
            ) from error
