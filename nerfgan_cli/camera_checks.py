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
SIMILAR = 0.1  # a focal length that is off the preset's by more belongs to other pictures
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
    right = _in_place(camera.cam2world, preset) & _shows_pivot(camera, preset)
    for index in (~right).nonzero().flatten().tolist():
        if index not in faults:
            faults[index] = _misplaced(
                camera[index], float(aside[index]), float(distance[index]), preset
            )
    return sorted(faults.items())


def unlike_lens(camera: Camera, preset: CameraPreset) -> str | None:
    """What to say where focal lengths are not those that a model for such cameras has seen."""
    focals = camera.intrinsics[:, 0, 0]
    focal = float(focals[(focals - preset.focal).abs().argmax()])
    if abs(focal / preset.focal - 1) <= SIMILAR:
        return None
    return (
        f"a focal length of {focal:.4g} where {preset.focal:.4g} is usual: these are cameras of "
        "another domain, or a subject cut out larger or smaller"
    )


def _misplaced(camera: Camera, aside: float, distance: float, preset: CameraPreset) -> str:
    """What is wrong with the place or the direction of one camera.

    The last is the sharpest: a world-to-camera matrix taken for its inverse stands before the
    subject, whatever its yaw, and looks past it by as much.
    """
    if aside > MOST_ASIDE:
        remedy = _remedy(camera, preset)
        return f"it looks away from the object, by {aside:.0f} degrees: {remedy}"
    if not in_place(camera.cam2world, preset):
        return (
            f"it stands {distance:.3g} from the origin, {preset.radius:.3g} is usual here: scale "
            "its world, or take a model for such cameras"
        )
    remedy = _remedy(camera, preset)
    return f"it looks past the object, by {aside:.0f} degrees, out of its picture: {remedy}"


def in_place(cam2world: Tensor, preset: CameraPreset) -> bool:  # [B, 4, 4]
    """Whether all cameras look at the preset's subject from about its distance."""
    return bool(_in_place(cam2world, preset).all())


def _in_place(cam2world: Tensor, preset: CameraPreset) -> Tensor:  # [B, 4, 4] -> [B]
    distance = cam2world[:, :3, 3].norm(dim=1) / preset.radius
    near = (distance >= DISTANCES[0]) & (distance <= DISTANCES[1])
    right: Tensor = near & (_degrees_aside(cam2world, preset) <= MOST_ASIDE)
    return right


def _degrees_aside(cam2world: Tensor, preset: CameraPreset) -> Tensor:  # [B, 4, 4] -> [B]
    way = cam2world.new_tensor(preset.pivot) - cam2world[:, :3, 3]
    cosine = (way * cam2world[:, :3, 2]).sum(dim=1) / way.norm(dim=1).clamp(min=1e-9)
    degrees: Tensor = cosine.clamp(-1, 1).acos().rad2deg()
    return degrees


def _shows_pivot(camera: Camera, preset: CameraPreset) -> Tensor:  # [B]
    """Whether the middle of the subject lies in the picture, if it lies before the camera."""
    way = camera.cam2world.new_tensor(preset.pivot) - camera.position
    local = (camera.cam2world[:, :3, :3].mT @ way[:, :, None])[:, :, 0]
    seen = (camera.intrinsics @ local[:, :, None])[:, :, 0]
    place = seen[:, :2] / seen[:, 2:]
    return ((place >= 0) & (place <= 1)).all(dim=1)


def _remedy(camera: Camera, preset: CameraPreset) -> str:
    """The reading of the matrix that would put one camera into its place."""
    pose = camera.cam2world[0]
    axes, inverse = pose.new_tensor(OPENGL), torch.linalg.inv(pose)
    kind, opengl = 'its "type", world_to_camera or camera_to_world,', '"axes": "opengl"'
    readings = {  # what the file says already is not known here
        f"its matrix fits once inverted, so state {kind}": inverse,
        f"its matrix fits with OpenGL's axes, so state {opengl}": pose @ axes,
        f"its matrix fits once inverted, with OpenGL's axes, so state {kind} and {opengl}": (
            inverse @ axes
        ),
    }
    fitting = {
        float(_degrees_aside(matrix[None], preset)): told
        for told, matrix in readings.items()
        if in_place(matrix[None], preset)
        and bool(_shows_pivot(Camera(matrix[None], camera.intrinsics), preset))
    }
    if fitting:
        return f"{fitting[min(fitting)]} beside it or when converting the file"
    return "is its matrix world-to-camera, or its axes OpenGL's? Say so beside it"
