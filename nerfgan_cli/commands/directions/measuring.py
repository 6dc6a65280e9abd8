"""What is measured of subjects, as the command line says it."""

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from torch import Tensor
from tqdm import tqdm

from nerfgan_cli.checkpoints.toyheads import is_of_toyheads
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.directions.finding import Ground
from nerfgan_cli.commands.drawing import require
from nerfgan_cli.commands.parsing import parse_region
from nerfgan_cli.editing.face_measures import FACE_MEASURES, measure_faces
from nerfgan_cli.editing.measures import (
    MEASURES,
    Array,
    Region,
    measure_pictures,
    read_table,
    trait_values,
)
from nerfgan_cli.errors import UsageError
from nerfgan_cli.evaluation.faces import FACES
from nerfgan_cli.evaluation.looks import LANDMARKS, FaceReader
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.pack_faces import PackFaces
from nerfgan_cli.generators.codes import codes_of_seeds
from nerfgan_cli.generators.contract import Generator

Values = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Numbers of your own: a .csv or .json of seed and value."),
]
Measure = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"Measured on pictures: {', '.join(MEASURES)}; on faces by landmarks: "
        f"{', '.join(FACE_MEASURES)}. Nothing here measures hair, glasses or age: give --values, "
        "or, for dark hair, the brightness of the --region where it is.",
    ),
]
Part = Annotated[
    str,
    typer.Option(
        metavar="L,T,R,B",
        help="Where colours are measured: left, top, right, bottom in shares of the picture.",
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
Branch = Annotated[
    o.BranchName | None,
    typer.Option(
        "--branch",
        help="Of a Mimic3D, whose pictures a --measure is of; else the model's own.",
    ),
]
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
    branch: o.BranchName | None,
) -> Measured:
    """The codes of seeds, and one number for each."""
    generator = ground.source.generator
    given = [choice for choice in (table, what, trait) if choice is not None]
    if len(given) != 1:
        raise UsageError("say what is measured: give one of --values, --measure and --trait.")
    if part != WHOLE and what is None:
        raise UsageError("--region is of a --measure: leave it out.")
    if branch is not None:
        if what is None:
            raise UsageError("--branch is of a --measure: leave it out.")
        require(ground.source, "image", branch.value)
        generator.prefer_branch(branch.value)
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
        name, values = what, draw_values(generator, codes, what, region)
        seen = np.isfinite(values)
        if not seen.all():
            lost = o.counted(int((~seen).sum()), "picture")
            typer.echo(f"{what} cannot be measured in {lost}, which stay out", err=True)
        codes, values = codes[torch.from_numpy(seen).to(codes.device)], values[seen]
    return Measured(name, codes.cpu(), values)


def draw_values(generator: Generator, codes: Tensor, what: str, region: Region) -> Array:  # [N]
    """Of their pictures; NaN where there is none."""
    if what in MEASURES:
        drawn = measure_pictures(generator, codes, what, region)
    elif what not in FACE_MEASURES:
        names = ", ".join([*MEASURES, *FACE_MEASURES])
        raise UsageError(f"there is no measure {what!r}: use one of {names}.")
    elif region != Region(0, 0, 1, 1):
        raise UsageError(f"landmarks tell {what}, wherever they are: leave out --region.")
    else:
        drawn = measure_faces(generator, codes, what, open_reader(generator))
    hidden = not sys.stderr.isatty()
    return np.array(list(tqdm(drawn, total=len(codes), unit="view", disable=hidden)))


def open_reader(generator: Generator) -> FaceReader:
    """Who finds landmarks; the pack is fetched on first use."""
    if is_of_toyheads(generator):
        raise UsageError(
            "of ToyHeads nobody finds landmarks exactly enough: use --trait, as --trait smile."
        )
    if generator.camera_preset != FACES:
        raise UsageError(
            "nobody finds landmarks of cats and cars: measure colours, or give --values."
        )
    pack = PackFaces(Networks())
    return pack.only(LANDMARKS) if LANDMARKS in pack.sources else pack
