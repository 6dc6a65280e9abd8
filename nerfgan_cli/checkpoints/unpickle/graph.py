"""Refuses values that contain themselves, are nested deeply, or are huge when written out.

A few bytes of a pickle can describe a list that holds another one twice, and so on: small in
memory, and without end for whoever walks through it. After this check every walk is short.
"""

from collections.abc import Callable

from nerfgan_cli.errors import UnsafeFileError

MAX_DEPTH = 128  # an official checkpoint needs 20
MAX_SIZE = 2_000_000  # values, each counted wherever it appears; an official one has 10,000

Children = Callable[[object], list[object]]  # of a value; empty for one without parts


def check_graph(root: object, children: Children, source: str) -> None:
    """Walks once through every value under `root`, without recursion."""
    measured: dict[int, tuple[int, int]] = {}  # id -> (size, depth), once all below is measured
    open_values: dict[int, list[object]] = {}  # id -> children, from the root to the current one
    todo = [root]
    while todo:
        value = todo[-1]
        if id(value) in open_values:
            below = [measured[id(part)] for part in open_values.pop(id(value))]
            size = 1 + sum(size for size, _ in below)
            depth = 1 + max((depth for _, depth in below), default=0)
            if size > MAX_SIZE:
                raise unsafe(source, "unfolds to more values than any checkpoint")
            if depth > MAX_DEPTH:
                raise unsafe(source, "is nested more deeply than any checkpoint")
            measured[id(value)] = (size, depth)
        if id(value) in measured:
            todo.pop()
            continue
        open_values[id(value)] = parts = children(value)
        if any(id(part) in open_values for part in parts):
            raise unsafe(source, "contains a value that contains itself")
        todo += [part for part in parts if id(part) not in measured]


def unsafe(source: str, what: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"{source} {what}: it may be an attack, nothing in it was run; "
        "get the file again from its authors."
    )
