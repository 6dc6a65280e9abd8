"""Filtered leaky ReLU: up-sample, activate, down-sample without aliasing (StyleGAN3, section 3.2).

With U for "insert zeros, pad, filter" and D for "filter, keep every d-th sample" along one axis,
a channel X with bias b becomes (stylegan3.md 1.4)

    V = clamp(g·lrelu(U_y (X + b) U_xᵀ), ±κ),      Y = D_y V D_xᵀ.

Both are banded matrices (`ops/banded.py`). V only ever exists in strips of columns that fit the
cache. A 2-D filter is a sum of separable ones, its singular value decomposition.

The gradient is the same operator with U and D transposed and swapped, and a constant mask in
place of the activation: one byte per up-sampled value is all that is kept for it. Arithmetic is
float32 for half-precision images too: rounded taps would change the gain of every layer.
"""

from collections.abc import Callable
from math import lcm, sqrt
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.ops.banded import Axis, multiply
from nerfgan_cli.ops.bias_act import LRELU_SLOPE

# Measured on a CPU: larger blocks multiply more zeros, larger strips leave the cache.
BLOCK_OUTPUTS = 4
STRIP_VALUES = 3 << 19  # rows × columns × channels of a strip: 6 MB
MAX_STRIP_COLUMNS = 32
RANK_TOLERANCE = 1e-7  # singular values below this share of the largest vanish in float32

# A filter: [T] for both axes, [Ty, Tx], or what `separate` makes of the latter; None: no filtering.
Filter: TypeAlias = Tensor | tuple[Tensor, Tensor] | None


def separate(fir: Tensor) -> tuple[Tensor, Tensor]:  # [Ty, Tx] -> [K, Ty], [K, Tx]
    """Taps along y and along x, whose K outer products sum to the filter."""
    left, values, right = torch.linalg.svd(fir.detach().double().cpu(), full_matrices=False)
    rank = max(int((values > RANK_TOLERANCE * values[0]).sum()), 1)
    return (left * values).T[:rank].to(fir), right[:rank].to(fir)


class Operator(NamedTuple):
    """The linear halves of a filtered activation: U_y, U_x, D_y and D_x."""

    up_y: Axis
    up_x: Axis
    down_y: Axis
    down_x: Axis

    def transposed(self) -> "Operator":
        return Operator(
            up_y=self.down_y.transposed(),
            up_x=self.down_x.transposed(),
            down_y=self.up_y.transposed(),
            down_x=self.up_x.transposed(),
        )


def filtered_lrelu(
    x: Tensor,  # [B, C, H, W]
    up_filter: Filter = None,
    down_filter: Filter = None,
    bias: Tensor | None = None,  # [C]
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),  # x0, x1, y0, y1 in up-sampled pixels
    gain: float = sqrt(2),
    slope: float = LRELU_SLOPE,  # not negative
    clamp: float | None = None,
    flip: bool = False,  # correlate with both filters instead of convolving
) -> Tensor:  # [B, C, H', W'], channels-last, in the dtype of x
    """Adds the bias, up-samples, applies gain · leaky ReLU and the clamp, down-samples.

    Negative padding crops. The filters are constants: no gradient reaches them. One of two
    dimensions is separated in every call: `separate` it once where there are many.
    """
    if slope < 0:  # the gradient goes by the sign of the activated value
        raise ValueError(f"a leaky ReLU of slope {slope:g} has no gradient here: use 0 or more.")
    image = x.permute(0, 2, 3, 1).to(torch.promote_types(x.dtype, torch.float32))
    if bias is not None:
        image = image + bias.to(image.dtype)
    _, H, W, _ = image.shape
    x0, x1, y0, y1 = padding
    taps_y, taps_x = _taps(up_filter, image, flip)
    up_y = Axis.upsampling(taps_y, H, up, y0, y1)
    up_x = Axis.upsampling(taps_x, W, up, x0, x1)
    taps_y, taps_x = _taps(down_filter, image, flip)
    # The gain can sit in the down-filter, since clamp(g·v, ±κ) = g·clamp(v, ±κ/|g|).
    down_y = Axis.downsampling(gain * taps_y, up_y.outputs, down)
    down_x = Axis.downsampling(taps_x, up_x.outputs, down)
    limit = None if clamp is None else clamp / abs(gain)
    y: Tensor = _Activated.apply(image, Operator(up_y, up_x, down_y, down_x), slope, limit)
    return y.to(x.dtype).permute(0, 3, 1, 2)


def _taps(fir: Filter, like: Tensor, flip: bool) -> tuple[Tensor, Tensor]:  # [K, Ty], [K, Tx]
    """The filter as separable terms, for images like `like`."""
    if fir is None:
        return like.new_ones(1, 1), like.new_ones(1, 1)
    if isinstance(fir, Tensor):
        fir = (fir.detach()[None],) * 2 if fir.ndim == 1 else separate(fir)
    along_y, along_x = (taps.flip(1) if flip else taps for taps in fir)
    return along_y.to(like), along_x.to(like)


