"""Patches: square parts of a picture, rendered alone or cut out of it (Mimic3D section 3.3).

Their corners are whole pixels of the picture, so that a part that is rendered lies exactly on the
part that is cut out (mimic3d.md 7).
"""

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera


def draw_corners(
    count: int,
    resolution: int,  # of the picture
    size: int,  # of the patch
    generator: torch.Generator,
) -> Tensor:  # [count, 2] int64: row and column of the first pixel, each uniform
    return torch.randint(resolution - size + 1, (count, 2), generator=generator)


def patch_cameras(
    camera: Camera,  # B, of whole pictures
    corners: Tensor,  # [B, 2]
    resolution: int,  # of the pictures
    size: int,  # of the patch
) -> Camera:  # B
    """The cameras that see the patches and nothing else."""
    top, left = (corners.to(camera.cam2world.device) / resolution).unbind(dim=1)
    return camera.cropped(left, top, size / resolution)


def cut(
    images: Tensor,  # [B, C, R, R]
    corners: Tensor,  # [B, 2]
    size: int,
) -> Tensor:  # [B, C, size, size]
    return torch.stack(
        [
            image[:, top : top + size, left : left + size]
            for image, (top, left) in zip(images, corners.tolist(), strict=True)
        ]
    )
