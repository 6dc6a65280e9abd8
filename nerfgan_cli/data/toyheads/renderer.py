"""Exact pictures of heads: every part is intersected with every ray that may meet it.

1. The box of each part bounds it in the picture; (part, pixel) pairs inside these bounds are
   intersected in closed form, and the nearest hit of each pixel is coloured.
2. Pixels at edges, where the part, the depth or the colour differs from a neighbour's, are drawn
   again with several rays each.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.toyheads.identity import Heads
from nerfgan_cli.data.toyheads.paint import surface_colour
from nerfgan_cli.data.toyheads.parts import take_apart
from nerfgan_cli.data.toyheads.quadrics import chunk_size, hit_distance
from nerfgan_cli.data.toyheads.threads import one_thread
from nerfgan_cli.nn.rays import camera_rays

BEYOND = (1.0, 1.0, 1.0)  # seen past the backdrop, by extreme cameras only; in [0, 1]
NOTHING = -1  # the part seen there
COLOUR_EDGE = 0.05
DEPTH_EDGE = 0.02
NEAR = 2.3  # of the distance to the origin, subtracted for precision


class Drawn(NamedTuple):
    image: Tensor  # [B, 3, H, W] in [-1, 1]
    depth: Tensor  # [B, 1, H, W], distance along the ray through the pixel's centre; ∞ past all
    part: Tensor  # [B, 1, H, W], number of the slot seen there (`parts.SLOTS`), or −1


class Pairs(NamedTuple):
    """Parts that may be seen in pixels, sorted by nothing."""

    pixel: Tensor  # [N], of B·H·W
    slot: Tensor  # [N], of B·P


@one_thread()
def draw(heads: Heads, camera: Camera, resolution: int, samples_per_side: int = 2) -> Drawn:
    """B heads, each by its camera (or all by one). Antialiased by samples_per_side² rays."""
    B = len(heads)
    camera = camera.expand(B)
    pairs = find_pairs(heads, camera, resolution)
    rays = camera_rays(camera, resolution)
    head = torch.arange(B, device=heads.device).repeat_interleave(resolution**2)
    depth, part, colour = _trace(
        heads, pairs, head, rays.origins.flatten(0, 1), rays.directions.flatten(0, 1)
    )
    side = (B, resolution, resolution)
    if samples_per_side > 1:
        edge = find_edges(colour.view(*side, 3), depth.view(side), part.view(side)).flatten()
        colour = _refine(heads, camera, pairs, edge, colour, resolution, samples_per_side)
    image = colour.view(*side, 3).permute(0, 3, 1, 2).contiguous() * 2 - 1
    return Drawn(image, depth.view(side)[:, None], part.view(side)[:, None])


def find_pairs(heads: Heads, camera: Camera, resolution: int) -> Pairs:
    first, last = screen_bounds(heads, camera, resolution)
    size = (last - first).clamp_min(0)  # [B·P, 2]
    width, counts = size[:, 0], size.prod(dim=1)
    slot = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    offset = torch.arange(len(slot), device=slot.device) - (counts.cumsum(0) - counts)[slot]
    wide = width[slot]
    row = torch.div(offset, wide, rounding_mode="floor")
    column = offset - row * wide + first[slot, 0]
    head = torch.div(slot, heads.rows.shape[1], rounding_mode="floor")
    return Pairs((head * resolution + row + first[slot, 1]) * resolution + column, slot)


def screen_bounds(heads: Heads, camera: Camera, resolution: int) -> tuple[Tensor, Tensor]:
    """First pixel (x, y) of each part and the one after the last: [B·P, 2] each."""
    part = take_apart(heads.rows)
    corners = torch.tensor([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)]).to(part.low)
    local = part.low[:, :, None] + corners * (part.high - part.low)[:, :, None]  # [B, P, 8, 3]
    world = torch.linalg.solve(part.matrix, local.mT).mT + part.center[:, :, None]
    seen = (world - camera.position[:, None, None]) @ camera.cam2world[:, None, :3, :3]
    seen = seen @ camera.intrinsics.mT[:, None]
    place = seen[..., :2] / seen[..., 2:].clamp_min(1e-3) * resolution
    present = (part.quadric[..., 4] > 0)[..., None]
    margin = 0.01  # pixels, against rounding
    first = (place.amin(dim=2) - margin).floor().clamp(0, resolution)
    last = (place.amax(dim=2) + margin).ceil().clamp(0, resolution)
    last = torch.where(present, last, first)
    return first.long().flatten(0, 1), last.long().flatten(0, 1)


def find_edges(image: Tensor, depth: Tensor, part: Tensor) -> Tensor:  # [B, H, W, 3], [B, H, W] × 2
    """Pixels that differ from a neighbour: [B, H, W]."""
    depth = depth.nan_to_num(posinf=10.0)
    edge = torch.zeros_like(part, dtype=torch.bool)
    for axis in (1, 2):
        count = part.shape[axis] - 1
        differs = part.diff(dim=axis) != 0
        differs |= depth.diff(dim=axis).abs() > DEPTH_EDGE
        differs |= image.diff(dim=axis).abs().amax(dim=-1) > COLOUR_EDGE
        edge.narrow(axis, 0, count).logical_or_(differs)
        edge.narrow(axis, 1, count).logical_or_(differs)
    return edge


def _refine(
    heads: Heads,
    camera: Camera,
    pairs: Pairs,
    edge: Tensor,  # [B·H·W]
    colour: Tensor,  # [B·H·W, 3]
    resolution: int,
    side: int,
) -> Tensor:
    """Colours with the pixels at edges replaced by the mean of side² rays."""
    samples = side * side
    chosen = edge.nonzero()[:, 0]
    number = edge.cumsum(0) - 1  # of a chosen pixel among its like
    kept = edge[pairs.pixel].nonzero()[:, 0]
    sub = torch.arange(samples, device=edge.device)
    fine = Pairs(
        (number[pairs.pixel[kept]][:, None] * samples + sub).flatten(),
        pairs.slot[kept].repeat_interleave(samples),
    )
    head, y, x = _unravel(chosen, resolution)
    x = (x[:, None] * side + sub % side).flatten()
    y = (y[:, None] * side + torch.div(sub, side, rounding_mode="floor")).flatten()
    head = head.repeat_interleave(samples)
    origins, directions = pixel_rays(camera, head, x, y, resolution * side)
    _, _, refined = _trace(heads, fine, head, origins, directions)
    colour = colour.clone()
    colour[chosen] = refined.view(-1, samples, 3).mean(dim=1)
    return colour


def _unravel(pixel: Tensor, resolution: int) -> tuple[Tensor, Tensor, Tensor]:
    rest, x = torch.div(pixel, resolution, rounding_mode="floor"), pixel % resolution
    return torch.div(rest, resolution, rounding_mode="floor"), rest % resolution, x


def pixel_rays(
    camera: Camera, head: Tensor, x: Tensor, y: Tensor, resolution: int
) -> tuple[Tensor, Tensor]:  # [R] each -> [R, 3] × 2
    """Some of the rays of `camera_rays`."""
    K, pose = camera.intrinsics[head], camera.cam2world[head]
    v = ((y + 0.5) / resolution - K[:, 1, 2]) / K[:, 1, 1]
    u = ((x + 0.5) / resolution - K[:, 0, 2] - K[:, 0, 1] * v) / K[:, 0, 0]
    local = torch.stack([u, v, torch.ones_like(u)], dim=-1)
    directions = (pose[:, :3, :3] * local[:, None]).sum(dim=-1)
    return pose[:, :3, 3], torch.nn.functional.normalize(directions, dim=-1)


def _trace(
    heads: Heads,
    pairs: Pairs,  # of slots and R rays
    head: Tensor,  # [R]
    origins: Tensor,  # [R, 3]
    directions: Tensor,  # [R, 3]
) -> tuple[Tensor, Tensor, Tensor]:  # depth [R], part [R], colour [R, 3]
    P = heads.rows.shape[1]
    numbers = heads.rows.flatten(0, 1).mT.contiguous()  # [ROW, B·P]
    starts, ways = origins.mT.contiguous(), directions.mT.contiguous()
    size = chunk_size(heads.device)
    distance = torch.cat(
        [
            hit_distance(
                numbers.index_select(1, slot),
                starts.index_select(1, ray),
                ways.index_select(1, ray),
                NEAR,
            )
            for ray, slot in zip(*(torch.split(x, size) for x in pairs), strict=True)
        ]
    )
    depth = torch.full_like(origins[:, 0], torch.inf)
    depth.scatter_reduce_(0, pairs.pixel, distance, "amin")
    nearest = ((distance == depth[pairs.pixel]) & distance.isfinite()).nonzero()[:, 0]
    part = torch.full_like(head, P)
    part.scatter_reduce_(0, pairs.pixel[nearest], pairs.slot[nearest] % P, "amin")
    colour = origins.new_tensor(BEYOND).repeat(len(origins), 1)
    hit = (part < P).nonzero()[:, 0]
    points = origins[hit] + depth[hit, None] * directions[hit]
    colour[hit] = surface_colour(
        heads.rows, heads.colours, heads.looks, head[hit], part[hit], points
    )
    return depth, torch.where(part < P, part, NOTHING), colour


def drawn_points(camera: Camera, depth: Tensor) -> Tensor:  # [B, 1, H, W] -> [B, H·W, 3]
    """The points in space that the pixels show."""
    rays = camera_rays(camera, depth.shape[-1])
    return rays.origins + depth.flatten(1)[..., None] * rays.directions
