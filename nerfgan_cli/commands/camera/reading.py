"""What the commands about cameras share: the file, what it leaves open, how it is to be read."""

from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.camera_files import Named, read_cameras, refuse_faulty
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.commands.data.prepare.folder import Axes, Extrinsics, Like
from nerfgan_cli.data.camera_formats.matrices import Reading

Source = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="cam.json, .npy, .npz, .pkl, dataset.json, EG3D's cameras.json, transforms.json, "
        "COLMAP's or Middlebury's text, SRN's scene; or the folder or zip that holds one.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Only the camera of this picture."),
]
Domain = Annotated[
    Like, typer.Option("--like", help="Whose distance, pivot and focal length are usual.")
]
Direction = Annotated[
    Extrinsics | None,
    typer.Option("--extrinsics", help="What the matrices do; else as the format has it."),
]
CameraAxes = Annotated[Axes, typer.Option("--axes", help="Of cameras, if not stated.")]


def make_reading(like: Like, extrinsics: Extrinsics | None, axes: Axes) -> Reading:
    to_camera = None if extrinsics is None else extrinsics is Extrinsics.world_to_camera
    return Reading(PRESETS[like.value], to_camera, axes is Axes.opengl)


def load(source: Path, reading: Reading, name: str | None) -> list[Named]:
    """Cameras that can be right; the first that cannot is an error."""
    cameras = read_cameras(source, reading, name).cameras
    refuse_faulty(source, cameras, reading.preset)
    return cameras
