"""`nerfgan camera draw`: cameras in 3D, from three sides."""

from typing import Annotated

import numpy as np
import typer

from nerfgan_cli.cameras import Camera
from nerfgan_cli.commands.camera import reading as r
from nerfgan_cli.commands.data.prepare.folder import Axes, Like
from nerfgan_cli.commands.options import Json, counted, print_result
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.data.camera_plot import plot_cameras
from nerfgan_cli.data.conventions import BOX_SIDE
from nerfgan_cli.media import tile, write_png


def command(
    source: r.Source,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE.png", help="The drawing.")],
    name: r.Name = None,
    extrinsics: r.Direction = None,
    axes: r.CameraAxes = Axes.opencv,
    like: r.Domain = Like.ffhq,
    side: Annotated[
        int, typer.Option("--side", min=100, max=4096, metavar="N", help="Pixels of each view.")
    ] = 480,
    json: Json = False,
) -> None:
    """Draws cameras as pyramids about the cube of the volume, from three sides.

    The bold edge of a pyramid is the top of its picture. Colours run with the order in the file.
    """
    path = parse_file(out, ".png")
    named = r.load(source, r.make_reading(like, extrinsics, axes), name)
    cameras = Camera.cat([camera for _, camera in named])
    views = plot_cameras(cameras, BOX_SIDE[like.value], side)
    write_png(tile([np.asarray(view) for view in views], len(views)), path)
    result = {"source": str(source), "out": str(path), "cameras": len(cameras)}
    print_result(result, f"drew {counted(len(cameras), 'camera')} to {path}", json)
