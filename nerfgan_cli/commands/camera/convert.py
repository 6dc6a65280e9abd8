"""`nerfgan camera convert`: the cameras of a file in another form."""

from enum import Enum
from typing import Annotated

import typer

from nerfgan_cli.camera_forms import FORMS, with_mirrored
from nerfgan_cli.commands.camera import reading as r
from nerfgan_cli.commands.data.prepare.folder import Axes, Like
from nerfgan_cli.commands.options import Json, counted, print_result
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.files import replacing


class FormName(str, Enum):
    """Those of `camera_forms.FORMS`."""

    matrices = "matrices"
    angles = "angles"
    numbers = "numbers"
    dataset = "dataset"
    npy = "npy"
    npz = "npz"
    transforms = "transforms"


def command(
    source: r.Source,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="What to write; ends as its form.")
    ],
    to: Annotated[
        FormName | None,
        typer.Option("--to", help="The form; else npy or npz by the name of FILE, or matrices."),
    ] = None,
    name: r.Name = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Add the camera of each mirror image, NAME_mirror.")
    ] = False,
    extrinsics: r.Direction = None,
    axes: r.CameraAxes = Axes.opencv,
    like: r.Domain = Like.ffhq,
    json: Json = False,
) -> None:
    """Writes the cameras of a file in another form.

    matrices is nerfgan's own cam.json; angles are yaw and pitch; numbers, dataset and npy hold 25
    numbers each; npz has OpenCV's matrices; transforms is for NeRF's programs. Foreign worlds are
    brought about the origin, EG3D's intermediate cameras.json is finished; matrices that go the
    other way, or have OpenGL's axes, are turned if --extrinsics or --axes say so.
    """
    suffix = out.rpartition(".")[2]
    form = FORMS[to.value if to else suffix if suffix in FORMS else "matrices"]
    path = parse_file(out, form.suffix)
    reading = r.make_reading(like, extrinsics, axes)
    cameras = r.load(source, reading, name)
    if mirror:
        cameras = with_mirrored(cameras)
    content = form.write(cameras, reading.preset)
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)
    result = {"source": str(source), "out": str(path), "cameras": len(cameras)}
    print_result(result, f"wrote {counted(len(cameras), 'camera')} to {path}: {form.about}", json)
