"""`nerfgan directions ganspace`: principal components of w."""

import sys
from math import ceil
from typing import Annotated

import typer
from tqdm import tqdm

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.directions import finding as f
from nerfgan_cli.editing.directions import Direction
from nerfgan_cli.editing.ganspace import principal_components
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.codes import BATCH, sample_codes

ROUNDING = 1e-6  # of the largest spread; less is none


def command(
    model: o.Model = None,
    num: Annotated[
        int, typer.Option(min=2, max=10_000_000, metavar="N", help="Subjects that are looked at.")
    ] = 10_000,
    component: f.Component = 0,
    count: f.Count = 10,
    layers: f.Layers = None,
    seed: f.Seed = 0,
    out: f.Out = "direction.json",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Finds the directions along which subjects differ most.

    By themselves they have no meaning: try a few with nerfgan edit, each on all layers and on some.
    """
    ground = f.open_ground(model, layers, device)
    generator = ground.source.generator
    files = f.wanted(out, component, count, generator.w_dim)
    batches = sample_codes(generator, num, seed)
    hidden = not sys.stderr.isatty()
    found = principal_components(
        tqdm(batches, total=ceil(num / BATCH), unit="batch", disable=hidden)
    )
    if not min(found.stds[index] for index in files) > ROUNDING * found.stds[0]:
        raise UsageError(
            f"{num} subjects do not differ in so many ways: give a larger --num, or ask for fewer "
            "components."
        )
    directions = {}
    for index, path in files.items():
        vector = found.vectors[index]
        directions[path] = Direction(
            name=f"component {index}",
            method="ganspace",
            vector=vector.float(),
            std=found.stds[index].item(),
            origin=(found.mean @ vector).item(),
            layers=ground.layers,
            model=ground.model,
            about={"explained": found.explained[index].item(), "samples": num, "seed": seed},
        )
    share = sum(direction.about["explained"] for direction in directions.values())
    f.write_all(directions, f"{share:.1%} of the variance of w", json)
