"""Processes that train together: who does what, and sums over all of them.

torchrun starts the processes and states their number in the environment; without it there is one.
Each takes some slices of every batch, so that gradients are those of one process that accumulates
over the same slices. Gradients travel over NCCL on GPUs and gloo on CPUs; messages about the run
itself go over gloo and never wait for a GPU.

A process that dies ends the others: gloo notices the lost connection at once, torchrun ends them
within 30 seconds, and whatever still hangs gives up after `PATIENCE`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nerfgan_cli.errors import NerfganError, UsageError

PATIENCE = timedelta(minutes=10)  # longer than the first process needs for a snapshot
LARGEST_GRADIENT = 1e5  # instead of infinity (StyleGAN2-ADA; eg3d.md 9.6)


class LostError(NerfganError):
    """Another process of the run is gone: this one cannot go on."""


@dataclass(frozen=True)
class Slices:
    """The parts of a batch that are in memory one at a time."""

    size: int  # images in each
    count: int  # of all processes
    own: range  # indices of this process's


@dataclass(frozen=True)
class World:
    """This process among all."""

    device: torch.device
    rank: int = 0
    size: int = 1
    control: Any = None  # the group for messages, if there are several processes

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def slices(self, batch: int, batch_gpu: int | None) -> Slices:
        """How a batch is shared."""
        size = batch_gpu or batch // self.size
        if size < 1 or batch % (size * self.size):
            raise UsageError(
                f"a batch of {batch} cannot be shared by {self.size} process(es) in slices of "
                f"{max(size, 1)}: make train.batch a multiple of train.batch_gpu × processes."
            )
        count = batch // size
        return Slices(size, count, range(self.rank, count, self.size))

    def share_gradients(self, parameters: Iterable[nn.Parameter], count: int) -> None:
        """Gradients summed over `count` slices of all processes, to their mean.

        NaN becomes 0, infinity a large number.
        """
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        if self.size > 1:
            with _telling_of_death():
                dist.all_reduce(flat)
        flat /= count
        torch.nan_to_num(flat, nan=0.0, posinf=LARGEST_GRADIENT, neginf=-LARGEST_GRADIENT, out=flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def sum(self, numbers: Tensor) -> Tensor:
        """Sum over all processes, on the device."""
        if self.size > 1:
            with _telling_of_death():
                dist.all_reduce(numbers)
        return numbers

    def mean(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Mean over all processes, which must give the same names."""
        if self.size == 1 or not numbers:
            return dict(numbers)
        values = torch.tensor(list(numbers.values()), dtype=torch.float64)
        with _telling_of_death():
            dist.all_reduce(values, group=self.control)
        return dict(zip(numbers, (values / self.size).tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Whether any process says so; all get the same answer."""
        if self.size == 1:
            return flag
        votes = torch.tensor(int(flag))
        with _telling_of_death():
            dist.all_reduce(votes, group=self.control)
        return bool(votes)

    def tell(self, message: Any) -> Any:
        """What the first process says, in all processes; plain data."""
        if self.size == 1:
            return message
        box = [message]
        with _telling_of_death():
            dist.broadcast_object_list(box, src=0, group=self.control)
        return box[0]

    def gather(self, message: Any) -> list[Any]:
        """What each process says, in the order of their ranks, in all processes; plain data."""
        if self.size == 1:
            return [message]
        boxes: list[Any] = [None] * self.size
        with _telling_of_death():
            dist.all_gather_object(boxes, message, group=self.control)
        return boxes

    @contextmanager
    def alike(self) -> Iterator[None]:
        """What fails within in one process fails in all: none waits for another in vain.

        Nothing within may wait for the other processes.
        """
        failure: NerfganError | None = None
        try:
            yield
        except NerfganError as error:
            failure = error
        for theirs in self.gather(failure):
            if theirs is not None:
                raise theirs


@contextmanager
def open_world(device: torch.device, patience: timedelta = PATIENCE) -> Iterator[World]:
    """The world that torchrun's environment describes, or this process alone.

    `patience`: how long a process may be waited for that has not ended, for messages.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(device)
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        device = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    with _telling_of_death():
        dist.init_process_group(backend, timeout=PATIENCE)
    yield World(device, rank, size, dist.new_group(backend="gloo", timeout=patience))
    dist.destroy_process_group()  # not after an error: it would wait for those that are gone


@contextmanager
def _telling_of_death() -> Iterator[None]:
    """torch's errors about lost connections, as a sentence."""
    try:
        yield
    except RuntimeError as error:
        raise LostError(
            "another process of this run has ended, or does not answer: see what it said, then "
            "start the same command again to continue from what was saved last."
        ) from error
