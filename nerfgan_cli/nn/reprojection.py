"""Pictures carried over from one camera to another along the depth of what they show.

A pixel of camera b shows a point of the surface. Where camera a sees the same point, and not
another one before it, its picture says what the pixel of b should look like.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.nn.rays import camera_rays
from nerfgan_cli.ops.resize import resize
from nerfgan_cli.ops.warp import sample_bilinear

ROUNDING = 1e-5  # of positions


class Surface(NamedTuple):
    """What B cameras see of their subjects."""

    camera: Camera  # B
    depth: Tensor  # [B, 1, h, h], distance along each pixel's ray; infinite where nothing is


class Reprojected(NamedTuple):
    image: Tensor  # [B, C, H, H]
    seen: Tensor  # [B, 1, H, H], bool: both cameras see this point


class Projected(NamedTuple):
    """Points as a camera sees them."""

    position: Tensor  # [B, N, 2] as (x, y), image edges at ±1
    distance: Tensor  # [B, N], from the camera
    in_front: Tensor  # [B, N], bool


def reproject(
    image: Tensor,  # [B, C, H, H], as camera a sees it; gradients flow into it alone
    a: Surface,
    b: Surface,
    tolerance: float,  # world units by which the depths may disagree
) -> Reprojected:
    """What camera b would see, as far as camera a saw it."""
    B, _, H, _ = image.shape
    depth = resize(b.depth, H, antialias=False).flatten(1)  # [B, N]
    known = depth.isfinite()
    rays = camera_rays(b.camera, H)
    points = rays.origins + rays.directions * torch.where(known, depth, 1)[..., None]
    projected = project(a.camera, points)
    position = projected.position.view(B, H, H, 2)
    there = sample_bilinear(a.depth, position).flatten(1)
    edge = 1 - 1 / min(H, a.depth.shape[-1]) + ROUNDING  # the centres of the outermost pixels
    inside = (projected.position.abs() <= edge).all(dim=-1)
    same = (projected.distance - there).abs() < tolerance  # also false for what is not finite
    seen = known & projected.in_front & inside & same
    return Reprojected(sample_bilinear(image, position), seen.view(B, 1, H, H))


def project(camera: Camera, points: Tensor) -> Projected:  # B cameras, [B, N, 3] in the world
    K, pose = camera.intrinsics, camera.cam2world
    offset = points - camera.position[:, None]
    x, y, z = (offset @ pose[:, :3, :3]).unbind(dim=-1)
    in_front = z > 0
    z = torch.where(in_front, z, 1)
    pixels = torch.stack([x / z, y / z, torch.ones_like(z)], dim=-1) @ K.mT
    return Projected(2 * pixels[..., :2] - 1, offset.norm(dim=-1), in_front)
