"""What both stages have in common: steps, and a state from which they go on exactly."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from nerfgan_cli.inversion.photos import View
from nerfgan_cli.inversion.settings import Settings
from nerfgan_cli.training.randomness import keyed

Terms: TypeAlias = dict[str, float]  # of the loss by name, and the rate


class Stage(ABC):
    """Subclasses set the attributes and implement the methods.

    A step draws its random numbers from generators keyed by its index, so that the tensors and the
    optimiser are all of its state.
    """

    name: str
    steps: int
    optimizer: torch.optim.Optimizer

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """All that it changes, by names that stay the same; shared, not copied."""

    @abstractmethod
    def step(self, index: int) -> Terms | None:
        """One step; None: it is good enough, and nothing was changed."""


def chosen_views(settings: Settings, count: int, index: int) -> list[int]:
    """The photographs that a step sees: all, or some frames of a video."""
    frames = settings.frames
    if frames is None or count <= frames.per_step:
        return list(range(count))
    draws = keyed("cpu", settings.seed, "frames", index)
    chosen: list[int] = torch.randperm(count, generator=draws)[: frames.per_step].tolist()
    return chosen


def photos_among(chosen: Sequence[int], photos: int) -> int:
    """By how many a step's distances are divided: mirrored ones, which come last, add to theirs."""
    return max(1, sum(number < photos for number in chosen))


def seen(image: Tensor, view: View) -> Tensor:  # [1, 3, H, H]
    """A drawing of a view, with the photograph itself wherever its pixels do not count."""
    return image if view.mask is None else view.target.lerp(image, view.mask)
