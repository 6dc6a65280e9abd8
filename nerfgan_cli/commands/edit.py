"""`nerfgan edit`: subjects moved along directions, as a strip of pictures or a video."""

import re
from functools import partial
from itertools import chain, product
from json import dumps
from math import isfinite
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands import studio as s
from nerfgan_cli.commands.camera_path import CameraPath, PathName
from nerfgan_cli.commands.drawing import Look, Truncation
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.sources import codes_of, gather_sitters, known_among, take_in_all
from nerfgan_cli.editing.directions import (
    move,
    place,
    read_direction,
    refuse_foreign,
    refuse_misfit,
)
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import Sitter
from nerfgan_cli.inversion.extras import has_noise
from nerfgan_cli.latent_files import OFFSET, Latent, write_latent

STRONGEST = 100.0  # standard deviations; far beyond what draws anything
MOST_STEPS = 100
STRIP_STEPS = 7
WRITTEN = (".png", ".mp4", ".safetensors")  # by this command, which notes what in a .json beside


@grouped
def command(
    *,
    direction: Annotated[
        str, typer.Option(metavar="FILES", help="Files of nerfgan directions, or a folder of them.")
    ],
    model: o.Model = None,
    seeds: o.Seeds = None,
    latents: s.Latents = None,
    truncation: Truncation,
    strength: Annotated[
        str,
        typer.Option(
            metavar="A..B", help="In standard deviations: from -3..3, or a list as -3,0,3."
        ),
    ] = "-3..3",
    steps: Annotated[
        int | None,
        typer.Option(
            min=2, max=MOST_STEPS, metavar="N", help=f"Pictures of a strip; {STRIP_STEPS}."
        ),
    ] = None,
    absolute: Annotated[
        bool,
        typer.Option(
            "--absolute",
            help="To this place among all subjects, wherever each stands now; else from there.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Use a direction of another model all the same.")
    ] = False,
    frames: Annotated[int, typer.Option(min=1, help="Of a video: there and back.")] = 120,
    fps: Annotated[int, typer.Option(min=1, max=240, help="Frames per second.")] = 30,
    camera_path: CameraPath,
    stand: s.Place,
    look: Look,
    batch: o.Batch = "auto",
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", metavar="FILE", help="A .png, an .mp4 or, of a latent, a .safetensors."
        ),
    ] = "edit.png",
    json: o.Json = False,
) -> None:
    """Changes one thing about subjects, along a direction of nerfgan directions.

    A .png has a row for each subject and direction, and a column for each strength; in an .mp4 each
    has a cell, and goes from the one end of the strengths to the other and back. A JSON file beside
    says what is shown. A .safetensors is the edited subject, as --latent of every command takes it.
    """
    saved = Path(out).suffix.lower() == ".safetensors"
    film, file, walk = not saved and s.is_film(out), Path(out), camera_path.choose(PathName.fixed)
    stand.refuse(walk)
    levels = parse_strengths(strength, steps)
    if film and len(levels) < 2:
        raise UsageError("a video goes from one strength to another: give a range, as -3..3.")
    directions = [read_direction(path) for path in find_directions(direction)]
    sitters = gather_sitters(model, seeds, latents, truncation)
    if saved and not len(sitters) == len(directions) == len(levels) == 1:
        raise UsageError(
            "a latent is one subject: give one seed or latent, one --direction, one --strength."
        )
    with replacing(s.notes_file(file)) as notes_file:
        studio = s.open_studio(model, look, batch)
        for one in directions:
            if force:
                refuse_misfit(one, studio.source.generator)
            else:
                refuse_foreign(
                    one, studio.source.generator, ", or give --force to see what it does"
                )
        codes = codes_of(sitters, studio.source.generator)
        take_in_all(sitters, studio.source.generator)
        values = torch.tensor(sway(levels, frames) if film else levels)
        preset = studio.preset
        cameras = walk.cameras(preset, len(values), stand.still(preset), closed=film)
        drawn = [
            studio.draw(partial(move, ws, one, absolute=absolute), values, cameras)
            for ws, one in product(torch.split(codes, 1), directions)
        ]
        if film:
            s.write_film(drawn, len(values), fps, file)
        elif saved:
            moved = move(codes, directions[0], values, absolute)
            write_latent(file, keep_as(sitters[0], moved, studio.source.generator))
        else:
            rows = [f"{sitter.name}, {one.name}" for sitter, one in product(sitters, directions)]
            captions = caption_levels(levels, absolute) * len(rows)
            s.write_sheet(chain.from_iterable(drawn), captions, len(levels), file, rows)
        notes = studio.notes() | {
            "file": out,
            "subjects": [sitter.name for sitter in sitters],
            "directions": [one.name for one in directions],
            "places": [
                [place(ws[: studio.source.generator.num_ws], one).tolist() for one in directions]
                for ws in codes
            ],
            "strengths": values.tolist(),
            "absolute": absolute,
            "fps": fps if film else None,
            **truncation.notes(),
            "cameras": cameras.label.tolist(),
        }
        notes_file.write_text(dumps(notes, indent=2) + "\n")
    count = len(values) * (1 if film else len(drawn))
    noun = "latent" if saved else "frame" if film else "picture"
    o.print_result(notes, f"wrote {o.counted(count, noun)} to {out}", json)


