"""Numpy's scalars and arrays in official checkpoints (eg3d.md 8.2): plain numbers only."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.checkpoints.unpickle.machine import Global, Inert, RefusedError
from nerfgan_cli.checkpoints.unpickle.tensors import sizes

# Never objects, strings or records: these are pickles within pickles.
CODES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
STATE_OF_DTYPE = ((3, "<", None, None, None, -1, -1, 0), (3, "|", None, None, None, -1, -1, 0))


class Dtype(Inert):
    """numpy.dtype: a kind of number, little-endian."""

    __slots__ = ("dtype",)

    def __init__(self, arguments: tuple[object, ...]) -> None:
        if arguments not in [(code, False, True) for code in CODES]:
            raise RefusedError("has an array of something else than plain numbers")
        self.dtype = np.dtype(f"<{arguments[0]}")

    def build(self, state: object) -> None:
        if state not in STATE_OF_DTYPE:
            raise RefusedError("has an array of something else than plain little-endian numbers")


class Array(Inert):
    """numpy.ndarray: filled by BUILD."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: NDArray[np.generic] = np.empty(0, np.float32)

    def build(self, state: object) -> None:
        if type(state) is not tuple or len(state) != 5:
            raise RefusedError("has an array with an unexpected state")
        version, shape, dtype, fortran_order, data = state
        if version != 1 or type(dtype) is not Dtype or type(data) is not memoryview:
            raise RefusedError("has an array with an unexpected state")
        if prod(sizes(shape)) * dtype.dtype.itemsize != len(data):
            raise RefusedError(f"has an array of shape {shape} in {len(data):,} bytes")
        flat = np.frombuffer(data, dtype.dtype)
        size = sizes(shape)
        self.array = flat.reshape(size[::-1]).T if fortran_order is True else flat.reshape(size)


def reconstruct(arguments: tuple[object, ...]) -> Array:  # numpy.core.multiarray._reconstruct
    """(numpy.ndarray, (0,), b"b"): an array to be filled."""
    kind = arguments[0] if arguments else None
    if len(arguments) != 3 or type(kind) is not Global or kind.name != "numpy.ndarray":
        raise RefusedError("makes an array of an unexpected kind")
    return Array()


def scalar(arguments: tuple[object, ...]) -> int | float | bool:  # numpy.core.multiarray.scalar
    """(dtype, bytes) as a number."""
    if len(arguments) != 2 or type(arguments[0]) is not Dtype:
        raise RefusedError("has a scalar of an unexpected kind")
    dtype, data = arguments[0].dtype, arguments[1]
    if type(data) is not memoryview or len(data) != dtype.itemsize:
        raise RefusedError("has a scalar of an unexpected size")
    number: int | float | bool = np.frombuffer(data, dtype)[0].item()
    return number
