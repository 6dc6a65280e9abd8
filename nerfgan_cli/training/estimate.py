"""What a training run will take, without running it: for `nerfgan train --dry-run`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from nerfgan_cli.training.task import Task

MOMENTS = 2  # tensors that Adam keeps for each weight


@dataclass(frozen=True)
class Estimate:
    """Sizes in bytes, for each process."""

    parameters: Mapping[str, Mapping[str, int]]  # of each trained network, by part
    weights: int  # of all networks: trained, averaged, or learned from
    training: int  # gradients and Adam's moments
    activations: int  # of the largest phase over one slice

    @property
    def total(self) -> int:
        return self.weights + self.training + self.activations


def estimate(task: Task) -> Estimate:
    """Of a task on the device "meta", where nothing is computed."""
    optimized = [
        parameter
        for optimizer in task.optimizers.values()
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    learning = {id(parameter) for parameter in optimized}
    parameters = {
        name: count_parts(module)
        for name, module in task.modules.items()
        if any(id(parameter) in learning for parameter in module.parameters())
    }
    numbers = sum(parameter.numel() for parameter in optimized)
    weights = sum(
        tensor.nbytes
        for module in (*task.modules.values(), *task.teachers)
        for tensor in chain(module.parameters(), module.buffers())
    )
    activations = max(kept_bytes(forward) for forward in task.rehearsals().values())
    return Estimate(parameters, weights, (1 + MOMENTS) * 4 * numbers, activations)


def count_parts(network: nn.Module) -> dict[str, int]:
    """Parameters of each part."""
    parts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        part = name.partition(".")[0]
        parts[part] = parts.get(part, 0) + parameter.numel()
    return parts


def kept_bytes(forward: Callable[[], object]) -> int:
    """What a forward pass keeps for its gradients, each tensor's memory counted once."""
    sizes: dict[int, int] = {}
    kept: list[Tensor] = []  # so that no memory is freed and counted again

    def note(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            sizes[storage._cdata] = storage.nbytes()
            kept.append(tensor)
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        graph = forward()
    del graph
    return sum(sizes.values())
