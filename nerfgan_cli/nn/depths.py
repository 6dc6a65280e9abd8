"""Where rays are sampled: stratified depths, then more of them where the volume is dense.

Stratified sampling and inverse-transform sampling follow NeRF section 5.2, the widened weights
mip-NeRF section 3.4, with the released EG3D's quirks: the jitter only moves outwards, and weights
act half a sample too early.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

CDF_FLOOR = 1e-5  # keeps the probability of every interval positive
BLOCK = 128**2  # rays that random numbers are drawn for at once: no more than a usual rendering has


class Draws(NamedTuple):
    """Uniform numbers in [0, 1) for the rays of one image; R may be 1 if all share them."""

    jitter: Tensor  # [R, S], moves each stratified depth by up to one interval
    u: Tensor  # [R, I], importance samples as quantiles
    noise: Tensor | None = None  # [R, S + I], normal, for `density_noise`

    def rows(self, chunk: slice) -> "Draws":
        jitter, u, noise = (x if x is None or len(x) == 1 else x[chunk] for x in self)
        assert jitter is not None
        assert u is not None
        return Draws(jitter, u, noise)


class RayDraws(Protocol):
    """Draws for the rays of one image, which are asked for in their order."""

    def rows(self, chunk: slice) -> Draws: ...


class RandomDraws:
    """Drawn in blocks of a fixed size as they are needed: chunks of rays bound the memory, and how
    large they are changes nothing.
    """

    def __init__(self, rays: int, coarse: int, draw: Callable[[int], Tensor]) -> None:
        self.coarse = coarse
        self.draw = draw  # for so many rays [N, 1 or 2, S + I]: uniform, and normal if asked for
        self.left = rays  # that nothing is drawn for yet
        self.kept = draw(0)  # for the next ones
        self.next = 0

    def rows(self, chunk: slice) -> Draws:
        assert chunk.start == self.next, "rays are asked for in their order"
        count = chunk.stop - chunk.start
        while len(self.kept) < count and self.left:
            size = min(BLOCK, self.left)
            self.kept = torch.cat([self.kept, self.draw(size)])
            self.left -= size
        uniform, *normal = self.kept[:count].unbind(dim=1)
        self.kept, self.next = self.kept[count:], chunk.stop
        jitter, u = uniform[:, : self.coarse], uniform[:, self.coarse :]
        return Draws(jitter, u, normal[0] if normal else None)


def midpoint_draws(coarse: int, fine: int, device: torch.device) -> Draws:
    """No randomness: the middle of each interval, and of each of `fine` equal quantiles."""
    quantiles = (torch.arange(fine, device=device) + 0.5) / max(fine, 1)
    return Draws(torch.full([1, coarse], 0.5, device=device), quantiles[None])


def random_draws(
    rays: int, coarse: int, fine: int, noise: bool, device: torch.device, generator: torch.Generator
) -> RandomDraws:
    """Of the rays of an image."""

    def draw(count: int) -> Tensor:
        shape, kinds = (count, coarse + fine), [torch.rand, torch.randn][: 2 if noise else 1]
        drawn = [kind(shape, generator=generator, device=generator.device) for kind in kinds]
        return torch.stack(drawn, dim=1).to(device)

    return RandomDraws(rays, coarse, draw)


def stratified_depths(
    near: Tensor,  # [R, 1]
    far: Tensor,  # [R, 1]
    jitter: Tensor,  # [R, S]
    disparity: bool = False,  # even steps in 1 / depth
) -> Tensor:  # [R, S], ascending; the last one reaches up to one interval beyond `far`
    S = jitter.shape[1]
    position = (torch.arange(S, device=near.device) + jitter) / (S - 1)
    if disparity:
        return 1 / ((1 - position) / near + position / far)
    return near + (far - near) * position


@torch.no_grad()
def importance_depths(
    depths: Tensor,  # [R, S], ascending
    weights: Tensor,  # [R, S - 1], of the intervals between them
    u: Tensor,  # [R, I]
) -> Tensor:  # [R, I]; no gradient flows through them
    """Depths distributed as the weights, widened to the neighbouring intervals."""
    larger = torch.maximum(weights[:, :-1], weights[:, 1:])
    larger = torch.cat([weights[:, :1], larger, weights[:, -1:]], dim=1)
    smooth = (larger[:, :-1] + larger[:, 1:]) / 2 + 0.01
    bins = (depths[:, :-1] + depths[:, 1:]) / 2
    # The weight of the interval around bins[j + 1] is spread over [bins[j], bins[j + 1]].
    return invert_cdf(bins[:, :-1], smooth[:, 1:-1], u)


def invert_cdf(
    edges: Tensor,  # [R, K + 1], ascending
    weights: Tensor,  # [R, K]
    u: Tensor,  # [R, I]
) -> Tensor:  # [R, I]
    """Quantiles of the piecewise constant density with these weights."""
    weights = weights + CDF_FLOOR
    cdf = (weights / weights.sum(dim=1, keepdim=True)).cumsum(dim=1)
    cdf = torch.nn.functional.pad(cdf, (1, 0))
    u = u.expand(len(cdf), -1).contiguous()
    above = torch.searchsorted(cdf, u, right=True)
    below = (above - 1).clamp_min(0)
    above = above.clamp_max(cdf.shape[1] - 1)
    cdf_below, edge_below = cdf.gather(1, below), edges.gather(1, below)
    rise = cdf.gather(1, above) - cdf_below
    rise = torch.where(rise < CDF_FLOOR, 1, rise)
    return edge_below + (u - cdf_below) / rise * (edges.gather(1, above) - edge_below)
