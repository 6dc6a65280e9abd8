"""An unfinished inversion in one file, from which it goes on exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from nerfgan_cli.checkpoints import sealed
from nerfgan_cli.errors import InputError
from nerfgan_cli.inversion.stage import Stage

KEY = "nerfgan-inversion-2"
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
    for name, tensor in sealed.optimizer_tensors(stages[-1].optimizer).items():
        tensors[f"{OPTIMIZER}.{name}"] = tensor
    sealed.write_sealed(path, KEY, asdict(progress), tensors)


def read_state(path: Path) -> tuple[Progress, dict[str, Tensor]]:
    try:
        facts, tensors = sealed.read_sealed(path, KEY)
        return Progress(**facts), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no state of an inversion: remove it, begin anew.") from error
    except sealed.BrokenSealError as error:
        raise InputError(
            f"{path} is damaged, its checksum is wrong: remove it, and begin anew."
        ) from error


def restore(stage: Stage, tensors: Mapping[str, Tensor]) -> None:
    """What the stage had changed."""
    with torch.no_grad():
        for name, tensor in stage.tensors().items():
            tensor.copy_(tensors[f"{stage.name}.{name}"])


def restore_optimizer(stage: Stage, tensors: Mapping[str, Tensor]) -> None:
    first = f"{OPTIMIZER}."
    own = {name.removeprefix(first): x for name, x in tensors.items() if name.startswith(first)}
    sealed.restore_optimizer(stage.optimizer, own)
