"""Cost of a computation: arithmetic, parameters and memory, counted and not timed.

Counting needs no data: modules on the "meta" device cost nothing to run. A multiply-add counts as
2 FLOPs; convolutions and matrix products are counted (those of the FIR filters included, where
they are matrix products), elementwise work is not.
"""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    flops: int
    activation_bytes: int  # peak of what was allocated and alive at one time, inputs excluded


class _AllocationMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operators allocate from their birth to their release."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known: set[int] = set()

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        inputs = {_storage_key(leaf) for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if not _is_tensor(leaf):
                continue
            storage = leaf.untyped_storage()
            key = storage._cdata
            if key in inputs or key in self._known:
                continue
            size = storage.nbytes()
            self._known.add(key)
            self.live += size
            weakref.finalize(storage, self._release, key, size)
        self.peak = max(self.peak, self.live)
        return result


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _storage_key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def cost(function: Callable[[], object]) -> Cost:
    """Runs `function` without gradients and counts what it does."""
    allocations = _AllocationMode()
    with torch.no_grad(), FlopCounterMode(display=False) as flops, allocations:
        function()
    return Cost(flops.get_total_flops(), allocations.peak)


def parameter_count(module: nn.Module) -> int:
    """Trainable numbers of a module; buffers such as averages and filters do not count."""
    return sum(parameter.numel() for parameter in module.parameters())