def keep_as(sitter: Sitter, codes: Tensor, generator: Generator) -> Latent:
    """The edited subject, with the noise and the layers that it is drawn with."""
    noisy = [one.latent for one in known_among([sitter]) if has_noise(one.latent)]
    tensors = dict(noisy[0].tensors) if len(noisy) == 1 else {}
    ws, offset = codes[:, : generator.num_ws], codes[:, generator.num_ws :]
    if offset.shape[1]:
        tensors[OFFSET] = offset
    return Latent(ws, f"{sitter.name}, edited", space_checksum(generator), tensors)


def parse_strengths(text: str, steps: int | None) -> list[float]:
    """ "-3..3" in even steps, "-3,0,3" or "2"."""
    match = re.fullmatch(r"([^.,]+(?:\.\d+)?)\.\.(.+)", text.strip())
    try:
        numbers = [float(part) for part in (match.groups() if match else text.split(","))]
    except ValueError:
        numbers = []
    if not numbers or not all(isfinite(number) for number in numbers):
        raise UsageError(f"--strength {text!r} are no strengths: write -3..3, or -3,0,3.")
    if max(map(abs, numbers)) > STRONGEST:
        raise UsageError(f"--strength {text!r} is too strong: stay within ±{STRONGEST:g}.")
    if not match:
        if steps is not None:
            raise UsageError("--steps divide a range: write --strength -3..3, or leave them out.")
        return numbers
    if numbers[0] == numbers[1]:
        raise UsageError(f"--strength {text!r} is an empty range: give two different ends.")
    first, last = numbers
    return [float(level) for level in np.linspace(first, last, steps or STRIP_STEPS)]


def find_directions(text: str) -> list[Path]:
    """The files of a comma list; of a folder all by name, but for notes beside pictures."""
    files: list[Path] = []
    for part in text.split(","):
        path = Path(part.strip()).expanduser()
        if not part.strip():
            raise UsageError(f"--direction {text!r} has an empty entry: name files or folders.")
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        files += [file for file in inside if Path(file.stem).suffix not in WRITTEN]
    if not files:
        raise InputError(f"there are no directions in {text}: write some with nerfgan directions.")
    return files


def sway(levels: list[float], frames: int) -> list[float]:
    """From the first strength to the last and back, slow at the ends: a loop without a seam."""
    phase = 2 * torch.pi * torch.arange(frames, dtype=torch.float64) / frames
    shares = (1 - phase.cos()) / 2
    return (levels[0] + (levels[-1] - levels[0]) * shares).tolist()


def caption_levels(levels: list[float], absolute: bool) -> list[str]:
    """ "+2" for a step, "= 2" for a place among all subjects."""
    rounded = [round(level, 2) + 0.0 for level in levels]  # never -0
    if absolute:
        return [f"= {level:g}" for level in rounded]
    return [f"{level:+g}" if level else "0" for level in rounded]
