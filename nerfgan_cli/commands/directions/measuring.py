"""What is measured of subjects, as the command line says it."""

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from torch import Tensor
from tqdm import tqdm

from nerfgan_cli.commands.directions.finding import Ground
from nerfgan_cli.commands.parsing import parse_region
from nerfgan_cli.editing.measures import (
    MEASURES,
    Array,
    Region,
    measure_pictures,
    read_table,
    trait_values,
)
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.codes import codes_of_seeds

Values = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Numbers of your own: a .csv or .json of seed and value."),
]
Measure = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"Measured on pictures: {', '.join(MEASURES)}."),
]
Part = Annotated[
    str,
    typer.Option(
        metavar="L,T,R,B", help="Where it is measured: left, top, right, bottom in shares."
    ),
]
WHOLE = "0,0,1,1"
Trait = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A trait of ToyHeads, as smile or hat=none, of models that were taught its latents.",
    ),
]
Num = Annotated[
    int, typer.Option(min=10, max=1_000_000, metavar="N", help="Seeds, from 0, that are measured.")
]
NUM = 1000
Keep = Annotated[
    str | None,
    typer.Option(metavar="FILES", help="Directions that it shall not change, with commas."),
]
Name = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Of the direction; else what is measured.")
]


class Measured(NamedTuple):
    name: str
    codes: Tensor  # [N, w_dim], on the CPU
    values: Array  # [N]


def measure(
    ground: Ground,
    table: Path | None,
    what: str | None,
    part: str,
    trait: str | None,
    num: int,
) -> Measured:
    """The codes of seeds, and one number for each."""
    generator = ground.source.generator
    given = [choice for choice in (table, what, trait) if choice is not None]
    if len(given) != 1:
        raise UsageError("say what is measured: give one of --values, --measure and --trait.")
    if part != WHOLE and what is None:
        raise UsageError("--region is of a --measure: leave it out.")
    region = Region(*parse_region("--region", part))
    seeds = list(range(num))
    if table is not None:
        name, (seeds, values) = table.stem, read_table(table)
    if trait is not None:
        name, values = trait, trait_values(generator, seeds, trait)
    if not seeds:
        raise UsageError(f"{table} has no rows: give one for each seed.")
    codes = codes_of_seeds(generator, seeds)
    if what is not None:
        if what not in MEASURES:
            raise UsageError(f"there is no measure {what!r}: use one of {', '.join(MEASURES)}.")
        drawn = measure_pictures(generator, codes, what, region)
        hidden = not sys.stderr.isatty()
        name = what
        values = np.array(list(tqdm(drawn, total=len(seeds), unit="view", disable=hidden)))
    return Measured(name, codes.cpu(), values)
