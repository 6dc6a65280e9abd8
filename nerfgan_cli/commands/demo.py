"""`nerfgan demo`: distils a student while one waits, and writes a page about it."""

from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands.options import Device, DeviceName, Json, print_result
from nerfgan_cli.demo.making import make_demo
from nerfgan_cli.demo.page import PAGE, commands
from nerfgan_cli.generators.precision import bf16_is_fast, choose_device
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.recipe_files import load

RECIPE = "distill-toyheads-demo"


def command(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the demo; one is continued."),
    ] = Path("demo"),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help=f"Overrides the recipe {RECIPE}, as in train.kimg=3."
        ),
    ] = None,
    device: Device = DeviceName.auto,
    json: Json = False,
) -> None:
    """Distils a student from the bundled teacher, from scratch, and writes a page about both.

    Takes some minutes on two cores. DIR/index.html shows pictures, videos, curves and costs, and
    what to do next. Ctrl-C saves; the same command again makes what is still missing.
    """
    place = choose_device(device.value)
    precision = "bf16" if bf16_is_fast(place) else "fp32"
    recipe = resolve(load(RECIPE, [f"train.precision={precision}", *(settings or [])]))
    assert isinstance(recipe, DistillRecipe)
    facts = make_demo(recipe, out, place, say)
    following = commands(facts)
    result = {
        "out": str(out),
        "page": str(out / PAGE),
        "images": facts.last["images"],
        "seconds": facts.last["time/seconds"],
        "psnr": facts.psnr,
        "costs": {name: [cost._asdict() for cost in facts.costs[name]] for name in facts.costs},
        "shown": facts.shown,
        "next": [line for command in following for line in command.line.splitlines()],
    }
    lines = [f"open {out / PAGE} in a browser", "next, for example:", *result["next"]]
    print_result(result, "\n  ".join(lines), json)


def say(sentence: str) -> None:
    """Progress, beside the result."""
    typer.echo(sentence, err=True)
