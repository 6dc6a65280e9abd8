"""An unfinished inversion in one file, from which it goes on exactly."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from safetensors import safe_open
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import checksum
from nerfgan_cli.checkpoints.container import Payload, read_container, write_container
from nerfgan_cli.checkpoints.payloads import to_payload
from nerfgan_cli.errors import InputError
from nerfgan_cli.inversion.stage import Stage

KEY = "nerfgan-inversion"
OPTIMIZER = "optimizer"


@dataclass(frozen=True)
class Progress:
    """Where an inversion stands."""

    key: dict[str, str]  # checksums of what it began with, by what that is
    stage: int = 0
    step: int = 0  # of the stage, the next one
    seconds: float = 0.0


def save_state(path: Path, progress: Progress, stages: Sequence[Stage]) -> None:
    """The stages so far; those that are done have nothing more to optimise."""
    tensors = {
        f"{stage.name}.{name}": tensor
        for stage in stages
        for name, tensor in stage.tensors().items()
    }
    for index, entries in stages[-1].optimizer.state_dict()["state"].items():
        tensors |= {f"{OPTIMIZER}.{index}.{key}": tensor for key, tensor in entries.items()}
    payloads = {name: to_payload(tensor) for name, tensor in tensors.items()}
    text = json.dumps({"progress": asdict(progress), "checksum": _seal(progress, payloads)})
    write_container(path, {KEY: text}, payloads)


def read_state(path: Path) -> tuple[Progress, dict[str, Tensor]]:
    container = read_container(path)
    with safe_open(path, framework="pt") as file:
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in container.entries}
    try:
        facts = json.loads(container.metadata[KEY])
        progress = Progress(**facts["progress"])
        payloads = {name: to_payload(tensor) for name, tensor in tensors.items()}
        sound = facts["checksum"] == _seal(progress, payloads)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no state of an inversion: remove it, begin anew.") from error
    if not sound:
        raise InputError(f"{path} is damaged, its checksum is wrong: remove it, and begin anew.")
    return progress, tensors


def restore(stage: Stage, tensors: Mapping[str, Tensor]) -> None:
    """What the stage had changed."""
    with torch.no_grad():
        for name, tensor in stage.tensors().items():
            tensor.copy_(tensors[f"{stage.name}.{name}"])


def restore_optimizer(stage: Stage, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        first, *rest = name.split(".")
        if first == OPTIMIZER:
            state.setdefault(int(rest[0]), {})[rest[1]] = tensor
    groups = stage.optimizer.state_dict()["param_groups"]
    stage.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _seal(progress: Progress, payloads: Mapping[str, Payload]) -> int:
    return crc32(json.dumps(asdict(progress)).encode(), checksum(payloads))
