"""`nerfgan figure`: subjects as several models draw them, side by side, as in the papers."""

import sys
from collections.abc import Iterator, Sequence
from math import radians
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from tqdm import tqdm

from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.drawing import (
    Known,
    Source,
    Truncation,
    choose_people,
    open_source,
    require,
    take_in,
)
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.errors import UsageError
from nerfgan_cli.figures.panels import PANELS, Frame, Labelled, draw_panel, prepare_scene
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.drawing import Person, Sitter
from nerfgan_cli.media import captioned_grid, write_png
from nerfgan_cli.reconstruction.strips import VIEWS

USUAL = "image,shape,strip"
ROW = 0.5


class Drawer(NamedTuple):
    """A model, and one of its branches."""

    name: str
    source: Source
    options: DrawOptions


@grouped
def command(
    *,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help=f"Once for each: as of nerfgan image; else {TEACHER} and {STUDENT}.",
        ),
    ] = None,
    branches: Annotated[
        list[o.BranchName] | None,
        typer.Option("--branch", help="Of models that have some, once for each; else all."),
    ] = None,
    seeds: o.Seeds = None,
    latent: o.LatentFile = None,
    truncation: Truncation,
    show: Annotated[
        str, typer.Option(metavar="LIST", help=f"Which of {', '.join(PANELS)}, in their order.")
    ] = USUAL,
    yaw: Annotated[
        float, typer.Option(min=-180, max=180, metavar="D", help="Degrees to the right.")
    ] = 20.0,
    pitch: Annotated[
        float, typer.Option(min=-89, max=89, metavar="D", help="Degrees upwards.")
    ] = 0.0,
    side: Annotated[
        int | None,
        typer.Option(
            min=16, max=2048, metavar="N", help="Pixels of each panel; else of the models' images."
        ),
    ] = None,
    views: Annotated[
        int, typer.Option(min=2, max=1000, metavar="N", help="Lines of a strip.")
    ] = VIEWS,
    rows: Annotated[
        list[float] | None,
        typer.Option(
            "--row",
            min=0,
            max=1,
            metavar="X",
            help="Once for each: which pixels it shows, a share of the height; else 0.5.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="A .png file.")
    ] = "figure.png",
    device: o.Device = o.DeviceName.auto,
    precision: o.Precision = o.PrecisionName.auto,
    json: o.Json = False,
) -> None:
    """Shows subjects as several models draw them: a row for each, the models side by side.

    shape is the surface of a volume; strip the same row of pixels from 30 degrees at the left to 30
    at the right, smooth and slanted where views are of one scene; planes are the tri-planes, of
    which the brightness is the length of each texel's features.
    """
    file, names = parse_file(out, ".png"), parse_panels(show)
    chosen = models or [TEACHER, STUDENT]
    people = choose_people(chosen[0] if len(chosen) == 1 else None, seeds, latent, truncation)
    with replacing(file) as unfinished:
        drawers = open_drawers(chosen, branches or [], people, device, precision)
        largest = max(drawer.source.generator.img_resolution for drawer in drawers)
        frame = Frame(radians(yaw), radians(pitch), side or largest, views, tuple(rows or [ROW]))
        cells: list[Labelled] = []
        for person in people:
            for drawer in tqdm(drawers, person.name, disable=not sys.stderr.isatty()):
                cells += draw_panels(drawer, person, frame, names, person is people[0])
        if not cells:
            raise UsageError(f"none of these models has {show}: leave --show out, or give others.")
        headings, columns = [person.name for person in people], len(cells) // len(people)
        pictures, captions = [cell.picture for cell in cells], [cell.label for cell in cells]
        write_png(captioned_grid(pictures, captions, columns, headings), unfinished)
    result = {
        "file": out,
        "models": [str(drawer.source.path) for drawer in drawers],
        "branches": [drawer.options.branch for drawer in drawers],
        "people": headings,
        "columns": captions[:columns],
        "side": frame.size,
    }
    o.print_result(result, f"wrote {o.counted(len(cells), 'panel')} to {out}", json)


def parse_panels(text: str) -> list[str]:
    """Each once, in the order of PANELS."""
    given = [part.strip() for part in text.split(",")]
    for name in given:
        if name not in PANELS:
            raise UsageError(f"--show {text!r}: there is no {name!r}, use {', '.join(PANELS)}.")
    return [name for name in PANELS if name in given]


def open_drawers(
    models: Sequence[str],
    branches: Sequence[o.BranchName],
    people: list[Person] | list[Known],
    device: o.DeviceName,
    precision: o.PrecisionName,
) -> list[Drawer]:
    """Each model, and of those that have branches each branch that is asked for."""
    sources = [open_source(model, device, precision) for model in dict.fromkeys(models)]
    wanted = [branch.value for branch in dict.fromkeys(branches)]
    for branch in wanted:
        if not any(branch in source.generator.branches for source in sources):
            require(sources[0], "image", branch)
    drawers = []
    for name, source in zip(dict.fromkeys(models), sources, strict=True):
        take_in(people, source.generator)
        own, title = source.generator.branches, Path(name).stem
        drawn = [one for one in own if one in wanted or not wanted] or own[:1]
        drawers += [Drawer(f"{title} {one}", source, DrawOptions(branch=one)) for one in drawn]
        if not own:
            drawers.append(Drawer(title, source, DrawOptions()))
    return drawers


def draw_panels(
    drawer: Drawer, person: Sitter, frame: Frame, names: Sequence[str], tell: bool
) -> Iterator[Labelled]:
    """Those that there are."""
    scene = prepare_scene(drawer.source.generator, person, drawer.options, frame)
    for name in names:
        if PANELS[name].has(scene):
            for label, picture in draw_panel(scene, name):
                yield Labelled(f"{drawer.name} {label}".rstrip(), picture)
        elif tell:
            typer.echo(f"{drawer.name} has no {PANELS[name].needs}: {name} left out", err=True)
