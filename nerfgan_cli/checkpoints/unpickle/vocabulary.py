"""Every global name that an official checkpoint may contain, and what stands in for it.

The table of eg3d.md 8.2. Nothing here is the thing that is named: a network becomes a `Record` of
its attributes, a tensor a view of the file, and the embedded source text is dropped unread.
"""

from collections.abc import Callable
from functools import partial

from nerfgan_cli.checkpoints.unpickle.arrays import Dtype, reconstruct, scalar
from nerfgan_cli.checkpoints.unpickle.graph import check_graph
from nerfgan_cli.checkpoints.unpickle.instructions import text_set
from nerfgan_cli.checkpoints.unpickle.interpreter import unpickle
from nerfgan_cli.checkpoints.unpickle.machine import (
    Budget,
    DamagedError,
    Inert,
    LongText,
    RefusedError,
    Rule,
    Vocabulary,
)
from nerfgan_cli.checkpoints.unpickle.tensors import (
    rebuild_parameter,
    rebuild_tensor,
    storage_reader,
    torch_size,
)
from nerfgan_cli.errors import InputError

PERSISTENCE_VERSION = 6

# Classes that are pickled as ordinary objects: a class without arguments, then its attributes.
OBJECTS = {
    "training.triplane": ("OSGDecoder",),
    "training.volumetric_rendering.renderer": ("ImportanceRenderer",),
    "training.volumetric_rendering.ray_marcher": ("MipRayMarcher2",),
    "training.volumetric_rendering.ray_sampler": ("RaySampler",),
    "torch.nn.modules.container": ("Sequential", "ModuleList"),
    "torch.nn.modules.linear": ("Linear", "Identity"),
    "torch.nn.modules.activation": (
        *("Softplus", "ReLU", "LeakyReLU", "Sigmoid", "Tanh", "SiLU", "ELU", "SELU", "GELU"),
    ),
}
NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since numpy 2
BUILTINS = ("builtins", "__builtin__")  # the second in protocol 2
TENSORFLOW = ("dnnlib.tflib.network", "Network")


class Record(Inert):
    """An object of the checkpoint: the name of its class and its attributes."""

    __slots__ = ("class_name", "state")

    def __init__(self, class_name: str, state: dict[str, object] | None = None) -> None:
        self.class_name = class_name
        self.state = state

    def build(self, state: object) -> None:
        if self.state is not None:
            raise RefusedError(f"sets the state of a {self.class_name} twice")
        self.state = attributes(state)


def attributes(state: object) -> dict[str, object]:
    """What an object's `__dict__` held."""
    if type(state) is not dict:
        raise RefusedError("has an object whose state is not a dictionary of attributes")
    for name in state:
        if name.startswith("__"):
            raise RefusedError(f"sets the special attribute {ascii(name)[1:-1][:100]} of an object")
    return state


def persistent_object(arguments: tuple[object, ...]) -> Record:  # eg3d.md 8.1
    """(meta,) as a record. The source text in `meta` is not even decoded."""
    if len(arguments) != 1 or type(arguments[0]) is not dict:
        raise RefusedError("has an object without a description")
    meta = arguments[0]
    name = meta.get("class_name")
    if meta.get("type") != "class" or type(name) is not str:
        raise RefusedError("has an object that is not of a class")
    if meta.get("version") != PERSISTENCE_VERSION:
        raise DamagedError(f"its objects are not of format version {PERSISTENCE_VERSION}")
    return Record(name, attributes(meta.get("state")))


def empty_dict(arguments: tuple[object, ...]) -> dict[str, object]:  # OrderedDict()
    if arguments:
        raise RefusedError("makes a dictionary from arguments")
    return {}


def name_set(arguments: tuple[object, ...]) -> set[str]:  # set([...])
    items = arguments[0] if arguments else []
    if len(arguments) > 1 or type(items) is not list:
        raise RefusedError("makes a set of something that is not a list")
    return text_set(items)


def latin_bytes(limit: int) -> Callable[[tuple[object, ...]], memoryview]:  # _codecs.encode
    """Byte strings of protocol 2, which knows only texts; `limit` bounds their sum."""
    left = limit

    def encode(arguments: tuple[object, ...]) -> memoryview:
        nonlocal left
        text, codec = arguments if len(arguments) == 2 else (None, None)
        if codec not in ("latin1", "latin-1"):
            raise RefusedError("encodes a text as something else than latin1")
        if type(text) is LongText:
            text = bytes(text.data).decode("utf-8")
        if type(text) is not str:
            raise RefusedError("encodes something that is not a text")
        left -= len(text)
        if left < 0:
            raise RefusedError("unfolds to more bytes than the file has")
        try:
            return memoryview(text.encode("latin1"))
        except UnicodeEncodeError as error:
            raise RefusedError("has a byte string with characters beyond latin1") from error

    return encode


def tensorflow_network(source: str) -> Callable[[], object]:
    def refuse() -> object:
        raise InputError(
            f"{source} is a TensorFlow StyleGAN2 pickle, which nerfgan cannot read: "
            "use an EG3D checkpoint (ffhq512-128.pkl and the like)."
        )

    return refuse


def official_vocabulary(source: str, size: int, budget: Budget) -> Vocabulary:
    """The names for one file of `size` bytes."""
    rules = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): Rule(call=persistent_object),
        ("collections", "OrderedDict"): Rule(call=empty_dict),
        ("dnnlib.util", "EasyDict"): Rule(new=dict),
        ("torch._utils", "_rebuild_parameter"): Rule(call=rebuild_parameter),
        ("torch._utils", "_rebuild_parameter_with_state"): Rule(call=rebuild_parameter),
        ("torch._utils", "_rebuild_tensor_v2"): Rule(call=rebuild_tensor),
        ("torch.storage", "_load_from_bytes"): Rule(call=storage_reader(source, budget)),
        ("torch", "Size"): Rule(call=torch_size),
        ("numpy", "dtype"): Rule(call=Dtype),
        ("numpy", "ndarray"): Rule(),
        ("_codecs", "encode"): Rule(call=latin_bytes(size)),
        TENSORFLOW: Rule(new=tensorflow_network(source)),
    }
    rules.update({(module, "set"): Rule(call=name_set) for module in BUILTINS})
    for module in NUMPY_MODULES:
        rules[module, "scalar"] = Rule(call=scalar)
        rules[module, "_reconstruct"] = Rule(call=reconstruct)
    for module, names in OBJECTS.items():
        for name in names:
            rules[module, name] = Rule(new=partial(Record, name))
    return rules


def children(value: object) -> list[object]:
    """The parts of a value, for walks."""
    if type(value) is list or type(value) is tuple:
        return list(value)
    if type(value) is dict:
        return list(value.values())
    if type(value) is Record:
        return [value.state]
    return []


def read_pickle(data: memoryview, source: str) -> object:
    """The value of an official pickle: plain containers, numbers, texts, tensors and records."""
    budget = Budget()
    vocabulary = official_vocabulary(source, len(data), budget)
    value, end = unpickle(data, source, vocabulary, budget)
    if end != len(data):
        raise InputError(
            f"{source} goes on after the end of its pickle (byte {end}): get the file again."
        )
    check_graph(value, children, source)
    return value
