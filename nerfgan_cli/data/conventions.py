"""What the cameras of a data set are like, and which published ones they resemble."""

from math import inf, log
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera, CameraPreset, angles_from_pose

# Side of the cube in which each domain's volume lives (eg3d.md 1.1).
BOX_SIDE = {"ffhq": 1.0, "afhq": 1.0, "cars": 1.6, "cars-video": 1.6}
FAR_OFF = 1.1  # ratio to the published focal length or distance that deserves a warning
MISSED = 0.1  # of the distance; FFHQ's own axes pass the origin at 0.03
AWAY = 0.5  # cosine of the angle between a camera's axis and the way to the origin
UPRIGHT = 0.7  # y of the mean up direction


class Spread(NamedTuple):
    """Of one number over all cameras."""

    least: float
    median: float
    most: float

    @staticmethod
    def of(values: Tensor) -> "Spread":  # [N]
        return Spread(*(float(value) for value in (values.min(), values.median(), values.max())))

    def __format__(self, spec: str) -> str:
        least, median, most = (format(float(format(value, spec)) + 0.0, spec) for value in self)
        return median if least == most else f"{least} to {most} (median {median})"


class CameraSummary(NamedTuple):
    """Figures of N cameras; angles in degrees."""

    preset: str  # the nearest published cameras
    focal: Spread
    distance: Spread
    yaw: Spread
    pitch: Spread
    roll: Spread
    missed: float  # mean distance of the optical axes from the origin
    looking_away: int
    up: float  # y of the mean up direction, 1 if all are upright

    def to_json(self) -> dict[str, Any]:
        return {
            name: value._asdict() if isinstance(value, Spread) else value
            for name, value in self._asdict().items()
        }

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"focal length {self.focal:.4g} image sides, distance {self.distance:.4g}",
            f"yaw {self.yaw:.0f}, pitch {self.pitch:.0f}, roll {self.roll:.0f} degrees",
        ]

    def warnings(self, count: int) -> list[str]:
        """What makes these cameras unlike the published ones."""
        near = PRESETS[self.preset]
        found = []
        for name, own, published in (
            ("focal length", self.focal.median, near.focal),
            ("distance from the origin", self.distance.median, near.radius),
        ):
            if ratio(own, published) > FAR_OFF:
                found.append(
                    f"their {name} is {own:.4g}, that of {self.preset} {published:.4g}: "
                    "train with a recipe for such cameras, or prepare the pictures again"
                )
        if self.looking_away:
            found.append(
                f"{self.looking_away} of {count} look away from the origin: if their axes are "
                "OpenGL's, or their matrices world-to-camera, convert them"
            )
        if self.missed > MISSED * self.distance.median:
            found.append(
                f"their axes pass the origin at {self.missed:.2g} on average: if the subject is "
                "not there, move the world; if matrices are world-to-camera, invert them"
            )
        if self.up < UPRIGHT:
            found.append(
                f"on average, up is only {self.up:.2f} along +y: turn the world so that +y is up"
            )
        return found


def summarise(camera: Camera) -> CameraSummary:
    """Figures of cameras that are valid one by one."""
    focal = camera.intrinsics[:, (0, 1), (0, 1)].mean(dim=1)
    distance = torch.linalg.vector_norm(camera.position, dim=1)
    yaw, pitch, roll = (Spread.of(angle.rad2deg()) for angle in angles_from_pose(camera.cam2world))
    towards = -camera.position / distance[:, None].clamp(min=1e-8)
    cosine = (camera.forward * towards).sum(dim=1)
    missed = torch.linalg.vector_norm(torch.linalg.cross(camera.position, camera.forward), dim=1)
    up = -camera.cam2world[:, :3, 1].mean(dim=0)
    focals, distances = Spread.of(focal), Spread.of(distance)
    return CameraSummary(
        preset=nearest_preset(focals.median, distances.median),
        focal=focals,
        distance=distances,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        missed=float(missed.mean()),
        looking_away=int((cosine < AWAY).sum()),
        up=float(up[1] / torch.linalg.vector_norm(up).clamp(min=1e-8)),
    )


def nearest_preset(focal: float, distance: float | None = None) -> str:
    """Of ffhq and cars (afhq has the numbers of ffhq)."""

    def unlike(preset: CameraPreset) -> float:
        return abs(log(focal / preset.focal)) + abs(
            log((distance or preset.radius) / preset.radius)
        )

    return min(("ffhq", "cars"), key=lambda name: unlike(PRESETS[name]))


def ratio(a: float, b: float) -> float:
    """Of the larger to the smaller; infinite to 0, the distance of cameras without a position."""
    return max(a / b, b / a) if a and b else inf
