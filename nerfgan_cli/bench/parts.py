"""What each part of drawing costs, by the calls of the contract (`generators/contract.py`).

    mapping            from latents to style codes
    backbone           what no camera changes: the planes of a volumetric generator
    rendering          features as a camera sees them: rays, or the convolutions of a student
    super-resolution   from features to the picture

Arithmetic is counted on the device "meta", where nothing is computed (`metrics/cost.py`): what
convolutions and matrix products multiply and add, not what is looked up in planes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nerfgan_cli.bench.turns import Clock, Spread, spread, take_turns
from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator, Subject
from nerfgan_cli.generators.registry import build, describe
from nerfgan_cli.metrics.cost import cost, parameter_count

PARTS = ("mapping", "backbone", "rendering", "super-resolution")


class Counted(NamedTuple):
    """Of one picture."""

    multiply_adds: dict[str, int]  # by part
    activations: dict[str, int]  # bytes at their peak, by part
    parameters: int
    weight_bytes: int  # of parameters and buffers, as they are kept

    @property
    def total(self) -> int:
        return sum(self.multiply_adds.values())


def part_works(
    generator: Generator, batch: int, options: DrawOptions = DEFAULT_OPTIONS
) -> dict[str, Callable[[], object]]:
    """One call per part."""
    device = next(generator.parameters()).device
    preset = CAMERAS[generator.camera_preset]
    cameras, frontal = preset.frontal().to(device).expand(batch), preset.frontal().to(device)
    z = torch.zeros(batch, generator.z_dim, device=device)
    ws: Tensor = generator.mapping(z, frontal)
    subject = generator.prepare(ws, options)
    raw = replace(options, raw_only=True)
    return {
        "mapping": lambda: generator.mapping(z, frontal),
        "backbone": lambda: generator.prepare(ws, options),
        "rendering": lambda: generator.draw(subject, cameras, raw),
        "super-resolution": _enlarging(generator, subject, cameras, options),
    }


def _enlarging(
    generator: Generator, subject: Subject, cameras: Camera, options: DrawOptions
) -> Callable[[], object]:
    """A call of its super-resolution alone, with what it is given in drawing."""
    network = getattr(generator, "superresolution", None)
    if network is None:
        return lambda: None
    given: list[tuple[Any, Any]] = []
    hook = network.register_forward_pre_hook(
        lambda _, values, named: given.append((values, named)), with_kwargs=True
    )
    generator.draw(subject, cameras, options)
    hook.remove()
    return lambda: [network(*values, **named) for values, named in given]


def time_parts(
    generator: Generator,
    options: DrawOptions,
    repeats: int,
    clock: Clock,
    warm_up: int,
) -> dict[str, Spread]:
    """Seconds of one picture."""
    seconds = take_turns(part_works(generator, 1, options), repeats, clock, warm_up)
    return {name: spread(taken) for name, taken in seconds.items()}


@torch.no_grad()
def count_parts(generator: Generator, options: DrawOptions = DEFAULT_OPTIONS) -> Counted:
    """Of a network of the same architecture that has no numbers."""
    twin = weightless(generator)
    works = part_works(twin, 1, replace(options, skipping=False))  # nothing is there to be seen
    found = {name: cost(work) for name, work in works.items()}
    kept = (*generator.parameters(), *generator.buffers())
    return Counted(
        {name: each.flops // 2 for name, each in found.items()},
        {name: each.activation_bytes for name, each in found.items()},
        parameter_count(twin),
        sum(tensor.nbytes for tensor in kept),
    )


def weightless(generator: Generator) -> Generator:
    """The same architecture on the device "meta"."""
    twin: nn.Module = build(*describe(generator))
    assert isinstance(twin, Generator)
    return twin.eval().to("meta")
