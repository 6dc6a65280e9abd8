"""The stack machine of pickle: what it holds, and what its global names may stand for."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# An official checkpoint with all its networks takes 70,000, those within storages included.
MAX_INSTRUCTIONS = 400_000
MAX_TEXT = 8192  # bytes; longer texts (embedded source, byte strings of protocol 2) stay undecoded
MAX_TEXT_TOTAL = 1 << 24  # bytes of all decoded texts
MAX_INTEGER = 16  # bytes of a big integer; torch's magic number has 10
MAX_LENGTH = 1 << 40  # bytes; a longer item is forged, a shorter one that is missing is cut off


class Inert:
    """A value made by a `Rule` that BUILD may complete, in the way the value itself defines."""

    __slots__ = ()

    def build(self, state: object) -> None:
        raise NotImplementedError


class LongText(NamedTuple):
    """A text that was left where it is, in UTF-8."""

    data: memoryview


class Rule(NamedTuple):
    """What may be done with a global name; None: refused."""

    call: Callable[[tuple[object, ...]], object] | None = None  # REDUCE
    new: Callable[[], object] | None = None  # NEWOBJ without arguments


Vocabulary = Mapping[tuple[str, str], Rule]


class Global(NamedTuple):
    """A name from the vocabulary, on the stack: never the thing that it names in Python."""

    name: str
    rule: Rule


class RefusedError(Exception):
    """A rule found its arguments to be forged; the interpreter adds the file and the place."""


class DamagedError(Exception):
    """The data is no complete pickle."""


@dataclass
class Budget:
    """What one file, with everything embedded in it, may still use."""

    instructions: int = MAX_INSTRUCTIONS
    text: int = MAX_TEXT_TOTAL


class Machine:
    """The stack machine. Containers are Python's own and hold only what the machine made."""

    def __init__(
        self,
        data: memoryview,
        vocabulary: Vocabulary,
        budget: Budget,
        persistent: Callable[[object], object] | None,
        start: int,
    ) -> None:
        self.data = data
        self.vocabulary = vocabulary
        self.budget = budget
        self.persistent = persistent
        self.position = start
        self.at = start  # of the current instruction
        self.stack: list[object] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, object] = {}

    # The data

    def take(self, count: int) -> memoryview:
        if count > len(self.data) - self.position:
            if count > MAX_LENGTH:
                raise RefusedError(f"claims an item of {count:,} bytes")
            raise DamagedError("it ends too early")
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self) -> str:
        """The rest of a line, as GLOBAL has it."""
        text = bytes(self.data[self.position : self.position + MAX_TEXT])
        end = text.find(b"\n")
        if end < 0:
            raise DamagedError("a line does not end")
        self.position += end + 1
        return self.decode(text[:end])

    def decode(self, text: bytes) -> str:
        self.budget.text -= len(text)
        if self.budget.text < 0:
            raise RefusedError("has more text than any checkpoint")
        return text.decode("utf-8")

    # The stack

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        self.top()
        return self.stack.pop()

    def top(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise DamagedError("a value is missing")
        return self.stack[-1]

    def pop_marked(self) -> list[object]:
        """Everything above the last mark."""
        if not self.marks:
            raise DamagedError("a mark is missing")
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def lookup(self, module: str, name: str) -> None:
        rule = self.vocabulary.get((module, name))
        full_name = f"{module}.{name}"
        if rule is None:
            raise RefusedError(
                f"asks for {ascii(full_name)[1:-1][:100]}, which no checkpoint needs"
            )
        self.push(Global(full_name, rule))
