"""Two-pass volume rendering of tri-planes (EG3D section 4.3; Max 1995; NeRF section 5).

Rays are rendered in chunks, so that memory is bounded by the chunk. Only depths and densities are
ever merged and sorted. Features stay where they were computed: each interval's weight goes half
to either of its two samples, Σ w_k (C_k + C_{k+1}) / 2 = Σ v_k C_k, and v is taken back to the
order of evaluation.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nerfgan_cli.nn.decoder import Decoded
from nerfgan_cli.nn.depths import (
    Draws,
    RayDraws,
    importance_depths,
    midpoint_draws,
    random_draws,
    stratified_depths,
)
from nerfgan_cli.nn.rays import Rays, auto_limits
from nerfgan_cli.nn.volume_config import VolumeConfig
from nerfgan_cli.ops.plane_axes import PLANE_AXES
from nerfgan_cli.ops.triplane import plane_texels, sample_planes

CPU_CHUNK = 256  # rays whose temporaries stay in a CPU's cache
POINT_CHUNK = 65536

Decode: TypeAlias = Callable[[Tensor], Decoded]  # [N, C] features; a `Decoder`, or a part of one


class Samples(NamedTuple):
    """Samples along rays, in any order."""

    depths: Tensor  # [R, S]
    sigmas: Tensor  # [R, S], densities before activation
    colors: Tensor  # [R, S, C]


class Rendered(NamedTuple):
    features: Tensor  # [..., R, C] in [−1, 1]
    depth: Tensor  # [..., R], mean distance of what is seen
    weight: Tensor  # [..., R] in [0, 1], the opacity of the ray


def ray_limits(rays: Rays, config: VolumeConfig) -> tuple[Tensor, Tensor]:
    """Depths between which each ray is sampled, [B, R, 1] each."""
    if config.ray_start == "auto":
        return auto_limits(rays, config.box_warp)
    shape = (*rays.origins.shape[:2], 1)
    near, far = (rays.origins.new_tensor(float(x)) for x in (config.ray_start, config.ray_end))
    return near.expand(shape), far.expand(shape)


def interval_weights(sigmas: Tensor, depths: Tensor) -> Tensor:
    """Share of each interval between sorted samples in what a ray sees: [R, S] -> [R, S - 1]."""
    density = F.softplus((sigmas[:, :-1] + sigmas[:, 1:]) / 2 - 1)
    alpha = 1 - torch.exp(-density * (depths[:, 1:] - depths[:, :-1]))
    transmittance = (1 - alpha[:, :-1] + 1e-10).cumprod(dim=1)
    return alpha * F.pad(transmittance, (1, 0), value=1.0)


def composite(passes: Sequence[Samples], white_back: bool = False) -> Rendered:
    """What rays see of all samples. The depth of a ray that sees nothing is infinite."""
    depths = torch.cat([samples.depths for samples in passes], dim=1)
    sigmas = torch.cat([samples.sigmas for samples in passes], dim=1)
    sorted_depths, order = depths.sort(dim=1)
    intervals = interval_weights(sigmas.gather(1, order), sorted_depths)
    halves = (F.pad(intervals, (1, 0)) + F.pad(intervals, (0, 1))) / 2
    weights = torch.zeros_like(halves).scatter(1, order, halves)

    total = intervals.sum(dim=1)
    seen = total > 0
    depth = (weights * depths).sum(dim=1) / torch.where(seen, total, 1)
    features = torch.zeros_like(passes[0].colors[:, 0])
    shares = torch.split(weights, [samples.depths.shape[1] for samples in passes], dim=1)
    for share, samples in zip(shares, passes, strict=True):
        features = features + (share[:, None] @ samples.colors)[:, 0]
    if white_back:
        features = features + (1 - total)[:, None]
    return Rendered(2 * features - 1, torch.where(seen, depth, torch.inf), total)


def draw_samples(
    config: VolumeConfig, rays: int, device: torch.device, generator: torch.Generator | None
) -> Iterator[RayDraws]:
    """Draws for one image after the other, so that batches change nothing; None: no randomness."""
    coarse, fine = config.depth_resolution, config.depth_resolution_importance
    if generator is None:
        yield from repeat(midpoint_draws(coarse, fine, device))
    while generator is not None:
        yield random_draws(rays, coarse, fine, config.density_noise > 0, device, generator)


def render(
    planes: Tensor,  # [B, 3, C, H, H], or one subject's for all B images
    decoder: Decode,
    rays: Rays,  # [B, R, 3]
    limits: tuple[Tensor, Tensor],  # [B, R, 1] each, of `ray_limits`
    config: VolumeConfig,
    draws: Iterable[RayDraws],  # one per image
    ray_chunk: int,  # rays in memory at once
    recompute: bool = False,  # each chunk once more for its gradients, which are not kept till then
    residual: Tensor | None = None,  # as many subjects' [B, 3, C, H', H'], added to the planes
) -> Rendered:  # [B, R, ...]
    """Renders B images, `ray_chunk` rays at a time."""
    if planes.device.type == "cpu" and not planes.requires_grad:
        # With gradients each chunk has a gradient of all planes to add: larger ones are faster.
        ray_chunk = min(ray_chunk, CPU_CHUNK)
    images = []
    for index, inputs in enumerate(zip(*rays, *limits, draws, strict=False)):
        if index < len(planes):
            field = Field(texels_of(index, planes, residual), decoder, config)
        images.append(render_image(field, Bundle(*inputs), ray_chunk, recompute))
    return Rendered(*(torch.stack(parts) for parts in zip(*images, strict=True)))


def sample_points(
    planes: Tensor,  # [B, 3, C, H, H]
    decoder: Decode,
    points: Tensor,  # [B, N, 3], world units
    config: VolumeConfig,
    residual: Tensor | None = None,  # [B, 3, C, H', H'], added to the planes
) -> Decoded:  # [B, N, 1], [B, N, C]
    """The volume at any points."""
    results = []
    for index, wanted in zip(range(len(planes)), points, strict=True):
        field = Field(texels_of(index, planes, residual), decoder, config)
        parts = [
            field.at(wanted[start : start + POINT_CHUNK])
            for start in range(0, len(wanted), POINT_CHUNK)
        ]
        results.append([torch.cat(kind) for kind in zip(*parts, strict=True)])
    return Decoded(*(torch.stack(kind) for kind in zip(*results, strict=True)))


class Field(NamedTuple):
    """One subject's volume: planes whose features add up, and what decodes the sum."""

    texels: tuple[Tensor, ...]  # [3, H, H, C] each
    decode: Decode
    config: VolumeConfig

    def at(self, points: Tensor) -> Decoded:  # [N, 3] -> [N, 1], [N, C]
        side, axes = self.config.box_warp, PLANE_AXES[self.config.plane_axes]
        features = [sample_planes(texels, points, side, axes) for texels in self.texels]
        return self.decode(sum(features[1:], features[0]))


