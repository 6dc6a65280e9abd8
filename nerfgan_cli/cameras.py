"""The camera value and its conventions (EG3D section 3; label format of the EG3D release).

- Camera axes are OpenCV's: x right, y down, z forward. `cam2world` takes camera to world.
- World axes are right-handed: x right, y up, z towards the viewer of a frontal face.
- Intrinsics are in units of the image's side: [[f, 0, ½], [0, f, ½], [0, 0, 1]].
- Angles are radians. A camera at (yaw, pitch) sits at r·(sin y cos p, sin p, cos y cos p): positive
  yaw moves it to +x, positive pitch above the horizon. Positive roll turns the picture
  counter-clockwise.
- The sphere is centred on the world's origin, also where the camera looks at another pivot.

EG3D's own pitch is not an angle and has the other sign: `from_official`, `to_official` convert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, pi, tan
from typing import TypeAlias

import torch
from torch import Tensor

from nerfgan_cli.camera_presets import LABEL_SIZE, NUMBERS
from nerfgan_cli.errors import InputError

Angle: TypeAlias = float | Sequence[float] | Tensor  # radians, one or [B]
Point: TypeAlias = tuple[float, float, float]

ORIGIN: Point = (0.0, 0.0, 0.0)
UP: Point = (0.0, 1.0, 0.0)

POSE_TOLERANCE = 1e-3  # of rotation and last row
# Bounds of ours, no published limits: wider than any camera in use (fields of view of 118° to 2.9°,
# a centre that crops put near the middle), and passed by any intrinsics that were left in pixels.
FOCAL_RANGE = (0.3, 20.0)
CENTER_RANGE = (0.3, 0.7)


@dataclass(frozen=True, eq=False)
class Camera:
    """B cameras."""

    cam2world: Tensor  # [B, 4, 4]
    intrinsics: Tensor  # [B, 3, 3]

    def __post_init__(self) -> None:
        poses, intrinsics = tuple(self.cam2world.shape), tuple(self.intrinsics.shape)
        if poses[1:] != (4, 4) or intrinsics != (poses[0], 3, 3):
            raise InputError(
                f"cameras of shape {poses} with intrinsics of shape {intrinsics} do not fit: "
                "give B poses of 4×4 and B intrinsics of 3×3."
            )

    @staticmethod
    def from_label(label: Tensor) -> "Camera":  # [B, 25] or [25]
        if label.ndim not in (1, 2) or label.shape[-1] != LABEL_SIZE:
            raise InputError(
                f"a camera label of shape {tuple(label.shape)} is impossible: "
                "give 16 numbers of cam2world and 9 of the intrinsics for each camera."
            )
        label = label.reshape(-1, LABEL_SIZE).float()
        return Camera(label[:, :16].reshape(-1, 4, 4), label[:, 16:].reshape(-1, 3, 3))

    @property
    def label(self) -> Tensor:  # [B, 25]
        return torch.cat([self.cam2world.flatten(1), self.intrinsics.flatten(1)], dim=1)

    @property
    def position(self) -> Tensor:  # [B, 3]
        return self.cam2world[:, :3, 3]

    @property
    def forward(self) -> Tensor:  # [B, 3]
        return self.cam2world[:, :3, 2]

    @property
    def device(self) -> torch.device:
        return self.cam2world.device

    def __len__(self) -> int:
        return len(self.cam2world)

    def __getitem__(self, index: int | slice | Tensor) -> "Camera":
        """Always a batch, also of one camera."""
        pose, intrinsics = self.cam2world[index], self.intrinsics[index]
        if isinstance(index, int):
            pose, intrinsics = pose[None], intrinsics[None]
        return Camera(pose, intrinsics)

    def to(self, device: torch.device | str) -> "Camera":
        return Camera(self.cam2world.to(device), self.intrinsics.to(device))

    def expand(self, count: int) -> "Camera":
        """One camera for all `count` samples; `count` cameras stay as they are."""
        if len(self) not in (1, count):
            raise InputError(
                f"{len(self)} cameras cannot serve {count} samples: give one or {count}."
            )
        return Camera(self.cam2world.expand(count, 4, 4), self.intrinsics.expand(count, 3, 3))

    @staticmethod
    def cat(cameras: Sequence["Camera"]) -> "Camera":
        return Camera(
            torch.cat([camera.cam2world for camera in cameras]),
            torch.cat([camera.intrinsics for camera in cameras]),
        )

    def cropped(self, left: Tensor, top: Tensor, size: float) -> "Camera":  # [B], [B]
        """The cameras of square parts of the pictures, in units of the picture's side."""
        corner = torch.stack([left, top], dim=1)
        intrinsics = self.intrinsics.clone()
        intrinsics[:, :2, 2] -= corner
        intrinsics[:, :2] /= size
        return Camera(self.cam2world, intrinsics)

    def mirrored(self) -> "Camera":
        """The camera of the horizontally flipped picture."""
        intrinsics = self.intrinsics.clone()
        intrinsics[:, 0, 1] *= -1
        intrinsics[:, 0, 2] = 1 - intrinsics[:, 0, 2]
        return Camera(mirror_pose(self.cam2world), intrinsics)


