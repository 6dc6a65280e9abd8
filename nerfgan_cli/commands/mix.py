"""`nerfgan mix`: subjects with layers of others, as a grid of pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from json import dumps
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands import studio as s
from nerfgan_cli.commands.drawing import Look, Truncation
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.layers import parse_layers
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.commands.sources import gather_sitters, parse_sitters, take_in_all
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.drawing import Sitter
from nerfgan_cli.media import PAPER, Picture
from nerfgan_cli.nn.mapping import exchange_layers

SOURCES = "Seeds, latents, inversions, or sums such as 0.7*1+0.3*2."


@grouped
def command(
    *,
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
    truncation: Truncation,
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
    place: s.Place,
    look: Look,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="A .png file.")
    ] = "mix.png",
    json: o.Json = False,
) -> None:
    """Draws the subject of each row with layers of the subject of each column.

    The first row and the first column show the subjects themselves. Says how much of the difference
    between them the layers carry. A JSON file beside says what is shown.
    """
    file = parse_file(out, ".png")
    place.refuse()
    donors = parse_sitters("--cols", columns, truncation)
    if rows is None:
        people = gather_sitters(model, None, None, truncation)
    else:
        people = parse_sitters("--rows", rows, truncation)
    with replacing(s.notes_file(file)) as notes_file:
        studio = s.open_studio(model, look, "1")
        generator = studio.source.generator
        if outer and not generator.rows_differ:
            raise UsageError(
                "this student makes the codes of all layers from the first row of ws, so that the "
                "others change nothing: leave out --outer."
            )
        count = generator.num_ws if outer else generator.mixing_layers
        numbers = parse_layers(layers, count)
        take_in_all([*people, *donors], generator)
        view = place.still(studio.preset)
        carried = Carried()
        pictures = draw_grid(studio, people, donors, numbers, outer, view, carried)
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
            "carried": carried.share,
            **truncation.notes(),
            "camera": view.label[0].tolist(),
        }
        notes_file.write_text(dumps(notes, indent=2) + "\n")
    says = f"wrote {len(people)} × {len(donors)} mixtures of layers {layers} of {count} to {out}"
    if carried.share is not None:
        says += f": these carry {carried.share:.0%} of the difference between subjects"
    o.print_result(notes, says, json)


@dataclass
class Carried:
    """How far mixtures are from those who are changed, as those who lend are; squared."""

    mixed: float = 0.0
    whole: float = 0.0

    def add(self, changed: Picture, mixture: Picture, lender: Picture) -> None:
        own, mixed, lent = (picture.astype(np.float64) for picture in (changed, mixture, lender))
        self.mixed += ((mixed - own) ** 2).mean()
        self.whole += ((lent - own) ** 2).mean()

    @property
    def share(self) -> float | None:
        """None: nobody differs."""
        return self.mixed / self.whole if self.whole else None


@torch.inference_mode()
def draw_grid(
    studio: s.Studio,
    people: list[Sitter],
    donors: list[Sitter],
    layers: list[int],
    outer: bool,
    camera: Camera,
    carried: Carried,  # to which each mixture is added
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
        own = alone(ws)
        yield own
        for donor, lender in zip(lending, above, strict=True):
            if outer:
                mixed = exchange_layers(ws, donor, layers)  # whose offset is the row's
                subject = generator.prepare(mixed, options)
            else:
                subject = generator.mix(ws, donor, layers, options)
            mixture = studio.draw_subject(subject, camera)
            carried.add(own, mixture, lender)
            yield mixture
