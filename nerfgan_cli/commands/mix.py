"""`nerfgan mix`: subjects with layers of others, as a grid of pictures."""

from collections.abc import Iterator
from json import dumps
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands import studio as s
from nerfgan_cli.commands.layers import parse_layers
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.commands.sources import (
    Truncation,
    gather_sitters,
    parse_sitters,
    take_in_all,
)
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DEFAULT_RAY_CHUNK
from nerfgan_cli.generators.drawing import Sitter
from nerfgan_cli.media import PAPER, Picture
from nerfgan_cli.nn.mapping import exchange_layers

SOURCES = "Seeds, latents, inversions, or sums such as 0.7*1+0.3*2."


def command(
    model: o.Model = None,
    rows: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help=f"Who is changed. {SOURCES} Without it, an inversion's own subject, or seed 0.",
        ),
    ] = None,
    columns: Annotated[
        str, typer.Option("--cols", metavar="LIST", help=f"Who lends layers. {SOURCES}")
    ] = "4,5,6,7",
    layers: Annotated[
        str,
        typer.Option(
            metavar="LAYERS",
            help="Which layers the columns lend: 0-3 or 0-3,8, or coarse (shape), middle "
            "(features), fine (colour).",
        ),
    ] = "fine",
    outer: Annotated[
        bool,
        typer.Option(
            "--outer",
            help="Exchange rows of ws, also with a student, which else exchanges the codes of its "
            "own layers, as each makes them at the camera.",
        ),
    ] = False,
    camera: s.CameraFile = None,
    yaw: s.Yaw = 0.0,
    pitch: s.Pitch = 0.0,
    radius: o.Radius = None,
    fov: o.Fov = None,
    pivot: o.Pivot = None,
    truncation: o.Truncation = 0.7,
    truncation_cutoff: o.TruncationCutoff = None,
    what: o.What = o.Shown.image,
    resolution: o.Resolution = None,
    precision: o.Precision = o.PrecisionName.auto,
    ray_chunk: o.RayChunk = DEFAULT_RAY_CHUNK,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="A .png file.")
    ] = "mix.png",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Draws the subject of each row with layers of the subject of each column.

    The first row and the first column show the subjects themselves. A JSON file beside says what is
    shown.
    """
    file = parse_file(out, ".png")
    seeded = Truncation(truncation, truncation_cutoff)
    donors = parse_sitters("--cols", columns, seeded)
    if rows is None:
        people = gather_sitters(model, None, None, seeded)
    else:
        people = parse_sitters("--rows", rows, seeded)
    look = s.Look(radius, fov, pivot, what, resolution, ray_chunk, "1")
    with replacing(s.notes_file(file)) as notes_file:
        studio = s.open_studio(model, device, precision, look)
        generator = studio.source.generator
        if outer and not generator.rows_differ:
            raise UsageError(
                "this student makes the codes of all layers from the first row of ws, so that the "
                "others change nothing: leave out --outer."
            )
        count = generator.num_ws if outer else generator.mixing_layers
        numbers = parse_layers(layers, count)
        take_in_all([*people, *donors], generator)
        view = studio.camera(camera, yaw, pitch)
        pictures = draw_grid(studio, people, donors, numbers, outer, view)
        captions = [f"layers {layers}", *(donor.name for donor in donors)]
        for person in people:
            captions += [person.name, *[""] * len(donors)]
        s.write_sheet(pictures, captions, len(donors) + 1, file)
        notes = studio.notes() | {
            "file": out,
            "rows": [person.name for person in people],
            "columns": [donor.name for donor in donors],
            "layers": numbers,
            "outer": outer,
            "truncation": truncation,
            "truncation_cutoff": truncation_cutoff,
            "camera": view.label[0].tolist(),
        }
        notes_file.write_text(dumps(notes, indent=2) + "\n")
    size = f"{len(people)} × {len(donors)}"
    o.print_result(notes, f"wrote {size} mixtures of layers {layers} of {count} to {out}", json)


@torch.inference_mode()
def draw_grid(
    studio: s.Studio,
    people: list[Sitter],
    donors: list[Sitter],
    layers: list[int],
    outer: bool,
    camera: Camera,
) -> Iterator[Picture]:
    """Row by row, with those who lend above and those who are changed to the left."""
    generator, options = studio.source.generator, studio.options

    def alone(ws: Tensor) -> Picture:
        return studio.draw_subject(generator.prepare(ws, options), camera)

    lending = [donor.codes(generator) for donor in donors]
    above = list(map(alone, lending))
    yield np.full_like(above[0], PAPER)
    yield from above
    for person in people:
        ws = person.codes(generator)
        yield alone(ws)
        for donor in lending:
            if outer:
                subject = generator.prepare(exchange_layers(ws, donor, layers), options)
            else:
                subject = generator.mix(ws, donor, layers, options)
            yield studio.draw_subject(subject, camera)
