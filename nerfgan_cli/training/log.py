"""What a run says while it goes: log.jsonl, TensorBoard, a line for people."""

import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nerfgan_cli.errors import DivergedError
from nerfgan_cli.files import replacing
from nerfgan_cli.training.board import Board
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.task import Numbers, Say

LOG = "log.jsonl"
LOSS = "loss/"
LARGEST_LOSS = 1e6  # of either sign: ours are below 100, and what is beyond comes to no good
SHOWN = 4  # losses in the line for people


class Meter:
    """Means of numbers since they were last read. They stay on their device until then."""

    def __init__(self) -> None:
        self.sums: Numbers = {}
        self.counts: dict[str, int] = {}

    def add(self, numbers: Numbers) -> None:
        for name, value in numbers.items():
            self.sums[name] = self.sums.get(name, 0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def read(self, world: World) -> dict[str, float]:
        """Of all processes; a loss that is not finite, or enormous, ends the run."""
        local = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        means = world.mean(local)
        for name, value in means.items():
            if name.startswith(LOSS) and not abs(value) <= LARGEST_LOSS:  # nor if it is NaN
                raise DivergedError(
                    f"the training diverged: the loss {name.removeprefix(LOSS)} is {value:g}, not "
                    f"within ±{LARGEST_LOSS:g}; the last good checkpoint is kept: start another "
                    "run with a smaller learning rate."
                )
        return means


class Log:
    """The records of a run; of its first process only."""

    def __init__(self, folder: Path, images: int, say: Say) -> None:
        self.file = folder / LOG
        self.say = say
        truncate(self.file, images)
        self.board = Board(folder, images)

    def write(self, record: Mapping[str, Any], left: float) -> None:
        """A record, and the seconds that the run will still take."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        curves = {name: value for name, value in record.items() if "/" in name}
        self.board.numbers(curves, record["images"])
        self.say(line(record, left))


class Clock:
    """Speed between records, and the time that a run has taken in all its sessions."""

    def __init__(self, seconds: float, images: int) -> None:
        self.start = time.perf_counter() - seconds
        self.last, self.images = time.perf_counter(), images

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def lap(self, images: int) -> dict[str, float]:
        """Numbers about the time since the last lap."""
        now = time.perf_counter()
        rate = (images - self.images) / max(now - self.last, 1e-9)
        self.last, self.images = now, images
        return {
            "time/seconds": now - self.start,
            "time/images_per_second": rate,
            "time/seconds_per_kimg": 1000 / rate if rate else math.inf,
        }


def memory_gib(device: torch.device) -> float:
    """The most that this process has used so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource  # not on Windows, where nothing is trained (`machine.py`)

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def truncate(file: Path, images: int) -> None:
    """Drops the records after a moment of the run, and a last one that was cut off."""
    if not file.exists():
        return
    kept = []
    for text in file.read_text("utf-8").splitlines():
        try:
            record = json.loads(text)
        except ValueError:
            break
        if record["images"] <= images:
            kept.append(text + "\n")
    with replacing(file) as unfinished:
        unfinished.write_text("".join(kept), "utf-8")


def line(record: Mapping[str, Any], left: float) -> str:
    """A record for people."""
    losses = [
        f"{name.removeprefix(LOSS)} {value:.3g}"
        for name, value in record.items()
        if name.startswith(LOSS)
    ]
    parts = (
        f"{record['kimg']:,.3f} kimg",
        f"{record['time/images_per_second']:.4g} images/s",
        f"{record['time/seconds_per_kimg']:.4g} s/kimg",
        f"{duration(left)} left",
        f"{record['resources/memory_gib']:.2f} GiB",
        ", ".join(losses[:SHOWN]),
    )
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """The two largest units, as in "2 h 05 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
