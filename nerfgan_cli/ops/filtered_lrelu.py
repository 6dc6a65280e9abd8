"""Filtered leaky ReLU: up-sample, activate, down-sample without aliasing (StyleGAN3, section 3.2).

Along one axis, "insert zeros, pad, filter" is a product with a banded matrix U, and "filter, keep
every d-th sample" one with D, so that a channel X with bias b becomes

    V = clamp(g·lrelu(U_y (X + b) U_xᵀ), ±κ),      Y = D_y V D_xᵀ.

Both matrices repeat one small block along their band. In channels-last memory a product is then
a batched GEMM of that block with overlapping windows of the image: nothing is rearranged, few
zeros are multiplied, and the up-sampled image only ever exists in strips that fit the cache. A
2-D filter is a sum of separable ones (its singular value decomposition): several blocks per side.

The gradient is the same operator with U and D transposed and swapped, and a constant mask in
place of the activation: one byte per up-sampled value is all that is kept for it. Arithmetic is
float32 for half-precision images too: bfloat16 coefficients change the gain of every layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import lcm, sqrt
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.ops.bias_act import LRELU_SLOPE

# Sizes that suit a CPU: a block of 8 outputs has few zeros, and a strip takes about 3 MB.
BLOCK_OUTPUTS = 4
STRIP_VALUES = 8192  # columns × channels, …
MAX_STRIP_COLUMNS = 32  # … but not more columns than this
RANK_TOLERANCE = 1e-7  # singular values below this share of the largest vanish in float32


class Tiles(NamedTuple):
    """A banded matrix as one block that repeats: outputs r·t … r·t + r − 1 are block @ window t.

    For all windows at once, the inputs stand in a buffer, `lead` rows from its top, with zeros
    around them.
    """

    blocks: Tensor  # [K, r, k], one per term of the filter
    step: int  # inputs from one window to the next
    count: int  # of windows
    before: int  # zeros that the first window starts with; negative: inputs that it skips

    def window(self, t: int, inputs: int) -> tuple[slice, slice]:
        """The inputs in window t, and the columns of the block that they meet."""
        start = t * self.step - self.before
        first = min(max(start, 0), inputs)
        last = min(max(start + self.blocks.shape[2], first), inputs)
        return slice(first, last), slice(first - start, last - start)

    @property
    def lead(self) -> int:
        return max(self.before, 0)

    @property
    def outputs(self) -> int:  # in whole blocks: the last ones may be beyond the matrix
        return self.count * self.blocks.shape[1]

    def size(self, inputs: int) -> int:
        """Rows of the buffer."""
        last_window = self.lead - self.before + (self.count - 1) * self.step
        return max(self.lead + inputs, last_window + self.blocks.shape[2])

    def multiply(self, term: int, buffer: Tensor, out: Tensor, add: bool = False) -> None:
        """Filters a buffer [size, N, C] into, or adds it to, [≥ outputs, N, C]."""
        rows = buffer.flatten(1)[self.lead - self.before :]
        size = (self.count, self.blocks.shape[2], rows.shape[1])
        windows = rows.as_strided(size, (self.step * rows.stride(0), *rows.stride()))
        target = out[: self.outputs].view(self.count, -1, rows.shape[1])
        multiply(self.blocks[term], windows, target, add)


@dataclass(frozen=True)
class Axis:
    """One axis of a filter: out[i] = Σ_j taps[i·down − j·up + offset] · in[j]."""

    taps: Tensor  # [K, T], one row per term of the filter
    inputs: int
    outputs: int
    offset: int
    up: int = 1
    down: int = 1

    def transposed(self) -> "Axis":
        offset = self.taps.shape[1] - 1 - self.offset
        return Axis(self.taps.flip(1), self.outputs, self.inputs, offset, self.down, self.up)

    def tiles(self, outputs: int) -> Tiles:
        """Tiles of about `outputs` each; building them takes three small operators."""
        K, T = self.taps.shape
        rows = -(-min(outputs, self.outputs) // self.up) * self.up  # a whole number of inputs
        first = -((T - 1 - self.offset) // self.up)  # input of the first output
        last = ((rows - 1) * self.down + self.offset) // self.up  # input of the last output
        columns = last - first + 1
        # A view of the zero-extended taps in which the tap number grows along both axes, read
        # backwards along the second.
        lowest = self.offset - last * self.up
        highest = self.offset - first * self.up + (rows - 1) * self.down
        taps = F.pad(self.taps, (max(-lowest, 0), max(highest - T + 1, 0)))
        strides = (taps.stride(0), self.down, self.up)
        view = taps.as_strided((K, rows, columns), strides, max(lowest, 0))
        count = -(-self.outputs // rows)
        return Tiles(view.flip(2), rows * self.down // self.up, count, -first)


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
    up_filter: Tensor | None = None,  # [T] for both axes, or [Ty, Tx]
    down_filter: Tensor | None = None,
    bias: Tensor | None = None,  # [C]
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),  # x0, x1, y0, y1 in up-sampled pixels
    gain: float = sqrt(2),
    slope: float = LRELU_SLOPE,
    clamp: float | None = None,
    flip: bool = False,  # correlate with both filters instead of convolving
) -> Tensor:  # [B, C, H', W'], channels-last, in the dtype of x
    """Adds the bias, up-samples, applies gain · leaky ReLU and the clamp, down-samples.

    Negative padding crops. The filters are constants: no gradient reaches them.
    """
    image = x.permute(0, 2, 3, 1).to(torch.promote_types(x.dtype, torch.float32))
    if bias is not None:
        image = image + bias.to(image.dtype)
    _, H, W, _ = image.shape
    x0, x1, y0, y1 = padding
    up_taps = [taps * up for taps in _separate(up_filter, image, flip)]
    # g·clamp(v, ±κ/|g|) = clamp(g·v, ±κ): the gain can sit in the down-filter.
    down_taps = _separate(down_filter, image, flip)
    down_taps[0] = down_taps[0] * gain
    limit = None if clamp is None else clamp / abs(gain)
    up_y, up_x = _upsample(up_taps[0], H, up, y0, y1), _upsample(up_taps[1], W, up, x0, x1)
    down_y = _downsample(down_taps[0], up_y.outputs, down)
    down_x = _downsample(down_taps[1], up_x.outputs, down)
    operator = Operator(up_y, up_x, down_y, down_x)
    y: Tensor = _Activated.apply(image, operator, slope, limit)
    return y.to(x.dtype).permute(0, 3, 1, 2)


def _separate(fir: Tensor | None, like: Tensor, flip: bool) -> list[Tensor]:
    """Taps along y and along x, [K, T] each, whose K outer products sum to the filter."""
    if fir is None:
        return [like.new_ones(1, 1)] * 2
    fir = fir.detach().flip(tuple(range(fir.ndim))) if flip else fir.detach()
    if fir.ndim == 1:
        return [fir.to(like)[None]] * 2
    left, values, right = torch.linalg.svd(fir.double().cpu(), full_matrices=False)
    rank = max(int((values > RANK_TOLERANCE * values[0]).sum()), 1)
    return [(left * values).T[:rank].to(like), right[:rank].to(like)]


def _upsample(taps: Tensor, inputs: int, up: int, before: int, after: int) -> Axis:
    """U[n, m] = taps[n + T − 1 − before − up·m], stylegan3.md 1.4."""
    T = taps.shape[1]
    outputs = up * inputs + before + after - T + 1
    return Axis(taps, inputs, outputs, T - 1 - before, up=up)


def _downsample(taps: Tensor, inputs: int, down: int) -> Axis:
    """D[q, n] = taps[down·q + T − 1 − n], stylegan3.md 1.4."""
    T = taps.shape[1]
    return Axis(taps, inputs, (inputs - T) // down + 1, T - 1, down=down)


Activation = Callable[[Tensor], None]  # of a strip of the up-sampled image, in place


def _run(
    x: Tensor,  # [B, H, W, C]
    operator: Operator,
    activate: Activation,  # called once per strip, always in the same order
) -> Tensor:  # [B, H', W', C]
    """D_y activate(U_y X U_xᵀ) D_xᵀ of every image and channel."""
    y = x.new_zeros(len(x), operator.down_y.outputs, operator.down_x.outputs, x.shape[3])
    for image, out in zip(x, y, strict=True):  # one by one, for the sake of the cache
        _run_image(image, operator, activate, out)
    return y


def _run_image(
    x: Tensor,  # [H, W, C]
    operator: Operator,
    activate: Activation,
    y: Tensor,  # [H', W', C], zeros, to which the result is added
) -> None:
    H, W, C = x.shape
    height, width = operator.up_y.outputs, operator.up_x.outputs
    block, strip = _sizes(operator, x)
    up_y, up_x = operator.up_y.tiles(block), operator.up_x.tiles(strip)
    # Of D_x the transpose is cut: a strip contributes to the outputs in its window.
    down_y, down_x = operator.down_y.tiles(block), operator.down_x.transposed().tiles(strip)
    for t in range(up_x.count):
        columns = min(strip, width - t * strip)
        narrow = x.new_empty(up_y.size(H), columns, C)
        wide = x.new_empty(max(down_y.size(height), down_y.lead + up_y.outputs), columns, C)
        inputs, taps = up_x.window(t, W)
        _clear_around(narrow, up_y.lead, H)
        for k, across in enumerate(up_x.blocks):
            multiply(across[:columns, taps], x[:, inputs], narrow[up_y.lead :][:H])
            up_y.multiply(k, narrow, wide[down_y.lead :], add=k > 0)
        _clear_around(wide, down_y.lead, height)
        activate(wide[down_y.lead :][:height])
        half = x.new_empty(down_y.outputs, columns, C)
        outputs, taps = down_x.window(t, y.shape[1])
        for k, across in enumerate(down_x.blocks):
            down_y.multiply(k, wide, half)
            multiply(across[:columns, taps].T, half[: len(y)], y[:, outputs], add=True)


def _sizes(operator: Operator, x: Tensor) -> tuple[int, int]:
    """Outputs per block and columns per strip."""
    if x.device.type != "cpu":
        everything = operator.up_y.outputs + operator.up_x.outputs
        return everything, everything
    multiple = lcm(operator.up_x.up, operator.down_x.down)  # a strip starts at a whole sample
    columns = min(STRIP_VALUES // x.shape[-1], MAX_STRIP_COLUMNS)
    return BLOCK_OUTPUTS, max(columns // multiple, 1) * multiple


def _clear_around(buffer: Tensor, first: int, count: int) -> None:
    buffer[:first] = 0
    buffer[first + count :] = 0


def multiply(block: Tensor, x: Tensor, out: Tensor, add: bool = False) -> None:
    """out = block @ x, or out += block @ x, for [r, k], [B, k, M] and [B, r, M]."""
    left = block.expand(len(x), -1, -1)
    if add:
        out.baddbmm_(left, x)
    else:
        torch.bmm(left, x, out=out)


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
) -> Tensor:
    """The piece of the activation that each value came through: 1 above zero, −1 not, 0 clamped."""
    one = v.new_ones(()).expand_as(v)
    branch = torch.ops.aten.leaky_relu_backward(one, v, -1.0, False)
    if limit is not None:
        torch.ops.aten.hardtanh_backward(branch, v, -limit, limit, grad_input=branch)
    return branch.to(torch.int8)
