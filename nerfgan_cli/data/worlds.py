"""Bringing a foreign world into ours: subject at the origin, +y up, cameras at a known distance.

The one change is a similarity, so cameras that fit their pictures before fit them after.
"""

from typing import Any, NamedTuple

import numpy as np

from nerfgan_cli.data.views import Matrix
from nerfgan_cli.errors import InputError

LEAST_ANGLE = 1e-3  # smallest eigenvalue of mean(1 − d·dᵀ): axes within about 2 degrees
UPRIGHT = 0.5  # length of the mean up direction from which it is trusted
FRONTAL = 0.2  # length of the mean horizontal direction from which it is the front

AXES = {
    sign + name: (-1.0 if sign else 1.0) * np.eye(3)[axis]
    for axis, name in enumerate("xyz")
    for sign in ("", "-")
}


class Similarity(NamedTuple):
    """From a foreign world to ours: scale · rotation · (point − center)."""

    scale: float
    rotation: Matrix  # [3, 3]
    center: Matrix  # [3]

    def points(self, points: Matrix) -> Matrix:  # [..., 3]
        moved: Matrix = self.scale * (points - self.center) @ self.rotation.T
        return moved

    def poses(self, cam2world: Matrix) -> Matrix:  # [N, 4, 4]
        moved: Matrix = cam2world.copy()
        moved[:, :3, :3] = self.rotation @ cam2world[:, :3, :3]
        moved[:, :3, 3] = self.points(cam2world[:, :3, 3])
        return moved

    def to_json(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "rotation": self.rotation.tolist(),
            "center": self.center.tolist(),
        }


class Wish(NamedTuple):
    """What the user says about a foreign world; what is None is found from the cameras."""

    radius: float  # median distance of the cameras, in our world
    center: Matrix | None = None  # [3], in the foreign world
    up: str | None = None  # a key of AXES
    front: int | None = None  # the camera that shall have yaw 0


def fit_world(cam2world: Matrix, wish: Wish) -> tuple[Similarity, list[str]]:  # [N, 4, 4]
    """The similarity, and sentences on how it was chosen."""
    notes = []
    center = wish.center
    if center is None:
        center = meeting_point(cam2world)
        notes.append(f"centre {vector(center)}: where the optical axes meet")
    else:
        notes.append(f"centre {vector(center)}: as given")
    away = facing_away(cam2world, center)
    if 2 * away > len(cam2world):
        raise InputError(
            f"{away} of {len(cam2world)} cameras look away from their common centre: are their "
            "matrices world-to-camera, or their axes OpenGL's? Say so."
        )
    if wish.up is not None:
        up = AXES[wish.up]
        notes.append(f"up {wish.up}: as given")
    else:
        up, how = find_up(cam2world)
        notes.append(f"up {vector(up)}: {how}")
    front, how = find_front(cam2world, center, up, wish.front)
    notes.append(f"front {vector(front)}: {how}")
    distances = np.linalg.norm(cam2world[:, :3, 3] - center, axis=1)
    scale = float(wish.radius / np.median(distances))
    notes.append(f"scale {scale:.4g}: the median camera stands at {wish.radius:g}")
    rotation = np.stack([np.cross(up, front), up, front])
    return Similarity(scale, rotation, center), notes


def meeting_point(cam2world: Matrix) -> Matrix:  # [3]
    """The point nearest to all optical axes, by least squares."""
    position, forward = cam2world[:, :3, 3], cam2world[:, :3, 2]
    across = np.eye(3) - forward[:, :, None] * forward[:, None, :]  # off each axis
    system = across.mean(axis=0)
    if np.linalg.eigvalsh(system)[0] < LEAST_ANGLE:
        raise InputError(
            "the optical axes of the cameras are too parallel to meet in a point: "
            "give the centre of the subject, or its box."
        )
    point: Matrix = np.linalg.solve(system, (across @ position[:, :, None]).mean(axis=0)[:, 0])
    return point


def facing_away(cam2world: Matrix, center: Matrix) -> int:
    towards = center - cam2world[:, :3, 3]
    return int(((towards * cam2world[:, :3, 2]).sum(axis=1) < 0).sum())


def find_up(cam2world: Matrix) -> tuple[Matrix, str]:
    """From the cameras' own up where they agree; else the axis that they circle around."""
    up = -cam2world[:, :3, 1].mean(axis=0)
    if np.linalg.norm(up) > UPRIGHT:
        return normalise(up), "the mean of the cameras' up"
    position = cam2world[:, :3, 3] - cam2world[:, :3, 3].mean(axis=0)
    axis = np.linalg.svd(position)[2][2]
    axis = axis * np.sign(axis[np.abs(axis).argmax()])
    return axis, "the axis that the cameras circle around, as their own up differs"


def find_front(
    cam2world: Matrix, center: Matrix, up: Matrix, chosen: int | None
) -> tuple[Matrix, str]:
    """The horizontal direction from the centre to the middle of the cameras, or to one of them."""
    away = cam2world[:, :3, 3] - center
    flat = away - (away @ up)[:, None] * up
    lengths = np.linalg.norm(flat, axis=1)
    if not lengths.min() > 1e-6 * np.linalg.norm(away, axis=1).max():
        raise InputError("a camera stands straight above the centre: give another up axis.")
    mean = (flat / lengths[:, None]).mean(axis=0)
    if chosen is not None:
        return normalise(flat[chosen]), "towards the picture that was named"
    if np.linalg.norm(mean) > FRONTAL:
        return normalise(mean), "towards the middle of the cameras"
    return normalise(flat[0]), "towards the first picture, as cameras stand all around"


def normalise(direction: Matrix) -> Matrix:
    unit: Matrix = direction / np.linalg.norm(direction)
    return unit


def vector(values: Matrix) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
