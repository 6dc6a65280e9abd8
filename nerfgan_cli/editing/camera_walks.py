"""Ways of a camera that need more than angles: through cameras of one's own, and spirals."""

from math import pi

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.editing.walks import piecewise, slerp

TURNS = 3


def spiral(preset: CameraPreset, frames: int, yaw: float, pitch: float) -> Camera:
    """From the front outwards in three turns, and back: a loop without a seam."""
    part = torch.arange(frames, dtype=torch.float64) / frames
    reach, angle = (pi * part).sin(), 2 * pi * TURNS * part
    return preset.at(yaw=yaw * reach * angle.sin(), pitch=pitch * reach * angle.cos())


def through(cameras: Camera, frames: int, closed: bool) -> Camera:
    """Past each camera in turn, at even times: on arcs about the origin, turning evenly."""
    count = len(cameras)
    if count in (1, frames):
        return cameras.expand(frames)
    if closed:
        times = torch.arange(frames, dtype=torch.float64) * (count / frames)
    else:  # ends exactly at the last camera, beyond which Slerp knows nothing
        times = torch.linspace(0, count - 1, frames, dtype=torch.float64)
    rotations = cameras.cam2world[:, :3, :3].double().cpu().numpy()
    if closed:
        rotations = np.concatenate([rotations, rotations[:1]])
    turning = Slerp(np.arange(len(rotations)), Rotation.from_matrix(rotations))
    pose = torch.eye(4).repeat(frames, 1, 1)
    pose[:, :3, :3] = torch.from_numpy(turning(times.numpy()).as_matrix())
    pose[:, :3, 3] = piecewise(cameras.position.cpu(), closed, slerp)(times)
    intrinsics = piecewise(cameras.intrinsics.cpu().flatten(1), closed)(times)
    return Camera(pose, intrinsics.view(-1, 3, 3))
