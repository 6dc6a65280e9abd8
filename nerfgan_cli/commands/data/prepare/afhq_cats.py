"""`nerfgan data prepare afhq-cats`: cats of AFHQv2 with the cameras that EG3D published."""

from nerfgan_cli.commands.data import running as r
from nerfgan_cli.commands.options import Json
from nerfgan_cli.data.preparation import Finish
from nerfgan_cli.data.sources.afhq import plan_afhq

BLACK = (0, 0, 0)


def command(
    source: r.Source,
    out: r.Out,
    cameras: r.Cameras = None,
    resolution: r.Side = 512,
    mirror: r.Mirror = False,
    workers: r.Workers = None,
    skip_bad: r.SkipBad = False,
    json: Json = False,
) -> None:
    """Makes a data set of AFHQv2's cats (train/cat) with the cameras that EG3D published.

    An interrupted command, given again, goes on where it was; until the zip is complete, it needs
    twice its room.
    """
    finish = Finish(resolution, BLACK, mirror)
    storage, job = r.begin(source, out, finish, workers, skip_bad, json)
    r.carry_out(storage, plan_afhq(storage, cameras, job.workers, r.watch("header")), job)
