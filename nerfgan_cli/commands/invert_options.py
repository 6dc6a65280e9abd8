"""The options of `nerfgan invert`: photographs, the two stages, what compares pictures."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer

from nerfgan_cli.data.pictures import is_picture
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.faces.records import overlay_of
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.inversion.distances import Distances, open_distances
from nerfgan_cli.inversion.settings import (
    CameraSettings,
    FrameSettings,
    PivotSettings,
    TuningSettings,
)


class PresetName(str, Enum):
    """Those of `inversion.settings.PRESETS`."""

    full = "full"
    fast = "fast"


class Space(str, Enum):
    """Where the latent is looked for."""

    w = "w"
    w_plus = "w+"


class Perceptual(str, Enum):
    """What compares pictures."""

    auto = "auto"
    lpips = "lpips"
    discriminator = "discriminator"


@dataclass(frozen=True)
class Photographs:
    """What is inverted."""

    photo: Annotated[
        Path | None, typer.Argument(metavar="[PHOTO]", help="A square crop of a head.")
    ] = None
    photos: Annotated[
        list[Path] | None,
        typer.Option("--photo", metavar="PHOTO", help="Another photograph of the same subject."),
    ] = None
    frames: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="In place of PHOTO: a folder of crops, frames of a video in the order of their "
            "names.",
        ),
    ] = None
    smoothness: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="X", help="Of a video: keeps neighbouring frames alike (default 1)."
        ),
    ] = None
    cameras: Annotated[
        list[Path] | None,
        typer.Option(
            "--camera",
            metavar="FILE",
            help="Camera of each photograph, or one file of all; else PHOTO's .json, else the "
            "frontal one, from which it is then searched.",
        ),
    ] = None
    masks: Annotated[
        list[Path] | None,
        typer.Option(
            "--mask",
            metavar="FILE",
            help="A black and white picture for each photograph, white counts; or the word face: "
            "where nerfgan align found it.",
        ),
    ] = None
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="The photograph, mirrored, tells of the side that it does not show: for heads "
            "seen from aside. Only in tuning while a camera is searched.",
        ),
    ] = False

    def files(self) -> list[Path]:
        """All of them, in their order."""
        paths = [*([self.photo] if self.photo else []), *(self.photos or [])]
        if self.frames is None:
            if self.smoothness is not None:
                raise UsageError("--smoothness is of a video: give its --frames, or leave it out.")
            if not paths:
                raise UsageError("no photograph was given: write nerfgan invert PHOTO.")
            return paths
        if paths:
            raise UsageError("--frames are all photographs: leave out the others.")
        if not self.frames.is_dir():
            raise InputError(f"{self.frames} is no folder: give one with the frames as pictures.")
        found = sorted(path for path in self.frames.iterdir() if is_picture(path.name))
        overlays = {overlay_of(self.frames, path.stem) for path in found}
        found = [path for path in found if path not in overlays]  # as nerfgan align leaves them
        if len(found) < 2:
            raise InputError(
                f"{self.frames} has not two pictures: give the frames of a video, or a photograph."
            )
        return found

    @property
    def name(self) -> str:
        return self.frames.resolve().name if self.frames is not None else self.files()[0].stem

    def frame_settings(self) -> FrameSettings | None:
        if self.frames is None:
            return None
        return FrameSettings() if self.smoothness is None else FrameSettings(self.smoothness)


@dataclass(frozen=True)
class Search:
    """Stage 1."""

    preset: Annotated[
        PresetName,
        typer.Option(
            help="fast: 100 and 50 steps instead of 500 and 350, less like the photograph; it says "
            "how much."
        ),
    ] = PresetName.full
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps of the search for the latent.")
    ] = None
    space: Annotated[
        Space,
        typer.Option(help="w: one code for all layers; w+: one for each, more alike, less 3D."),
    ] = Space.w
    layer_penalty: Annotated[
        float, typer.Option(min=0, metavar="X", help="In w+: pulls the layers' codes together.")
    ] = 0.0
    optimise_noise: Annotated[
        bool,
        typer.Option(
            "--optimise-noise/--no-optimise-noise",
            help="Search the noise images too, where the generator has some.",
        ),
    ] = True
    optimise_camera: Annotated[
        bool | None,
        typer.Option(
            "--optimise-camera/--no-optimise-camera",
            help="Search all cameras, or none. Default: those that no file tells.",
        ),
    ] = None

    @property
    def is_fast(self) -> bool:
        """With the steps of that preset, whose cost is known."""
        return self.preset is PresetName.fast and self.steps is None

    def settings(self) -> PivotSettings:
        return PivotSettings(
            space=self.space.value,
            layer_penalty=self.layer_penalty,
            optimise_noise=self.optimise_noise,
        )

    def camera_settings(self, all_known: bool) -> CameraSettings | None:
        if self.optimise_camera or (self.optimise_camera is None and not all_known):
            return CameraSettings(known=bool(self.optimise_camera))
        return None


@dataclass(frozen=True)
class Hold:
    """Stage 2, and what it holds as it was."""

    tuning_steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps of the generator's tuning, at most.")
    ] = None
    stop: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Perceptual distance at which tuning ends (default: 0.06 by LPIPS, 0 by a "
            "discriminator); inf: no tuning at all.",
        ),
    ] = None
    locality: Annotated[
        float,
        typer.Option(min=0, metavar="X", help="Keeps other people as before tuning; try 0.1."),
    ] = 0.0
    consistency: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="X",
            help="Keeps the subject's coarse colours, seen from other sides, as before tuning; try "
            "0.1.",
        ),
    ] = 0.0
    shape: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="X",
            help="Of volumes: keeps the subject's depth, seen from other sides, as before tuning; "
            "try 1 to 10.",
        ),
    ] = 0.0

    def settings(self) -> TuningSettings:
        return TuningSettings(
            stop=self.stop,
            locality=self.locality,
            consistency=self.consistency,
            shape=self.shape,
        )

    def refuse(self, generator: Generator) -> None:
        if self.shape and not generator.has_depth:
            raise UsageError(
                "--shape holds a depth, which a student does not draw: use --consistency, or "
                "--with teacher."
            )


@dataclass(frozen=True)
class Comparing:
    """What compares a drawing with a photograph."""

    perceptual: Annotated[
        Perceptual,
        typer.Option(help="auto: the bundled discriminator for models of ToyHeads, else LPIPS."),
    ] = Perceptual.auto
    perceptual_weights: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with LPIPS' networks; else found or fetched."),
    ] = None
    discriminator: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The discriminator that compares pictures.")
    ] = None

    def open(self, generator: Generator, place: torch.device) -> Distances:
        return open_distances(
            generator, self.perceptual.value, self.discriminator, self.perceptual_weights, place
        )
