"""`--camera-path`: how the camera of a video moves, whatever else changes."""

from dataclasses import dataclass
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


class PathName(str, Enum):
    """The paths that have a name; any other word is a file of cameras."""

    fixed = "fixed"
    sweep = "sweep"
    orbit = "orbit"
    spiral = "spiral"


NAMES = ", ".join(PathName)
# Degrees to either side, and up and down, of a path without ranges.
SWING = 30.0, 0.0
ROW = 22.918, 0.0  # 0.4 radians: EG3D's sample sheets
SPIRAL = 20.0, 10.0  # as far as EG3D's own videos go


@dataclass(frozen=True)
class CameraPath:
    """How the camera moves."""

    path: Annotated[
        str | None,
        typer.Option(
            "--camera-path",
            "--path",
            metavar="PATH",
            help="fixed; sweep, from side to side; orbit, around an ellipse, EG3D's own if no "
            "range is given; spiral; or a file of cameras to pass by.",
        ),
    ] = None
    yaw_range: Annotated[
        float | None,
        typer.Option(min=0, max=180, metavar="D", help="Degrees to either side, of a path."),
    ] = None
    pitch_range: Annotated[
        float | None,
        typer.Option(min=0, max=89, metavar="D", help="Degrees up and down, of a path."),
    ] = None

    def choose(self, usual: PathName) -> "Walk":
        """Tells at once where a path is neither a name nor a file, or has no ranges."""
        text = usual.value if self.path is None else self.path
        way = PathName(text) if text in list(PathName) else Path(text).expanduser()
        if isinstance(way, Path) and not way.exists():
            raise UsageError(f"--camera-path {text!r}: use {NAMES}, or a file of cameras.")
        given = self.yaw_range is not None or self.pitch_range is not None
        if given and (isinstance(way, Path) or way is PathName.fixed):
            raise UsageError(
                f"the camera path {text} has no range: leave --yaw-range and --pitch-range out, "
                "or give --camera-path sweep, orbit or spiral."
            )
        return Walk(way, (self.yaw_range or 0.0, self.pitch_range or 0.0) if given else None)


@dataclass(frozen=True)
class Walk:
    """A path that is known to exist."""

    way: PathName | Path
    ranges: tuple[float, float] | None  # degrees of yaw and pitch; None: the path's own

    def cameras(self, preset: CameraPreset, frames: int, still: Camera, closed: bool) -> Camera:
        """Of all frames. On a closed path the frame after the last would be the first again."""
        if isinstance(self.way, Path):
            found = Camera.cat([camera for _, camera in load_cameras(self.way, preset)])
            return through(found, frames, closed)
        if self.way is PathName.fixed:
            return still.expand(frames)
        if self.way is PathName.sweep and not closed:
            along = torch.linspace(-1, 1, frames, dtype=torch.float64)
            yaw, pitch = self._radians(ROW)
            return preset.at(yaw=yaw * along, pitch=pitch * along)
        if self.way is PathName.sweep:
            return swing(preset, frames, *self._radians(SWING))
        if self.way is PathName.spiral:
            return spiral(preset, frames, *self._radians(SPIRAL))
        if self.ranges is None:
            return official_orbit(preset, frames)
        return ellipse(preset, frames, *self._radians(self.ranges))

    def _radians(self, usual: tuple[float, float]) -> tuple[float, float]:
        yaw, pitch = self.ranges or usual
        return radians(yaw), radians(pitch)
