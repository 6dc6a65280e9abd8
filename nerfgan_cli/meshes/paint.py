"""What a volume says of the points of its surface: their colours, and the way they face."""

from math import inf
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DrawOptions, Generator, Subject
from nerfgan_cli.meshes.mesh import Array, Colours, Mesh, unit
from nerfgan_cli.nn.rays import camera_rays
from nerfgan_cli.nn.reprojection import project
from nerfgan_cli.nn.volume import Samples, composite
from nerfgan_cli.ops.warp import sample_bilinear

POINTS = 1 << 16  # of the volume, that are looked at together
SAMPLES = 16  # along the ray that sees a vertex
BEFORE, BEHIND = 0.01, 0.06  # where it begins and ends about the surface, in sides of the cube
EMPTY = -1000.0  # density given to points above `Field.top`
TOLERANCE = 0.03  # world units between a vertex and the depth at which a camera sees it


class Field(NamedTuple):
    """A subject's volume."""

    generator: Generator  # with `has_density`
    subject: Subject  # one
    top: float = inf  # y of the world, above which there is nothing

    @property
    def device(self) -> torch.device:
        return self.subject.ws.device

    @torch.inference_mode()
    def sigma(self, points: Tensor) -> Tensor:  # [N, 3] -> [N]
        """Density before its activation."""
        parts = torch.split(points, POINTS)
        found = torch.cat(
            [self.generator.sample(self.subject, part[None]).sigma[0, :, 0] for part in parts]
        )
        return found.masked_fill(points[:, 1] > self.top, EMPTY)

    def density(self, points: Array) -> Array:  # [N, 3] -> [N]
        """The same of arrays."""
        found = self.sigma(torch.from_numpy(points).float().to(self.device))
        return found.double().cpu().numpy()


@torch.inference_mode()
def paint(field: Field, mesh: Mesh, normals: Array) -> Colours:  # [V, 3]
    """What a ray sees that meets the surface straight on: colours lie within, not upon it."""
    side = field.generator.density_side
    depths = torch.linspace(-BEFORE, BEHIND, SAMPLES, device=field.device) * side
    vertices, inward = (
        torch.from_numpy(x.astype(np.float32)).to(field.device) for x in (mesh.vertices, -normals)
    )
    found = []
    for start in range(0, len(vertices), POINTS // SAMPLES):
        part = slice(start, start + POINTS // SAMPLES)
        points = vertices[part, None] + inward[part, None] * depths[:, None]  # [R, S, 3]
        sigma, colours = field.generator.sample(field.subject, points.flatten(0, 1)[None])
        shape = points.shape[:2]
        samples = Samples(
            depths.expand(shape), sigma.view(shape), colours[0, :, :3].view(*shape, 3)
        )
        seen = composite([samples])
        found.append((seen.features + 1) / 2 / seen.weight[:, None].clamp(min=1e-6))
    colours = torch.cat(found).clamp(0, 1) * 255
    return colours.round().byte().cpu().numpy()


@torch.inference_mode()
def fuse_normals(
    field: Field,
    mesh: Mesh,
    normals: Array,  # [V, 3], which count as one more view, and alone where no camera sees
    cameras: Camera,
    options: DrawOptions,
) -> Array:  # [V, 3]
    """The mean direction in which the depths of many views say that the surface faces.

    Averaging over views takes out the grain that a density has between the samples of a ray.
    """
    vertices = torch.from_numpy(mesh.vertices)[None].to(field.device)
    total = torch.zeros_like(vertices[0])
    for index in range(len(cameras)):
        camera = cameras[index].to(field.device)
        drawn = field.generator.draw(field.subject, camera, options)
        assert drawn.depth is not None
        seen, distance, in_front = project(camera, vertices)
        maps = torch.cat([drawn.depth, normal_map(camera, drawn.depth)], dim=1)
        there = sample_bilinear(maps, seen[:, None])[0, :, 0].T  # [V, 4]
        visible = in_front[0] & (seen[0].abs() < 1).all(dim=-1)
        visible &= (distance[0] - there[:, 0]).abs() < TOLERANCE
        total += torch.where(visible[:, None], there[:, 1:], 0)
    return unit(total.double().cpu().numpy() + normals)


def normal_map(camera: Camera, depth: Tensor) -> Tensor:  # one, [1, 1, h, h] -> [1, 3, h, h]
    """Towards the camera; the longer, the more squarely it looks at the surface."""
    side = depth.shape[-1]
    rays = camera_rays(camera, side)
    points = rays.origins + rays.directions * depth.flatten(1)[..., None]
    points = points.view(1, side, side, 3)
    down, right = torch.gradient(points, dim=[1, 2])
    normals = torch.nn.functional.normalize(torch.linalg.cross(down, right), dim=-1)
    facing = -(normals * rays.directions.view_as(normals)).sum(dim=-1, keepdim=True)
    return (normals * facing).permute(0, 3, 1, 2)
