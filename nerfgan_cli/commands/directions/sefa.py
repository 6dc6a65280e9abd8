"""`nerfgan directions sefa`: what changes the styles of chosen layers most."""

from typing import Annotated

import typer

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.directions import finding as f
from nerfgan_cli.editing.directions import measured
from nerfgan_cli.editing.sefa import factorize
from nerfgan_cli.errors import UsageError


def command(
    model: o.Model = None,
    layers: f.Layers = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Count each style the same, however large it gets.")
    ] = False,
    component: f.Component = 0,
    count: f.Count = 10,
    out: f.Out = "direction.json",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Finds directions from the weights alone, with no sample looked at.

    Of a student: those of its inner layers, seen from the front, about the average subject.
    """
    ground = f.open_ground(model, layers, device)
    generator = ground.source.generator
    files = f.wanted(out, component, count, generator.w_dim)
    chosen = [style for style in generator.style_maps() if style.row in range(*ground.layers)]
    if not chosen:
        raise UsageError("no layer of this model listens to those rows of ws: give other --layers.")
    found = factorize([style.matrix for style in chosen], normalise)
    codes = ground.sample(f.SPREAD_SAMPLES, seed=0)
    directions = {
        path: measured(
            f"factor {index}",
            "sefa",
            found.vectors[index],
            codes,
            ground.layers,
            ground.model,
            {"strength": found.strengths[index].item(), "normalised": normalise},
        )
        for index, path in files.items()
    }
    share = sum(direction.about["strength"] for direction in directions.values())
    f.write_all(directions, f"{share:.1%} of what {len(chosen)} style layers respond to", json)
