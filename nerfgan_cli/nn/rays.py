"""Where a volume is looked at: camera rays, their limits in the cube, and the lattice of a mesh.

Directions have unit length, so that a depth is the distance from the camera. Pixels are row-major
from the top left corner, sampled at their centres.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera


class Rays(NamedTuple):
    origins: Tensor  # [B, R, 3]
    directions: Tensor  # [B, R, 3], unit length


def camera_rays(camera: Camera, resolution: int, margin: int = 0) -> Rays:
    """The rays through the R = (resolution + 2 · margin)² pixels of each camera.

    The margin lies outside the picture, as many pixels on each side.
    """
    K, pose = camera.intrinsics, camera.cam2world
    fx, skew, cx = (K[:, 0, i, None] for i in range(3))
    fy, cy = (K[:, 1, i, None] for i in (1, 2))
    index = torch.arange(-margin, resolution + margin, device=pose.device, dtype=pose.dtype)
    center = (index + 0.5) / resolution
    row, column = torch.meshgrid(center, center, indexing="ij")
    y = (row.flatten() - cy) / fy
    x = (column.flatten() - cx - skew * y) / fx
    in_camera = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    directions = torch.nn.functional.normalize(in_camera @ pose[:, :3, :3].mT, dim=-1)
    return Rays(pose[:, None, :3, 3].expand_as(directions), directions)


def box_limits(rays: Rays, side: float) -> tuple[Tensor, Tensor]:  # [B, R, 1], [B, R, 1]
    """Depths at which rays enter and leave the cube [−side/2, side/2]³; −1 and −2 where they miss.

    The entry is negative if the camera is inside.
    """
    inverse = 1 / rays.directions
    first, second = ((sign * side / 2 - rays.origins) * inverse for sign in (-1, 1))
    near = torch.minimum(first, second).amax(dim=-1, keepdim=True)
    far = torch.maximum(first, second).amin(dim=-1, keepdim=True)
    miss = near > far
    return near.masked_fill(miss, -1), far.masked_fill(miss, -2)


def auto_limits(rays: Rays, side: float) -> tuple[Tensor, Tensor]:  # [B, R, 1], [B, R, 1]
    """`box_limits`, with limits for the rays that miss: taken from the other rays of the image.

    EG3D gives them the smallest and the *largest entry* of the rays that hit (it surely meant the
    largest exit), over the whole batch; here a picture does not depend on its batch mates.
    """
    near, far = (x.detach() for x in box_limits(rays, side))
    hit = far > near
    any_hit = hit.any(dim=1, keepdim=True)
    nearest = near.masked_fill(~hit, torch.inf).amin(dim=1, keepdim=True)
    farthest = near.masked_fill(~hit, -torch.inf).amax(dim=1, keepdim=True)
    miss = ~hit & any_hit
    return torch.where(miss, nearest, near), torch.where(miss, farthest, far)


def shape_lattice(
    index: Tensor,  # [N], numbers of lattice points, of resolution³; x is slowest, z fastest
    resolution: int,
    side: float,
    sheared: bool = False,
) -> Tensor:  # [N, 3]
    """Points of a regular lattice over the cube [−side/2, side/2]³.

    `sheared` gives EG3D's own points, whose divisions are not rounded down: each coordinate
    carries a fraction of the next, up to one voxel.
    """
    voxel = side / (resolution - 1)
    if sheared:
        number = index.float()
        steps = [number / resolution**2, number / resolution, number]
    else:
        steps = [(index // resolution**power).float() for power in (2, 1, 0)]
    return torch.stack([step % resolution for step in steps], dim=-1) * voxel - side / 2
