"""`nerfgan data prepare ffhq`: FFHQ with the cameras that EG3D published."""

from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands.data import running as r
from nerfgan_cli.commands.options import Json
from nerfgan_cli.data.preparation import Finish
from nerfgan_cli.data.sources.ffhq import plan_ffhq

BLACK = (0, 0, 0)


def command(
    source: r.Source,
    out: r.Out,
    cameras: r.Cameras = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            "--crops",
            metavar="FILE",
            help="The published cropping_params.json, if SRC holds FFHQ's aligned pictures.",
        ),
    ] = None,
    resolution: r.Side = 512,
    mirror: r.Mirror = False,
    workers: r.Workers = None,
    skip_bad: r.SkipBad = False,
    json: Json = False,
) -> None:
    """Makes a data set of FFHQ with the cameras that EG3D published.

    SRC holds EG3D's crops with dataset.json or the intermediate cameras.json; or, with --crops,
    FFHQ's aligned pictures (1024² or smaller), or those aligned again at 1500². An interrupted
    command, given again, goes on where it was; until the zip is complete, it needs twice its room.
    """
    finish = Finish(resolution, BLACK, mirror)
    storage, job = r.begin(source, out, finish, workers, skip_bad, json)
    r.carry_out(storage, plan_ffhq(storage, cameras, crops, job.workers, r.watch("header")), job)
