"""The instructions that checkpoints need (eg3d.md 8.2): values, containers, memo, and rules.

An instruction that is not in `HANDLERS` is refused.
"""

from collections.abc import Callable
from typing import Final, NoReturn

from nerfgan_cli.checkpoints.unpickle.machine import (
    MAX_INTEGER,
    MAX_TEXT,
    DamagedError,
    Global,
    Inert,
    LongText,
    Machine,
    RefusedError,
)

NEWEST_PROTOCOL = 5

Handler = Callable[[Machine], None]
HANDLERS: Final[dict[int, Handler]] = {}


def on(*codes: bytes) -> Callable[[Handler], Handler]:
    """Registers the handler of these instructions."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update({code[0]: handler for code in codes})
        return handler

    return register


def refuse_instruction(code: int) -> NoReturn:
    from pickletools import opcodes  # for the name only

    for known in opcodes:
        if known.code == chr(code):
            raise RefusedError(f"uses the instruction {known.name}, which no checkpoint needs")
    raise DamagedError(f"no instruction has the code {code:#04x}")


# Framing


@on(b"\x80")
def _proto(m: Machine) -> None:
    version = m.number("<B")
    if version > NEWEST_PROTOCOL:
        raise DamagedError(f"pickle protocol {version} is newer than {NEWEST_PROTOCOL}")


@on(b"\x95")
def _frame(m: Machine) -> None:
    size = m.number("<Q")
    m.take(size)  # that it is there
    m.position -= size


# Values that stand in the file


def _constant(code: bytes, make: Callable[[], object]) -> None:
    HANDLERS[code[0]] = lambda m: m.push(make())


def _number(code: bytes, layout: str) -> None:
    HANDLERS[code[0]] = lambda m: m.push(m.number(layout))


def _bytes(code: bytes, layout: str) -> None:
    HANDLERS[code[0]] = lambda m: m.push(m.take(m.number(layout)))


def _text(code: bytes, layout: str) -> None:
    def handler(m: Machine) -> None:
        data = m.take(m.number(layout))
        m.push(LongText(data) if len(data) > MAX_TEXT else m.decode(bytes(data)))

    HANDLERS[code[0]] = handler


_constant(b"N", lambda: None)
_constant(b"\x88", lambda: True)
_constant(b"\x89", lambda: False)
_constant(b")", tuple)
_constant(b"]", list)
_constant(b"}", dict)
_constant(b"\x8f", set)
_number(b"K", "<B")
_number(b"M", "<H")
_number(b"J", "<i")
_number(b"G", ">d")
_bytes(b"C", "<B")
_bytes(b"B", "<I")
_bytes(b"\x8e", "<Q")
_text(b"\x8c", "<B")
_text(b"X", "<I")
_text(b"\x8d", "<Q")


@on(b"\x8a")
def _long1(m: Machine) -> None:
    size = m.number("<B")
    if size > MAX_INTEGER:
        raise RefusedError(f"has an integer of {size} bytes")
    m.push(int.from_bytes(m.take(size), "little", signed=True))


# Containers


@on(b"(")
def _mark(m: Machine) -> None:
    m.marks.append(len(m.stack))


@on(b"t")
def _tuple(m: Machine) -> None:
    m.push(tuple(m.pop_marked()))


@on(b"\x85", b"\x86", b"\x87")
def _tuple123(m: Machine) -> None:
    count = m.data[m.at] - 0x84
    m.push(tuple([m.pop() for _ in range(count)][::-1]))


@on(b"a", b"e")
def _append(m: Machine) -> None:
    items = [m.pop()] if m.data[m.at] == ord("a") else m.pop_marked()
    target = m.top()
    if not isinstance(target, list):
        raise RefusedError("appends to something that is not a list")
    target.extend(items)


@on(b"s", b"u")
def _set_items(m: Machine) -> None:
    items = [m.pop(), m.pop()][::-1] if m.data[m.at] == ord("s") else m.pop_marked()
    target = m.top()
    if not isinstance(target, dict):
        raise RefusedError("sets items of something that is not a dictionary")
    if len(items) % 2:
        raise DamagedError("a dictionary's value is missing")
    keys = items[::2]
    if not all(type(key) is str for key in keys):  # hashing others may take forever
        raise RefusedError("has a dictionary with keys that are not short texts")
    target.update(zip(keys, items[1::2], strict=True))


@on(b"\x90")
def _add_items(m: Machine) -> None:
    items = m.pop_marked()
    target = m.top()
    if not isinstance(target, set):
        raise RefusedError("adds to something that is not a set")
    target |= text_set(items)


def text_set(items: list[object]) -> set[str]:
    """The only kind of set that checkpoints have: names."""
    names = {item for item in items if type(item) is str}  # hashing others may take forever
    if not all(type(item) is str for item in items):
        raise RefusedError("has a set of something else than short texts")
    return names


# The memo


@on(b"\x94")
def _memoize(m: Machine) -> None:
    m.memo[len(m.memo)] = m.top()


@on(b"q", b"r")
def _put(m: Machine) -> None:
    m.memo[m.number("<B" if m.data[m.at] == ord("q") else "<I")] = m.top()


@on(b"h", b"j")
def _get(m: Machine) -> None:
    index = m.number("<B" if m.data[m.at] == ord("h") else "<I")
    if index not in m.memo:
        raise DamagedError(f"it refers to value {index}, which does not exist")
    m.push(m.memo[index])


# What would execute


@on(b"c")
def _global(m: Machine) -> None:
    module = m.line()
    m.lookup(module, m.line())


@on(b"\x93")
def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    if type(name) is not str or type(module) is not str:
        raise RefusedError("asks for a global whose name is not a short text")
    m.lookup(module, name)


@on(b"R")
def _reduce(m: Machine) -> None:
    arguments, target = m.pop(), m.pop()
    if type(target) is not Global or target.rule.call is None:
        raise RefusedError(f"calls {describe(target)}")
    if type(arguments) is not tuple:
        raise RefusedError(f"calls {target.name} with something that is not a tuple")
    m.push(target.rule.call(arguments))


@on(b"\x81")
def _newobj(m: Machine) -> None:
    arguments, target = m.pop(), m.pop()
    if type(target) is not Global or target.rule.new is None:
        raise RefusedError(f"makes an object of {describe(target)}")
    if type(arguments) is not tuple or arguments:
        raise RefusedError(f"makes a {target.name} with arguments")
    m.push(target.rule.new())


@on(b"b")
def _build(m: Machine) -> None:
    state, target = m.pop(), m.top()
    if not isinstance(target, Inert):
        raise RefusedError(f"sets the state of {describe(target)}")
    target.build(state)


@on(b"Q")
def _binpersid(m: Machine) -> None:
    if m.persistent is None:
        raise RefusedError("uses the instruction BINPERSID, which no checkpoint needs")
    m.push(m.persistent(m.pop()))


def describe(target: object) -> str:
    return target.name if type(target) is Global else f"a value of type {type(target).__name__}"