@dataclass(frozen=True)
class CameraPreset:
    """The cameras of a domain: distance from the origin, point they look at, focal length."""

    pivot: Point
    radius: float
    focal: float

    def at(self, yaw: Angle = 0.0, pitch: Angle = 0.0, roll: Angle = 0.0) -> Camera:
        """Cameras at these angles; one angle serves all."""
        pose = pose_from_angles(yaw, pitch, roll, radius=self.radius, pivot=self.pivot).float()
        return Camera(pose, intrinsics_matrix(self.focal).repeat(len(pose), 1, 1))

    def frontal(self) -> Camera:
        return self.at()


PRESETS = {name: CameraPreset(*numbers) for name, numbers in NUMBERS.items()}


def intrinsics_matrix(focal: float, center: tuple[float, float] = (0.5, 0.5)) -> Tensor:  # [3, 3]
    return torch.tensor([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])


def focal_from_fov(fov: float) -> float:
    """Focal length of a field of view across a side of the image."""
    return 0.5 / tan(fov / 2)


def fov_from_focal(focal: float) -> float:
    return 2 * atan2(0.5, focal)


def official_focal(fov_degrees: float) -> float:
    """EG3D's formula with its own constants: a field of view across the diagonal, in degrees."""
    return 1 / (tan(fov_degrees * 3.14159 / 360) * 1.414)


def look_at(
    position: Tensor,  # [B, 3]
    target: Tensor,  # [B, 3] or [3]
    roll: Tensor | float = 0.0,  # [B] or one
) -> Tensor:  # [B, 4, 4], in the dtype of `position`
    """Camera-to-world matrix at `position`, looking at `target`, upright unless rolled."""
    if bool((position == target).all(dim=-1).any()):
        raise InputError("a camera cannot stand at the point it looks at: move one of them.")
    forward = _normalize(target - position)
    right = torch.linalg.cross(forward, forward.new_tensor(UP).expand_as(forward))
    if bool((torch.linalg.vector_norm(right, dim=-1) < 1e-6).any()):
        raise InputError(
            "a camera that looks straight up or down has no upright picture: "
            "keep its pitch away from ±90 degrees."
        )
    right = _normalize(right)
    down = torch.linalg.cross(forward, right)
    roll = torch.as_tensor(roll).to(position).expand(len(position))[:, None]
    right, down = roll.cos() * right + roll.sin() * down, roll.cos() * down - roll.sin() * right
    pose = torch.eye(4).to(position).repeat(len(position), 1, 1)
    pose[:, :3] = torch.stack([right, down, forward, position], dim=-1)
    return pose


def position_from_angles(yaw: Tensor, pitch: Tensor, radius: float) -> Tensor:  # [B], [B] -> [B, 3]
    flat = pitch.cos()
    return radius * torch.stack([yaw.sin() * flat, pitch.sin(), yaw.cos() * flat], dim=-1)


def pose_from_angles(
    yaw: Angle, pitch: Angle, roll: Angle = 0.0, *, radius: float, pivot: Point = ORIGIN
) -> Tensor:  # [B, 4, 4], float64
    """Camera-to-world matrices on the sphere of `radius` about the origin, looking at `pivot`."""
    angles = [torch.as_tensor(angle, dtype=torch.float64) for angle in (yaw, pitch, roll)]
    count = max(angle.numel() for angle in angles)
    yaws, pitches, rolls = (angle.reshape(-1).expand(count) for angle in angles)
    target = torch.tensor(pivot, dtype=torch.float64)
    return look_at(position_from_angles(yaws, pitches, radius), target, rolls)


