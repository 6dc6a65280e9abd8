"""What a picture costs on this machine, in seconds and memory, by teacher and student.

    python -m nerfgan_cli.demo.cost MODEL DEVICE RESOLUTION

Times are taken in turns, so that whatever else the machine does meets both. Memory is that of a
fresh process for each: the most that it uses while it draws, its model included, beyond what Python
and torch use. Where a process cannot forget its peak, as on macOS, loading the model counts too.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
import torch.nn.functional as F

from nerfgan_cli.demo.drawer import Drawer
from nerfgan_cli.errors import NerfganError
from nerfgan_cli.generators.precision import bf16_is_fast
from nerfgan_cli.media import to_pixels
from nerfgan_cli.training.machine import use_machine

BATCHES = (1, 4, 16)
REPEATS = 5
# Of glibc: what is freed goes back to the system at once, so that resident memory is what is in
# use. It costs time, so no times are taken there.
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16), "MALLOC_TRIM_THRESHOLD_": "0"}


class Cost(NamedTuple):
    batch: int  # people, each drawn once
    seconds: float  # of a picture
    memory: int  # bytes


def measure(drawers: Mapping[str, Drawer]) -> dict[str, list[Cost]]:
    """Of each, by batch."""
    memory = {name: memory_apart(drawer) for name, drawer in drawers.items()}
    costs: dict[str, list[Cost]] = {name: [] for name in drawers}
    for index, batch in enumerate(BATCHES):
        for name, seconds in take_turns(drawers, batch).items():
            costs[name].append(Cost(batch, seconds / batch, memory[name][index]))
    return costs


def take_turns(drawers: Mapping[str, Drawer], batch: int) -> dict[str, float]:
    """The median of the seconds that each takes; a first picture only warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in drawers}
    for _ in range(1 + REPEATS):
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


def memory_apart(drawer: Drawer) -> list[int]:
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
    numbers: list[int] = json.loads(done.stdout)
    return numbers


def memory_here(model: Path, device: torch.device, resolution: int) -> list[int]:
    """Bytes for each batch; for a process that has done nothing else."""
    F.conv2d(torch.zeros(1, 1, 8, 8, device=device), torch.zeros(1, 1, 3, 3, device=device))
    forget_peak(device)
    before = peak_memory(device)
    drawer = Drawer(model, device, resolution)
    peaks = []
    for batch in BATCHES:
        draw(drawer, batch)  # what stays after a first time has come then
        forget_peak(device)
        draw(drawer, batch)
        peaks.append(peak_memory(device) - before)
    return peaks


def forget_peak(device: torch.device) -> None:
    """The highest memory is what is in use now, as far as the system can forget."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """The most bytes that this process has had, on a GPU or resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = from_proc("self/status", "VmHWM")
    if peak is not None:  # getrusage would begin with the peak of the process that started us
        return int(peak.split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def describe_machine(device: torch.device) -> str:
    """Where and how it was measured."""
    precision = "bf16" if bf16_is_fast(device) else "fp32"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, convolutions in {precision}"
    name = from_proc("cpuinfo", "model name") or platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{threads} thread{'s' * (threads > 1)} on {name}, convolutions in {precision}"


def from_proc(file: str, key: str) -> str | None:
    """What Linux says of itself; None elsewhere."""
    path = Path("/proc") / file
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


if __name__ == "__main__":
    use_machine()
    name, place, rays = sys.argv[1:]
    print(json.dumps(memory_here(Path(name), torch.device(place), int(rays))))
