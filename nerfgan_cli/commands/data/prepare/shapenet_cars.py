"""`nerfgan data prepare shapenet-cars`: cars of ShapeNet as SRN renders them."""

from typing import Annotated

import typer

from nerfgan_cli.commands.data import running as r
from nerfgan_cli.commands.options import Json
from nerfgan_cli.data.preparation import Finish
from nerfgan_cli.data.sources.shapenet import WHITE, plan_shapenet


def command(
    source: r.Source,
    out: r.Out,
    resolution: r.Side = 128,
    up: Annotated[
        r.Axis | None, typer.Option("--up", help="Axis of the source that becomes +y; else as is.")
    ] = None,
    mirror: r.Mirror = False,
    workers: r.Workers = None,
    skip_bad: r.SkipBad = False,
    json: Json = False,
) -> None:
    """Makes a data set of cars: scenes with rgb/*.png, pose/*.txt and intrinsics.txt.

    Poses are used as they are, as EG3D does; `nerfgan data check` shows which way is up. An
    interrupted command, given again, goes on where it was.
    """
    finish = Finish(resolution, WHITE, mirror)
    storage, job = r.begin(source, out, finish, workers, skip_bad, json)
    plan = plan_shapenet(storage, up and up.value, job.workers, r.watch("header"))
    r.carry_out(storage, plan, job)
