"""What the commands that find directions have in common: options, the model, the files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.drawing import Source, open_source
from nerfgan_cli.commands.layers import parse_range
from nerfgan_cli.commands.parsing import is_folder
from nerfgan_cli.editing.directions import (
    Direction,
    read_direction,
    refuse_foreign,
    write_direction,
)
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import make_folder
from nerfgan_cli.generators.codes import sample_codes

SPREAD_SAMPLES = 10_000  # of subjects, for how they spread along a direction

Layers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        help="Rows of ws that the direction changes: 0-3, coarse, middle or fine; else all.",
    ),
]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="PATH", help="A .json file, or a folder for several.")
]
OneOut = Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="A .json file.")]
Component = Annotated[
    int, typer.Option(min=0, metavar="I", help="Which one goes into a file; 0 is the strongest.")
]
Count = Annotated[
    int, typer.Option(min=1, metavar="N", help="How many go into a folder, the strongest first.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the subjects that are drawn.")]


@dataclass(frozen=True)
class Ground:
    """Where directions are looked for."""

    source: Source
    model: str  # checksum of its latent space
    layers: tuple[int, int]

    def sample(self, count: int, seed: int) -> Tensor:  # [count, w_dim]
        return torch.cat(list(sample_codes(self.source.generator, count, seed)))


def open_ground(model: str | None, layers: str | None, device: o.DeviceName) -> Ground:
    source = open_source(model, device, o.PrecisionName.fp32)
    generator = source.generator
    span = parse_range(layers, generator.num_ws)
    if not generator.rows_differ and span != (0, generator.num_ws):
        raise UsageError(
            "this student makes the codes of all layers from one row of ws: leave out --layers."
        )
    return Ground(source, space_checksum(generator), span)


def open_kept(files: str | None, ground: Ground) -> list[Direction]:
    """Directions that another one shall not change."""
    kept = [read_direction(Path(name).expanduser()) for name in files.split(",")] if files else []
    for direction in kept:
        refuse_foreign(direction, ground.source.generator)
    return kept


def wanted(out: str, component: int, count: int, available: int) -> dict[int, Path]:
    """The file of each component: one, or the first few in a folder."""
    if component >= available or count > available:
        raise UsageError(f"there are {available} components, from 0: ask for one of them.")
    if not is_folder(out, ".json"):
        return {component: Path(out)}
    return {index: Path(out) / f"component-{index:02d}.json" for index in range(count)}


def write_all(directions: dict[Path, Direction], says: str, json: bool) -> None:
    """Writes the files and says so."""
    for path, direction in directions.items():
        make_folder(path.parent)
        write_direction(path, direction)
    found = [
        {
            "file": str(path),
            "name": direction.name,
            "method": direction.method,
            "layers": list(direction.layers),
            "std": direction.std,
            **direction.about,
        }
        for path, direction in directions.items()
    ]
    files = o.counted(len(found), "direction")
    place = next(iter(directions)) if len(found) == 1 else next(iter(directions)).parent
    o.print_result({"directions": found}, f"wrote {files} to {place}: {says}", json)
