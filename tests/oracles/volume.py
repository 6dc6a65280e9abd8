"""Volume rendering as one would first write it: the plain twin of `nerfgan_cli.nn.volume`.

All rays at once; a coarse and a fine pass with `grid_sample` for each plane; everything
concatenated, sorted by depth, gathered. Follows eg3d.md sections 3.1 to 4 line by line and shares
no code with the library. `sample_each_point` is the tri-plane look-up by plain indexing, which
autograd can differentiate any number of times.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Outputs(NamedTuple):
    features: Tensor  # [B, R, C]
    depth: Tensor  # [B, R, 1]
    weight: Tensor  # [B, R, 1]
    depths_coarse: Tensor  # [B, R, S, 1]
    weights_coarse: Tensor  # [B, R, S - 1, 1]
    depths_fine: Tensor | None  # [B, R, I, 1]


def render(
    planes: Tensor,  # [B, 3, C, H, H]
    layers: tuple[Tensor, Tensor, Tensor, Tensor],  # decoder: w0, b0, w1, b1, gains applied
    origins: Tensor,  # [B, R, 3]
    directions: Tensor,  # [B, R, 3]
    near: Tensor | float,  # [B, R, 1] or one
    far: Tensor | float,
    jitter: Tensor,  # broadcastable to [B, R, S, 1]
    u: Tensor,  # broadcastable to [B, R, I]
    *,
    box_warp: float,
    axes: tuple[tuple[int, int], ...],
    disparity: bool = False,
    white_back: bool = False,
    residual: Tensor | None = None,  # [B, 3, C, H', H'], planes whose features add to those
) -> Outputs:
    B, R, _ = origins.shape
    S = jitter.shape[-2]
    t = torch.arange(S)[:, None] / (S - 1) + jitter / (S - 1)
    near, far = (torch.as_tensor(x).expand(B, R, 1)[..., None] for x in (near, far))
    depths = 1 / ((1 - t) / near + t / far) if disparity else near + (far - near) * t
    depths = depths.expand(B, R, S, 1)

    def evaluate(depths: Tensor) -> tuple[Tensor, Tensor]:
        points = (origins[:, :, None] + depths * directions[:, :, None]).flatten(1, 2)
        features = sample(planes, points, box_warp, axes)
        if residual is not None:
            features = features + sample(residual, points, box_warp, axes)
        colors, sigma = decode(features, layers)
        return colors.unflatten(1, depths.shape[1:3]), sigma.unflatten(1, depths.shape[1:3])

    colors, sigmas = evaluate(depths)
    features, depth, weights = march(colors, sigmas, depths, white_back)
    coarse, coarse_weights, fine = depths, weights, None
    if u.shape[-1]:
        fine = importance(depths, weights, u.expand(B, R, -1)).detach()
        colors_fine, sigmas_fine = evaluate(fine)
        depths = torch.cat([depths, fine], dim=2)
        depths, order = depths.sort(dim=2)
        colors = torch.cat([colors, colors_fine], dim=2)
        colors = colors.gather(2, order.expand(-1, -1, -1, colors.shape[3]))
        sigmas = torch.cat([sigmas, sigmas_fine], dim=2).gather(2, order)
        features, depth, weights = march(colors, sigmas, depths, white_back)
    return Outputs(features, depth, weights.sum(dim=2), coarse, coarse_weights, fine)


def sample(planes: Tensor, points: Tensor, box_warp: float, axes: tuple) -> Tensor:  # [B, N, C]
    grid = torch.stack([points[:, :, pair] for pair in axes], dim=1) * 2 / box_warp
    samples = F.grid_sample(
        planes.flatten(0, 1), grid.flatten(0, 1)[:, None], align_corners=False
    )  # [B * 3, C, 1, N]
    return samples[:, :, 0].unflatten(0, planes.shape[:2]).transpose(2, 3).mean(dim=1)


def sample_each_point(planes: Tensor, points: Tensor, box_warp: float, axes: tuple) -> Tensor:
    """One subject's planes [3, C, H, H] at points [N, 3], by indexing: [N, C]."""
    H = planes.shape[-1]
    result = torch.zeros(len(points), planes.shape[1], dtype=planes.dtype)
    for plane, pair in zip(planes, axes, strict=True):
        position = ((points[:, pair] * 2 / box_warp + 1) * H - 1) / 2  # column, row
        corner = position.detach().floor()
        for right in (0, 1):
            for down in (0, 1):
                texel = corner + torch.tensor([right, down])
                inside = ((texel >= 0) & (texel < H)).all(dim=1)
                share = (1 - (position - texel).abs()).prod(dim=1) * inside
                column, row = texel.clamp(0, H - 1).long().unbind(dim=1)
                result = result + plane[:, row, column].t() * share[:, None] / 3
    return result


def decode(features: Tensor, layers: tuple) -> tuple[Tensor, Tensor]:
    w0, b0, w1, b1 = layers
    out = F.linear(F.softplus(F.linear(features, w0, b0)), w1, b1)
    return torch.sigmoid(out[..., 1:]) * (1 + 2 * 0.001) - 0.001, out[..., :1]


def march(
    colors: Tensor, sigmas: Tensor, depths: Tensor, white_back: bool
) -> tuple[Tensor, Tensor, Tensor]:
    delta = depths[:, :, 1:] - depths[:, :, :-1]
    colors = (colors[:, :, :-1] + colors[:, :, 1:]) / 2
    sigmas = (sigmas[:, :, :-1] + sigmas[:, :, 1:]) / 2
    middle = (depths[:, :, :-1] + depths[:, :, 1:]) / 2
    alpha = 1 - torch.exp(-F.softplus(sigmas - 1) * delta)
    shifted = torch.cat([torch.ones_like(alpha[:, :, :1]), 1 - alpha + 1e-10], dim=2)
    weights = alpha * shifted.cumprod(dim=2)[:, :, :-1]
    features = (weights * colors).sum(dim=2)
    total = weights.sum(dim=2)
    depth = (weights * middle).sum(dim=2) / total
    depth = depth.nan_to_num(float("inf")).clamp(depths.min(), depths.max())
    if white_back:
        features = features + 1 - total
    return features * 2 - 1, depth, weights


def importance(depths: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    B, R, S, _ = depths.shape
    t, w = depths.reshape(B * R, S), weights.reshape(B * R, 1, S - 1)
    w = F.avg_pool1d(F.max_pool1d(w, 2, 1, padding=1), 2, 1)[:, 0] + 0.01
    bins = (t[:, 1:] + t[:, :-1]) / 2
    return invert(bins, w[:, 1:-1], u.reshape(B * R, -1)).reshape(B, R, -1, 1)


def invert(bins: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    pdf = (weights + 1e-5) / (weights + 1e-5).sum(dim=1, keepdim=True)
    cdf = torch.cat([torch.zeros_like(pdf[:, :1]), pdf.cumsum(dim=1)], dim=1)
    index = torch.searchsorted(cdf, u.contiguous(), right=True)
    low, high = (index - 1).clamp(min=0), index.clamp(max=weights.shape[1])
    rise = cdf.gather(1, high) - cdf.gather(1, low)
    rise = torch.where(rise < 1e-5, torch.ones_like(rise), rise)
    fraction = (u - cdf.gather(1, low)) / rise
    return bins.gather(1, low) + fraction * (bins.gather(1, high) - bins.gather(1, low))
