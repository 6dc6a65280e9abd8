"""Heads as fields: what is at a point of the box. For teaching a volume directly.

Each point of the box is either inside some part (occupied) or free. The backdrop's block is
occupied too.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.data.toyheads import quadrics
from nerfgan_cli.data.toyheads.identity import Heads
from nerfgan_cli.data.toyheads.paint import surface_colour
from nerfgan_cli.data.toyheads.parts import NUMBER, take_apart
from nerfgan_cli.data.toyheads.renderer import draw, drawn_points
from nerfgan_cli.data.toyheads.threads import one_thread

VIEWS = (1.1, 0.55)  # yaw and pitch of the cameras of `surface_points` are uniform within ±
VIEW_RESOLUTION = 96


class Field(NamedTuple):
    distance: Tensor  # [B, N], negative inside; exact to first order at surfaces, clamped to ±½
    colour: Tensor  # [B, N, 3] in [0, 1], of the nearest surface
    part: Tensor  # [B, N], the number of its slot


@one_thread()
def inside(heads: Heads, points: Tensor) -> Tensor:  # [B, N, 3] -> [B, N]
    """Whether points are occupied, exactly."""
    pieces = [quadrics.contains(numbers, x).any(dim=1) for numbers, _, x in _pieces(heads, points)]
    return torch.cat(pieces)


@one_thread()
def field(heads: Heads, points: Tensor) -> Field:  # [B, N, 3]
    B, N, _ = points.shape
    distances, parts = [], []
    for numbers, slots, x in _pieces(heads, points):
        distance, nearest = quadrics.distance(numbers, x).min(dim=1)
        distances.append(distance.clamp(-0.5, 0.5))
        parts.append(slots.gather(1, nearest))
    part = torch.cat(parts)
    head = torch.arange(B, device=points.device).repeat_interleave(N)
    colour = surface_colour(
        heads.rows, heads.colours, heads.looks, head, part.flatten(), points.flatten(0, 1)
    )
    return Field(torch.cat(distances), colour.view(B, N, 3), part)


class SurfacePoints(NamedTuple):
    points: Tensor  # [B, N, 3]
    colour: Tensor  # [B, N, 3] in [0, 1]


def surface_points(heads: Heads, count: int, generator: torch.Generator) -> SurfacePoints:
    """Points on surfaces that are seen from outside: of each head from one random camera.

    At least half of them lie on the head, the others anywhere in the picture. The generator is the
    CPU's.
    """
    B = len(heads)
    yaw, pitch = (limit * (2 * torch.rand(B, generator=generator) - 1) for limit in VIEWS)
    camera = PRESETS["ffhq"].at(yaw, pitch).to(heads.device)
    drawn = draw(heads, camera, VIEW_RESOLUTION, samples_per_side=1)
    part = drawn.part.flatten(1)
    half = count // 2
    weights = torch.stack([part >= 0, (part >= 0) & (part != NUMBER["backdrop"])]).float().cpu()
    pixel = torch.cat(
        [
            torch.multinomial(weights[0], count - half, replacement=True, generator=generator),
            torch.multinomial(weights[1], half, replacement=True, generator=generator),
        ],
        dim=1,
    ).to(heads.device)
    points = drawn_points(camera, drawn.depth).gather(1, pixel[..., None].expand(-1, -1, 3))
    colours = drawn.image.flatten(2).mT.gather(1, pixel[..., None].expand(-1, -1, 3))
    return SurfacePoints(points, (colours + 1) / 2)


def _pieces(heads: Heads, points: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """A few heads at a time: their parts [ROW, B, S, 1] with slots [B, S], points [3, B, 1, N]."""
    exists = take_apart(heads.rows).quadric[..., 4] > 0  # [B, P]
    count = int(exists.sum(dim=1).max())
    slots = exists.int().argsort(dim=1, descending=True, stable=True)[:, :count]
    rows = heads.rows.gather(1, slots[..., None].expand(-1, -1, heads.rows.shape[2]))
    size = max(1, 16 * quadrics.chunk_size(points.device) // (count * points.shape[1]))
    pieces = (torch.split(x, size) for x in (rows, slots, points))
    for some, names, x in zip(*pieces, strict=True):
        yield some.permute(2, 0, 1)[..., None].contiguous(), names, x.permute(2, 0, 1)[:, :, None]
