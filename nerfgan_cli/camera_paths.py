"""Rows of cameras: sweeps, the official orbit of EG3D's videos, poses drawn at random."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera, CameraPreset, from_official


def swing(preset: CameraPreset, frames: int, yaw: float, pitch: float) -> Camera:
    """From the front to either side and back, then up, down and back: a loop without a seam.

    Each range that is not 0 gets its share of the frames; the ends are slow, as of a pendulum.
    """
    turns = (yaw != 0) + (pitch != 0)
    phase = turns * torch.arange(frames, dtype=torch.float64) / frames
    wave = torch.sin(2 * pi * phase)
    sideways = phase < (yaw != 0)
    return preset.at(yaw=yaw * wave * sideways, pitch=pitch * wave * ~sideways)


def ellipse(preset: CameraPreset, frames: int, yaw: float, pitch: float) -> Camera:
    """Once around the ellipse of both ranges, from its top: a loop without a seam."""
    angle = 2 * pi * torch.arange(frames, dtype=torch.float64) / frames
    return preset.at(yaw=yaw * angle.sin(), pitch=pitch * angle.cos())


def official_orbit(preset: CameraPreset, frames: int) -> Camera:
    """The closed ellipse of the release's videos, with its constants (3.14 for π among them)."""
    angle = 2 * 3.14 * torch.arange(frames, dtype=torch.float64) / frames
    horizontal = 3.14 / 2 + 0.35 * angle.sin()
    vertical = 3.14 / 2 - 0.05 + 0.25 * angle.cos()
    return preset.at(*from_official(horizontal, vertical))


@dataclass(frozen=True)
class PoseSpread:
    """How poses vary about the front, in the values of EG3D's samplers."""

    horizontal: float  # standard deviation, or half the width of a uniform one
    vertical: float
    uniform: bool = False


def random_cameras(
    preset: CameraPreset, count: int, spread: PoseSpread, generator: torch.Generator
) -> Camera:
    """Cameras that look at the preset's pivot, drawn as EG3D's samplers do.

    With the pivot at the origin these are its "Gaussian" and "uniform" samplers.
    """
    return preset.at(
        *from_official(
            pi / 2 + spread.horizontal * _offsets(count, spread.uniform, generator),
            pi / 2 + spread.vertical * _offsets(count, spread.uniform, generator),
        )
    )


def _offsets(count: int, uniform: bool, generator: torch.Generator) -> Tensor:  # [count]
    if uniform:
        return 2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1
    return torch.randn(count, generator=generator, dtype=torch.float64)
