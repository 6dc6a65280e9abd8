"""What `image` and `video` have in common: a model made ready, its cameras, its abilities."""

from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import Any

import typer
from torch import Tensor

from nerfgan_cli import __version__
from nerfgan_cli.cameras import PRESETS, CameraPreset, focal_from_fov
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model, is_name
from nerfgan_cli.commands.options import DeviceName, PrecisionName
from nerfgan_cli.commands.parsing import parse_point, parse_seeds
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import Person
from nerfgan_cli.generators.precision import choose_device, set_precision
from nerfgan_cli.inversion.extras import take_extras
from nerfgan_cli.latent_files import PIVOT, Latent, fit_latent, read_latent


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


@dataclass(frozen=True, eq=False)
class Known:
    """Somebody whose codes are in a file. Truncation is for seeds."""

    latent: Latent
    seed: int = 0  # of random noise

    @property
    def name(self) -> str:
        return self.latent.name

    def codes(self, generator: Generator) -> Tensor:  # [1, L, w_dim]
        return fit_latent(self.latent, generator)


def choose_people(
    model: str | None,
    seeds: str | None,
    latent: Path | None,
    truncation: float,
    cutoff: int | None,
) -> list[Person] | list[Known]:
    """Those of `--seeds` or `--latent`; without either an inversion's own subject, or seed 0."""
    if seeds is not None and latent is not None:
        raise UsageError("--seeds and --latent name different people: give one of them.")
    if latent is None and seeds is None and model is not None:
        folder = Path(model).expanduser()
        latent = folder if (folder / PIVOT).is_file() and not is_name(model) else None
    if latent is not None:
        return [Known(read_latent(latent.expanduser()))]
    return [
        Person(seed, truncation, cutoff) for seed in parse_seeds("0" if seeds is None else seeds)
    ]


def take_in(people: list[Person] | list[Known], generator: Generator) -> None:
    """Noise images and the like that belong to somebody's codes; says what cannot be taken."""
    for person in people:
        for what in take_extras(person.latent, generator) if isinstance(person, Known) else ():
            typer.echo(f"{person.name} is drawn without {what}", err=True)


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
