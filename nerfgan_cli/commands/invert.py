"""`nerfgan invert`: a photograph becomes a latent and a tuned model, to be turned and edited."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import torch
import typer

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.counterparts import Part, open_models
from nerfgan_cli.commands.views import open_views
from nerfgan_cli.encoder import find_ffmpeg
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.evaluation.faces import FACES
from nerfgan_cli.evaluation.looks import IDENTITY, FaceReader
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.pack_faces import PackFaces, pack_folder
from nerfgan_cli.evaluation.toy_faces import open_toy_faces
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.inversion.distances import is_of_toyheads, open_distances
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
# Means of benchmarks/inversion_proof.py over its first three samples, by both presets.
FAST = (
    "the preset fast costs likeness: of three of its own samples light-toyheads reached 40.1 dB "
    "with it and 51.3 dB with all steps, from another side 35.2 and 38.4 dB."
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
            "frontal one, from which it is then searched.",
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
            help="All cameras, or none; else those that no file tells.",
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
        bool, typer.Option("--recompute", help="Less memory, up to a third more time.")
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
    views = open_views(paths, cameras or [], masks or [], own.generator)
    unknown = sum(not view.known for view in views)
    if optimise_camera or (optimise_camera is None and unknown):
        settings = replace(settings, camera=CameraSettings(known=bool(optimise_camera)))
    distances = open_distances(
        own.generator, perceptual.value, discriminator, perceptual_weights, place
    )
    views = [view.to(place) for view in views]
    job = Job(paths[0].stem, own.generator, own.base, own.provenance, views, distances, settings)
    result = find_result(job, folder)
    if result is None:
        announce(job, preset is PresetName.fast)
        inversion = invert(job, folder, say)
        if inversion is None:
            return  # a signal, which is raised when it is noted
        both = None if other is None else (other.name, other.generator)
        result = write_report(job, inversion, folder, both, find_reader(own.generator, place))
    else:
        say(f"{folder} is finished: this is its result")
    o.print_result(result | {"out": str(folder)}, as_text(result, folder), json)


def find_reader(generator: Generator, device: torch.device) -> FaceReader | None:
    """What tells people apart, if it is here: nothing is fetched for it."""
    if is_of_toyheads(generator):
        return open_toy_faces(device)
    if generator.camera_preset != FACES or not pack_folder(None).is_dir():
        return None
    try:
        reader = PackFaces(Networks())
    except WeightsError:  # a pack that is not whole
        return None
    return reader if IDENTITY in reader.sources else None


def announce(job: Job, fast: bool) -> None:
    """What to know before it begins."""
    count, unknown = len(job.views), sum(not view.known for view in job.views)
    if unknown:
        whose = f" for {unknown} of {count} photographs" if unknown < count else ""
        what = (
            "the frontal one is taken and stays"
            if job.settings.camera is None
            else "it is searched, from the frontal one and others to its sides"
        )
        say(f"no camera was given{whose}: {what}")
    if is_of_toyheads(job.generator):
        say(TOY)
    if fast:
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
    if "identity" in result:
        network, cosines = (result["identity"][key] for key in ("network", "tuned"))
        alike = ("no face found" if one is None else f"{one:.3f}" for one in cosines)
        lines.append(f"identity, by {network}: {', '.join(alike)} (cosine)")
    if "other_model" in result:
        both = result["other_model"]
        decibels = min(both["psnr_of_projections"])
        lines.append(f"the pivot as {both['model']} draws it: {decibels:.2f} dB to it, untuned")
    place, times = quote(str(folder)), result["settings"]["depth_multiplier"]
    samples = ""
    if result["volume"] and times != 1:
        lines.append(f"tuned and drawn with {times:g} times the depth samples: draw it so as well")
        samples = f" --depth-samples {times:g}"
    lines += [TOY] * result["toy"]
    lines += [
        f"wrote {folder} in {result['seconds']:.0f} s; next, for example:",
        f"  nerfgan video --model {place}{samples} -o turn.mp4",
    ]
    return "\n".join(lines)


def say(sentence: str) -> None:
    """Progress, beside the result."""
    typer.echo(sentence, err=True)
