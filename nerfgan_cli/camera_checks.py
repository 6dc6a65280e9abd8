"""Whether a camera can be that of a picture of a subject: where it stands, whither it looks.

`cameras.find_problems` says what is wrong with the numbers themselves.
"""

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import POSE_TOLERANCE, Camera, CameraPreset, find_problems
from nerfgan_cli.data.camera_formats.matrices import OPENGL
from nerfgan_cli.data.views import Matrix

MOST_ASIDE = 60.0  # degrees between the optical axis and the way to the preset's pivot
DISTANCES = (0.5, 2.0)  # of the preset's radius, from the origin
EXACT = 1e-6  # a rotation as near to an orthonormal one as float32 can be is left as it is


def orthonormalised(pose: Matrix) -> Matrix:  # [4, 4]
    """The nearest rotation in place of one that is slightly off; others are left to the checks."""
    rotation = pose[:3, :3]
    off = np.abs(rotation.T @ rotation - np.eye(3)).max()
    if not EXACT < off <= POSE_TOLERANCE:
        return pose
    left, _, right = np.linalg.svd(rotation)
    mended: Matrix = pose.copy()
    mended[:3, :3] = left @ right
    return mended


def find_faults(camera: Camera, preset: CameraPreset) -> list[tuple[int, str]]:
    """(index, what is wrong and how to mend it) of all that cannot be pictures of a subject."""
    faults = dict(find_problems(camera))
    aside, distance = _degrees_aside(camera.cam2world, preset), camera.position.norm(dim=1)
    least, most = (share * preset.radius for share in DISTANCES)
    for index in ((aside > MOST_ASIDE) | (distance < least) | (distance > most)).nonzero():
        number = int(index)
        if number in faults:
            continue
        if aside[number] > MOST_ASIDE:
            faults[number] = (
                f"it looks away from the object, by {float(aside[number]):.0f} degrees: "
                f"{_remedy(camera.cam2world[number], preset)}"
            )
        else:
            faults[number] = (
                f"it stands {float(distance[number]):.3g} from the origin, {preset.radius:.3g} is "
                "usual here: scale its world, or take a model for such cameras"
            )
    return sorted(faults.items())


def in_place(cam2world: Tensor, preset: CameraPreset) -> bool:  # [B, 4, 4]
    """Whether all cameras look at the preset's subject from about its distance."""
    distance = cam2world[:, :3, 3].norm(dim=1) / preset.radius
    near = (distance >= DISTANCES[0]) & (distance <= DISTANCES[1])
    return bool((near & (_degrees_aside(cam2world, preset) <= MOST_ASIDE)).all())


def _degrees_aside(cam2world: Tensor, preset: CameraPreset) -> Tensor:  # [B, 4, 4] -> [B]
    way = cam2world.new_tensor(preset.pivot) - cam2world[:, :3, 3]
    cosine = (way * cam2world[:, :3, 2]).sum(dim=1) / way.norm(dim=1).clamp(min=1e-9)
    degrees: Tensor = cosine.clamp(-1, 1).acos().rad2deg()
    return degrees


def _remedy(pose: Tensor, preset: CameraPreset) -> str:  # [4, 4]
    """The reading of the matrix that would put the camera into its place."""
    axes = pose.new_tensor(OPENGL)
    inverse = torch.linalg.inv(pose)
    readings = {
        '"type": "world_to_camera"': inverse,
        '"axes": "opengl"': pose @ axes,
        '"type": "world_to_camera" and "axes": "opengl"': inverse @ axes,
    }
    fitting = {
        float(_degrees_aside(matrix[None], preset)): told
        for told, matrix in readings.items()
        if in_place(matrix[None], preset)
    }
    if fitting:
        return f"add {fitting[min(fitting)]} beside its matrix, which then fits"
    return "is its matrix world-to-camera, or its axes OpenGL's? Say so beside it"
