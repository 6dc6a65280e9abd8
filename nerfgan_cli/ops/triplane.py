"""Tri-plane look-up (EG3D section 4.1): a point takes the mean of three bilinear samples.

A point is projected onto three feature planes that span the cube [−side/2, side/2]³; outside,
features are zero. `sample_each_plane` is the plain definition. `sample_planes` gives the mean over
the planes in one pass over their texels, with no copy per plane, and has derivatives of any order.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.ops.plane_axes import Axes


def project(points: Tensor, axes: Axes) -> Tensor:  # [B, N, 3] -> [B, 3, N, 2]
    """Coordinates of the points on each plane: (width, height)."""
    return torch.stack([points[..., pair] for pair in axes], dim=-3)


def sample_each_plane(
    planes: Tensor,  # [B, 3, C, H, H]
    points: Tensor,  # [B, N, 3], world units
    side: float,  # of the cube, world units
    axes: Axes,
) -> Tensor:  # [B, 3, N, C]
    """Bilinear samples of the three planes, zeros outside."""
    grid = (2 / side) * project(points, axes)
    samples = F.grid_sample(
        planes.flatten(0, 1), grid.flatten(0, 1)[:, None], padding_mode="zeros", align_corners=False
    )
    return samples.view(*planes.shape[:3], -1).transpose(2, 3)


def plane_texels(planes: Tensor) -> Tensor:  # [3, C, H, H] -> [3, H, H, C]
    """The planes with each texel's features side by side; free where memory has that order."""
    return planes.permute(0, 2, 3, 1).contiguous()


def sample_planes(
    texels: Tensor,  # [3, H, H, C]
    points: Tensor,  # [N, 3], world units
    side: float,  # of the cube, world units
    axes: Axes,
) -> Tensor:  # [N, C]
    """Mean over the planes of their bilinear samples: the weighted sum of 12 texels."""
    index, weights = _taps(points, texels.shape[1], side, axes)
    return _sum_rows(texels.flatten(0, 2), index, weights)


def _taps(
    points: Tensor, size: int, side: float, axes: Axes
) -> tuple[Tensor, Tensor]:  # [N, 12], [N, 12]
    """Rows of the flattened texels that surround each projected point, and their weights."""
    position = points.t() * (size / side) + (size - 1) / 2  # in texels, [3, N]
    below = position.detach().floor()
    above_part = position - below
    texel = torch.stack([below, below + 1]).int()
    weight = torch.stack([1 - above_part, above_part]) * ((texel >= 0) & (texel < size))
    texel = texel.clamp_(0, size - 1)
    column, row = ([pair[i] for pair in axes] for i in range(2))
    plane = torch.arange(3, dtype=torch.int32, device=points.device)[:, None] * size**2
    index = (texel[:, row] * size)[:, None] + (texel[:, column] + plane)
    weights = weight[:, row][:, None] * (weight[:, column] / 3)  # [2, 2, 3, N]
    return index.flatten(0, 2).t().contiguous(), weights.flatten(0, 2).t().contiguous()


class _SumRows(torch.autograd.Function):
    """out[n] = Σ_k weights[n, k] · table[index[n, k]], and its derivatives of any order.

    `embedding_bag` never holds the N·K rows, but its gradient cannot be differentiated again: a
    backward pass that builds a graph uses plain indexing.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(table, index, weights)
        return _bag(table, index, weights)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        table, index, weights = ctx.saved_tensors
        needs_table, _, needs_weights = ctx.needs_input_grad
        (grad,) = grads
        if torch.is_grad_enabled():
            rows = table[index] if needs_weights else None
            scaled = weights[:, :, None] * grad[:, None]
            d_table = torch.zeros_like(table).index_add(0, index.flatten(), scaled.flatten(0, 1))
            d_weights = None if rows is None else (rows * grad[:, None]).sum(dim=2)
            return d_table, None, d_weights
        with torch.enable_grad():
            table = table.detach().requires_grad_(needs_table)
            weights = weights.detach().requires_grad_(needs_weights)
            out = _bag(table, index, weights)
        wanted = [x for x in (table, weights) if x.requires_grad]
        found = dict(zip(map(id, wanted), torch.autograd.grad(out, wanted, grad), strict=True))
        return found.get(id(table)), None, found.get(id(weights))


def _bag(table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    return F.embedding_bag(index, table, mode="sum", per_sample_weights=weights)


def _sum_rows(table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    result: Tensor = _SumRows.apply(table, index, weights)
    return result
