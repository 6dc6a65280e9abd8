"""FIR resampling along one axis as a banded matrix, and its product with an image.

Inserting zeros, filtering and keeping every n-th sample multiplies by a matrix whose rows repeat
one small block along a diagonal band (stylegan3.md 1.4, matrix form). In channels-last memory the
product is a batched GEMM of that block with overlapping windows of the image: nothing is
rearranged, and few zeros are multiplied.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def multiply(
    block: Tensor,  # [r, k]
    x: Tensor,  # [B, k, M]
    out: Tensor,  # [B, r, M], the result
) -> None:
    """out = block @ x."""
    torch.bmm(block.expand(len(x), -1, -1), x, out=out)


@dataclass(frozen=True)
class Tiles:
    """A banded matrix as one block that repeats: outputs r·t … r·t + r − 1 are block @ window t."""

    blocks: Tensor  # [K, r, k], one per term of the filter
    step: int  # inputs from one window to the next
    count: int  # of windows
    before: int  # zeros that the first window starts with; negative: inputs that it skips

    @property
    def outputs(self) -> int:
        """Rows of all blocks; the last ones may lie beyond the matrix."""
        return self.count * self.blocks.shape[1]

    def window(self, t: int, inputs: int) -> tuple[slice, slice]:
        """The inputs in window t, and the columns of the block that they meet."""
        start = t * self.step - self.before
        first = min(max(start, 0), inputs)
        last = min(max(start + self.blocks.shape[2], first), inputs)
        return slice(first, last), slice(first - start, last - start)

    # For all windows at once, the inputs stand in a buffer of `size` rows, `lead` rows below its
    # top, with zeros around them.

    @property
    def lead(self) -> int:
        return max(self.before, 0)

    def size(self, inputs: int) -> int:
        last_window = self.lead - self.before + (self.count - 1) * self.step
        return max(self.lead + inputs, last_window + self.blocks.shape[2])

    def sum_of_terms(self, buffer: Tensor, out: Tensor) -> None:
        """Filters plane k of [size, K, N, C] with term k; their sum is [≥ outputs, N, C]."""
        self._multiply(self.blocks.permute(1, 2, 0).flatten(1), buffer, out)

    def each_term(self, buffer: Tensor, out: Tensor) -> None:
        """Filters [size, N, C] with every term, into the planes of [≥ outputs, K, N, C]."""
        self._multiply(self.blocks.transpose(0, 1).flatten(0, 1), buffer, out)

    def _multiply(self, block: Tensor, buffer: Tensor, out: Tensor) -> None:
        row = buffer.stride(0)
        M = buffer.shape[-2] * buffer.shape[-1]
        windows = buffer[self.lead - self.before :].as_strided(
            (self.count, block.shape[1], M), (self.step * row, M, 1)
        )
        multiply(block, windows, out[: self.outputs].view(self.count, len(block), M))


@dataclass(frozen=True)
class Axis:
    """One axis of a filter: out[i] = Σ_j taps[i·down − j·up + offset] · in[j]."""

    taps: Tensor  # [K, T], one row per term of the filter
    inputs: int
    outputs: int
    offset: int
    up: int = 1
    down: int = 1

    @classmethod
    def upsampling(cls, taps: Tensor, inputs: int, up: int, before: int, after: int) -> "Axis":
        """Inserts zeros, pads or crops the result, filters it, keeps the scale of the signal."""
        T = taps.shape[1]
        outputs = up * inputs + before + after - T + 1
        return cls(up * taps, inputs, outputs, T - 1 - before, up=up)

    @classmethod
    def downsampling(cls, taps: Tensor, inputs: int, down: int) -> "Axis":
        """Filters without padding, keeps every `down`-th sample."""
        T = taps.shape[1]
        return cls(taps, inputs, (inputs - T) // down + 1, T - 1, down=down)

    def transposed(self) -> "Axis":
        offset = self.taps.shape[1] - 1 - self.offset
        return Axis(self.taps.flip(1), self.outputs, self.inputs, offset, self.down, self.up)

    def tiles(self, outputs: int) -> Tiles:
        """Tiles of about `outputs` each. Made in each call: a few small operators on the taps."""
        K, T = self.taps.shape
        rows = -(-min(outputs, self.outputs) // self.up) * self.up  # a whole number of inputs
        first = -((T - 1 - self.offset) // self.up)  # input of the first output
        last = ((rows - 1) * self.down + self.offset) // self.up  # input of the last output
        # A view of the zero-extended taps in which the tap number grows along both axes, read
        # backwards along the second.
        lowest = self.offset - last * self.up
        highest = self.offset - first * self.up + (rows - 1) * self.down
        taps = F.pad(self.taps, (max(-lowest, 0), max(highest - T + 1, 0))).contiguous()
        strides = (taps.stride(0), self.down, self.up)
        view = taps.as_strided((K, rows, last - first + 1), strides, max(lowest, 0))
        count = -(-self.outputs // rows)
        return Tiles(view.flip(2), rows * self.down // self.up, count, -first)
