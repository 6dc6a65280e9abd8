"""Where teachers are looked at from: cameras of the data, of a published spread, of a wider box."""

from collections.abc import Callable
from math import erf, pi, sqrt
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera, CameraPreset

DrawCameras: TypeAlias = Callable[[int, torch.Generator], Camera]  # so many, from a CPU generator

LIMIT = 2.25  # standard deviations; Gaussian angles are cut off there, as those of ToyHeads


class Spread(NamedTuple):
    """Of angles about the front, radians: standard deviations, or half the widths if uniform."""

    yaw: float
    pitch: float
    uniform: bool = False


FACES = Spread(0.3, 0.155)  # as FFHQ's (metrics.md), and as ToyHeads has it; cats are seen alike
CARS = Spread(pi, 0.6, uniform=True)  # from all around; no publication tells their heights
USUAL = {"ffhq": FACES, "afhq": FACES, "cars": CARS, "cars-video": CARS}


def usual_spread(
    preset: str, yaw: float | None, pitch: float | None, uniform: bool | None
) -> Spread:
    """That of a domain, but for what is stated."""
    usual = USUAL[preset]
    return Spread(
        usual.yaw if yaw is None else yaw,
        usual.pitch if pitch is None else pitch,
        usual.uniform if uniform is None else uniform,
    )


def spread_cameras(preset: CameraPreset, spread: Spread, limit: float = LIMIT) -> DrawCameras:
    """Yaw and pitch independent of each other."""

    def draw(count: int, generator: torch.Generator) -> Camera:
        offsets = torch.rand(2, count, generator=generator, dtype=torch.float64)
        yaws, pitches = (2 * offsets - 1) if spread.uniform else gaussian(offsets, limit)
        return preset.at(spread.yaw * yaws, spread.pitch * pitches)

    return draw


def mixed_cameras(usual: DrawCameras, other: DrawCameras, share: float) -> DrawCameras:
    """Now and then a camera of the other kind."""

    def draw(count: int, generator: torch.Generator) -> Camera:
        labels = [cameras(count, generator).label for cameras in (usual, other)]
        chosen = torch.rand(count, 1, generator=generator) < share
        return Camera.from_label(torch.where(chosen, labels[1], labels[0]))

    return draw if share else usual


def gaussian(uniform: Tensor, limit: float = LIMIT) -> Tensor:
    """Numbers in [0, 1) to standard normal ones within the limit."""
    inside = erf(limit / sqrt(2))
    return sqrt(2) * torch.erfinv((2 * uniform - 1) * inside)
