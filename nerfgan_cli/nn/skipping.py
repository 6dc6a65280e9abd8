"""Volume rendering without the samples that no ray sees: for drawing, where nothing is trained.

A sample is left out if it lies in empty space, as do its neighbours on the ray, or behind what the
ray cannot see through. What empty space is, a lattice of densities tells, once for each subject.
Depths and weights are those of `nn/volume.py`, so that only what is left out can differ:

    empty   σ < EMPTY at all corners of a cell; a ray loses softplus(σ − 1) < 0.1 % of its light
            in it for each unit of length. A sample is also evaluated if a neighbour's cell is not
            empty, since a ray mixes each sample with the next
    hidden  less than HIDDEN of the light behind gets through

So colours in [−1, 1] differ by at most TOLERANCE = 2 · (0.1 % · length + HIDDEN) for rays of length
1, as of faces, and 0.007 for 2.5, as of cars; as long as a cell is not larger than what there is to
be seen: the lattice follows the resolution of the images.
"""

from collections.abc import Iterable
from functools import partial
from math import log
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.nn.decoder import Decoder
from nerfgan_cli.nn.depths import Draws, RayDraws, importance_depths, stratified_depths
from nerfgan_cli.nn.rays import Rays
from nerfgan_cli.nn.superresolution_presets import RGB
from nerfgan_cli.nn.volume import (
    Bundle,
    Decode,
    Field,
    Rendered,
    Samples,
    interval_weights,
    render_image,
    texels_of,
)
from nerfgan_cli.nn.volume_config import VolumeConfig
from nerfgan_cli.ops.plane_axes import PLANE_AXES

EMPTY = -6.0  # density before its activation; softplus(−7) = 0.0009
HIDDEN = 0.001  # share of the light
TOLERANCE = 0.004  # of colours in [−1, 1], for rays of length 1
THICKEST = -log(HIDDEN)  # ∫ density, through which so much gets
NOTHING = -100.0  # density of what is left out
CELLS = 64  # of the lattice, along each side of the cube, at least
PIXELS = 4  # of an image, that a cell is as large as
LAYERS = 8  # samples of a ray that are looked at together
RAYS = 4096  # in a chunk on a CPU, about half of whose samples are evaluated, a few at a time


class Planes(NamedTuple):
    """Of B subjects, and where they have something."""

    coarse: Tensor  # [B, 3, C, H, H]
    residual: Tensor | None  # [B, 3, C, H', H'], added to them
    solid: Tensor  # [B, N + 2, N + 2, N + 2], of `find_solid`


