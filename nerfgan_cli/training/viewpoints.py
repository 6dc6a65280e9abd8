"""Where teachers are looked at from: cameras of the data, of a published spread, of a wider box."""

from collections.abc import Callable
from math import erf, sqrt
from typing import TypeAlias

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera, CameraPreset

DrawCameras: TypeAlias = Callable[[int, torch.Generator], Camera]  # so many, from a CPU generator

LIMIT = 2.25  # standard deviations; Gaussian angles are cut off there, as those of ToyHeads


def spread_cameras(
    preset: CameraPreset,
    yaw: float,  # standard deviation, or half the width of a uniform one
    pitch: float,
    uniform: bool,
) -> DrawCameras:
    """Angles about the front, independent of each other."""

    def draw(count: int, generator: torch.Generator) -> Camera:
        offsets = torch.rand(2, count, generator=generator, dtype=torch.float64)
        yaws, pitches = (2 * offsets - 1) if uniform else gaussian(offsets)
        return preset.at(yaw * yaws, pitch * pitches)

    return draw


def mixed_cameras(usual: DrawCameras, other: DrawCameras, share: float) -> DrawCameras:
    """Now and then a camera of the other kind."""

    def draw(count: int, generator: torch.Generator) -> Camera:
        labels = [cameras(count, generator).label for cameras in (usual, other)]
        chosen = torch.rand(count, 1, generator=generator) < share
        return Camera.from_label(torch.where(chosen, labels[1], labels[0]))

    return draw if share else usual


def gaussian(uniform: Tensor) -> Tensor:
    """Numbers in [0, 1) to standard normal ones within the limit."""
    inside = erf(LIMIT / sqrt(2))
    return sqrt(2) * torch.erfinv((2 * uniform - 1) * inside)
