"""Writes checkpoints in the official structure by hand, instruction by instruction (eg3d.md 8).

Anything may stand in them, `Raw` instructions too, so that harmless files of any protocol and
hostile ones are made by the same hand.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SOURCE = "raise RuntimeError('embedded source must never be executed')\n"
BUFFERS = (
    "resample_filter",
    "noise_const",
    "w_avg",
    "dataset_label_std",
    "p",
    "Hz_geom",
    "Hz_fbank",
)
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


@dataclass
class Raw:
    """Instructions as they are; they must leave one value on the stack."""

    code: bytes


@dataclass
class Global:
    module: str
    name: str


@dataclass
class Reduce:
    """function(*arguments)"""

    function: Any
    arguments: tuple[Any, ...]


@dataclass
class New:
    """An object of a class without arguments, then its state (and another, and ...)."""

    kind: Global
    states: list[Any] = field(default_factory=list)
    items: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[Any, ...] = ()


@dataclass
class Tensor:
    """A tensor with a storage of its own; what is given replaces the true values."""

    array: np.ndarray
    storage: Any = None
    offset: Any = 0
    shape: Any = None
    stride: Any = None
    parameter: bool = True


def call(module: str, name: str, *arguments: Any) -> Reduce:
    return Reduce(Global(module, name), arguments)


class Writer:
    """One pickle of protocol 2, 3 or 4, without memo."""

    def __init__(self, protocol: int) -> None:
        self.protocol = protocol

    def file(self, value: Any) -> bytes:
        body = self.code(value) + b"."
        frame = b"\x95" + struct.pack("<Q", len(body)) if self.protocol >= 4 else b""
        return b"\x80" + bytes([self.protocol]) + frame + body

    def code(self, value: Any) -> bytes:
        """The instructions that put `value` onto the stack."""
        if isinstance(value, Raw):
            return value.code
        if isinstance(value, Global):
            return self.name(value.module, value.name)
        if isinstance(value, Reduce):
            return self.code(value.function) + self.code(value.arguments) + b"R"
        if isinstance(value, New):
            code = self.code(value.kind) + self.code(value.arguments) + b"\x81"
            if value.items:
                code += self.pairs(value.items)
            return code + b"".join(self.code(state) + b"b" for state in value.states)
        if isinstance(value, Tensor):
            return self.code(self.tensor(value))
        return self.plain(value)

    def plain(self, value: Any) -> bytes:
        if value is None:
            return b"N"
        if isinstance(value, bool):
            return b"\x88" if value else b"\x89"
        if isinstance(value, int):
            return self.integer(value)
        if isinstance(value, float):
            return b"G" + struct.pack(">d", value)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.bytes(value)
        if isinstance(value, tuple):
            return b"(" + b"".join(map(self.code, value)) + b"t"
        if isinstance(value, list):
            return b"](" + b"".join(map(self.code, value)) + b"e"
        if isinstance(value, dict):
            return b"}" + self.pairs(value)
        if isinstance(value, set):
            return self.set(value)
        raise TypeError(type(value))

    def integer(self, value: int) -> bytes:
        if 0 <= value < 256:
            return b"K" + bytes([value])
        if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        size = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)

    def text(self, value: str) -> bytes:
        data = value.encode()
        if self.protocol >= 4 and len(data) < 256:
            return b"\x8c" + bytes([len(data)]) + data
        return b"X" + struct.pack("<I", len(data)) + data

    def bytes(self, value: bytes) -> bytes:
        if self.protocol == 2:
            return self.code(call("_codecs", "encode", value.decode("latin1"), "latin1"))
        if len(value) < 256:
            return b"C" + bytes([len(value)]) + value
        return b"B" + struct.pack("<I", len(value)) + value

    def pairs(self, value: dict[Any, Any]) -> bytes:
        return b"(" + b"".join(self.code(k) + self.code(v) for k, v in value.items()) + b"u"

    def set(self, value: set[Any]) -> bytes:
        if self.protocol >= 4:
            return b"\x8f(" + b"".join(map(self.code, sorted(value))) + b"\x90"
        return self.code(call(self.builtins, "set", sorted(value)))

    @property
    def builtins(self) -> str:
        return "__builtin__" if self.protocol == 2 else "builtins"

    def name(self, module: str, name: str) -> bytes:
        if module == "builtins":
            module = self.builtins
        if self.protocol >= 4:
            return self.text(module) + self.text(name) + b"\x93"
        return f"c{module}\n{name}\n".encode()

    def tensor(self, tensor: Tensor) -> Reduce:
        array = np.ascontiguousarray(tensor.array).reshape(tensor.array.shape)
        stride = tuple(step // array.itemsize for step in array.strides)
        data = storage_bytes(array) if tensor.storage is None else tensor.storage
        rebuilt = call(
            "torch._utils",
            "_rebuild_tensor_v2",
            call("torch.storage", "_load_from_bytes", data),
            tensor.offset,
            array.shape if tensor.shape is None else tensor.shape,
            stride if tensor.stride is None else tensor.stride,
            False,
            call("collections", "OrderedDict"),
        )
        if not tensor.parameter:
            return rebuilt
        hooks = call("collections", "OrderedDict")
        return call("torch._utils", "_rebuild_parameter", rebuilt, False, hooks)


def storage_bytes(
    array: np.ndarray,
    *,
    kind: str = "FloatStorage",
    announced: int | None = None,  # elements in the header
    counted: int | None = None,  # elements before the numbers
    keys: tuple[str, str] = ("94000000000000", "94000000000000"),
    little_endian: Any = True,
    magic: int = MAGIC_NUMBER,
    identifier: Any = None,  # instead of the storage's persistent id
) -> bytes:
    """torch's legacy format: five pickles, a count, the numbers."""
    writer = Writer(2)
    numel = array.size
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": sizes}
    described = ("storage", Global("torch", kind), keys[0], "cpu")
    described += (numel if announced is None else announced, None)
    storage = writer.code(described if identifier is None else identifier) + b"Q"
    parts = [writer.file(value) for value in (magic, 1001, system, Raw(storage), [keys[1]])]
    count = struct.pack("<q", numel if counted is None else counted)
    return b"".join(parts) + count + np.ascontiguousarray(array).tobytes()


