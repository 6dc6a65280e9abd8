"""`nerfgan invert`: a photograph becomes a latent and a tuned model, to be turned and edited."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.cameras import Camera
from nerfgan_cli.checkpoints.base import Base
from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.delta import base_of
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance, derived_licence
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model
from nerfgan_cli.commands import options as o
from nerfgan_cli.encoder import find_ffmpeg
from nerfgan_cli.errors import InputError, UsageError, WeightsError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.inversion.distances import is_of_toyheads, open_distances
from nerfgan_cli.inversion.photos import View, face_mask, read_mask, read_square, to_target
from nerfgan_cli.inversion.report import write_report
from nerfgan_cli.inversion.run import Job, find_result, invert
from nerfgan_cli.inversion.settings import (
    CameraSettings,
    PivotSettings,
    Settings,
    TuningSettings,
)

TOY = (
    "this model knows only the heads that nerfgan draws itself: what it makes of a photograph of "
    "anybody else is a toy that resembles them at best."
)
FACE = "face"  # instead of a mask
# Means of the bundled student on its own samples, by benchmarks/inversion_proof.py.
FAST = (
    "the preset fast costs likeness: of its own samples light-toyheads reached 40.1 dB with it and "
    "51.3 dB with all steps, from another side 35.2 and 38.4 dB."
)


class Part(str, Enum):
    """Of a distillation: with which of both to invert."""

    student = "student"
    teacher = "teacher"


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


class Model(NamedTuple):
    """A generator, and how it was asked for."""

    name: str
    path: Path
    generator: Generator  # frozen

    @property
    def base(self) -> Base:
        return base_of(self.name, self.path, self.generator)


def command(
    photo: Annotated[
        Path | None, typer.Argument(metavar="[PHOTO]", help="A square crop of a head.")
    ] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option("--photo", metavar="PHOTO", help="Another photograph of the same subject."),
    ] = None,
    cameras: Annotated[
        list[Path] | None,
        typer.Option(
            "--camera",
            metavar="FILE",
            help="Camera of each photograph, or one file of all; else PHOTO's .json, else the "
            "frontal one, which is then optimised.",
        ),
    ] = None,
    masks: Annotated[
        list[Path] | None,
        typer.Option(
            "--mask",
            metavar="FILE",
            help="A picture of each: white is what counts; or face, as nerfgan align found it.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Default: inversion/PHOTO's name."),
    ] = None,
    model: o.Model = None,
    part: Annotated[
        Part | None, typer.Option("--with", help="The model's teacher instead; else the model.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The teacher of a student, if it is not bundled."),
    ] = None,
    preset: Annotated[
        PresetName, typer.Option(help="fast: 100 and 50 steps instead of 500 and 350.")
    ] = PresetName.full,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Of the search for the latent.")
    ] = None,
    tuning_steps: Annotated[
        int | None, typer.Option(metavar="N", help="Of the tuning of the generator, at most.")
    ] = None,
    space: Annotated[
        Space, typer.Option(help="One code for all layers, or one for each: more alike, less 3D.")
    ] = Space.w,
    layer_penalty: Annotated[
        float, typer.Option(min=0, metavar="X", help="In w+: pulls the layers' codes together.")
    ] = 0.0,
    optimise_noise: Annotated[
        bool,
        typer.Option(
            "--optimise-noise/--no-optimise-noise",
            help="The noise images too, of generators that have some.",
        ),
    ] = True,
    optimise_camera: Annotated[
        bool | None,
        typer.Option(
            "--optimise-camera/--no-optimise-camera",
            help="The cameras too; else only those that no file tells.",
        ),
    ] = None,
    stop: Annotated[
        float | None,
        typer.Option(metavar="X", help="Perceptual distance at which tuning ends; LPIPS: 0.06."),
    ] = None,
    locality: Annotated[
        float, typer.Option(min=0, metavar="X", help="Holds other people as they were; try 0.1.")
    ] = 0.0,
    consistency: Annotated[
        float,
        typer.Option(min=0, metavar="X", help="Holds the coarse colours of other sides; try 0.1."),
    ] = 0.0,
    perceptual: Annotated[
        Perceptual,
        typer.Option(help="auto: the bundled discriminator for models of ToyHeads, else LPIPS."),
    ] = Perceptual.auto,
    perceptual_weights: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with LPIPS' networks; else found or fetched."),
    ] = None,
    discriminator: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The discriminator that compares pictures.")
    ] = None,
    depth_samples: Annotated[
        float,
        typer.Option(min=0.1, max=8, metavar="X", help="Times as many along a ray, of volumes."),
    ] = 2.0,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Of volumes: less memory, a third more time.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of noise and draws.")] = 0,
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Inverts a photograph: finds whose picture it is, then tunes the generator to it (PTI).

    Several photographs of one subject: --photo A --camera A.json --photo B --camera B.json.
    Interrupted, the same command goes on. The folder serves every command as --model, as in
    nerfgan video --model DIR; nerfgan align makes crop and camera from any photograph.
    """
    paths = [*([photo] if photo else []), *(photos or [])]
    if not paths:
        raise UsageError("no photograph was given: write nerfgan invert PHOTO.")
    folder = out or Path("inversion") / paths[0].stem
    settings = Settings(
        PivotSettings(
            space=space.value, layer_penalty=layer_penalty, optimise_noise=optimise_noise
        ),
        TuningSettings(stop=stop, locality=locality, consistency=consistency),
        depth_multiplier=depth_samples,
        recompute=recompute,
        seed=seed,
    ).with_steps(preset.value, steps, tuning_steps)
    find_ffmpeg()  # rather now than in the end
    place = choose_device(device.value)
    own, other = open_models(model, part, teacher, place)
    views, known = open_views(paths, cameras or [], masks or [], own.generator)
    if optimise_camera or (optimise_camera is None and not known):
        settings = replace(settings, camera=CameraSettings())
    distances = open_distances(
        own.generator, perceptual.value, discriminator, perceptual_weights, place
    )
    views = [view.to(place) for view in views]
    job = Job(paths[0].stem, own.generator, own.base, origin(own), views, distances, settings)
    result = find_result(job, folder)
    if result is None:
        announce(job, known, preset)
        inversion = invert(job, folder, say)
        if inversion is None:
            return  # a signal, which is raised when it is noted
        result = write_report(
            job, inversion, folder, None if other is None else (other.name, other.generator)
        )
    else:
        say(f"{folder} is finished: this is its result")
    o.print_result(result | {"out": str(folder)}, as_text(result, folder), json)


