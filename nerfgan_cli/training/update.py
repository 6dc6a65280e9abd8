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
    """One step on the mean loss of the whole batch.

    It is the gradients that are divided by the number of slices. Of a loss so divided they would
    underflow in fp16: with 8 slices of 4 pictures of 128², a discriminator's were wrong by 2.3 %
    instead of 0.3 %, with 32 by 7.7 %.
    """
    optimizer.zero_grad(set_to_none=True)
    for index in slices.own:
        loss_of(index).backward()  # type: ignore[no-untyped-call]
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    world.share_gradients(parameters, slices.count)
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
    """Moves averaged parameters towards the network's; buffers are copied.

    But for the magnitudes of StyleGAN3's layers, by which inputs are scaled: older weights do not
    fit newer ones. Where they were copied, and still fell by 3 % per kimg, an averaged student was
    1.6 dB behind the one that it averages.
    """
    layers = [module for module in average.modules() if isinstance(module, SynthesisLayer)]
    averaged = {id(tensor) for tensor in average.parameters()}
    averaged |= {id(layer.magnitude_ema) for layer in layers}
    pairs = zip(tensors_of(average), tensors_of(network), strict=True)
    for own, its in pairs:
        own.copy_(its.lerp(own, beta) if id(own) in averaged else its)


def tensors_of(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()
