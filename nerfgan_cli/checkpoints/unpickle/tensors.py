"""Tensors of official checkpoints, read without torch (eg3d.md 8.3).

Each tensor has a storage of its own: the bytes of a small file in torch's legacy format, which are
five pickles and then the numbers. These stay views of the checkpoint until they are used.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.checkpoints.unpickle.interpreter import unpickle
from nerfgan_cli.checkpoints.unpickle.machine import Budget, Global, RefusedError, Rule, Vocabulary

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
COUNT_BYTES = 8  # the number of elements, after the pickles
MAX_DIMENSIONS = 8

# torch's class, our name of the type, numpy's
STORAGES = {
    "torch.DoubleStorage": ("F64", "<f8"),
    "torch.FloatStorage": ("F32", "<f4"),
    "torch.HalfStorage": ("F16", "<f2"),
    "torch.LongStorage": ("I64", "<i8"),
    "torch.IntStorage": ("I32", "<i4"),
    "torch.ShortStorage": ("I16", "<i2"),
    "torch.CharStorage": ("I8", "<i1"),
    "torch.ByteStorage": ("U8", "<u1"),
    "torch.BoolStorage": ("BOOL", "|b1"),
}


class Storage(NamedTuple):
    """A run of numbers in the file."""

    name: str  # of the type
    dtype: np.dtype[np.generic]
    data: memoryview

    @property
    def numel(self) -> int:
        return len(self.data) // self.dtype.itemsize


class StoredTensor(NamedTuple):
    """A tensor whose every element is known to lie in its storage."""

    storage: Storage
    offset: int  # this and the strides count elements
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * self.storage.dtype.itemsize

    def array(self) -> NDArray[np.generic]:
        """A read-only view of the file (not aligned in memory)."""
        dtype = self.storage.dtype
        flat = np.frombuffer(self.storage.data, dtype)[self.offset :]
        steps = zip(self.shape, self.stride, strict=True)
        # The stride of a single element has no meaning, and may be any number.
        strides = [dtype.itemsize * (step if size > 1 else 1) for size, step in steps]
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False)


class _Announced(NamedTuple):
    """What a storage's header says of it."""

    kind: str  # a key of STORAGES
    key: str
    numel: int


def storage_reader(
    source: str, budget: Budget
) -> Callable[[tuple[object, ...]], Storage]:  # torch.storage._load_from_bytes
    """The reader of the storages of one file."""

    def read(arguments: tuple[object, ...]) -> Storage:
        if len(arguments) != 1 or type(arguments[0]) is not memoryview:
            raise RefusedError("has a storage that is not made of bytes")
        return parse_storage(arguments[0], source, budget)

    return read


def parse_storage(data: memoryview, source: str, budget: Budget) -> Storage:
    """The numbers of a storage in torch's legacy format, after every check of its header."""
    end = 0

    def read(
        vocabulary: Vocabulary, persistent: Callable[[object], object] | None = None
    ) -> object:
        nonlocal end
        value, end = unpickle(data, source, vocabulary, budget, persistent, start=end)
        return value

    if read({}) != MAGIC_NUMBER or read({}) != PROTOCOL:
        raise RefusedError("has a storage in an unknown format")
    system = read({})
    if type(system) is not dict or system.get("little_endian") is not True:
        raise RefusedError("has a storage that is not little-endian")
    names = {("torch", name.removeprefix("torch.")): Rule() for name in STORAGES}
    announced = read(names, persistent=_announce)
    if type(announced) is not _Announced:
        raise RefusedError("has a storage without a description")
    keys = read({})
    if type(keys) is not list or len(keys) != 1 or keys[0] != announced.key:
        raise RefusedError("has a storage with an unexpected list of parts")
    count = int.from_bytes(data[end : end + COUNT_BYTES], "little", signed=True)
    numbers = data[end + COUNT_BYTES :]
    name, code = STORAGES[announced.kind]
    dtype = np.dtype(code)
    if announced.numel != count or count * dtype.itemsize != len(numbers):
        raise RefusedError(
            f"has a storage that claims {max(announced.numel, count):,} elements "
            f"in {len(numbers):,} bytes"
        )
    return Storage(name, dtype, numbers)


def _announce(identifier: object) -> _Announced:
    """The meaning of ('storage', type, key, device, number of elements, None)."""
    if type(identifier) is not tuple or len(identifier) != 6:
        raise RefusedError("has a persistent id that is not a storage's")
    word, kind, key, device, numel, view = identifier
    if type(kind) is not Global or kind.name not in STORAGES or (word, view) != ("storage", None):
        raise RefusedError("has a persistent id that is not a storage's")
    if type(key) is not str or type(device) is not str or type(numel) is not int:
        raise RefusedError("has a persistent id that is not a storage's")
    return _Announced(kind.name, key, numel)


def rebuild_tensor(arguments: tuple[object, ...]) -> StoredTensor:  # _rebuild_tensor_v2
    """(storage, offset, shape, stride, requires_grad, hooks[, metadata]) as a checked view."""
    if len(arguments) not in (6, 7):
        raise RefusedError(f"rebuilds a tensor from {len(arguments)} values")
    storage, offset, shape, stride = arguments[:4]
    if type(storage) is not Storage or type(offset) is not int:
        raise RefusedError("rebuilds a tensor from something that is not a storage")
    tensor = StoredTensor(storage, offset, sizes(shape), sizes(stride))
    if len(tensor.shape) != len(tensor.stride):
        raise RefusedError("has a tensor whose shape and strides do not fit")
    steps = zip(tensor.shape, tensor.stride, strict=True)
    last = offset + sum((size - 1) * step for size, step in steps) if tensor.numel else offset - 1
    if offset < 0 or last >= storage.numel or tensor.numel > storage.numel:
        raise RefusedError(
            f"has a tensor of shape {tensor.shape} at {offset} in a storage of {storage.numel:,}"
        )
    return tensor


def rebuild_parameter(arguments: tuple[object, ...]) -> StoredTensor:
    """(tensor, requires_grad, hooks[, state]): the tensor."""
    if len(arguments) not in (3, 4) or type(arguments[0]) is not StoredTensor:
        raise RefusedError("rebuilds a parameter from something that is not a tensor")
    return arguments[0]


def sizes(value: object) -> tuple[int, ...]:
    """A shape or strides."""
    if type(value) is not tuple or len(value) > MAX_DIMENSIONS:
        raise RefusedError("has a tensor whose shape is not a short tuple")
    if not all(type(size) is int and size >= 0 for size in value):
        raise RefusedError("has a tensor whose shape is not made of sizes")
    return value


def torch_size(arguments: tuple[object, ...]) -> tuple[int, ...]:  # torch.Size
    if len(arguments) != 1:
        raise RefusedError("makes a torch.Size of something that is not a shape")
    return sizes(arguments[0])
