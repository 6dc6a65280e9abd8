"""Work that goes on later: tensors and facts in one safe file, with a checksum over both.

It is a .safetensors container. It appears complete or not at all, and nothing in it is ever
executed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from safetensors import safe_open
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import checksum
from nerfgan_cli.checkpoints.container import Payload, read_container, write_container
from nerfgan_cli.checkpoints.payloads import to_payload


class BrokenSealError(Exception):
    """The file is not what was written."""


def write_sealed(
    path: Path,
    key: str,  # of the facts in the header: which kind of work it is
    facts: Mapping[str, Any],  # plain JSON data
    tensors: Mapping[str, Tensor],
) -> None:
    payloads = {name: to_payload(tensor) for name, tensor in tensors.items()}
    text = json.dumps({**facts, "checksum": _seal(facts, payloads)})
    write_container(path, {key: text}, payloads)


def read_sealed(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A KeyError, TypeError or ValueError says that it is no such work."""
    container = read_container(path)
    with safe_open(path, framework="pt") as file:
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in container.entries}
    facts: dict[str, Any] = json.loads(container.metadata[key])
    expected = facts.pop("checksum")
    if _seal(facts, {name: to_payload(tensor) for name, tensor in tensors.items()}) != expected:
        raise BrokenSealError
    return facts, tensors


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Its state by names such as 3.exp_avg."""
    return {
        f"{index}.{key}": tensor
        for index, entries in optimizer.state_dict()["state"].items()
        for key, tensor in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]  # rates and betas are those of now
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _seal(facts: Mapping[str, Any], payloads: Mapping[str, Payload]) -> int:
    """Also of the facts: a changed step would go on somewhere else without a word."""
    return crc32(json.dumps(facts).encode(), checksum(payloads))
