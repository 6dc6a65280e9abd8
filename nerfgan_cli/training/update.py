"""Steps of gradient descent, over the slices of a batch and all processes; averages."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from nerfgan_cli.nn.stylegan3 import SynthesisLayer
from nerfgan_cli.training.distributed import Slices, World


def lazy_adam(
    parameters: Iterable[nn.Parameter],
    lr: float,
    betas: tuple[float, float],
    eps: float,
    interval: int | None = None,  # steps between those with a regulariser; None: there is none
) -> Adam:
    """Adam whose regulariser has steps of its own (StyleGAN2 appendix B; eg3d.md 9.6).

    With 1 such step more in every `interval`, rate and memory are those of as many plain steps.
    """
    share = 1.0 if interval is None else interval / (interval + 1)
    first, second = (beta**share for beta in betas)
    return Adam(parameters, lr * share, (first, second), eps, fused=True)


def descend(
    optimizer: Optimizer,
    world: World,
    slices: Slices,
    loss_of: Callable[[int], Tensor],  # slice index -> [], its mean loss
) -> None:
    """One step on the mean loss of the whole batch."""
    optimizer.zero_grad(set_to_none=True)
    for index in slices.own:
        (loss_of(index) / slices.count).backward()  # type: ignore[no-untyped-call]
    world.share_gradients(p for group in optimizer.param_groups for p in group["params"])
    optimizer.step()


@contextmanager
def following_magnitudes(network: nn.Module, world: World, slices: Slices) -> Iterator[None]:
    """Around a step: each layer of StyleGAN3 then follows the energy of its inputs in that step.

    Once, by the mean over the slices of all processes: how a batch is shared changes nothing.
    """
    layers = [module for module in network.modules() if isinstance(module, SynthesisLayer)]
    energies = torch.zeros(len(layers), device=world.device)

    def noting(place: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        @torch.no_grad()
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            energies[place] += inputs[0].float().square().mean() / slices.count

        return note

    hooks = [layer.register_forward_pre_hook(noting(i)) for i, layer in enumerate(layers)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    if layers:
        for layer, energy in zip(layers, world.sum(energies), strict=True):
            layer.follow(energy)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, beta: float) -> None:
    """Moves averaged parameters towards the network's; buffers are copied."""
    for own, its in zip(average.parameters(), network.parameters(), strict=True):
        own.copy_(its.lerp(own, beta))
    for buffer, its_buffer in zip(average.buffers(), network.buffers(), strict=True):
        buffer.copy_(its_buffer)
