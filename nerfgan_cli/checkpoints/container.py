"""The bytes of a .safetensors file: written as a stream, its header checked without the tensors.

    8 bytes: length of the header · header: JSON, padded with blanks · the tensors' numbers

We write the format ourselves so that the same model gives the same bytes (the library's order of
metadata varies), and so that a tensor need never be in memory as a whole file.
"""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError
from nerfgan_cli.files import replacing

ITEM_BYTES = {
    **{"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2},
    **{"I8": 1, "U8": 1, "BOOL": 1},
}
LENGTH_BYTES = 8
ALIGNMENT = 8
MAX_HEADER = 1 << 22  # bytes; a model of 1,000 tensors takes 100,000
MAX_DIMENSIONS = 8
METADATA = "__metadata__"


class Payload(NamedTuple):
    """A tensor to be written. The numbers of a BF16 tensor are given as int16."""

    dtype: str  # a key of ITEM_BYTES
    numbers: NDArray[np.generic]


@dataclass(frozen=True)
class Entry:
    """A tensor as the header announces it."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Container:
    """The checked header of a file."""

    metadata: dict[str, str]
    entries: dict[str, Entry]


def write_container(
    path: Path, metadata: Mapping[str, str], payloads: Mapping[str, Payload]
) -> None:
    """Writes the file in one go: it appears complete, or not at all."""
    # Wider numbers first: then all are aligned.
    order = sorted(payloads, key=lambda name: -ITEM_BYTES[payloads[name].dtype])
    header: dict[str, Any] = {METADATA: dict(metadata)}
    start = 0
    for name in order:
        dtype, numbers = payloads[name]
        end = start + numbers.size * ITEM_BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": numbers.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    arrays = (np.ascontiguousarray(payloads[name].numbers) for name in order)
    try:
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            file.write(len(text).to_bytes(LENGTH_BYTES, "little"))
            file.write(text)
            for array in arrays:
                file.write(array.reshape(-1).view(np.uint8).data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"the disk is full, {path} was not written: free some space or write elsewhere."
        ) from error


def read_container(path: Path) -> Container:
    """Reads and checks the header; every byte of the rest belongs to one tensor."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if size < LENGTH_BYTES or length > size - LENGTH_BYTES:
            raise damaged(path, "its header is cut off")
        if length > MAX_HEADER:
            raise damaged(path, f"its header claims {length:,} bytes")
        text = file.read(length)
    header = parse_header(path, text)
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise damaged(path, "its metadata are not texts")
    spans = {name: parse_entry(path, name, value) for name, value in header.items()}
    check_spans(path, [span for _, span in spans.values()], size - LENGTH_BYTES - length)
    return Container(metadata, {name: entry for name, (entry, _) in spans.items()})


def parse_header(path: Path, text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name occurs twice")
        return dict(pairs)

    try:
        header = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise damaged(path, "its header is not a table")
    return header


def parse_entry(path: Path, name: str, value: Any) -> tuple[Entry, tuple[int, int]]:
    """The tensor, and where its numbers lie."""
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, f"tensor {name!r} is not described")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if (
        type(dtype) is not str
        or dtype not in ITEM_BYTES
        or not is_sizes(shape)
        or not is_sizes(offsets)
    ):
        raise damaged(path, f"tensor {name!r} is not described")
    entry = Entry(dtype, tuple(shape))
    if len(offsets) != 2 or offsets[1] - offsets[0] != entry.nbytes:
        raise damaged(path, f"tensor {name!r} does not have the size of its shape")
    return entry, (offsets[0], offsets[1])


def is_sizes(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_DIMENSIONS
        and all(type(size) is int and 0 <= size < 1 << 62 for size in value)
    )


def check_spans(path: Path, spans: Sequence[tuple[int, int]], size: int) -> None:
    """The tensors cover the data without gaps and overlaps."""
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise damaged(path, "its tensors leave gaps or overlap")
        end = stop
    if end > size:
        raise damaged(path, f"{end - size:,} bytes of tensors are missing")
    if end < size:
        raise damaged(path, f"{size - end:,} bytes belong to no tensor")


def damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} is damaged or cut off, {what}: get or write the file again.")
