"""What drawing costs on this machine, by `bench`: figure 1 of the student's paper, in few batches.

    pictures_per_second  of one picture at a time and of several
    memory               of several: the network and its work at their peak
    largest_batch        within 24 GiB, as published; beyond what a CPU draws soon, by a line
    parameters           in millions

Costs depend on the side of the pictures and on the kind of device, which their names tell, and on
the machine and the precision, which are in their protocols. `nerfgan bench` tells more: parts,
growth, spreads.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from nerfgan_cli.bench.largest import Largest
from nerfgan_cli.bench.measure import Plan, memory_of, usual_repeats
from nerfgan_cli.bench.memory import MB, PUBLISHED_LIMIT, machine_name, size_text
from nerfgan_cli.bench.networks import picture_work
from nerfgan_cli.bench.probe import CONTEXT, Taken
from nerfgan_cli.bench.turns import Spread, spread, take_turns
from nerfgan_cli.chart import Axes, Line, line_chart
from nerfgan_cli.evaluation.metric import HIGHER, LOWER, Progress, Setting, Value
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import total_memory
from nerfgan_cli.media import write_png
from nerfgan_cli.metrics.cost import parameter_count

NAME = "efficiency"
BATCHES = (1, 2, 4)
FIGURE = "memory.png"


class Efficiency:
    """Entry of `table.METRICS`."""

    name = NAME

    def obstacle(self, setting: Setting) -> str | None:
        if setting.origin is None:
            return "it takes the time of drawing: give a --model, not pictures"
        if setting.options.raw_only:
            return "it takes the time of whole pictures: leave --what raw out"
        return None

    def measure(self, setting: Setting) -> list[Value]:
        """By the first process, which has the machine for itself: the others wait."""
        found: list[Value] = []
        with setting.world.alike():
            if setting.world.first:
                found = _measure(setting)
        told: list[Value] = setting.world.tell(found)
        return told


def _measure(setting: Setting) -> list[Value]:
    assert setting.generator is not None
    assert setting.origin is not None
    repeats, warm_up = usual_repeats(setting.device)
    plan = Plan(
        models=[str(setting.origin.path)],
        teacher="",
        batches=BATCHES,
        repeats=repeats,
        warm_up=warm_up,
        limit=_limit(setting.device),
        device=setting.device,
        precision=setting.origin.precision,
        options=setting.options,
        clock=time.perf_counter,
    )
    seconds = _time(setting.generator, plan, setting.progress)
    memory, largest = _weigh(plan, setting.progress)
    count = parameter_count(setting.generator) / 1e6
    return [
        *_rates(seconds, plan, setting.side),
        *_memories(memory, largest, plan, setting.side),
        Value("parameters", count, None, "M", LOWER, {}),
    ]


def _limit(device: torch.device) -> int | None:
    """None: this GPU has less. One of 24 GiB tells a little less than that."""
    if device.type == "cuda" and total_memory(device) < PUBLISHED_LIMIT - CONTEXT:
        return None
    return PUBLISHED_LIMIT


@torch.inference_mode()
def _time(generator: Generator, plan: Plan, progress: Progress) -> dict[int, Spread]:
    """Seconds of a batch."""
    ways = {batch: picture_work(generator, batch, plan.options) for batch in plan.batches}
    draws = len(ways) * (plan.warm_up + plan.repeats)

    def follow(done: int) -> None:
        progress("batches, for their time", done, draws)

    follow(0)
    taken = take_turns(ways, plan.repeats, plan.clock, plan.warm_up, follow)
    return {batch: spread(found) for batch, found in taken.items()}


def _weigh(plan: Plan, progress: Progress) -> tuple[dict[int, Taken], Largest | None]:
    """Nobody knows before how many are drawn in search of the largest."""
    begun = 0

    def follow(what: str) -> None:
        nonlocal begun
        progress("batches, for their memory", begun, max(len(plan.batches), begun + 1))
        begun += 1

    found = memory_of(plan.models[0], plan, follow)
    progress("batches, for their memory", begun, begun)
    return found


def _rates(seconds: Mapping[int, Spread], plan: Plan, side: int) -> list[Value]:
    values = []
    for batch in (plan.batches[0], plan.batches[-1]):
        median, low, high = seconds[batch]
        name = f"pictures_per_second_b{batch}_{side}:{plan.device.type}"
        range_of_half = [batch / high, batch / low]
        told = _machine(plan) | {"repeats": plan.repeats, "middle_half": range_of_half}
        values.append(Value(name, batch / median, None, "1/s", HIGHER, told))
    return values


def _memories(
    memory: Mapping[int, Taken],
    largest: Largest | None,
    plan: Plan,
    side: int,
) -> list[Value]:
    """None where no system tells."""
    values = []
    if plan.batches[-1] in memory:
        batch, curve = plan.batches[-1], [[b, taken.own / MB] for b, taken in memory.items()]
        name = f"memory_b{batch}_{side}:{plan.device.type}"
        told = _machine(plan) | {"curve": sorted(curve)}
        if plan.limit is None:
            told["note"] = f"no largest batch: this GPU has less than {size_text(PUBLISHED_LIMIT)}"
        values.append(Value(name, memory[batch].own / MB, None, "MB", LOWER, told))
    if largest is not None:
        name = f"largest_batch_{PUBLISHED_LIMIT >> 30}GiB_{side}:{plan.device.type}"
        told = _machine(plan) | {"memory_of_work": plan.room, "at_least": largest.at_least}
        if largest.caveat is not None:
            told["note"] = ("or more, " if largest.at_least else "") + largest.caveat
        values.append(Value(name, float(largest.batch), None, "", HIGHER, told))
    return values


def _machine(plan: Plan) -> dict[str, object]:
    return {"machine": machine_name(plan.device), "precision": plan.precision}


def write_memory(values: Mapping[str, Sequence[dict[str, Any]]], folder: Path) -> list[Path]:
    """Memory against the batch size, of all on the first one's machine: entry of `FIGURES`."""
    lines: list[Line] = []
    machine = kind = None
    for name, told in values.items():
        for value in told:
            protocol = value["protocol"]
            if value["metric"] != NAME or "curve" not in protocol:
                continue
            machine = machine or protocol["machine"]
            own, _, device = value["name"].rpartition(":")
            kind, side = kind or device, own.rpartition("_")[2]
            if protocol["machine"] == machine:
                points = [(batch, size) for batch, size in protocol["curve"]]
                lines.append(Line(f"{name}, {side} px", points))
    if not lines:
        return []
    marks = sorted({batch for line in lines for batch, _ in line.points})
    axes = Axes("pictures at once", "MB", log_x=True, log_y=True, marks=marks)
    write_png(line_chart(f"Memory of drawing ({kind})", axes, lines), folder / FIGURE)
    return [folder / FIGURE]
