"""What a picture costs on this machine, in seconds and memory, by teacher and student.

    python -m nerfgan_cli.demo.cost MODEL DEVICE RESOLUTION

Times are taken in turns in one process, so that whatever else the machine does meets both. Memory
is that of a fresh process for each: its model, and the most that drawing adds to it. CUDA tells it,
and Linux does; elsewhere it stays unknown.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from nerfgan_cli.bench.memory import machine_name
from nerfgan_cli.demo.drawer import Drawer
from nerfgan_cli.demo.parts import followed
from nerfgan_cli.errors import NerfganError
from nerfgan_cli.generators.precision import bf16_is_fast
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.memory import GIVING_BACK, forget_peak, peak_memory
from nerfgan_cli.training.machine import use_machine

BATCHES = (1, 4, 16)
REPEATS = 5


class Cost(NamedTuple):
    batch: int  # people, each drawn once
    seconds: float  # of a picture
    memory: int | None  # bytes; None: the system does not tell


def measure(drawers: Mapping[str, Drawer]) -> dict[str, list[Cost]]:
    """Of each, by batch."""
    memory = {name: memory_apart(drawer) for name, drawer in drawers.items()}
    costs: dict[str, list[Cost]] = {name: [] for name in drawers}
    for index, batch in enumerate(BATCHES):
        for name, seconds in take_turns(drawers, batch).items():
            costs[name].append(Cost(batch, seconds / batch, memory[name][index]))
    return costs


def take_turns(drawers: Mapping[str, Drawer], batch: int) -> dict[str, float]:
    """The median of the seconds that each takes for a batch; a first one only warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in drawers}
    for _ in followed(range(1 + REPEATS), 1 + REPEATS, "turn"):
        for name, drawer in drawers.items():
            start = time.perf_counter()
            draw(drawer, batch)
            seconds[name].append(time.perf_counter() - start)
    return {name: median(taken[1:]) for name, taken in seconds.items()}


@torch.inference_mode()
def draw(drawer: Drawer, batch: int) -> None:
    """New people, from their seeds to pixels."""
    ws = drawer.styles(range(batch))
    camera = drawer.cameras([0.0] * batch).to(drawer.device)
    to_pixels(drawer.generator.synthesis(ws, camera, drawer.options).image)


def memory_apart(drawer: Drawer) -> list[int | None]:
    """Bytes for each batch, in a process of its own."""
    facts = drawer.model, drawer.device, drawer.options.resolution
    done = subprocess.run(
        [sys.executable, "-m", __name__, *map(str, facts)],
        env=os.environ | GIVING_BACK,
        capture_output=True,
        text=True,
        start_new_session=True,  # Ctrl-C reaches us alone, and we end it
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].rstrip(".")
        raise NerfganError(
            f"measuring {drawer.model} failed ({reason}): start the same command again."
        )
    numbers: list[int | None] = json.loads(done.stdout)
    return numbers


def memory_here(model: Path, device: torch.device, resolution: int) -> list[int | None]:
    """Bytes for each batch; for a process that has done nothing else."""
    drawer = Drawer(model, device, resolution)
    network = drawer.generator
    weights = sum(tensor.nbytes for tensor in chain(network.parameters(), network.buffers()))
    draw(drawer, 1)  # code that is loaded and threads that start are no picture's cost
    needed: list[int | None] = []
    for batch in BATCHES:
        if not forget_peak(device):
            needed.append(None)
            continue
        before = peak_memory(device)
        draw(drawer, batch)
        needed.append(weights + peak_memory(device) - before)
    return needed


def describe_machine(device: torch.device) -> str:
    """Where and how it was measured."""
    precision = "bf16" if bf16_is_fast(device) else "fp32"
    return f"{machine_name(device)}, convolutions in {precision}"


if __name__ == "__main__":
    use_machine()
    name, place, rays = sys.argv[1:]
    print(json.dumps(memory_here(Path(name), torch.device(place), int(rays))))
