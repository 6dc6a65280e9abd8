"""`nerfgan demo`: distils a student while one waits, and writes a page about it."""

from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands.options import Device, DeviceName, Json, print_result
from nerfgan_cli.demo.making import NEW, make_demo
from nerfgan_cli.demo.page import PAGE, commands
from nerfgan_cli.generators.precision import choose_device


def command(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the demo; one is continued."),
    ] = Path("demo"),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help=f"Overrides the recipe {NEW}, as in train.kimg=3."
        ),
    ] = None,
    device: Device = DeviceName.auto,
    json: Json = False,
) -> None:
    """Distils a student from the bundled teacher, from scratch, and writes a page about both.

    Takes some minutes on two cores. DIR/index.html shows pictures, videos, curves and costs, and
    what to do next. Ctrl-C saves; the same command again makes what is still missing.
    """
    facts = make_demo(out, settings or [], choose_device(device.value), say)
    result = {
        "out": str(out),
        "page": str(out / PAGE),
        "images": facts.last["images"],
        "training_seconds": facts.last["time/seconds"],
        "psnr": facts.psnr,
        "costs": {name: [cost._asdict() for cost in facts.costs[name]] for name in facts.costs},
        "next": [line for command in commands(facts) for line in command.line.splitlines()],
    }
    lines = [f"open {out / PAGE} in a browser", "next, for example:", *result["next"]]
    print_result(result, "\n  ".join(lines), json)


def say(sentence: str) -> None:
    """Progress, beside the result."""
    typer.echo(sentence, err=True)
