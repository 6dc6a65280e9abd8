"""`nerfgan image`: pictures of seeds from chosen cameras, one by one or as a sheet."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from json import dumps
from math import ceil, degrees, sqrt
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from tqdm import tqdm

from nerfgan_cli.cameras import Camera, angles_from_pose
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.drawing import (
    Look,
    Truncation,
    choose_people,
    one_camera,
    require,
    take_in,
)
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.parsing import is_folder, parse_angles, parse_batch
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import (
    Person,
    Sitter,
    choose_batch,
    draw_views,
    prepare_subject,
)
from nerfgan_cli.media import Picture, captioned_grid, pictures_of, write_png

STEEPEST = 89.0  # degrees of pitch; straight from above no picture is upright


class View(NamedTuple):
    """Angles of a camera, in radians."""

    yaw: float
    pitch: float
    roll: float

    @staticmethod
    def of(camera: Camera) -> "View":
        return View(*(angle.item() for angle in angles_from_pose(camera.cam2world)))


@dataclass(frozen=True)
class Layout:
    """Which file each picture goes to, or all of them where there is one."""

    files: list[Path]
    notes: Path  # JSON, beside them


@grouped
def command(
    *,
    model: o.Model = None,
    seeds: o.Seeds = None,
    latent: o.LatentFile = None,
    truncation: Truncation,
    yaw: Annotated[str, typer.Option(metavar="D,...", help="Degrees, to the right.")] = "0",
    pitch: Annotated[str, typer.Option(metavar="D,...", help="Degrees, upwards.")] = "0",
    roll: Annotated[str, typer.Option(metavar="D,...", help="Degrees of tilt.")] = "0",
    camera: o.CameraFile = None,
    look: Look,
    noise: o.NoiseMode = o.Noise.const,
    batch: o.Batch = "auto",
    grid: Annotated[
        bool | None,
        typer.Option(
            "--grid/--separate",
            help="One sheet with captions, or a PNG each; else a sheet if -o ends in .png.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="PATH", help="A .png file, or a folder.")
    ] = "image.png",
    json: o.Json = False,
) -> None:
    """Draws each seed, or whom a latent says, from each camera.

    A comma list of angles gives several views: every yaw with every pitch and roll. A sheet has a
    row per seed and a column per view. A JSON file beside the pictures says what they show.
    """
    people = choose_people(model, seeds, latent, truncation)
    views = choose_views(yaw, pitch, roll, camera)
    size = parse_batch(batch)
    options = look.options(noise)
    layout = lay_out(out, grid, people, len(views))
    with replacing(layout.notes) as notes_file:  # tells at once if the folder cannot be written to
        source = look.open(model)
        require(source, look.what.value, options.branch)
        take_in(people, source.generator)
        preset = look.preset(source.generator)
        if camera is not None:
            cameras = one_camera(camera, preset)
            views = [View.of(cameras)]
        else:
            cameras = preset.at(*(list(angles) for angles in zip(*views, strict=True)))
        shown = [(person, view) for person in people for view in views]
        size = size or choose_batch(source.generator, options)
        drawn = draw_people(source.generator, people, cameras, options, look.what.value, size)
        hidden = not sys.stderr.isatty()
        with tqdm(drawn, total=len(shown), unit="view", disable=hidden) as bar:
            if len(layout.files) == len(shown):
                for picture, file in zip(bar, layout.files, strict=True):
                    write_png(picture, file)
            else:
                captions = [caption(person, view, views) for person, view in shown]
                columns = count_columns(len(people), views)
                write_png(captioned_grid(bar, captions, columns), layout.files[0])
        notes = look.notes(source, options) | {
            "files": [str(file) for file in layout.files],
            **truncation.notes(),
            "noise": noise.value,
            "pictures": [
                describe(person, view, cameras[index % len(views)])
                for index, (person, view) in enumerate(shown)
            ],
        }
        notes_file.write_text(dumps(notes, indent=2) + "\n")
    o.print_result(notes, f"wrote {o.counted(len(shown), 'picture')} to {out}", json)


def choose_views(yaw: str, pitch: str, roll: str, camera: Path | None) -> list[View]:
    """All combinations of angles, yaw by yaw; of a camera in a file there is one."""
    if camera is not None and (yaw, pitch, roll) != ("0", "0", "0"):
        raise UsageError("--camera and angles both say where it stands: give one of them.")
    yaws = parse_angles("--yaw", yaw)
    pitches = parse_angles("--pitch", pitch, STEEPEST)
    combined = product(pitches, parse_angles("--roll", roll), yaws)
    return [View(yaw=yaw, pitch=pitch, roll=roll) for pitch, roll, yaw in combined]


def lay_out(out: str, grid: bool | None, people: Sequence[Sitter], views: int) -> Layout:
    """The files for all pictures: one sheet, or one file for each."""
    path = Path(out)
    if not is_folder(out, ".png"):
        if grid is False and len(people) * views > 1:
            raise UsageError(f"{len(people) * views} separate pictures need a folder: give -o one.")
        return Layout([path], path.with_name(f"{path.name}.json"))
    if grid:
        return Layout([path / "grid.png"], path / "grid.png.json")
    names = [file_name(person) for person in people]
    if views > 1:
        names = [f"{name}-view{view:02d}" for name in names for view in range(views)]
    return Layout([path / f"{name}.png" for name in names], path / "pictures.json")


def file_name(person: Sitter) -> str:
    return f"seed{person.seed:04d}" if isinstance(person, Person) else Path(person.name).name


@torch.inference_mode()
def draw_people(
    generator: Generator,
    people: Sequence[Sitter],
    cameras: Camera,
    options: DrawOptions,
    what: str,
    batch: int,
) -> Iterator[Picture]:
    """Each person from each camera; each is prepared once."""
    for person in people:
        subject = prepare_subject(generator, person, options)
        for rendering in draw_views(generator, subject, cameras, options, batch, person.seed):
            yield from pictures_of(rendering, what)


def count_columns(people: int, views: list[View]) -> int:
    """A column per view; one person: a column per yaw; one view: a square."""
    if len(views) == 1:
        return ceil(sqrt(people))
    yaws = len({view.yaw for view in views})
    return yaws if people == 1 and yaws > 1 else len(views)


def caption(person: Sitter, view: View, views: list[View]) -> str:
    """The seed, and those angles that are not the same in all views or not 0."""
    parts = [person.name]
    for name, angle in view._asdict().items():
        shown = round(degrees(angle), 2)
        if shown or any(getattr(other, name) != angle for other in views):
            parts.append(f"{name} {shown:+g}")
    return "  ".join(parts)


def describe(person: Sitter, view: View, camera: Camera) -> dict[str, Any]:
    """One picture, for programs: angles in degrees, the camera as its 25-number label."""
    angles = {name: round(degrees(angle), 6) for name, angle in view._asdict().items()}
    who = {"seed": person.seed} if isinstance(person, Person) else {"latent": person.name}
    return {**who, **angles, "camera": camera.label[0].tolist()}