class Bundle(NamedTuple):
    """Rays of one image, and what places their samples."""

    origins: Tensor  # [R, 3]
    directions: Tensor  # [R, 3]
    near: Tensor  # [R, 1]
    far: Tensor  # [R, 1]
    draws: RayDraws  # those of a chunk are at hand, as `Draws`

    def points(self, depths: Tensor) -> Tensor:  # [R, S] -> [3, R, S]
        """Coordinates first: the order in which planes are looked up."""
        return self.origins.t()[:, :, None] + self.directions.t()[:, :, None] * depths

    def rows(self, chunk: slice) -> "Bundle":
        origins, directions, near, far = (x[chunk] for x in self[:4])
        return Bundle(origins, directions, near, far, self.draws.rows(chunk))


Sampler: TypeAlias = Callable[[Field, Bundle], list[Samples]]


def texels_of(index: int, *sets: Tensor | None) -> tuple[Tensor, ...]:  # [3, H, H, C] each
    """One subject's planes, of each set that there is."""
    return tuple(plane_texels(planes[index].float()) for planes in sets if planes is not None)


def render_image(
    field: Field,
    rays: Bundle,
    ray_chunk: int,
    recompute: bool = False,
    sample: Sampler | None = None,  # None: every sample is evaluated
) -> Rendered:  # [R, ...]
    """One image."""
    sample = sample or _sample_rays

    def render_chunk(field: Field, chunk: Bundle) -> tuple[Rendered, Tensor]:
        passes = sample(field, chunk)
        white = field.config.white_back
        return composite(passes, white), torch.stack(passes[0].depths.aminmax())

    chunks, reached = [], []
    for start in range(0, len(rays.origins), ray_chunk):
        chunk = rays.rows(slice(start, start + ray_chunk))
        if recompute and torch.is_grad_enabled():
            rendered, limits = checkpoint(render_chunk, field, chunk, use_reentrant=False)
        else:
            rendered, limits = render_chunk(field, chunk)
        chunks.append(rendered)
        reached.append(limits)
    image = Rendered(*(torch.cat(parts) for parts in zip(*chunks, strict=True)))
    # Rays that see nothing end at the farthest sample of the image.
    nearest, farthest = torch.stack(reached).aminmax()
    return image._replace(depth=image.depth.clamp(nearest, farthest))


def _sample_rays(field: Field, rays: Bundle) -> list[Samples]:
    """The coarse pass, and the fine one where it is asked for."""
    config, draws = field.config, rays.draws
    assert isinstance(draws, Draws)
    noise = draws.noise
    depths = stratified_depths(rays.near, rays.far, draws.jitter, config.disparity_space_sampling)
    coarse = _evaluate(field, rays, depths)
    if noise is not None:
        coarse = _add_noise(coarse, config.density_noise * noise[:, : depths.shape[1]])
    if not config.depth_resolution_importance:
        return [coarse]
    weights = interval_weights(coarse.sigmas, depths)
    fine_depths = importance_depths(depths, weights, draws.u)
    fine = _evaluate(field, rays, fine_depths)
    if noise is not None:
        fine = _add_noise(fine, config.density_noise * noise[:, depths.shape[1] :])
    return [coarse, fine]


def _evaluate(field: Field, rays: Bundle, depths: Tensor) -> Samples:  # [R, S]
    decoded = field.at(rays.points(depths).flatten(1).t())
    return Samples(depths, decoded.sigma.view_as(depths), decoded.colors.view(*depths.shape, -1))


def _add_noise(samples: Samples, noise: Tensor) -> Samples:
    return samples._replace(sigmas=samples.sigmas + noise)