Activation = Callable[[Tensor], None]  # of a strip of the up-sampled image, in place


def _run(
    x: Tensor,  # [B, H, W, C]
    operator: Operator,
    activate: Activation,  # called once per strip, always in the same order
) -> Tensor:  # [B, H', W', C]
    """D_y activate(U_y X U_xᵀ) D_xᵀ for every image and channel."""
    y = x.new_zeros(len(x), operator.down_y.outputs, operator.down_x.outputs, x.shape[3])
    for image, out in zip(x.contiguous(), y, strict=True):  # one by one, for the cache's sake
        _add_image(image, operator, activate, out)
    return y


def _add_image(
    x: Tensor,  # [H, W, C]
    operator: Operator,
    activate: Activation,
    y: Tensor,  # [H', W', C], the result is added to it
) -> None:
    H, W, C = x.shape
    height, width = operator.up_y.outputs, operator.up_x.outputs
    rows, columns = _tile_sizes(operator, x)
    up_y, up_x = operator.up_y.tiles(rows), operator.up_x.tiles(columns)
    # D_x is cut along its columns, so that each strip adds to the outputs that it reaches.
    down_y, down_x = operator.down_y.tiles(rows), operator.down_x.transposed().tiles(columns)
    n = 0
    for t in range(up_x.count):
        if n != min(columns, width - t * columns):  # the first strip, or a narrower last one
            n = min(columns, width - t * columns)
            narrow = x.new_zeros(up_y.size(H), len(up_x.blocks), n, C)
            size = max(down_y.size(height), down_y.lead + up_y.outputs)
            strip = x.new_zeros(size, n, C)
            half = x.new_empty(down_y.outputs, len(down_y.blocks), n, C)
        inputs, taps = up_x.window(t, W)
        across = up_x.blocks[:, :n, taps].flatten(0, 1)
        multiply(across, x[:, inputs], narrow[up_y.lead :][:H].flatten(1, 2))

        up_y.sum_of_terms(narrow, strip[down_y.lead :])
        strip[down_y.lead + height : down_y.lead + up_y.outputs] = 0  # beyond the image
        activate(strip[down_y.lead :][:height])
        down_y.each_term(strip, half)

        outputs, taps = down_x.window(t, y.shape[1])
        across = down_x.blocks[:, :n, taps].flatten(0, 1).T
        share = x.new_empty(len(y), len(across), C)
        multiply(across, half[: len(y)].flatten(1, 2), share)
        y[:, outputs] += share


def _tile_sizes(operator: Operator, x: Tensor) -> tuple[int, int]:
    """Rows per block and columns per strip of the up-sampled image."""
    height, width = operator.up_y.outputs, operator.up_x.outputs
    if x.device.type not in ("cpu", "meta"):  # what is counted is what a CPU does
        return height, width  # few large products
    multiple = lcm(operator.up_x.up, operator.down_x.down)  # a strip starts at a whole sample
    columns = min(STRIP_VALUES // (height * x.shape[-1]), MAX_STRIP_COLUMNS)
    return BLOCK_OUTPUTS, max(columns // multiple, 1) * multiple


class _Activated(torch.autograd.Function):
    """down(clamp(lrelu(up(x))))."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, operator: Operator, slope: float, limit: float | None
    ) -> Tensor:
        masks: list[Tensor] = []

        def activate(v: Tensor) -> None:
            F.leaky_relu_(v, slope)
            if ctx.needs_input_grad[0]:
                masks.append(_branch(v, limit))
            if limit is not None:
                v.clamp_(-limit, limit)

        y = _run(x, operator, activate)
        ctx.operator, ctx.slope = operator, slope
        ctx.save_for_backward(*masks)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        operator = ctx.operator.transposed()
        return _Masked.apply(dy, operator, ctx.slope, *ctx.saved_tensors), None, None, None


class _Masked(torch.autograd.Function):
    """down(mask · up(x)), linear in x: the derivative of `_Activated`, and of itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, operator: Operator, slope: float, *masks: Tensor) -> Tensor:
        strips = iter(masks)

        def activate(v: Tensor) -> None:
            # 1 → 1, −1 → slope, 0 → 0
            v *= F.leaky_relu_(next(strips).to(v.dtype), slope).abs_()

        ctx.operator, ctx.slope = operator, slope
        ctx.save_for_backward(*masks)
        return _run(x, operator, activate)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        masks = ctx.saved_tensors
        dx = _Masked.apply(dy, ctx.operator.transposed(), ctx.slope, *masks)
        return dx, *[None] * (2 + len(masks))


def _branch(
    v: Tensor,  # activated, before the clamp
    limit: float | None,
) -> Tensor:  # int8, like v
    """The piece of the activation that each value came through: 1 above zero, −1 not, 0 clamped."""
    one = v.new_ones(()).expand_as(v)
    branch: Tensor = torch.ops.aten.leaky_relu_backward(one, v, -1.0, False)
    if limit is not None:
        torch.ops.aten.hardtanh_backward(branch, v, -limit, limit, grad_input=branch)
    return branch.to(torch.int8)
