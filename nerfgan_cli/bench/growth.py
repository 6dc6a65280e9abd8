"""How cost grows with the resolution of the features, and with the batch.

A generator that draws at one resolution only is built anew, with random weights, for the others.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from nerfgan_cli.bench.fits import Power, Straight, fit_power, fit_straight
from nerfgan_cli.bench.parts import count_parts, part_works
from nerfgan_cli.bench.turns import Clock, spread, take_turns
from nerfgan_cli.errors import NerfganError
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.precision import set_precision
from nerfgan_cli.generators.registry import build

FEWEST = 16  # features per side
SIDES = 3  # resolutions, each half the next


class Sized(NamedTuple):
    """A generator that draws features of this side."""

    side: int
    generator: Generator
    options: DrawOptions


class Growth(NamedTuple):
    """Of the rendering, without the super-resolution, whose size is fixed."""

    sides: list[int]
    seconds: list[float]  # of one picture
    multiply_adds: list[int]
    activations: list[int]  # bytes at their peak
    time: Power
    arithmetic: Power
    memory: Power  # of the activations


class BatchGrowth(NamedTuple):
    """None where less than two sizes are known."""

    seconds: Straight | None
    memory: Straight | None


def at_sides(generator: Generator, options: DrawOptions, precision: str) -> list[Sized]:
    """Its own resolution and smaller ones, as far as its kind has them."""
    own = generator.rays_per_side(options)
    sides = [own >> power for power in reversed(range(SIDES)) if own >> power >= FEWEST]
    found = [at_side(generator, side, options, precision) for side in sides]
    return [sized for sized in found if sized is not None]


def at_side(generator: Generator, side: int, options: DrawOptions, precision: str) -> Sized | None:
    """None: generators of this kind cannot draw at it."""
    if generator.any_resolution or side == generator.raw_resolution:
        own = replace(options, resolution=side) if generator.any_resolution else options
        return Sized(side, generator, own)
    config = generator.config()
    if "raw_resolution" not in config:
        return None
    try:
        other = build(generator.kind, config | {"raw_resolution": side})
    except NerfganError:
        return None
    assert isinstance(other, Generator)
    device = next(generator.parameters()).device
    set_precision(other, precision, device)
    return Sized(side, other.eval().to(device), options)


def measure_growth(sized: list[Sized], repeats: int, clock: Clock, warm_up: int) -> Growth | None:
    """None: there are not two resolutions to compare."""
    if len(sized) < 2:
        return None
    works: dict[int, Callable[[], object]] = {
        side: part_works(generator, 1, options)["rendering"] for side, generator, options in sized
    }
    taken = take_turns(works, repeats, clock, warm_up)
    seconds = [spread(taken[side]).median for side, _, _ in sized]
    counted = [count_parts(one, options) for _, one, options in sized]
    counts = [each.multiply_adds["rendering"] for each in counted]
    activations = [each.activations["rendering"] for each in counted]
    sides = [side for side, _, _ in sized]
    powers = (fit_power(sides, costs) for costs in (seconds, counts, activations))
    return Growth(sides, seconds, counts, activations, *powers)


def batch_growth(seconds: dict[int, float], memory: dict[int, int]) -> BatchGrowth:
    """From the medians and the peaks of each batch."""
    return BatchGrowth(
        fit_straight(list(seconds), list(seconds.values())) if len(seconds) > 1 else None,
        fit_straight(list(memory), list(memory.values())) if len(memory) > 1 else None,
    )