# The official structure

OBJECTS = {
    "decoder": Global("training.triplane", "OSGDecoder"),
    "decoder.net": Global("torch.nn.modules.container", "Sequential"),
    "decoder.net.1": Global("torch.nn.modules.activation", "Softplus"),
    "renderer": Global("training.volumetric_rendering.renderer", "ImportanceRenderer"),
    "ray_sampler": Global("training.volumetric_rendering.ray_sampler", "RaySampler"),
}
WITHOUT_TENSORS = {"TriPlaneGenerator": ("renderer", "ray_sampler", "decoder.net.1")}


def module_tree(names: list[str]) -> dict[str, Any]:
    """Dotted names as nested dictionaries; leaves are the full names."""
    tree: dict[str, Any] = {}
    for name in names:
        *path, last = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = name
    return tree


def network(
    class_name: str,
    tensors: dict[str, Any],  # arrays, or anything that replaces one
    init_kwargs: dict[str, Any],
    attributes: dict[str, Any] | None = None,
    source: str = SOURCE,
) -> Reduce:
    """A network whose modules follow from the names of its tensors."""
    tree = module_tree(list(tensors))
    for path in WITHOUT_TENSORS.get(class_name, ()):
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    return _module(class_name, tree, "", tensors, (init_kwargs, attributes or {}), source)


def _module(
    class_name: str,
    tree: dict[str, Any],
    path: str,
    tensors: dict[str, Any],
    arguments: tuple[dict[str, Any], dict[str, Any]],
    source: str,
) -> Any:
    own = {key: tensors[name] for key, name in tree.items() if isinstance(name, str)}
    modules = {
        key: _module("Part", sub, f"{path}.{key}".strip("."), tensors, ({}, {}), source)
        for key, sub in sorted_modules(tree)
    }
    state = {
        "training": False,
        "_parameters": {k: leaf(v, True) for k, v in own.items() if k not in BUFFERS},
        "_buffers": {k: leaf(v, False) for k, v in own.items() if k in BUFFERS},
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": call("collections", "OrderedDict"),
        "_modules": modules,
    }
    if path in OBJECTS:
        return New(OBJECTS[path], [state])
    init_kwargs, attributes = arguments
    state.update(attributes, _init_args=(), _init_kwargs=easy(init_kwargs))
    return persistent(class_name, state, source)


def sorted_modules(tree: dict[str, Any]) -> list[tuple[str, Any]]:
    """In the given order; those of a Sequential by number."""
    modules = [(key, sub) for key, sub in tree.items() if isinstance(sub, dict)]
    return sorted(modules) if all(key.isdigit() for key, _ in modules) else modules


def persistent(class_name: str, state: Any, source: str = SOURCE) -> Reduce:
    meta = {
        "type": "class",
        "version": 6,
        "module_src": source,
        "class_name": class_name,
        "state": state,
    }
    return call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)


def leaf(value: Any, parameter: bool) -> Any:
    return Tensor(value, parameter=parameter) if isinstance(value, np.ndarray) else value


def easy(value: dict[str, Any]) -> New:
    """An EasyDict, nested ones too."""
    items = {k: easy(v) if isinstance(v, dict) else v for k, v in value.items()}
    return New(Global("dnnlib.util", "EasyDict"), items=items)


def checkpoint(networks: dict[str, Any], training: Any = None, protocol: int = 4) -> bytes:
    """The whole file."""
    value = {"training_set_kwargs": training or {"path": "data.zip", "resolution": 128}}
    value.update(networks)
    value.setdefault("augment_pipe", None)
    return Writer(protocol).file(value)
