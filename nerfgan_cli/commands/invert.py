"""`nerfgan invert`: a photograph becomes a latent and a tuned model, to be turned and edited."""

from dataclasses import replace
from pathlib import Path
from shlex import quote
from statistics import fmean
from typing import Annotated, Any

import torch
import typer

from nerfgan_cli.checkpoints.toyheads import is_of_toyheads
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.counterparts import Part, open_models
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.invert_options import Comparing, Hold, Photographs, Search
from nerfgan_cli.commands.views import open_views
from nerfgan_cli.encoder import find_ffmpeg
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.faces import FACES
from nerfgan_cli.evaluation.looks import IDENTITY, FaceReader
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.pack_faces import PackFaces
from nerfgan_cli.evaluation.toy_faces import open_toy_faces
from nerfgan_cli.faces.detector import DEFAULT_PACK
from nerfgan_cli.faces.packs import find_pack
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.inversion.report import write_report
from nerfgan_cli.inversion.run import Job, find_result, invert, recomputes
from nerfgan_cli.inversion.settings import Settings

TOY = (
    "this model knows only the heads that nerfgan draws itself: what it makes of a photograph of "
    "anybody else is a toy that resembles them at best."
)
# Means of benchmarks/inversion_proof.py over its 20 samples.
FAST = (
    "the preset fast costs likeness: of its own samples light-toyheads reached 38.9 dB with it and "
    "50.7 dB with all steps, from another side 32.0 and 35.8 dB (means of 20)."
)
TOLD = 4  # photographs of which each is told of


@grouped
def command(
    *,
    photographs: Photographs,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Default: inversion/PHOTO's name."),
    ] = None,
    model: o.Model = None,
    part: Annotated[
        Part | None,
        typer.Option(
            "--with",
            help="Invert with the student or with its teacher. Default: with --model.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The teacher of a student, if it is not bundled."),
    ] = None,
    search: Search,
    hold: Hold,
    comparing: Comparing,
    branch: Annotated[
        o.BranchName | None,
        typer.Option(
            "--branch",
            help="Of a Mimic3D: 3d tunes what renders every pixel, 2d what is enlarged (default). "
            "Other commands then draw the subject so.",
        ),
    ] = None,
    depth_samples: Annotated[
        float,
        typer.Option(
            min=0.1, max=8, metavar="X", help="Of volumes: so many times the samples along a ray."
        ),
    ] = 2.0,
    recompute: Annotated[
        bool | None,
        typer.Option(
            "--recompute/--no-recompute",
            help="Less memory, up to a third more time. Default: for students of 512² and larger.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of noise and draws.")] = 0,
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Inverts a photograph: finds the latent of its subject, then tunes the generator to it (PTI).

    Several photographs of one subject: --photo A --camera A.json --photo B --camera B.json.
    Interrupted, the same command goes on. The folder serves every command as --model, as in
    nerfgan video --model DIR; nerfgan align makes crop and camera from any photograph.
    """
    paths = photographs.files()
    folder = out or Path("inversion") / photographs.name
    settings = Settings(
        search.settings(),
        hold.settings(),
        frames=photographs.frame_settings(),
        mirror=photographs.mirror,
        branch=branch and branch.value,
        depth_multiplier=depth_samples,
        seed=seed,
    ).with_steps(search.preset.value, search.steps, hold.tuning_steps)
    find_ffmpeg()  # rather now than in the end
    place = choose_device(device.value)
    own, other = open_models(model, part, teacher, place)
    generator = own.generator
    if settings.branch is not None:
        generator.prefer_branch(settings.branch)
    hold.refuse(generator)
    views = open_views(paths, photographs.cameras or [], photographs.masks or [], generator)
    camera = search.camera_settings(all(view.known for view in views))
    again = recomputes(generator) if recompute is None else recompute
    settings = replace(settings, camera=camera, recompute=again)
    distances = comparing.open(generator, place)
    views = [view.to(place) for view in views]
    name = photographs.name
    job = Job(name, generator, own.base, own.provenance, views, distances, settings)
    if is_of_toyheads(generator):
        say(TOY)
    result = find_result(job, folder)
    if result is None:
        announce(job, search.is_fast and hold.tuning_steps is None)
        inversion = invert(job, folder, say)
        if inversion is None:
            return  # a signal, which is raised when it is noted
        both = None if other is None else (other.name, other.generator)
        result = write_report(job, inversion, folder, both, find_reader(generator, place))
    else:
        say(f"{folder} is finished: this is its result")
    o.print_result(result | {"out": str(folder)}, as_text(result, folder), json)


def find_reader(generator: Generator, device: torch.device) -> FaceReader | None:
    """What tells people apart, if it is here: nothing is fetched for it."""
    if is_of_toyheads(generator):
        return open_toy_faces(device)
    if generator.camera_preset != FACES or find_pack(DEFAULT_PACK) is None:
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
        say(f"no camera is known{whose}: {what}")
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
        network, alike = (result["identity"][key] for key in ("network", "tuned"))
        lines.append(f"identity, by {network}: {tell_cosines(alike)} (cosine)")
    if "other_model" in result:
        both = result["other_model"]
        decibels = min(both["psnr_of_projections"])
        lines.append(f"the pivot as {both['model']} draws it: {decibels:.2f} dB to it, untuned")
    side, moved = result["side"], [shift for shift in result["shifts"] if any(shift)]
    if moved:
        farthest = max(abs(part) for shift in moved for part in shift) * side
        lines.append(
            f"{o.counted(len(moved), 'photograph')} moved as the cameras were found, by up to "
            f"{o.counted(round(farthest), 'pixel')}"
        )
    place, times = quote(str(folder)), result["settings"]["depth_multiplier"]
    if result["volume"] and times != 1:
        lines.append(f"tuned with {times:g} times the model's depth samples, and drawn so")
    lines += [
        f"wrote {folder} in {result['seconds']:.0f} s; next, for example:",
        f"  nerfgan video --model {place} -o turn.mp4",
    ]
    return "\n".join(lines)


def tell_cosines(alike: list[float | None]) -> str:
    """Of each photograph, or of many of them."""
    found = [one for one in alike if one is not None]
    if not found:
        return "no face found"
    if len(alike) <= TOLD:
        return ", ".join("no face found" if one is None else f"{one:.3f}" for one in alike)
    lost = len(alike) - len(found)
    none = f", no face found in {lost}" if lost else ""
    return f"{fmean(found):.3f} on average, {min(found):.3f} at least{none}"


def say(sentence: str) -> None:
    """Progress, beside the result."""
    typer.echo(sentence, err=True)
