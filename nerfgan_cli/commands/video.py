"""`nerfgan video`: the camera moves around seeds, in a loop without a seam."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from json import dumps
from math import ceil, radians, sqrt
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from tqdm import tqdm

from nerfgan_cli.camera_paths import ellipse, official_orbit, swing
from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.drawing import (
    choose_people,
    choose_preset,
    open_source,
    require,
    take_in,
)
from nerfgan_cli.commands.parsing import parse_batch, parse_file
from nerfgan_cli.encoder import even_sides, video_writer
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DEFAULT_RAY_CHUNK, DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person, Sitter, Subjects, choose_batch, draw_views
from nerfgan_cli.media import Picture, enlarge, pictures_of, tile

DEFAULT_YAW_RANGE = 30.0  # degrees


class Panel(NamedTuple):
    """A model, and how it draws each person."""

    generator: Generator
    cameras: Camera  # of all frames
    options: DrawOptions
    batch: int  # frames that are drawn at once


def command(
    model: o.Model = None,
    seeds: o.Seeds = None,
    latent: o.LatentFile = None,
    path: Annotated[
        o.CameraPath, typer.Option(help="To and fro, or around an ellipse.")
    ] = o.CameraPath.sweep,
    yaw_range: Annotated[
        float | None,
        typer.Option(min=0, max=180, metavar="D", help="Degrees to either side."),
    ] = None,
    pitch_range: Annotated[
        float | None,
        typer.Option(min=0, max=89, metavar="D", help="Degrees up and down."),
    ] = None,
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
    radius: o.Radius = None,
    fov: o.Fov = None,
    pivot: o.Pivot = None,
    truncation: o.Truncation = 0.7,
    truncation_cutoff: o.TruncationCutoff = None,
    what: o.What = o.Shown.image,
    resolution: o.Resolution = None,
    noise: o.NoiseMode = o.Noise.const,
    precision: o.Precision = o.PrecisionName.auto,
    batch: o.Batch = "auto",
    ray_chunk: o.RayChunk = DEFAULT_RAY_CHUNK,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="An .mp4 file.")
    ] = "video.mp4",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Draws a video (MP4, H.264) in which the camera moves around each seed, or a latent's subject.

    A sweep swings by the yaw range to either side, then by the pitch range up and down; without a
    range, by 30 degrees of yaw. An orbit runs along the ellipse of both ranges; without a range,
    along that of EG3D's own videos. Several seeds share the picture. A JSON file beside the video
    says what it shows.
    """
    file = parse_file(out, ".mp4")
    people = choose_people(model, seeds, latent, truncation, truncation_cutoff)
    size = parse_batch(batch)
    options = DrawOptions(
        resolution=resolution,
        raw_only=what != o.Shown.image,
        noise_mode=noise.value,
        ray_chunk=ray_chunk,
    )
    with (
        replacing(file.with_name(f"{file.name}.json")) as notes_file,
        video_writer(file, fps) as write,
    ):
        models = [model] if side_by_side is None else [model, side_by_side]
        sources = [open_source(name, device, precision) for name in models]
        generators = [source.generator for source in sources]
        size = size or min(map(choose_batch, generators))
        panels = []
        for source, own in zip(sources, fit_resolution(generators, options), strict=True):
            require(source, what.value)
            take_in(people, source.generator)
            preset = choose_preset(source.generator, radius, fov, pivot)
            cameras = choose_path(preset, path.value, frames, yaw_range, pitch_range)
            panels.append(Panel(source.generator, cameras, own, size))
        drawn = draw_frames(panels, people, what.value)
        hidden = not sys.stderr.isatty()
        with tqdm(drawn, total=frames, unit="frame", disable=hidden) as bar:
            for frame in bar:
                write(frame)
        height, width, _ = even_sides(frame).shape
        notes = sources[0].notes() | {
            "file": str(file),
            "side_by_side": str(sources[1].path) if side_by_side is not None else None,
            "people": [person.name for person in people],
            "seeds": [person.seed for person in people if isinstance(person, Person)],
            "what": what.value,
            "truncation": truncation,
            "truncation_cutoff": truncation_cutoff,
            "noise": noise.value,
            "resolution": panels[0].options.resolution or generators[0].raw_resolution,
            "fps": fps,
            "width": width,
            "height": height,
            "cameras": panels[0].cameras.label.tolist(),
        }
        notes_file.write_text(dumps(notes, indent=2) + "\n")
    seconds = frames / fps
    o.print_result(notes, f"wrote {o.counted(frames, 'frame')} ({seconds:.1f} s) to {file}", json)


def choose_path(
    preset: CameraPreset,
    path: str,
    frames: int,
    yaw_range: float | None,  # degrees
    pitch_range: float | None,
) -> Camera:
    """The cameras of all frames; the frame after the last would be the first again."""
    if path == "orbit" and yaw_range is None and pitch_range is None:
        return official_orbit(preset, frames)
    if path == "sweep" and yaw_range is None and pitch_range is None:
        yaw_range = DEFAULT_YAW_RANGE
    walk = swing if path == "sweep" else ellipse
    return walk(preset, frames, radians(yaw_range or 0), radians(pitch_range or 0))


def fit_resolution(generators: list[Generator], options: DrawOptions) -> list[DrawOptions]:
    """The options of each: a resolution is for those that can draw any, if there is one."""
    own = replace(options, resolution=None)
    if not any(generator.any_resolution for generator in generators):
        own = options  # for the generator to refuse
    return [options if generator.any_resolution else own for generator in generators]


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
    generator, cameras, options, batch = panel
    subject = subjects.prepare(generator, person, options)
    views = cameras[start : start + batch]
    drawn = draw_views(generator, subject, views, options, batch, person.seed, start)
    return np.concatenate([pictures_of(rendering, what) for rendering in drawn])
