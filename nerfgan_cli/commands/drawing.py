"""What `image` and `video` have in common: a model made ready, its cameras, its abilities."""

from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import Any

from nerfgan_cli import __version__
from nerfgan_cli.cameras import PRESETS, CameraPreset, focal_from_fov
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.commands.options import DeviceName, PrecisionName
from nerfgan_cli.commands.parsing import parse_point
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.precision import choose_device, set_precision


@dataclass(frozen=True)
class Source:
    """A generator that is ready to draw, and where it came from."""

    generator: Generator
    path: Path
    device: str
    precision: str

    def notes(self) -> dict[str, Any]:
        """What a program that reads the results may want to know."""
        return {
            "nerfgan": __version__,
            "model": str(self.path),
            "kind": self.generator.kind,
            "device": self.device,
            "precision": self.precision,
        }


def open_source(model: str | None, device: DeviceName, precision: PrecisionName) -> Source:
    """Loads a model onto a device, for drawing."""
    path = find_model(model)
    place = choose_device(device.value)
    generator = load_model(path, place).eval().requires_grad_(False)
    resolved = set_precision(generator, precision.value, place)
    return Source(generator, path, place.type, resolved)


def choose_preset(
    generator: Generator,
    radius: float | None,
    fov: float | None,  # degrees, across a side
    pivot: str | None,
) -> CameraPreset:
    """The cameras of the model's domain, changed as the command line asks."""
    preset = PRESETS[generator.camera_preset]
    if radius is not None:
        preset = replace(preset, radius=radius)
    if fov is not None:
        preset = replace(preset, focal=focal_from_fov(radians(fov)))
    if pivot is not None:
        preset = replace(preset, pivot=parse_point("--pivot", pivot))
    return preset


def require(source: Source, what: str) -> None:
    """Says so at once where a model cannot draw `what`."""
    if what == "depth" and not source.generator.has_depth:
        raise UsageError(
            f"{source.path} draws no depth: use --what image or raw, or a volumetric model, "
            "as --model eg3d-toyheads."
        )
