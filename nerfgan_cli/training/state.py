"""The state of a training run as one safe file: everything that the next step depends on.

That is the tensors of all modules and optimisers, and some facts (`checkpoints/sealed.py`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from nerfgan_cli.checkpoints.payloads import is_finite
from nerfgan_cli.checkpoints.sealed import (
    BrokenSealError,
    optimizer_tensors,
    read_sealed,
    restore_optimizer,
    write_sealed,
)
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
    write_sealed(path, KEY, asdict(facts), collect(task))


def read_state(path: Path) -> tuple[Facts, dict[str, Tensor]]:
    """The facts and tensors of a file that is complete and unchanged."""
    try:
        data, tensors = read_sealed(path, KEY)
        return Facts(**data), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no state of a training run: give a run folder.") from error
    except BrokenSealError as error:
        raise InputError(
            f"{path} is damaged, its checksum is wrong: remove it, the one before serves."
        ) from error


def restore(task: Task, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Puts the state back, every tensor to its place."""
    parts = split(tensors)
    try:
        for name, module in task.modules.items():
            module.load_state_dict(parts[MODULE].get(name, {}))
        for name, optimizer in task.optimizers.items():
            restore_optimizer(optimizer, parts[OPTIMIZER].get(name, {}))
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
        for key, tensor in optimizer_tensors(optimizer).items():
            tensors[f"{OPTIMIZER}.{name}.{key}"] = tensor
    return tensors


def split(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, dict[str, Tensor]]]:
    """What `collect` joined: [module or optimizer][its name][the rest of the name]."""
    parts: dict[str, dict[str, dict[str, Tensor]]] = {MODULE: {}, OPTIMIZER: {}}
    for full_name, tensor in tensors.items():
        what, name, key = full_name.split(".", 2)
        parts.setdefault(what, {}).setdefault(name, {})[key] = tensor
    return parts
