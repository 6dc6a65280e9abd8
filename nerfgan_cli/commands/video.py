"""`nerfgan video`: the camera moves around seeds, in a loop without a seam."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from json import dumps
from math import ceil, sqrt
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from tqdm import tqdm

from nerfgan_cli.cameras import Camera
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.camera_path import CameraPath, PathName
from nerfgan_cli.commands.drawing import Look, Truncation, choose_people, require, take_in
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.parsing import parse_batch, parse_file
from nerfgan_cli.encoder import even_sides, video_writer
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DrawOptions, Generator, Rendering
from nerfgan_cli.generators.drawing import (
    Person,
    Sitter,
    Subjects,
    choose_batch,
    draw_views,
    heeds_conditioning,
    prepare_subject,
)
from nerfgan_cli.media import Picture, enlarge, pictures_of, tile


class Panel(NamedTuple):
    """A model, and how it draws each person."""

    generator: Generator
    cameras: Camera  # of all frames
    options: DrawOptions
    batch: int  # frames that are drawn at once
    on_view: bool = False  # codes are conditioned on the camera of each frame


@grouped
def command(
    *,
    model: o.Model = None,
    seeds: o.Seeds = None,
    latent: o.LatentFile = None,
    truncation: Truncation,
    camera_path: CameraPath,
    frames: Annotated[int, typer.Option(min=1, help="Number of frames.")] = 120,
    fps: Annotated[int, typer.Option(min=1, max=240, help="Frames per second.")] = 30,
    side_by_side: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A second model, drawn at the right of the first; --resolution then changes only "
            "models that can draw at any.",
        ),
    ] = None,
    side_branch: Annotated[
        o.BranchName | None,
        typer.Option(
            "--side-by-side-branch",
            help="Of that one, if it is a Mimic3D: both branches of one model, for example, with "
            "--branch 2d; else as --branch.",
        ),
    ] = None,
    condition_on_view: Annotated[
        bool,
        typer.Option(
            "--condition-on-view",
            help="A diagnostic, of models whose mapping network is told a camera: at the right, "
            "each seed again with codes that follow the moving camera, which changes who is seen "
            "a little.",
        ),
    ] = False,
    look: Look,
    noise: o.NoiseMode = o.Noise.const,
    batch: o.Batch = "auto",
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="An .mp4 file.")
    ] = "video.mp4",
    json: o.Json = False,
) -> None:
    """Draws a video (MP4, H.264) in which the camera moves around each seed, or a latent's subject.

    The camera sweeps unless told otherwise: by the yaw range to either side, then by the pitch
    range up and down; without a range, by 30 degrees of yaw. Every path is a loop. Several seeds
    share the picture. A JSON file beside the video says what it shows.
    """
    file, walk = parse_file(out, ".mp4"), camera_path.choose(PathName.sweep)
    people = choose_people(model, seeds, latent, truncation)
    if condition_on_view and not all(isinstance(person, Person) for person in people):
        raise UsageError(
            "--condition-on-view makes codes of a seed anew for each frame, and a latent is codes: "
            "give --seeds."
        )
    if side_branch is not None and side_by_side is None:
        raise UsageError("--side-by-side-branch is of a second model: give --side-by-side too.")
    size = parse_batch(batch)
    options = look.options(noise)
    with (
        replacing(file.with_name(f"{file.name}.json")) as notes_file,
        video_writer(file, fps) as write,
    ):
        models = [model] if side_by_side is None else [model, side_by_side]
        sources = [look.open(name) for name in models]
        generators = [source.generator for source in sources]
        if condition_on_view and not any(map(heeds_conditioning, generators)):
            raise UsageError(
                "codes of this model do not depend on a camera, so that both halves would be the "
                "same: leave out --condition-on-view."
            )
        fitted = fit_options(generators, options)
        if side_branch is not None:
            fitted[1] = replace(fitted[1], branch=side_branch.value)
        size = size or min(map(choose_batch, generators, fitted))
        panels = []
        for source, own in zip(sources, fitted, strict=True):
            require(source, look.what.value, own.branch)
            take_in(people, source.generator)
            preset = look.preset(source.generator)
            cameras = walk.cameras(preset, frames, preset.frontal(), closed=True)
            panel = Panel(source.generator, cameras, own, size)
            panels += [panel, panel._replace(on_view=True)] if condition_on_view else [panel]
        drawn = draw_frames(panels, people, look.what.value)
        hidden = not sys.stderr.isatty()
        with tqdm(drawn, total=frames, unit="frame", disable=hidden) as bar:
            for frame in bar:
                write(frame)
        height, width, _ = even_sides(frame).shape
        branches = [
            own.branch or generator.branch
            for own, generator in zip(fitted, generators, strict=True)
        ]
        notes = look.notes(sources[0], panels[0].options) | {
            "file": str(file),
            "side_by_side": str(sources[1].path) if side_by_side is not None else None,
            "side_by_side_branch": branches[1] if side_by_side is not None else None,
            "people": [person.name for person in people],
            "seeds": [person.seed for person in people if isinstance(person, Person)],
            **truncation.notes(),
            "condition_on_view": condition_on_view,
            "noise": noise.value,
            "fps": fps,
            "width": width,
            "height": height,
            "cameras": panels[0].cameras.label.tolist(),
        }
        notes_file.write_text(dumps(notes, indent=2) + "\n")
    seconds = frames / fps
    o.print_result(notes, f"wrote {o.counted(frames, 'frame')} ({seconds:.1f} s) to {file}", json)


def fit_options(generators: list[Generator], options: DrawOptions) -> list[DrawOptions]:
    """The options of each: a resolution is for those that can draw any, if there is one.

    So is a branch for those that have some.
    """
    any_resolution = [generator.any_resolution for generator in generators]
    branched = [bool(generator.branches) for generator in generators]
    return [
        replace(
            options,
            # Where nobody has use for it, it is for the first to refuse.
            resolution=options.resolution if free or not any(any_resolution) else None,
            branch=options.branch if chooses or not any(branched) else None,
        )
        for free, chooses in zip(any_resolution, branched, strict=True)
    ]


@torch.inference_mode()
def draw_frames(panels: list[Panel], people: Sequence[Sitter], what: str) -> Iterator[Picture]:
    """Frame by frame, all people as all models draw them.

    Cell by cell for as many frames as are drawn at once: what is in memory is these frames, and the
    subjects that fit.
    """
    subjects = Subjects(next(panels[0].generator.parameters()).device)
    columns = ceil(sqrt(len(people))) * len(panels)
    for start in range(0, len(panels[0].cameras), panels[0].batch):
        cells = [
            draw_cell(panel, person, subjects, start, what) for person in people for panel in panels
        ]
        for pictures in zip(*cells, strict=True):
            height = max(picture.shape[0] for picture in pictures)
            yield tile([enlarge(picture, height) for picture in pictures], columns)


def draw_cell(
    panel: Panel,
    person: Sitter,
    subjects: Subjects,
    start: int,  # number of the first frame
    what: str,
) -> NDArray[np.uint8]:  # [frames, H, W, 3]
    """One cell of the video, for as many frames as are drawn at once."""
    generator, cameras, options, batch, on_view = panel
    views = cameras[start : start + batch]
    if on_view:
        drawn = draw_conditioned(panel, person, views, start)
    else:
        subject = subjects.prepare(generator, person, options)
        drawn = draw_views(generator, subject, views, options, batch, person.seed, start)
    return np.concatenate([pictures_of(rendering, what) for rendering in drawn])


def draw_conditioned(
    panel: Panel, person: Sitter, views: Camera, start: int
) -> Iterator[Rendering]:
    """Somebody else in each frame, if only a little."""
    assert isinstance(person, Person)
    generator, _, options, _, _ = panel
    for number in range(len(views)):
        view = views[number : number + 1]
        seen = replace(person, conditioning=view)
        subject = prepare_subject(generator, seen, options)
        yield from draw_views(generator, subject, view, options, 1, person.seed, start + number)
