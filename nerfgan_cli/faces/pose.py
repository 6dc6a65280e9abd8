"""The camera of a final picture, from points of a known shape or from the angles of the head.

Perspective-n-point (PnP): where must the camera stand so that these points of the world appear
there? The lens is the preset's. What comes out is brought to the preset's distance along its own
ray from the origin, its rotation kept, as EG3D's labels were made.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch

from nerfgan_cli.cameras import (
    Camera,
    CameraPreset,
    intrinsics_matrix,
    pose_from_angles,
    viewing_angles,
)
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.cropping import SIDE
from nerfgan_cli.faces.shapes import Points

# Bounds of ours on what PnP says before the distance is set: beyond, points and shape do not fit.
# With the crop by five points it is 2.8 to 3.0 for the 2.7 of FFHQ.
LEAST_DISTANCE, MOST_DISTANCE = 0.5, 2.0  # of the preset's
REFINED = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-12)


class Solved(NamedTuple):
    """A camera and how well it explains its points."""

    pose: Points  # [4, 4], camera to world, at the distance that the points ask for
    error: float  # root mean square, in pixels of the final picture

    @property
    def angles(self) -> Points:  # yaw, pitch, roll of the viewing direction, radians
        return np.array(
            [float(angle) for angle in viewing_angles(torch.from_numpy(self.pose)[None])]
        )

    @property
    def distance(self) -> float:
        return float(np.linalg.norm(self.pose[:3, 3]))


def solve_pose(
    points: Points,  # [N, 2], N ≥ 4, pixels of the final picture
    world: Points,  # [N, 3]
    preset: CameraPreset,
) -> Solved:
    """PnP: SQPNP for the start, then least squares of the distances in the picture."""
    lens = pixel_lens(preset)
    points, world = np.ascontiguousarray(points), np.ascontiguousarray(world)
    try:
        found, turn, shift = cv2.solvePnP(world, points, lens, None, flags=cv2.SOLVEPNP_SQPNP)
        if not found:
            raise InputError(NO_POSE)
        turn, shift = cv2.solvePnPRefineLM(world, points, lens, None, turn, shift, REFINED)
    except cv2.error as error:
        raise InputError(NO_POSE) from error
    rotation = np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64)
    return solved(rotation, np.asarray(shift, dtype=np.float64)[:, 0], points, world, preset)


NO_POSE = "no camera sees its points where they are: correct the points."


def place(
    angles: Points,  # yaw, pitch, roll of the viewing direction, radians
    points: Points,  # [N, 2]
    world: Points,  # [N, 3]
    preset: CameraPreset,
) -> Solved:
    """Where a camera with this rotation stands, by linear least squares over its points."""
    rotation = turned_by(angles)
    focal = preset.focal * SIDE
    turned = world @ rotation.T
    u, v = ((points - SIDE / 2) / focal).T
    # u = (x + tx) / (z + tz), and so for v
    zero, one = np.zeros(len(u)), np.ones(len(u))
    system = np.concatenate([np.stack([one, zero, -u], axis=1), np.stack([zero, one, -v], axis=1)])
    target = np.concatenate([u * turned[:, 2] - turned[:, 0], v * turned[:, 2] - turned[:, 1]])
    shift = np.linalg.lstsq(system, target, rcond=None)[0]
    return solved(rotation, shift, points, world, preset)


def stand(
    angles: Points,  # yaw, pitch, roll of the viewing direction, radians
    position: Points,  # [3]
    points: Points,  # [N, 2]
    world: Points,  # [N, 3]
    preset: CameraPreset,
) -> Solved:
    """A camera that is known; the points only tell how well it fits."""
    rotation = turned_by(angles)
    return solved(rotation, -rotation @ position, points, world, preset)


def turned_by(angles: Points) -> Points:  # [3] -> [3, 3], world to camera
    yaw, pitch, roll = angles.tolist()
    rotation: Points = pose_from_angles(yaw, pitch, roll, radius=1.0)[0, :3, :3].numpy().T
    return rotation


def solved(
    rotation: Points, shift: Points, points: Points, world: Points, preset: CameraPreset
) -> Solved:
    """From world-to-camera."""
    local = world @ rotation.T + shift
    if not (np.isfinite(local).all() and (local[:, 2] > 0).all()):
        raise InputError(NO_POSE)
    seen = local[:, :2] / local[:, 2:] * (preset.focal * SIDE) + SIDE / 2
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.T, -rotation.T @ shift
    error = float(np.sqrt(((seen - points) ** 2).sum(axis=1).mean()))
    return Solved(pose, error)


def finished(found: Solved, preset: CameraPreset) -> Camera:
    """At the preset's distance from the origin; the direction and the rotation are kept."""
    if not LEAST_DISTANCE < found.distance / preset.radius < MOST_DISTANCE:
        raise InputError(
            f"its points put the camera {found.distance:.2g} from the origin instead of about "
            f"{preset.radius:g}: correct the points."
        )
    pose = found.pose.copy()
    pose[:3, 3] *= preset.radius / found.distance
    return Camera(torch.from_numpy(pose)[None].float(), intrinsics_matrix(preset.focal)[None])


def pixel_lens(preset: CameraPreset) -> Points:  # [3, 3]
    focal = preset.focal * SIDE
    return np.array([[focal, 0, SIDE / 2], [0, focal, SIDE / 2], [0, 0, 1]])
