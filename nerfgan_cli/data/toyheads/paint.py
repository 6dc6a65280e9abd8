"""The colour of a surface point: what is painted there, under a soft light fixed in the world.

Nothing depends on the direction of view.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads import features
from nerfgan_cli.data.toyheads.looks import Looks
from nerfgan_cli.data.toyheads.parts import NUMBER, SLOTS, SMOOTH, Paint
from nerfgan_cli.data.toyheads.quadrics import chunk_size, distance, normal, solid_slope

BLEND = 0.010  # over this distance parts of the skin flow into each other
OCCLUDERS = {  # how far and how strongly they shade what is near
    "jaw": (0.040, 0.55),
    **dict.fromkeys(
        ("cap", "back", "crown", "visor", "beard", "eye_l", "eye_r", "nose"), (0.014, 0.26)
    ),
}
PAINTS = torch.tensor(list(SLOTS.values()))


class Near:
    """Points in the order of their heads, laid out by head, to meet many parts of it at once."""

    def __init__(self, rows: Tensor, head: Tensor, points: Tensor) -> None:  # [K], [K, 3]
        if len(head) > 0:  # only the heads that are met
            rows, head = rows[head[0] : head[-1] + 1], head - head[0]
        counts = torch.bincount(head, minlength=len(rows))
        place = torch.arange(len(head), device=head.device) - (counts.cumsum(0) - counts)[head]
        self.rows, self.head, self.place = rows, head, place
        laid = points.new_zeros(3, len(rows), int(counts.max()))
        laid[:, head, place] = points.mT
        self.points = laid[:, :, None]  # [3, B, 1, Kmax]

    def numbers(self, slots: Sequence[int]) -> Tensor:  # [ROW, B, S, 1]
        return self.rows[:, list(slots)].permute(2, 0, 1)[..., None].contiguous()

    def pick(self, values: Tensor) -> Tensor:  # [n, B, Kmax] -> [n, K]
        return values[:, self.head, self.place]


def surface_colour(
    rows: Tensor,  # [B, P, ROW]
    colours: Tensor,  # [B, P, 3]
    looks: Looks,
    head: Tensor,  # [K], of B, ascending
    part: Tensor,  # [K], of P
    points: Tensor,  # [K, 3], at the surface of the part
) -> Tensor:  # [K, 3] in [0, 1]
    size = chunk_size(points.device)
    pieces = zip(*(torch.split(x, size) for x in (head, part, points)), strict=True)
    return torch.cat([_colour_piece(rows, colours, looks, *piece) for piece in pieces])


def _colour_piece(
    rows: Tensor, colours: Tensor, looks: Looks, head: Tensor, part: Tensor, points: Tensor
) -> Tensor:
    numbers = rows.flatten(0, 1).mT.contiguous().index_select(1, head * rows.shape[1] + part)
    normals = normal(numbers, points.mT).mT
    result = torch.empty_like(points)
    paints = PAINTS.to(points.device)[part]
    for paint in Paint:
        chosen = (paints == paint).nonzero()[:, 0]
        if len(chosen) == 0:
            continue
        h, p, x, n = head[chosen], part[chosen], points[chosen], normals[chosen]
        at, colour = looks.at(h), colours[h, p]
        if paint == Paint.SKIN:
            near = Near(rows, h, x)
            n = _smooth_normals(near, p, n)
            colour = features.skin(at, colour, x, p) * _occlusion(near, p)
        elif paint == Paint.LID:
            colour = features.lid(at, colour, x, rows[h, p])
        elif paint == Paint.EYE:
            colour = features.eye(at, colour, x, p)
        elif paint == Paint.HAIR:
            colour = features.hair(at, colour, x, n)
        elif paint == Paint.CLOTH:
            colour = features.cloth(at, colour, x, p) * _occlusion(Near(rows, h, x), p)
        if paint == Paint.BACKDROP:  # not shaded: its creases do not show
            result[chosen] = features.backdrop(colour, x)
        else:
            result[chosen] = _light(colour, n, at.light)
    return result.clamp(0, 1)


def _light(colour: Tensor, normal: Tensor, light: Tensor) -> Tensor:  # [K, 3] each
    """Wrapped Lambert and a sky: shadows keep the colour's own hue, deeper."""
    wrapped = ((normal * light).sum(dim=1, keepdim=True) * 0.5 + 0.5).clamp(0, 1)
    amount = 0.80 * wrapped.square() + 0.12 * (normal[:, 1:2] * 0.5 + 0.5) + 0.10
    deep = colour * (0.60 + 0.15 * colour)
    lit = colour * 1.02 + 0.045
    return torch.lerp(deep, lit, amount.clamp(0, 1))


def _smooth_normals(near: Near, part: Tensor, n: Tensor) -> Tensor:  # [K], [K, 3]
    """Normals of the parts of the skin, mixed by how near each is."""
    distance, normals = solid_slope(near.numbers(range(SMOOTH)), near.points)  # [B, S, K]
    weight = torch.exp(-(distance.clamp_min(0) / BLEND).square())
    mixed = torch.nn.functional.normalize(near.pick((normals * weight).sum(dim=2)).mT, dim=1)
    return torch.where((part < SMOOTH)[:, None], mixed, n)


def _occlusion(near: Near, part: Tensor) -> Tensor:  # [K] -> [K, 3]
    """Darker, and redder, close to what overhangs: a stand-in for ambient occlusion."""
    slots = [NUMBER[name] for name in OCCLUDERS]
    far = distance(near.numbers(slots), near.points)  # [B, S, K]
    reach, strength = far.new_tensor(list(OCCLUDERS.values()))[:, :, None].unbind(dim=1)
    shade = near.pick((torch.exp(-far.clamp_min(0) / reach) * strength).movedim(1, 0))  # [S, K]
    shade[0] *= part >= NUMBER["neck"]  # the jaw overhangs the neck and the clothes only
    shade *= ~features.is_part(part, "low_lid_l", "low_lid_r")
    shade *= torch.tensor(slots, device=part.device)[:, None] != part
    open_sky = (1 - shade).prod(dim=0)[:, None]
    return open_sky ** open_sky.new_tensor([0.8, 1.05, 1.1])
