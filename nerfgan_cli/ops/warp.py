"""Bilinear sampling of images at given positions, differentiable to any order in the image.

Sampling is linear in the image, so its derivatives are sampling and its transpose, over and over.
`torch.nn.functional.grid_sample` has no second derivative in older torch (2.10); here each of the
two operations is the other's backward pass. Positions are constants: they get no gradient.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BILINEAR, ZERO_PADDING = 0, 0  # of the transposed operation's enumerations


def sample_bilinear(
    images: Tensor,  # [B, C, H, W]
    positions: Tensor,  # [B, h, w, 2] as (x, y), image edges at ±1
) -> Tensor:  # [B, C, h, w], zero outside the image
    output: Tensor = _Sample.apply(images, positions)
    return output


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, positions: Tensor) -> Tensor:
        ctx.save_for_backward(positions)
        ctx.size = images.shape
        return F.grid_sample(images, positions, align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (positions,) = ctx.saved_tensors
        return _Transposed.apply(gradients[0], positions, ctx.size), None


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, positions: Tensor, size: torch.Size) -> Tensor:
        ctx.save_for_backward(positions)
        images = gradient.new_zeros(()).expand(size)  # only its size matters
        result: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            gradient, images, positions, BILINEAR, ZERO_PADDING, False, [True, False]
        )[0]
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (positions,) = ctx.saved_tensors
        return sample_bilinear(gradients[0], positions), None, None
