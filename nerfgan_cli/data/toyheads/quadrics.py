"""Rays, distances and normals of parts in closed form.

All is elementwise over the numbers of parts, with the number's index first (`numbers`: [ROW, ...],
points and directions: [3, ...]): each operation runs over long contiguous rows, and the shapes
after the first broadcast, so that one definition serves a list of (part, point) pairs as well as
all parts at all points.
"""

from typing import NamedTuple

import torch
from torch import Tensor

TINY = 1e-12
Triple = tuple[Tensor, Tensor, Tensor]


def chunk_size(device: torch.device) -> int:
    """Pairs to compute at a time: on a CPU what is computed of them shall fit its cache."""
    return 1 << 14 if device.type == "cpu" else 1 << 20


class Region(NamedTuple):
    """The numbers of a quadric, [n, ...] each."""

    matrix: Tensor  # 9
    center: Tensor  # 3
    quadric: Tensor  # 5


def solid(numbers: Tensor) -> Region:
    return Region(numbers[0:9], numbers[9:12], numbers[12:17])


def cut(numbers: Tensor) -> Region:
    return Region(numbers[23:32], numbers[32:35], numbers[35:40])


def box(numbers: Tensor) -> tuple[Tensor, Tensor]:  # low [3, ...], high [3, ...]
    return numbers[17:20], numbers[20:23]


def hit_distance(
    numbers: Tensor,  # [ROW, ...]
    origins: Tensor,  # [3, ...]
    directions: Tensor,  # [3, ...], unit length
    start: float,  # where along the rays to reckon from: near the parts, for precision
) -> Tensor:  # [...], infinite where a ray misses
    """Distance to the first point of the part, seen from outside it."""
    origins = origins + start * directions
    u, v = _to_local(solid(numbers), origins), _turn(solid(numbers).matrix, directions)
    enter, leave = _interval(solid(numbers).quadric, u, v)
    for low, high, place, speed in zip(*box(numbers), u, v, strict=True):
        inverse = 1 / torch.where(speed.abs() < TINY, TINY, speed)
        first, second = (low - place) * inverse, (high - place) * inverse
        enter = torch.maximum(enter, torch.minimum(first, second))
        leave = torch.minimum(leave, torch.maximum(first, second))
    u, v = _to_local(cut(numbers), origins), _turn(cut(numbers).matrix, directions)
    cut_enter, cut_leave = _interval(cut(numbers).quadric, u, v)
    enter = torch.where((cut_enter < enter) & (enter < cut_leave), cut_leave, enter)
    return torch.where(enter < leave, enter + start, torch.inf)


def contains(numbers: Tensor, points: Tensor) -> Tensor:  # [ROW, ...], [3, ...] -> [...]
    u = _to_local(solid(numbers), points)
    inside = _value(solid(numbers).quadric, u) <= 0
    for low, high, place in zip(*box(numbers), u, strict=True):
        inside &= (place >= low) & (place <= high)
    outside = cut(numbers)
    return inside & (_value(outside.quadric, _to_local(outside, points)) >= 0)


def distance(numbers: Tensor, points: Tensor) -> Tensor:  # [ROW, ...], [3, ...] -> [...]
    """Signed distance to parts, exact to first order at their surfaces."""
    u, value, gradient = _slope(solid(numbers), points)
    result = value / _steepness(solid(numbers), gradient)
    matrix = solid(numbers).matrix
    for i, (low, high, place) in enumerate(zip(*box(numbers), u, strict=True)):
        scale = _length((matrix[3 * i], matrix[3 * i + 1], matrix[3 * i + 2]))
        result = torch.maximum(result, torch.maximum(place - high, low - place) / scale)
    _, value, gradient = _slope(cut(numbers), points)
    return torch.maximum(result, -value / _steepness(cut(numbers), gradient))


