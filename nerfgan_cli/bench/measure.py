"""All that `nerfgan bench` tells of one or more generators, measured in one run.

Seconds are taken in turns in this process, memory in a process of its own for each generator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch

from nerfgan_cli.bench.growth import BatchGrowth, Growth, at_sides, batch_growth, measure_growth
from nerfgan_cli.bench.largest import Largest, largest_batch
from nerfgan_cli.bench.memory import free_memory, is_told
from nerfgan_cli.bench.networks import label, open_network, title, works
from nerfgan_cli.bench.parts import Counted, count_parts, time_parts
from nerfgan_cli.bench.probe import CONTEXT, Case, Probe, Taken
from nerfgan_cli.bench.turns import Clock, Spread, spread, take_turns
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import total_memory
from nerfgan_cli.generators.precision import exact, set_precision

PATIENCE = 3.0  # seconds that a batch may take on a CPU, where its memory can be extrapolated
SPARE = 0.8  # of a machine's memory, that a batch may be expected to take

REPEATS = {"cuda": (20, 3)}  # timed and warming up; metrics.md 9
FEW = (5, 1)  # elsewhere, where a picture may take seconds

Say = Callable[[str], None]


def usual_repeats(device: torch.device) -> tuple[int, int]:
    """Timed draws, and those before that only warm up."""
    return REPEATS.get(device.type, FEW)


@dataclass(frozen=True)
class Plan:
    """What is measured, and how often."""

    models: Sequence[str]
    teacher: str  # whose students presets are
    batches: Sequence[int]
    repeats: int
    warm_up: int
    limit: int | None  # bytes, within which the largest batch is looked for
    device: torch.device
    precision: str
    options: DrawOptions
    clock: Clock

    @property
    def room(self) -> int | None:
        """What of the limit is left to the work, where CUDA itself takes some of it."""
        if self.limit is None or self.device.type != "cuda":
            return self.limit
        return max(self.limit - CONTEXT, 0)


class Row(NamedTuple):
    """Of one batch size."""

    batch: int
    picture: Spread  # seconds of a batch of subjects, each drawn once
    view: Spread  # seconds of as many views of one subject that is at hand
    memory: Taken | None = None  # None: there is not enough, or the system does not tell

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.batch / self.picture.median


class Measured(NamedTuple):
    """Of one generator."""

    model: str
    name: str
    resolution: int
    raw_resolution: int
    rows: list[Row]
    parts: dict[str, Spread]  # seconds of one picture
    counted: Counted
    growth: Growth | None  # None: it draws at one resolution, and so does its kind
    memory: Mapping[int, Taken] = MappingProxyType({})  # by batch, in search of the largest too
    largest: Largest | None = None  # None: not looked for

    @property
    def batch_growth(self) -> BatchGrowth:
        seconds = {row.batch: row.picture.median for row in self.rows}
        return batch_growth(seconds, {batch: taken.own for batch, taken in self.memory.items()})


@torch.inference_mode()
def measure(plan: Plan, say: Say) -> list[Measured]:
    exact(plan.device)
    timed = _time_all(plan, say)
    return [_with_memory(one, plan, say) for one in timed]


def _time_all(plan: Plan, say: Say) -> list[Measured]:
    """All but the memory."""
    generators = {name: open_network(name, plan.teacher, plan.device) for name in plan.models}
    branch = plan.options.branch
    if branch and not any(branch in generator.branches for generator in generators.values()):
        raise UsageError(
            f"none of these models has a branch {branch}: leave it out, or measure a Mimic3D."
        )
    for generator in generators.values():
        set_precision(generator, plan.precision, plan.device)
    seconds = _take_all(generators, plan, say)
    timed = []
    for model, generator in generators.items():
        say(f"{title(model)}: parts and growth")
        own = {batch: seconds[batch][model, "picture"] for batch in plan.batches}
        views = {batch: seconds[batch][model, "view"] for batch in plan.batches}
        rows = [Row(batch, spread(own[batch]), spread(views[batch])) for batch in plan.batches]
        timed.append(_by_itself(model, generator, rows, plan))
    return timed


def _by_itself(model: str, generator: Generator, rows: list[Row], plan: Plan) -> Measured:
    sized = at_sides(generator, plan.options, plan.precision)
    return Measured(
        model=model,
        name=label(model, generator, plan.options),
        resolution=generator.img_resolution,
        raw_resolution=generator.rays_per_side(plan.options),
        rows=rows,
        parts=time_parts(generator, plan.options, plan.repeats, plan.clock, plan.warm_up),
        counted=count_parts(generator, plan.options),
        growth=measure_growth(sized, plan.repeats, plan.clock, plan.warm_up),
    )


def _with_memory(one: Measured, plan: Plan, say: Say) -> Measured:
    memory, largest = memory_of(one.model, plan, say)
    return one._replace(
        rows=[row._replace(memory=memory.get(row.batch)) for row in one.rows],
        memory=dict(sorted(memory.items())),
        largest=largest,
    )


def _take_all(
    generators: dict[str, Generator], plan: Plan, say: Say
) -> dict[int, dict[tuple[str, str], list[float]]]:
    """Seconds by batch, then by generator and kind of work."""
    seconds = {}
    for batch in plan.batches:
        say(f"{batch} at once, in turns")
        drawing = {
            name: works(generator, batch, plan.options) for name, generator in generators.items()
        }
        ways = {(name, what): drawing[name][what] for name in drawing for what in drawing[name]}
        seconds[batch] = take_turns(ways, plan.repeats, plan.clock, plan.warm_up)
    return seconds


def memory_of(model: str, plan: Plan, say: Say) -> tuple[dict[int, Taken], Largest | None]:
    """Of each batch, and the largest one within the limit; nothing where no system tells."""
    if not is_told(plan.device):
        return {}, None
    case = Case(
        model,
        plan.teacher,
        plan.precision,
        plan.device.type,
        torch.get_num_threads(),
        plan.room,
        plan.options.branch,
    )
    taken: dict[int, Taken] = {}
    free = free_memory(plan.device)
    with Probe(case) as probe:

        def draw(batch: int) -> int | None:
            say(f"{title(model)}: memory of {batch} at once")
            found = probe.measure(batch)
            if found is None:
                return None
            taken[batch] = found
            return found.whole

        sizes = {batch: draw(batch) for batch in plan.batches}
        if plan.limit is None or plan.room is None:
            return taken, None
        known = {batch: size for batch, size in sizes.items() if size is not None}

        def affordable(batch: int) -> bool:
            if plan.device.type == "cuda":
                return True
            last = max(taken)
            growth, spare = batch / last, SPARE * total_memory(plan.device)
            return taken[last].seconds * growth < PATIENCE and taken[last].whole * growth < spare

        enforced = free is not None and free >= plan.limit
        largest = largest_batch(draw, known, plan.room, affordable, enforced)
    return taken, largest._replace(free=free)
