"""Camera of an FFHQ picture from a face reconstruction (EG3D's data preparation).

Deep3DFaceRecon predicts the head's pose before a fixed camera; the label wants the camera's pose
about a fixed head, at the distance that all FFHQ cameras share.
"""

import torch
from torch import Tensor

from nerfgan_cli.cameras import ORIGIN, PRESETS, Point, intrinsics_matrix

CAMERA_DISTANCE = 10.0  # of the reconstruction network, in its units
FACE_UNIT = 0.27  # of the network's units in EG3D's world
FACE_OFFSET = (0.0, 0.006, 0.161)
FOCAL_PIXELS, CROP_PIXELS = 2985.29, 700  # 2985.29 = 1015·(1024/224)·(300/466.285)
CORRECTED_CENTER: Point = (0.0, 0.0, 0.175)


def pose_from_reconstruction(
    angles: Tensor,  # [B, 3], rotations about x, y, z in radians
    translation: Tensor,  # [B, 3]
) -> Tensor:  # [B, 4, 4]
    """Camera-to-world matrix, its distance not yet normalised."""
    x, y, z = (_rotation(angles[:, axis], axis) for axis in range(3))
    rotation = (z @ y @ x).mT
    offset = translation - translation.new_tensor([0, 0, CAMERA_DISTANCE])
    center = -(rotation @ offset[:, :, None])[:, :, 0]
    pose = torch.eye(4).to(angles).repeat(len(angles), 1, 1)
    pose[:, :3, :3] = rotation * angles.new_tensor([1, -1, -1])  # OpenGL to OpenCV axes
    pose[:, :3, 3] = FACE_UNIT * center + angles.new_tensor(FACE_OFFSET)
    return pose


def normalize_distance(
    cam2world: Tensor,  # [B, 4, 4]
    center: Point = ORIGIN,  # as released; CORRECTED_CENTER is the release's other mode
) -> Tensor:  # [B, 4, 4]
    """Moves the camera along its ray from `center` to FFHQ's distance, the rotation unchanged."""
    middle = cam2world.new_tensor(center)
    direction = torch.nn.functional.normalize(cam2world[:, :3, 3] - middle, dim=1)
    pose = cam2world.clone()
    pose[:, :3, 3] = middle + PRESETS["ffhq"].radius * direction
    return pose


def ffhq_intrinsics() -> Tensor:  # [3, 3]
    return intrinsics_matrix(FOCAL_PIXELS / CROP_PIXELS)


def _rotation(angle: Tensor, axis: int) -> Tensor:  # [B] -> [B, 3, 3]
    """Right-handed rotation about a coordinate axis."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = torch.eye(3).to(angle).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, second, first] = angle.sin()
    matrix[:, first, second] = -angle.sin()
    return matrix