def solid_slope(numbers: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:  # [...], [3, ...]
    """Distance to, and normal of, the unclipped quadrics of parts."""
    _, value, gradient = _slope(solid(numbers), points)
    length = _length(gradient).clamp_min(TINY)
    return value / _steepness(solid(numbers), gradient), torch.stack(gradient) / length


def normal(numbers: Tensor, points: Tensor) -> Tensor:  # [ROW, ...], [3, ...] -> [3, ...]
    """Unit normals at surface points.

    A part is an intersection of regions; the one that the point lies farthest out of decides.
    """
    u, value, gradient = _slope(solid(numbers), points)
    farthest = value / _steepness(solid(numbers), gradient)
    result = torch.stack(gradient)
    matrix = solid(numbers).matrix
    for i, (low, high, place) in enumerate(zip(*box(numbers), u, strict=True)):
        axis = matrix[3 * i : 3 * i + 3]
        out = torch.maximum(place - high, low - place) / _length((axis[0], axis[1], axis[2]))
        side = torch.where(place - high > low - place, 1.0, -1.0)
        result = torch.where(out > farthest, side * axis, result)
        farthest = torch.maximum(farthest, out)
    _, value, gradient = _slope(cut(numbers), points)
    out = -value / _steepness(cut(numbers), gradient)
    result = torch.where(out > farthest, -torch.stack(gradient), result)
    return result / _length((result[0], result[1], result[2])).clamp_min(TINY)


def _turn(matrix: Tensor, x: Tensor) -> Triple:
    a, b, c = (matrix[i] * x[0] + matrix[i + 1] * x[1] + matrix[i + 2] * x[2] for i in (0, 3, 6))
    return a, b, c


def _to_local(region: Region, points: Tensor) -> Triple:
    return _turn(region.matrix, points - region.center)


def _value(quadric: Tensor, u: Triple) -> Tensor:
    kx, ky, kz, linear, m = quadric
    value: Tensor = kx * u[0].square() + (ky * u[1] + linear) * u[1] + kz * u[2].square() - m
    return value


def _slope(region: Region, points: Tensor) -> tuple[Triple, Tensor, Triple]:
    """Local coordinates, the quadric's value, and its gradient in the world."""
    u = _to_local(region, points)
    kx, ky, kz, linear, _ = region.quadric
    x, y, z = 2 * kx * u[0], 2 * ky * u[1] + linear, 2 * kz * u[2]
    matrix = region.matrix
    a, b, c = (matrix[i] * x + matrix[i + 3] * y + matrix[i + 6] * z for i in (0, 1, 2))
    return u, _value(region.quadric, u), (a, b, c)


def _steepness(region: Region, gradient: Triple) -> Tensor:
    """Length of the gradient; near a centre, where it vanishes, a floor."""
    m = region.matrix
    scales = [_length((m[i], m[i + 1], m[i + 2])) for i in (0, 3, 6)]
    return torch.maximum(_length(gradient), 0.5 * torch.stack(scales).amin(dim=0))


def _length(x: Triple) -> Tensor:
    return (x[0].square() + x[1].square() + x[2].square()).sqrt()


def _interval(quadric: Tensor, u: Triple, v: Triple) -> tuple[Tensor, Tensor]:
    """Where u + t·v is in the quadric: a·t² + 2·b·t + c ≤ 0. (∞, −∞) if nowhere."""
    kx, ky, kz, linear, _ = quadric
    x, y, z = kx * v[0], ky * v[1], kz * v[2]
    a = (x * v[0] + y * v[1] + z * v[2]).clamp_min(TINY)
    b = x * u[0] + y * u[1] + z * u[2] + 0.5 * linear * v[1]
    c = _value(quadric, u)
    discriminant = b.square() - a * c
    q = -(b + torch.copysign(discriminant.clamp_min(0).sqrt(), b))  # without cancellation
    first, second = q / a, c / torch.where(q == 0, TINY, q)
    hit = discriminant > 0
    enter = torch.where(hit, torch.minimum(first, second), torch.inf)
    return enter, torch.where(hit, torch.maximum(first, second), -torch.inf)
