"""Official checkpoints of EG3D and Mimic3D: their networks, read without running them.

Their structure is in eg3d.md section 8.4; Mimic3D's have a discriminator of patches too.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from nerfgan_cli.checkpoints.sniff import refuse_unless
from nerfgan_cli.checkpoints.unpickle.arrays import Array
from nerfgan_cli.checkpoints.unpickle.tensors import StoredTensor
from nerfgan_cli.checkpoints.unpickle.vocabulary import Record, read_pickle
from nerfgan_cli.errors import InputError, UnsafeFileError

NETWORKS = ("G_ema", "G", "D", "D_patch", "augment_pipe")
# The training program adds it to G; it belongs to no network (eg3d.md 7).
SURPLUS = ("dataset_label_std",)


@dataclass(frozen=True)
class Network:
    """One network of a checkpoint, as data."""

    class_name: str
    init_kwargs: dict[str, Any]  # of its constructor, as plain JSON data
    attributes: dict[str, Any]  # those that win over `init_kwargs`
    tensors: dict[str, StoredTensor]  # the state dict, in the official order
    parameters: frozenset[str]  # names of the tensors that are trained

    def part_sizes(self) -> dict[str, int]:
        """Trained numbers of each part."""
        sizes: dict[str, int] = {}
        for name, tensor in self.tensors.items():
            if name in self.parameters:
                part = name.partition(".")[0]
                sizes[part] = sizes.get(part, 0) + tensor.numel
        return sizes


@dataclass(frozen=True)
class OfficialCheckpoint:
    name: str  # of the file
    networks: dict[str, Network]  # of NETWORKS, those that are there
    training: dict[str, Any]  # arguments of the data set it was trained on

    def training_facts(self) -> dict[str, Any]:
        """The data set; the folders of somebody's machine are nobody else's business."""
        path = self.training.get("path")
        if not isinstance(path, str):
            return self.training
        return {**self.training, "path": path.replace("\\", "/").rstrip("/").rpartition("/")[2]}

    def network(self, key: str) -> Network:
        if key not in self.networks:
            present = ", ".join(self.networks) or "none"
            raise InputError(
                f"{self.name} has no network {key}: choose one that it has ({present})."
            )
        return self.networks[key]


def read_official(path: Path) -> OfficialCheckpoint:
    """Reads the structure of a checkpoint; the numbers stay in the file until they are used."""
    refuse_unless(path, "pickle")
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    root = read_pickle(data, path.name)
    if type(root) is not dict:
        raise InputError(f"{path.name} holds no networks: give an official EG3D checkpoint.")
    records = {key: root[key] for key in NETWORKS if type(root.get(key)) is Record}
    if not records:
        raise InputError(f"{path.name} holds no networks: give an official EG3D checkpoint.")
    reader = NetworkReader(path.name, len(data))
    training = root.get("training_set_kwargs")
    return OfficialCheckpoint(
        path.name,
        {key: reader.read(record) for key, record in records.items()},
        reader.plain(training) if type(training) is dict else {},
    )


@dataclass(frozen=True)
class NetworkReader:
    """From records to networks, for one file."""

    source: str
    size: int  # of the file, in bytes

    def read(self, record: Record) -> Network:
        state = record.state or {}
        if state.get("_init_args", ()) != ():
            raise self.unexpected(f"a {record.class_name} with unnamed constructor arguments")
        tensors: dict[str, StoredTensor] = {}
        parameters: set[str] = set()
        for name, tensor, trained in self.walk(record, ""):
            tensors[name] = tensor
            if trained:
                parameters.add(name)
        if sum(tensor.nbytes for tensor in tensors.values()) > self.size:
            raise UnsafeFileError(
                f"{self.source} has a network larger than itself: it may be an attack, nothing in "
                "it was run; get the file again from its authors."
            )
        attributes: dict[str, Any] = {
            key: self.plain(state[key])
            for key in ("rendering_kwargs", "neural_rendering_resolution")
            if key in state
        }
        kwargs = self.plain(state.get("_init_kwargs", {}))
        if not isinstance(kwargs, dict):
            raise self.unexpected("constructor arguments that are not named")
        return Network(record.class_name, kwargs, attributes, tensors, frozenset(parameters))

    def walk(self, record: Record, prefix: str) -> Iterator[tuple[str, StoredTensor, bool]]:
        """Names, tensors, whether trained: own parameters, own buffers, then the sub-modules."""
        state = record.state or {}
        transient = state.get("_non_persistent_buffers_set", set())
        for key in ("_parameters", "_buffers"):
            for name, tensor in self.table(state, key).items():
                if tensor is None or (isinstance(transient, set) and name in transient):
                    continue
                if type(tensor) is not StoredTensor:
                    raise self.unexpected(f"something else than a tensor at {prefix}{name}")
                yield prefix + name, tensor, key == "_parameters"
        for name, module in self.table(state, "_modules").items():
            if module is None:
                continue
            if type(module) is not Record:
                raise self.unexpected(f"something else than a module at {prefix}{name}")
            yield from self.walk(module, f"{prefix}{name}.")

    def table(self, state: dict[str, object], key: str) -> dict[str, object]:
        value = state.get(key)
        if type(value) is not dict:
            raise self.unexpected(f"an object without {key}")
        return value

    def plain(self, value: object) -> Any:
        """Constructor arguments as JSON data."""
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float) and isfinite(value):
            return value
        if type(value) is list or type(value) is tuple:
            return [self.plain(item) for item in value]
        if type(value) is dict:
            return {key: self.plain(item) for key, item in value.items()}
        if type(value) is Array and value.array.size <= 64:
            return value.array.tolist()
        raise self.unexpected(f"arguments of type {type(value).__name__}")

    def unexpected(self, what: str) -> InputError:
        return InputError(f"{self.source} has {what}: give an official EG3D checkpoint, unchanged.")
