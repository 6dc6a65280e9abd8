"""A surface as a picture: each ray goes until the density passes a level (Mimic3D, figure 5).

It is the surface that marching cubes makes a mesh of (`surface.py`), at the picture's own
resolution, and so shows whatever detail the volume has. A coarse lattice tells beforehand which
part of it is meant, and where rays have to look at all.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from nerfgan_cli.cameras import Camera, Point
from nerfgan_cli.media import Picture, to_pixels
from nerfgan_cli.meshes.mesh import SPECK
from nerfgan_cli.meshes.paint import Field, normal_map
from nerfgan_cli.nn.rays import Rays, box_limits, camera_rays

CELLS = 96  # of the lattice, along each side
MARGIN = 2  # cells about the part that is meant: what is thinner than one may be missed
STEPS = 192  # along a ray through the volume
HALVINGS = 8  # of the step in which the level is passed
RAYS = 2048  # in memory at once
LIGHT = (-0.5, -0.6, -1.0)  # where it comes from, in the camera's axes: left, above, behind it
AMBIENT = 0.15  # of the light, from everywhere
PAPER = 1.0  # of images in [−1, 1], where there is no surface


class Body(NamedTuple):
    """What is dense about a point, and connected."""

    field: Field
    level: float  # of the density, before its activation
    side: float  # of the cube about the origin that is looked at
    cells: Tensor  # [N, N, N] bool along x, y, z, where it can be

    def is_dense(self, points: Tensor) -> Tensor:  # [N, 3] -> [N]
        size = len(self.cells)
        place = ((points / self.side + 0.5) * size).long().clamp(0, size - 1)
        possible = self.cells[tuple(place.unbind(dim=1))]
        dense = torch.zeros_like(possible)
        if possible.any():
            dense[possible] = self.field.sigma(points[possible]) > self.level
        return dense


@torch.inference_mode()
def find_body(field: Field, point: Point, side: float, level: float) -> Body:
    """The connected part that comes nearest to the point, specks left out, as of a mesh."""
    axis = (torch.arange(CELLS, device=field.device) + 0.5) / CELLS * side - side / 2
    lattice = torch.cartesian_prod(axis, axis, axis)
    dense = (field.sigma(lattice) > level).view(CELLS, CELLS, CELLS).cpu().numpy()
    parts, count = ndimage.label(dense)
    if not count:
        return Body(field, level, side, torch.zeros_like(torch.from_numpy(dense)).to(field.device))
    away = (lattice - lattice.new_tensor(point)).norm(dim=1).view(dense.shape).cpu().numpy()
    numbers = np.arange(1, count + 1)
    sizes = np.bincount(parts.ravel())[1:]
    nearest = ndimage.minimum(away, parts, numbers)
    chosen = numbers[np.where(sizes >= SPECK * sizes.max(), nearest, np.inf).argmin()]
    cells = ndimage.binary_dilation(parts == chosen, iterations=MARGIN)
    cells &= ~dense | (parts == chosen)
    return Body(field, level, side, torch.from_numpy(cells).to(field.device))


@torch.inference_mode()
def shade(body: Body, camera: Camera, size: int) -> Picture:  # one camera; of the picture
    """The surface in grey, lit from beside the camera."""
    camera = camera.to(body.field.device)
    rays = camera_rays(camera, size)
    parts = (slice(start, start + RAYS) for start in range(0, size**2, RAYS))
    depth = torch.cat([find_depth(body, Rays(*(x[:, part] for x in rays))) for part in parts])
    there = depth.isfinite().view(1, 1, size, size)
    behind = rays.origins.norm(dim=-1).max() + body.side
    facing = normal_map(camera, depth.clamp(max=behind).view(1, 1, size, size))
    light = torch.nn.functional.normalize(facing.new_tensor(LIGHT), dim=0)
    towards = camera.cam2world[0, :3, :3] @ light
    normals = torch.nn.functional.normalize(facing, dim=1)
    lit = torch.einsum("bchw,c->bhw", normals, towards)[:, None].clamp(min=0)
    gray = 2 * (AMBIENT + (1 - AMBIENT) * lit) - 1
    picture: Picture = to_pixels(torch.where(there, gray, PAPER).expand(-1, 3, -1, -1))[0]
    return picture


def find_depth(body: Body, rays: Rays) -> Tensor:  # [1, R, 3] -> [R]
    """Distance to the surface; infinite where there is none. The cube's own sides close it."""
    origins, directions = (x[0] for x in rays)
    near, far = (limit[0] for limit in box_limits(rays, body.side))
    hits = far > near.clamp(min=0)

    def is_dense(depths: Tensor) -> Tensor:  # [R, S] -> [R, S]
        points = origins[:, None] + directions[:, None] * depths[..., None]
        return body.is_dense(points.flatten(0, 1)).view_as(depths)

    depths = near + (far - near) * torch.linspace(0, 1, STEPS, device=near.device)
    dense = is_dense(depths) & hits
    first = dense.int().argmax(dim=1, keepdim=True)
    high, low = depths.gather(1, first), depths.gather(1, (first - 1).clamp(min=0))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = is_dense(middle)
        low, high = torch.where(inside, low, middle), torch.where(inside, middle, high)
    return torch.where(dense.any(dim=1), high[:, 0], torch.inf)
