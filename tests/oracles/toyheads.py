"""ToyHeads drawn plainly: every ray meets every part, and all pixels get the same samples."""

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.toyheads.identity import Heads
from nerfgan_cli.data.toyheads.paint import surface_colour
from nerfgan_cli.data.toyheads.parts import Geometry, take_apart
from nerfgan_cli.data.toyheads.quadrics import hit_distance
from nerfgan_cli.data.toyheads.threads import one_thread
from nerfgan_cli.nn.rays import camera_rays

WHITE = 1.0


@one_thread()
def draw(heads: Heads, camera: Camera, resolution: int, samples_per_side: int) -> Tensor:
    """Images [B, 3, H, W] in [-1, 1]: a finer picture, averaged."""
    fine = resolution * samples_per_side
    rays = camera_rays(camera.expand(len(heads)), fine)
    distance = hit_distance(
        heads.rows.permute(2, 0, 1)[..., None],
        rays.origins.permute(2, 0, 1)[:, :, None],
        rays.directions.permute(2, 0, 1)[:, :, None],
        2.3,
    )
    depth, part = distance.min(dim=1)  # [B, R]
    head = torch.arange(len(heads))[:, None].expand_as(depth).flatten()
    points = rays.origins + torch.where(depth.isfinite(), depth, 0)[..., None] * rays.directions
    colour = surface_colour(
        heads.rows, heads.colours, heads.looks, head, part.flatten(), points.flatten(0, 1)
    ).view_as(points)
    colour = torch.where(depth.isfinite()[..., None], colour, WHITE)
    image = colour.mT.reshape(-1, 3, fine, fine) * 2 - 1
    return torch.nn.functional.avg_pool2d(image, samples_per_side)


@one_thread()
def first_hit(rows: Tensor, origin: Tensor, direction: Tensor) -> Tensor:
    """Distances along rays [R, 3] to one part (row [ROW]), in float64, from first principles.

    The part's borders can only be met at the roots of its quadrics and on the planes of its box:
    the first stretch between these whose middle is inside the part begins at the hit.
    """
    part = take_apart(rows.double())
    origin, direction = origin.double(), direction.double()
    u, v = (origin - part.center) @ part.matrix.mT, direction @ part.matrix.mT
    planes = [(limit - u) / v for limit in (part.low, part.high)]
    cut_u = (origin - part.cut_center) @ part.cut_matrix.mT
    cut_v = direction @ part.cut_matrix.mT
    borders = torch.cat(
        [*planes, _roots(part.quadric, u, v), _roots(part.cut_quadric, cut_u, cut_v)], dim=1
    )
    borders = borders.nan_to_num(0, 0, 0).clamp(0, 10).sort(dim=1).values
    middles = (borders[:, 1:] + borders[:, :-1]) / 2
    points = origin[:, None] + middles[..., None] * direction[:, None]
    inside = _contains(part, points) & (borders[:, 1:] - borders[:, :-1] > 1e-9)
    start = torch.where(inside, borders[:, :-1], torch.inf)
    return start.amin(dim=1)


def _roots(quadric: Tensor, u: Tensor, v: Tensor) -> Tensor:  # [R, 2]
    kx, ky, kz, linear, m = quadric
    k = torch.stack([kx, ky, kz])
    a, b = (k * v * v).sum(dim=1), 2 * (k * u * v).sum(dim=1) + linear * v[:, 1]
    c = (k * u * u).sum(dim=1) + linear * u[:, 1] - m
    root = (b * b - 4 * a * c).sqrt()
    return torch.stack([(-b - root) / (2 * a), (-b + root) / (2 * a)], dim=1)


def _contains(part: Geometry, points: Tensor) -> Tensor:  # [..., 3] -> [...]
    u = (points - part.center) @ part.matrix.mT
    within = ((u >= part.low) & (u <= part.high)).all(dim=-1)
    cut = (points - part.cut_center) @ part.cut_matrix.mT
    return within & (_value(part.quadric, u) <= 0) & (_value(part.cut_quadric, cut) >= 0)


def _value(quadric: Tensor, u: Tensor) -> Tensor:
    return (quadric[:3] * u * u).sum(dim=-1) + quadric[3] * u[..., 1] - quadric[4]
