"""`--camera-path`: how the camera moves while something else changes."""

from enum import Enum
from math import radians
from pathlib import Path
from typing import Annotated

import torch
import typer

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.camera_paths import ellipse, official_orbit, swing
from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.editing.camera_walks import spiral, through
from nerfgan_cli.errors import UsageError


class Walk(str, Enum):
    """The paths that have a name; any other word is a file of cameras."""

    fixed = "fixed"
    sweep = "sweep"
    orbit = "orbit"
    eg3d = "eg3d"
    spiral = "spiral"


CameraPath = Annotated[
    str,
    typer.Option(
        "--camera-path",
        metavar="PATH",
        help=f"{', '.join(walk.value for walk in Walk)}, or a file of cameras to pass by.",
    ),
]
YawRange = Annotated[
    float, typer.Option(min=0, max=180, metavar="D", help="Degrees to either side, of a path.")
]
PitchRange = Annotated[
    float, typer.Option(min=0, max=89, metavar="D", help="Degrees up and down, of a path.")
]
DEFAULT_YAW_RANGE = 23.0  # 0.4 radians, of EG3D's sample sheets
DEFAULT_PITCH_RANGE = 10.0


def find_walk(text: str) -> Walk | Path:
    """Tells at once where a path is neither a name nor a file."""
    if text in list(Walk):
        return Walk(text)
    path = Path(text).expanduser()
    if not path.is_file():
        names = ", ".join(walk.value for walk in Walk)
        raise UsageError(f"--camera-path {text!r} is no file: use {names}, or a file of cameras.")
    return path


def choose_cameras(
    preset: CameraPreset,
    walk: Walk | Path,
    frames: int,
    still: Camera,  # of a path that does not move
    yaw: float,  # degrees to either side
    pitch: float,
    closed: bool,  # the frame after the last is the first again
) -> Camera:
    """The cameras of all frames."""
    if isinstance(walk, Path):
        cameras = Camera.cat([camera for _, camera in load_cameras(walk, preset)])
        return through(cameras, frames, closed)
    yaw, pitch = radians(yaw), radians(pitch)
    if walk is Walk.sweep and not closed:
        return preset.at(yaw=torch.linspace(-yaw, yaw, frames, dtype=torch.float64))
    return {
        Walk.fixed: lambda: still.expand(frames),
        Walk.sweep: lambda: swing(preset, frames, yaw, 0),
        Walk.orbit: lambda: ellipse(preset, frames, yaw, pitch),
        Walk.eg3d: lambda: official_orbit(preset, frames),
        Walk.spiral: lambda: spiral(preset, frames, yaw, pitch),
    }[walk]()
