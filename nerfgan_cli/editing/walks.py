"""Ways from subject to subject, through z or w.

A time is counted in keyframes: 0 is the first, 1 the second; on a closed way of K keyframes, K is
the first again. Numbers are computed in float64.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

Way: TypeAlias = Callable[[Tensor], Tensor]  # times [T] -> [T, ..., D]

WRAPS = 2  # repetitions of the keyframes before and after, as in EG3D's videos
LEAST_ANGLE = 1e-4  # radians; nearer to 0 or π two vectors span no plane to turn in


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:  # [..., D], [..., D], [...] -> [..., D]
    """On the straight line; the end points are exact."""
    t = t[..., None]
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:  # [..., D], [..., D], [...] -> [..., D]
    """Turns from a to b at constant speed, while the length goes evenly (Shoemake 1985).

    A Gaussian latent of many numbers lies near a sphere, which a straight line would leave.
    """
    lengths = [x.norm(dim=-1).clamp(min=1e-12) for x in (a, b)]
    cosine = (a * b).sum(dim=-1) / (lengths[0] * lengths[1])
    omega = torch.arccos(cosine.clamp(-1, 1))
    turning = (omega > LEAST_ANGLE) & (omega < torch.pi - LEAST_ANGLE)
    omega = torch.where(turning, omega, 1)
    length = (1 - t) * lengths[0] + t * lengths[1]
    of_a = torch.sin((1 - t) * omega) / torch.sin(omega) * (length / lengths[0])
    of_b = torch.sin(t * omega) / torch.sin(omega) * (length / lengths[1])
    turned = of_a[..., None] * a + of_b[..., None] * b
    return torch.where(turning[..., None], turned, lerp(a, b, t))


def piecewise(
    keyframes: Tensor,  # [K, ..., D]
    closed: bool,
    between: Callable[[Tensor, Tensor, Tensor], Tensor] = lerp,  # or slerp
) -> Way:
    """From each keyframe to the next on its own, with a bend where they meet."""
    points = keyframes.cpu().double()
    points = torch.cat([points, points[:1]]) if closed or len(points) == 1 else points

    def way(times: Tensor) -> Tensor:
        times = times.cpu().double()
        first = times.floor().long().clamp(0, len(points) - 2)
        part = (times - first).reshape(-1, *[1] * (points.ndim - 2))
        part = part.expand(-1, *points.shape[1:-1])
        return between(points[first], points[first + 1], part).to(keyframes)

    return way


def spline(keyframes: Tensor, closed: bool) -> Way:  # [K, ..., D]
    """A smooth way through the keyframes: a cubic spline, not-a-knot.

    A closed one repeats the row of keyframes on either side, as EG3D's videos do, so that what
    happens at the ends of the spline is out of sight.
    """
    count = len(keyframes)
    if count == 1:
        return piecewise(keyframes, closed)
    values = keyframes.double().cpu().numpy()
    knots = np.arange(count)
    if closed:
        values = np.concatenate([values] * (2 * WRAPS + 1))
        knots = np.arange(-WRAPS * count, (WRAPS + 1) * count)
    curve = CubicSpline(knots, values, axis=0)
    return lambda times: torch.from_numpy(curve(times.double().cpu().numpy())).to(keyframes)
