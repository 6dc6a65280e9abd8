"""The state of a training run as one safe file: everything that the next step depends on.

It is a .safetensors container: the tensors of all modules and optimisers, and in its header facts
as JSON and a checksum. It appears complete or not at all, and nothing in it is ever executed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from safetensors import safe_open
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import checksum
from nerfgan_cli.checkpoints.container import Payload, read_container, write_container
from nerfgan_cli.checkpoints.payloads import is_finite, to_payload
from nerfgan_cli.errors import DivergedError, InputError
from nerfgan_cli.training.task import Task

KEY = "nerfgan-training"
MODULE, OPTIMIZER = "module", "optimizer"  # first words of the tensors' names


@dataclass(frozen=True)
class Facts:
    """Where a run stands."""

    step: int = 0  # the next one
    seconds: float = 0.0  # of training so far
    licence: str | None = None  # terms of the weights it started from
    data: str = ""  # fingerprint of the data set


def refuse_infinite(task: Task) -> None:
    """What is no longer finite must not be saved."""
    for name, tensor in collect(task).items():
        if not is_finite(tensor):
            raise DivergedError(
                f"the training diverged: {name.partition('.')[2]} has NaN or infinite values; the "
                "last good checkpoint is kept: start another run with a smaller learning rate."
            )


def save_state(path: Path, task: Task, facts: Facts) -> None:
    payloads = {name: to_payload(tensor) for name, tensor in collect(task).items()}
    text = json.dumps(asdict(facts) | {"checksum": seal(facts, payloads)})
    write_container(path, {KEY: text}, payloads)


def read_state(path: Path) -> tuple[Facts, dict[str, Tensor]]:
    """The facts and tensors of a file that is complete and unchanged."""
    container = read_container(path)
    with safe_open(path, framework="pt") as file:
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in container.entries}
    try:
        data = json.loads(container.metadata[KEY])
        expected = data.pop("checksum")
        facts = Facts(**data)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no state of a training run: give a run folder.") from error
    if seal(facts, {name: to_payload(tensor) for name, tensor in tensors.items()}) != expected:
        raise InputError(
            f"{path} is damaged, its checksum is wrong: remove it, the one before serves."
        )
    return facts, tensors


def restore(task: Task, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Puts the state back, every tensor to its place."""
    parts = split(tensors)
    try:
        for name, module in task.modules.items():
            module.load_state_dict(parts[MODULE].get(name, {}))
        for name, optimizer in task.optimizers.items():
            _restore_optimizer(optimizer, parts[OPTIMIZER].get(name, {}))
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{source} does not fit the networks of this recipe: give another --out."
        ) from error


def collect(task: Task) -> dict[str, Tensor]:
    """All tensors of the state, by names such as module.generator.backbone.…"""
    tensors = {}
    for name, module in task.modules.items():
        for key, tensor in module.state_dict().items():
            tensors[f"{MODULE}.{name}.{key}"] = tensor
    for name, optimizer in task.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            for key, tensor in entries.items():
                tensors[f"{OPTIMIZER}.{name}.{index}.{key}"] = tensor
    return tensors


def split(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, dict[str, Tensor]]]:
    """What `collect` joined: [module or optimizer][its name][the rest of the name]."""
    parts: dict[str, dict[str, dict[str, Tensor]]] = {MODULE: {}, OPTIMIZER: {}}
    for full_name, tensor in tensors.items():
        what, name, key = full_name.split(".", 2)
        parts.setdefault(what, {}).setdefault(name, {})[key] = tensor
    return parts


def seal(facts: Facts, payloads: Mapping[str, Payload]) -> int:
    """Checksum of a whole state: a changed step would resume somewhere else without a word."""
    return crc32(json.dumps(asdict(facts)).encode(), checksum(payloads))


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]  # rates and betas are the recipe's
    optimizer.load_state_dict({"state": state, "param_groups": groups})