@torch.no_grad()
def find_solid(
    planes: Tensor,  # [B, 3, C, H, H]
    residual: Tensor | None,  # [B, 3, C, H', H'], added to the planes
    decoder: Decoder,
    config: VolumeConfig,
    resolution: int,  # of the images
) -> Tensor:  # [B, N + 2, N + 2, N + 2], along x, y and z; the outermost cells are outside the cube
    """Cells in which something can be."""
    cells, found = max(CELLS, resolution // PIXELS), []
    for index in range(len(planes)):
        sets = [planes[index]] if residual is None else [planes[index], residual[index]]
        sigma = _lattice([each.float() for each in sets], decoder, config, cells)[None, None]
        dense = F.max_pool3d(sigma, kernel_size=2, stride=1)[0, 0] > EMPTY
        outside = decoder(planes.new_zeros(1, planes.shape[2], dtype=torch.float32), channels=0)
        found.append(F.pad(dense, [1] * 6, value=bool(outside.sigma > EMPTY)))
    return torch.stack(found)


def _lattice(
    sets: list[Tensor],  # [3, C, H, H] each
    decoder: Decoder,
    config: VolumeConfig,
    cells: int,
) -> Tensor:  # [N + 1, N + 1, N + 1], density before its activation, along x, y and z
    """On a regular lattice each plane is looked up but once for a whole line of points.

    The decoder's first layer is linear, and so can be applied to each plane by itself.
    """
    corners = torch.linspace(-1, 1, cells + 1, device=sets[0].device)
    width, height = torch.meshgrid(corners, corners, indexing="xy")
    grid = torch.stack([width, height], dim=-1).expand(3, -1, -1, -1)
    features = sum(F.grid_sample(each, grid, align_corners=False) for each in sets)
    assert isinstance(features, Tensor)
    first, last = decoder.layers
    hidden = torch.einsum("oc,pchw->phwo", first.matrix / 3, features)
    parts = []
    for (column, row), plane in zip(PLANE_AXES[config.plane_axes], hidden, strict=True):
        plane = plane.transpose(0, 1) if column < row else plane  # the axes in their order
        parts.append(plane.unsqueeze(({0, 1, 2} - {column, row}).pop()))
    weight, bias = last.matrix[0], last.bias[0] * last.bias_gain
    densities = []
    for x in range(cells + 1):
        a, b, c = (part[x] if len(part) > 1 else part[0] for part in parts)
        activated = decoder.net[1](a + b + c + first.bias * first.bias_gain)
        densities.append(activated @ weight + bias)
    return torch.stack(densities)


@torch.no_grad()
def render_seen(
    planes: Planes,  # of B subjects, or of one for all B images
    decode: Decode,
    rays: Rays,  # [B, R, 3]
    limits: tuple[Tensor, Tensor],  # [B, R, 1] each, of `ray_limits`
    config: VolumeConfig,
    draws: Iterable[RayDraws],  # one per image
    ray_chunk: int,  # rays in memory at once
) -> Rendered:  # [B, R, ...]
    """As `nn/volume.py` renders, but for what is not seen."""
    if planes.coarse.device.type == "cpu":
        ray_chunk = min(ray_chunk, RAYS)
    images = []
    for index, inputs in enumerate(zip(*rays, *limits, draws, strict=False)):
        if index < len(planes.coarse):
            texels = texels_of(index, planes.coarse, planes.residual)
            field = Field(texels, decode, config)
            sample = partial(sample_seen, solid=planes.solid[index])
        images.append(render_image(field, Bundle(*inputs), ray_chunk, sample=sample))
    return Rendered(*(torch.stack(parts) for parts in zip(*images, strict=True)))


def sample_seen(field: Field, rays: Bundle, solid: Tensor) -> list[Samples]:
    """Both passes, with NOTHING for what is left out."""
    config, draws = field.config, rays.draws
    assert isinstance(draws, Draws)
    depths = stratified_depths(rays.near, rays.far, draws.jitter, config.disparity_space_sampling)
    there = is_solid(solid, rays.points(depths), config.box_warp)
    canvas = Canvas(field, rays, depths)
    canvas.fill(with_neighbours(there))
    if not config.depth_resolution_importance:
        return [canvas.samples]
    weights = interval_weights(canvas.samples.sigmas, depths)
    fine_depths = importance_depths(depths, weights, draws.u)
    fine_there = is_solid(solid, rays.points(fine_depths), config.box_warp)

    both, order = torch.cat([depths, fine_depths], dim=1).sort(dim=1)
    merged = Canvas(field, rays, both)
    places = torch.arange(both.shape[1], device=both.device).expand_as(order)
    places = torch.empty_like(order).scatter_(1, order, places)  # of the sorted samples
    merged.take(canvas, places[:, : depths.shape[1]])
    merged.fill(with_neighbours(torch.cat([there, fine_there], dim=1).gather(1, order)))
    return [merged.samples]


class Canvas:
    """Samples along rays, of which some are evaluated."""

    def __init__(self, field: Field, rays: Bundle, depths: Tensor) -> None:  # [R, S], ascending
        self.field, self.rays = field, rays
        nothing = torch.full_like(depths, NOTHING)
        self.samples = Samples(depths, nothing, depths.new_zeros(*depths.shape, RGB))
        self.done = torch.zeros_like(depths, dtype=torch.bool)

    def take(self, other: "Canvas", places: Tensor) -> None:  # [R, S']
        """The samples of another canvas of these rays, at their places among these."""
        self.samples.sigmas.scatter_(1, places, other.samples.sigmas)
        colors = other.samples.colors
        self.samples.colors.scatter_(1, places[..., None].expand_as(colors), colors)
        self.done.scatter_(1, places, other.done)

    def fill(self, wanted: Tensor) -> None:  # [R, S]
        """Evaluates those that are not yet, from the front until hardly any light gets through."""
        depths, sigmas, _ = self.samples
        lengths = depths.diff(dim=1)
        thickness = torch.zeros_like(depths[:, :1])
        for start in range(0, depths.shape[1], LAYERS):
            stop = min(start + LAYERS, depths.shape[1])
            new = wanted[:, start:stop] & ~self.done[:, start:stop] & (thickness < THICKEST)
            self.evaluate(new, start)
            before = max(start - 1, 0)  # the first interval begins in the layer before
            middle = (sigmas[:, before : stop - 1] + sigmas[:, before + 1 : stop]) / 2
            part = F.softplus(middle - 1) * lengths[:, before : stop - 1]
            thickness += part.sum(dim=1, keepdim=True)

    def evaluate(self, new: Tensor, first: int) -> None:  # [R, S'], from the `first` sample on
        ray, number = new.nonzero().unbind(dim=1)
        if not len(ray):
            return
        where = ray * self.done.shape[1] + number + first  # in the flattened arrays
        distance = self.samples.depths.flatten().index_select(0, where)
        origins, directions = (x.t().index_select(1, ray) for x in self.rays[:2])
        # Coordinates first, as `Bundle.points` has them.
        decoded = self.field.at(torch.addcmul(origins, directions, distance).t())
        self.done.view(-1)[where] = True
        self.samples.sigmas.view(-1)[where] = decoded.sigma[:, 0]
        self.samples.colors.flatten(0, 1).index_copy_(0, where, decoded.colors)


def is_solid(solid: Tensor, points: Tensor, side: float) -> Tensor:
    """Whether points lie where something can be: [M, M, M], [3, ...] -> [...]"""
    size = len(solid)
    cell = ((points / side + 0.5) * (size - 2) + 1).clamp(0, size - 1).long()
    x, y, z = cell.unbind()
    return solid.flatten()[(x * size + y) * size + z]


def with_neighbours(mask: Tensor) -> Tensor:  # [R, S] bool
    """Also true beside what is true."""
    wide = mask.clone()
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    return wide
