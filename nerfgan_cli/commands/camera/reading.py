"""What the commands about cameras share: the file, and what it leaves open."""

from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands.data.prepare.folder import Like

Source = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="cam.json, .npy, .npz, dataset.json, EG3D's cameras.json, transforms.json, COLMAP's "
        "or Middlebury's text, SRN's scene; or the folder or zip that holds one.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Only the camera of this picture."),
]
Domain = Annotated[
    Like, typer.Option("--like", help="Whose distance, pivot and focal length are usual.")
]
