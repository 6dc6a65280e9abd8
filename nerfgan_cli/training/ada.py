"""Adaptive strength of the discriminator's augmentation (StyleGAN2-ADA section 3; eg3d.md 9.6)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nerfgan_cli.training.augment import AugmentPipe
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d import PhaseResult
from nerfgan_cli.training.task import Numbers


class Ada(nn.Module):
    """Raises the probability of each augmentation while the discriminator is too sure of reals."""

    # [2]: sum of the signs of reals' logits since the last change, their number; of the reals that
    # this process saw.
    signs: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.pipe = AugmentPipe()
        self.pipe.p.fill_(p)
        self.register_buffer("signs", torch.zeros(2))

    def observe(self, real_logits: Tensor) -> None:  # [B, 1]
        signs = real_logits.detach().sign()
        self.signs += torch.stack([signs.sum(), signs.new_tensor(signs.numel())])

    def adjust(self, target: float, change: float, world: World) -> None:
        """Moves p by `change` towards where the mean sign is `target`; never below 0."""
        total, count = world.sum(self.signs)
        self.pipe.p.add_((total / count - target).sign() * change).clamp_(min=0)
        self.signs.zero_()

    def gather(self, world: World) -> None:
        """Before the first process saves its state: it takes over the signs of all others."""
        world.sum(self.signs)
        self.leave_to_first(world)

    def leave_to_first(self, world: World) -> None:
        """After a state is restored in all processes: its signs are there once, not in each."""
        if not world.first:
            self.signs.zero_()


def phase_numbers(name: str, results: Sequence[PhaseResult], ada: Ada) -> Numbers:
    """What a phase has to tell of its slices; the augmentation hears of real pictures' logits."""
    numbers: Numbers = {f"loss/{name}": torch.stack([each.loss for each in results]).mean()}
    for term in results[0].terms:
        numbers[f"loss/{term}"] = torch.cat([each.terms[term] for each in results]).mean()
    for who in results[0].scores:
        logits = torch.cat([each.scores[who] for each in results])
        if who == "real":
            ada.observe(logits)
        if name.endswith("discriminator"):
            numbers[f"scores/{who}"] = logits.mean()
            numbers[f"signs/{who}"] = logits.sign().mean()
    return numbers