def angles_from_pose(cam2world: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # [B, 4, 4] -> [B] × 3
    """(yaw, pitch) of the position and the roll: undoes `pose_from_angles`."""
    x, y, z = cam2world[:, :3, 3].unbind(dim=1)
    roll = torch.atan2(-cam2world[:, 1, 0], -cam2world[:, 1, 1])
    return torch.atan2(x, z), torch.atan2(y, torch.hypot(x, z)), roll


def viewing_angles(cam2world: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # [B, 4, 4] -> [B] × 3
    """(yaw, pitch, roll) of the direction from which the subject is seen.

    Cameras aim at a pivot off the origin, so that this is not where they stand; pose estimators
    see this one. `pose_from_angles` with the pivot at the origin has the same rotation.
    """
    x, y, z = (-cam2world[:, :3, 2]).unbind(dim=1)
    roll = torch.atan2(-cam2world[:, 1, 0], -cam2world[:, 1, 1])
    return torch.atan2(x, z), torch.asin(y.clamp(-1, 1)), roll


def from_official(horizontal: Angle, vertical: Angle) -> tuple[Tensor, Tensor]:
    """EG3D's sampler values to (yaw, pitch). Both are π/2 at the front.

    The vertical one is uniform in area, not in angle: the polar angle is arccos(1 − 2v/π).
    """
    yaw = torch.as_tensor(horizontal, dtype=torch.float64) - pi / 2
    clamped = torch.as_tensor(vertical, dtype=torch.float64).clamp(1e-5, pi - 1e-5)
    return yaw, torch.asin(1 - 2 * clamped / pi)


def to_official(yaw: Angle, pitch: Angle) -> tuple[Tensor, Tensor]:
    """(yaw, pitch) to EG3D's sampler values: v = (1 − sin pitch)·π/2."""
    horizontal = torch.as_tensor(yaw, dtype=torch.float64) + pi / 2
    return horizontal, (1 - torch.as_tensor(pitch, dtype=torch.float64).sin()) * pi / 2


def mirror_pose(cam2world: Tensor) -> Tensor:  # [B, 4, 4]
    """diag(−1, 1, 1, 1)·M·diag(−1, 1, 1, 1)."""
    flip = cam2world.new_tensor([-1, 1, 1, 1])
    return flip[:, None] * cam2world * flip


def find_problems(camera: Camera) -> list[tuple[int, str]]:
    """(index, what is wrong and how to mend it) of every camera that cannot be right."""
    pose, intrinsics = camera.cam2world.detach().double(), camera.intrinsics.detach().double()
    rotation = pose[:, :3, :3]
    infinite = (~camera.label.isfinite()).sum(dim=1)
    pose_row = _largest(pose[:, 3:] - pose.new_tensor([[0, 0, 0, 1]]))
    skewness = _largest(rotation.mT @ rotation - torch.eye(3, dtype=pose.dtype, device=pose.device))
    handedness = torch.linalg.det(rotation.nan_to_num())
    intrinsics_rows = _largest(
        intrinsics[:, 1:] * intrinsics.new_tensor([[1, 0, 0], [1, 1, 1]])
        - intrinsics.new_tensor([[0, 0, 0], [0, 0, 1]])
    )
    checks = [  # in order of blame: only the first that fails is told
        (infinite > 0, infinite, "{} of its 25 numbers are not finite: remove it or mend them"),
        (
            pose_row > POSE_TOLERANCE,
            pose_row,
            "the last row of its cam2world is off 0 0 0 1 by {:.3g}: transpose the matrix if it is "
            "stored by columns",
        ),
        (
            skewness > POSE_TOLERANCE,
            skewness,
            "its rotation is off an orthonormal one by {:.3g}: remove the scale from cam2world",
        ),
        (
            handedness < 0,
            handedness,
            "its rotation is left-handed (determinant {:.3g}): if the picture was mirrored, mirror "
            "the whole pose",
        ),
        (
            intrinsics_rows > POSE_TOLERANCE,
            intrinsics_rows,
            "its intrinsics are off the form f s x / 0 f y / 0 0 1 by {:.3g}: transpose them if "
            "they are stored by columns",
        ),
        *(
            (
                _outside(intrinsics[:, axis, column], limits),
                intrinsics[:, axis, column],
                f"its {name} = {{:.4g}} is not between {limits[0]} and {limits[1]:g} image sides: "
                "divide intrinsics in pixels by the size of the image",
            )
            for name, axis, column, limits in (
                ("focal length fx", 0, 0, FOCAL_RANGE),
                ("focal length fy", 1, 1, FOCAL_RANGE),
                ("principal point cx", 0, 2, CENTER_RANGE),
                ("principal point cy", 1, 2, CENTER_RANGE),
            )
        ),
    ]
    problems: dict[int, str] = {}
    for bad, value, text in checks:
        for index in bad.nonzero().flatten().tolist():
            problems.setdefault(index, text.format(value[index].item()))
    return sorted(problems.items())


def _normalize(x: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / length


def _largest(x: Tensor) -> Tensor:  # [B, ...] -> [B]
    return x.abs().flatten(1).amax(dim=1)


def _outside(x: Tensor, limits: tuple[float, float]) -> Tensor:  # [B] -> [B]
    return (x < limits[0]) | (x > limits[1])
