"""Rates of their own for what a Mimic3D has and an EG3D has not: the 3D-aware stream and S³ᴰ."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from nerfgan_cli.nn.aware import AwareSynthesis
from nerfgan_cli.nn.stylegan2 import SynthesisNetwork
from nerfgan_cli.training.recipe import require


@dataclass(frozen=True, kw_only=True)
class PartRates:
    """Part of [optim]: fractions of all rates.

    A stream that passes on the planes of an EG3D is easily upset: each of its weights changes all
    of a plane.
    """

    stream_lr: float = 1.0
    residual_lr: float = 1.0

    def __post_init__(self) -> None:
        for name in ("stream_lr", "residual_lr"):
            require(f"optim.{name}", getattr(self, name), 0)


class Part(NamedTuple):
    """Of a network."""

    weights: list[nn.Parameter]
    share: float  # of the rates


def parts_of(
    weights: Iterable[nn.Parameter],  # of a generator
    synthesis: SynthesisNetwork,  # that draws its planes
    rates: PartRates,
) -> list[Part]:
    """What is neither, the stream, S³ᴰ; an EG3D has nothing of the latter two."""
    stream: list[nn.Parameter] = []
    residual: list[nn.Parameter] = []
    if isinstance(synthesis, AwareSynthesis):
        stream = weights_of(synthesis.stream_blocks().values())
        residual = weights_of(synthesis.residual_blocks().values())
    new = {id(weight) for weight in (*stream, *residual)}
    rest = [weight for weight in weights if id(weight) not in new]
    return [Part(rest, 1.0), Part(stream, rates.stream_lr), Part(residual, rates.residual_lr)]


def weights_of(blocks: Iterable[nn.Module]) -> list[nn.Parameter]:
    return [weight for block in blocks for weight in block.parameters()]
