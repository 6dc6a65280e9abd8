"""`nerfgan interpolate`: from subject to subject, as a strip of pictures or a video."""

from dataclasses import dataclass
from enum import Enum
from json import dumps
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands import studio as s
from nerfgan_cli.commands.camera_path import CameraPath, PathName
from nerfgan_cli.commands.drawing import Look, Truncation
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.sources import codes_of, gather_sitters, map_latents, take_in_all
from nerfgan_cli.editing.walks import Way, lerp, piecewise, slerp, spline
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import Person, Sitter, latent

FILM_FRAMES, STRIP_FRAMES = 120, 7  # of a segment: EG3D's videos; what fits on a screen


class Space(str, Enum):
    """Where the way leads through."""

    w = "w"
    z = "z"


@grouped
def command(
    *,
    model: o.Model = None,
    seeds: o.Seeds = None,
    latents: s.Latents = None,
    truncation: Truncation,
    space: Annotated[
        Space, typer.Option(help="Style codes w, or Gaussian latents z, which only seeds have.")
    ] = Space.w,
    turn: Annotated[
        bool, typer.Option("--slerp", help="In z: turn from one to the next at constant speed.")
    ] = False,
    smooth: Annotated[
        bool | None,
        typer.Option(
            "--cubic/--linear",
            help="A smooth curve through all, or straight from one to the next; else smooth in "
            "videos.",
        ),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Back to the first, without a seam.")
    ] = False,
    frames: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="N",
            help=f"Pictures from one to the next: {FILM_FRAMES} in a video, {STRIP_FRAMES} in a "
            "strip.",
        ),
    ] = None,
    fps: Annotated[int, typer.Option(min=1, max=240, help="Frames per second.")] = 60,
    cells: Annotated[
        int, typer.Option(min=1, metavar="N", help="Walks of a video, each of an equal share.")
    ] = 1,
    camera_path: CameraPath,
    place: s.Place,
    look: Look,
    batch: o.Batch = "auto",
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="A .png or an .mp4 file.")
    ] = "walk.png",
    json: o.Json = False,
) -> None:
    """Turns subjects into one another.

    A .png is a strip with a row for each pair of neighbours; an .mp4 walks through all of them. The
    camera of the video may move; who is drawn never depends on it. A JSON file beside says what is
    shown.
    """
    film, file, walk = s.is_film(out), Path(out), camera_path.choose(PathName.fixed)
    place.refuse(walk)
    curve = Curve(space, loop, turn, film and not turn if smooth is None else smooth)
    sitters = gather_sitters(model, seeds, latents, truncation)
    curve.refuse(sitters)
    if cells > 1 and not film:
        raise UsageError("--cells are of a video: end -o in .mp4, or leave them out.")
    walks = share_out(sitters, cells)
    frames = frames or (FILM_FRAMES if film else STRIP_FRAMES)
    segments = len(walks[0]) - (not loop)
    times = film_times(segments, frames, loop) if film else strip_times(segments, frames)
    with replacing(s.notes_file(file)) as notes_file:
        studio = s.open_studio(model, look, batch)
        take_in_all(sitters, studio.source.generator)
        preset = studio.preset
        cameras = walk.cameras(preset, len(times), place.still(preset), loop)
        drawn = [
            studio.draw(curve.way(part, studio.source.generator, truncation), times, cameras)
            for part in walks
        ]
        if film:
            s.write_film(drawn, len(times), fps, file)
        else:
            s.write_sheet(drawn[0], caption_strip(walks[0], segments, frames), frames, file)
        notes = studio.notes() | {
            "file": out,
            "subjects": [sitter.name for sitter in sitters],
            "space": space.value,
            "curve": curve.name,
            "loop": loop,
            "fps": fps if film else None,
            **truncation.notes(),
            "times": times.tolist(),
            "cameras": cameras.label.tolist(),
        }
        notes_file.write_text(dumps(notes, indent=2) + "\n")
    text = o.counted(len(times), "frame" if film else "picture")
    o.print_result(notes, f"wrote {text} to {out}", json)


@dataclass(frozen=True)
class Curve:
    """How one subject turns into the next."""

    space: Space
    loop: bool
    turn: bool
    smooth: bool

    @property
    def name(self) -> str:
        return "slerp" if self.turn else "cubic" if self.smooth else "linear"

    def refuse(self, sitters: list[Sitter]) -> None:
        """What cannot be."""
        if self.turn and self.space is Space.w:
            raise UsageError(
                "--slerp turns in z: give --space z, or leave it out, w has no sphere."
            )
        if self.turn and self.smooth:
            raise UsageError("--slerp and --cubic are two curves: give one of them.")
        named = [sitter.name for sitter in sitters if not isinstance(sitter, Person)]
        if self.space is Space.z and named:
            raise UsageError(
                f"{named[0]} has no z, only a seed has: walk through w, without --space z."
            )

    def way(self, sitters: list[Sitter], generator: Generator, truncation: Truncation) -> Way:
        """From times to style codes."""
        if self.space is Space.z:
            points = torch.cat([latent(sitter.seed, generator.z_dim) for sitter in sitters])
        else:
            points = codes_of(sitters, generator)
        if self.smooth:
            way = spline(points, self.loop)
        else:
            way = piecewise(points, self.loop, slerp if self.turn else lerp)
        if self.space is Space.w:
            return way
        return lambda times: map_latents(generator, way(times), truncation)


def share_out(sitters: list[Sitter], cells: int) -> list[list[Sitter]]:
    """As many for each cell, in the order given."""
    each, rest = divmod(len(sitters), cells)
    if rest:
        raise UsageError(
            f"{len(sitters)} subjects do not go evenly into {cells} cells: give a multiple."
        )
    if each < 2:
        raise UsageError(
            "a walk needs two subjects or more: give --seeds 1,2 or --latents a,b for each cell."
        )
    return [sitters[start : start + each] for start in range(0, len(sitters), each)]


def film_times(segments: int, frames: int, loop: bool) -> Tensor:
    """In keyframes, of all frames; without a loop the last one is there too."""
    return torch.arange(segments * frames + (not loop), dtype=torch.float64) / frames


def strip_times(segments: int, columns: int) -> Tensor:
    """In keyframes: each row runs from one keyframe to the next, and shows both."""
    row = torch.linspace(0, 1, columns, dtype=torch.float64)
    return (torch.arange(segments)[:, None] + row).flatten()


def caption_strip(sitters: list[Sitter], segments: int, columns: int) -> list[str]:
    """Names at the ends of each row, shares of the way between them."""
    captions = []
    for index in range(segments):
        ends = sitters[index].name, sitters[(index + 1) % len(sitters)].name
        between = [f"{column / (columns - 1):.2f}" for column in range(1, columns - 1)]
        captions += [ends[0], *between, ends[1]]
    return captions