def open_models(
    model: str | None, part: Part | None, teacher: str | None, device: torch.device
) -> tuple[Model, Model | None]:
    """The one to invert with, and another one of the same latents, if there is one at hand."""
    given = open_model(model, device)
    if part is Part.student and given.generator.has_depth:
        raise UsageError(f"{given.name} renders a volume: give a student, or leave --with out.")
    volume = open_teacher(given, teacher, device)
    if part is Part.teacher:
        if volume is None:
            raise UsageError(
                f"the teacher of {given.name} is not known: name it with --teacher, as a file."
            )
        return (volume, None) if volume is given else (volume, given)
    return (given, None) if volume is given else (given, volume)


def open_model(model: str | None, device: torch.device) -> Model:
    path = find_model(model)
    generator = load_model(path, device).requires_grad_(False)
    return Model(model or path.stem, path, generator)


def open_teacher(given: Model, teacher: str | None, device: torch.device) -> Model | None:
    """The volumetric model of a student, or the model itself if it is one."""
    if given.generator.has_depth:
        return given
    if teacher is None and not is_of_toyheads(given.generator):
        return None
    found = open_model(teacher or TEACHER, device)
    if space_checksum(found.generator) != space_checksum(given.generator):
        raise WeightsError(
            f"{found.name} is not the teacher of {given.name}, their latent spaces differ: name "
            "the one that it was distilled from."
        )
    return found


def open_views(
    photos: list[Path], cameras: list[Path], masks: list[Path], generator: Generator
) -> tuple[list[View], bool]:
    """The photographs with their cameras, and whether a file told all of these."""
    if len(cameras) not in (0, 1, len(photos)):
        raise UsageError(
            f"{len(cameras)} cameras for {o.counted(len(photos), 'photograph')}: give --camera "
            "once for each, or one file for all."
        )
    if masks == [Path(FACE)]:
        masks = masks * len(photos)
    if len(masks) not in (0, len(photos)):
        raise UsageError("give --mask once for each photograph, or not at all.")
    side, files = generator.img_resolution, cameras * (len(photos) // max(len(cameras), 1))
    views, known = [], True
    for index, photo in enumerate(photos):
        target = to_target(read_square(photo, side))
        beside = photo.with_suffix(".json")
        file = files[index] if files else beside if beside.is_file() else None
        known = known and file is not None
        mask = open_mask(masks[index], beside, photo, side) if masks else None
        views.append(View(target, read_one_camera(file, photo, generator), mask))
    return views, known


def open_mask(mask: Path, beside: Path, photo: Path, side: int) -> Tensor:
    return face_mask(beside, photo, side) if mask == Path(FACE) else read_mask(mask, side)


def read_one_camera(file: Path | None, photo: Path, generator: Generator) -> Camera:
    preset = CAMERAS[generator.camera_preset]
    if file is None:
        return preset.frontal()
    found = load_cameras(file, preset, photo.name)
    if len(found) != 1:
        raise InputError(
            f"{file} has {len(found)} cameras and none is called {photo.name}: give a file of one."
        )
    return found[0][1]


def origin(own: Model) -> Provenance:
    before = read_header(own.path).provenance
    return Provenance(own.name, licence=derived_licence(before))


def announce(job: Job, known: bool, preset: PresetName) -> None:
    if not known:
        say("no camera was given: the search begins at the frontal one")
    if is_of_toyheads(job.generator):
        say(TOY)
    if preset is PresetName.fast:
        say(FAST)


def as_text(result: dict[str, Any], folder: Path) -> str:
    lines = []
    stages = zip(("projected", "tuned"), result["networks"].items(), strict=True)
    for name, (stage, network) in stages:
        values = {key: sum(numbers) / len(numbers) for key, numbers in result[name].items()}
        lines.append(
            f"{stage}: {values['psnr']:.2f} dB PSNR, {values['ssim']:.3f} SSIM, "
            f"{values['perceptual']:.4f} by {network}"
        )
    if "other_model" in result:
        both = result["other_model"]
        decibels = min(both["psnr_of_projections"])
        lines.append(f"the pivot as {both['model']} draws it: {decibels:.2f} dB to it, untuned")
    place = quote(str(folder))
    lines += [
        f"wrote {folder} in {result['seconds']:.0f} s; next, for example:",
        f"  nerfgan video --model {place} -o turn.mp4",
    ]
    return "\n".join(lines)


def say(sentence: str) -> None:
    """Progress, beside the result."""
    typer.echo(sentence, err=True)
