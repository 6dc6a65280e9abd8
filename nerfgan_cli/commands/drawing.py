"""What the commands that draw have in common: a model made ready, who it draws, and how."""

from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import Any

import typer
from torch import Tensor

from nerfgan_cli import __version__
from nerfgan_cli.camera_files import DIAGONAL_FOV, DIAGONAL_NOTE, load_cameras
from nerfgan_cli.cameras import PRESETS, Camera, CameraPreset, focal_from_fov
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model, is_name
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.parsing import parse_point, parse_seeds
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import DEFAULT_RAY_CHUNK, DrawOptions, Generator
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


def open_source(model: str | None, device: o.DeviceName, precision: o.PrecisionName) -> Source:
    """Loads a model onto a device, for drawing."""
    path = find_model(model)
    place = choose_device(device.value)
    generator = load_model(path, place).eval().requires_grad_(False)
    resolved = set_precision(generator, precision.value, place)
    return Source(generator, path, place.type, resolved)


@dataclass(frozen=True)
class Truncation:
    """Of seeds; a latent is drawn as it is."""

    psi: o.Truncation = 0.7
    cutoff: o.TruncationCutoff = None

    def person(self, seed: int) -> Person:
        return Person(seed, self.psi, self.cutoff)

    def notes(self) -> dict[str, Any]:
        return {"truncation": self.psi, "truncation_cutoff": self.cutoff}


@dataclass(frozen=True, eq=False)
class Known:
    """Somebody whose codes are in a file."""

    latent: Latent
    seed: int = 0  # of random noise

    @property
    def name(self) -> str:
        return self.latent.name

    def codes(self, generator: Generator) -> Tensor:  # [1, L, w_dim]
        return fit_latent(self.latent, generator)


def choose_people(
    model: str | None, seeds: str | None, latent: Path | None, truncation: Truncation
) -> list[Person] | list[Known]:
    """Those of `--seeds` or `--latent`; without either an inversion's own subject, or seed 0."""
    if seeds is not None and latent is not None:
        raise UsageError("--seeds and --latent name different people: give one of them.")
    if latent is None and seeds is None and model is not None:
        folder = Path(model).expanduser()
        latent = folder if (folder / PIVOT).is_file() and not is_name(model) else None
    if latent is not None:
        return [Known(read_latent(latent.expanduser()))]
    return [truncation.person(seed) for seed in parse_seeds("0" if seeds is None else seeds)]


def take_in(people: list[Person] | list[Known], generator: Generator) -> None:
    """Noise images and the like that belong to somebody's codes; says what cannot be taken."""
    for person in people:
        for what in take_extras(person.latent, generator) if isinstance(person, Known) else ():
            typer.echo(f"{person.name} is drawn without {what}", err=True)


@dataclass(frozen=True)
class Look:
    """How subjects are drawn, whoever they are and wherever the camera goes."""

    radius: o.Radius = None
    fov: o.Fov = None
    pivot: o.Pivot = None
    what: o.What = o.Shown.image
    resolution: o.Resolution = None
    branch: o.BranchAtResolution = None
    depth_samples: o.DepthSamples = 1.0
    precision: o.Precision = o.PrecisionName.auto
    ray_chunk: o.RayChunk = DEFAULT_RAY_CHUNK
    device: o.Device = o.DeviceName.auto

    def options(self, noise: o.Noise = o.Noise.const) -> DrawOptions:
        return DrawOptions(
            resolution=self.resolution,
            raw_only=self.what is not o.Shown.image,
            noise_mode=noise.value,
            ray_chunk=self.ray_chunk,
            depth_multiplier=self.depth_samples,
            branch=self.branch and self.branch.value,
        )

    def preset(self, generator: Generator) -> CameraPreset:
        """The cameras of the model's domain, changed as the command line asks."""
        preset = PRESETS[generator.camera_preset]
        if self.radius is not None:
            preset = replace(preset, radius=self.radius)
        if self.fov is not None:
            if abs(self.fov - DIAGONAL_FOV) < 0.05:  # also rounded
                typer.echo(f"note: --fov {self.fov:g} is close to {DIAGONAL_NOTE}", err=True)
            preset = replace(preset, focal=focal_from_fov(radians(self.fov)))
        if self.pivot is not None:
            preset = replace(preset, pivot=parse_point("--pivot", self.pivot))
        return preset

    def open(self, model: str | None) -> Source:
        return open_source(model, self.device, self.precision)

    def notes(self, source: Source, options: DrawOptions) -> dict[str, Any]:
        """What is shown, and what showed it."""
        return source.notes() | {
            "what": self.what.value,
            "branch": options.branch or source.generator.branch,
            "resolution": source.generator.rays_per_side(options),
            "depth_samples": self.depth_samples,
        }


def one_camera(file: Path, preset: CameraPreset) -> Camera:
    """The only one of a file."""
    cameras = load_cameras(file, preset)
    if len(cameras) != 1:
        name = cameras[0][0]
        take = f"take one out, as with nerfgan camera convert {file} --name {name} -o one.json"
        raise InputError(
            f"{file} has {len(cameras)} cameras: {take if name else 'give a file of one'}."
        )
    return cameras[0][1]


def require(source: Source, what: str, branch: str | None = None) -> None:
    """Says so at once where a model cannot draw `what`, or has no such branch."""
    branches = source.generator.branches
    if branch is not None and branch not in branches:
        has = f"only the branch {branches[0]}" if branches else "no branches"
        raise UsageError(
            f"{source.path} has {has}, not {branch}: leave --branch out, or give a Mimic3D of the "
            "3D phase, which has both."
        )
    if what == "depth" and not source.generator.has_depth:
        raise UsageError(
            f"{source.path} draws no depth: use --what image or raw, or a volumetric model, "
            "as --model eg3d-toyheads."
        )
