"""What several benchmarks measure with: seconds taken in turns, memory in a process of its own."""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from statistics import median
from typing import Any, TypeVar

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the program does: huge pages

import torch

from nerfgan_cli.metrics.memory import GIVING_BACK, forget_peak, from_proc, peak_memory

MB = 1_000_000

Way = TypeVar("Way", bound=Hashable)


def take_turns(
    ways: Mapping[Way, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Way, list[float]]:
    """Seconds of each call. They alternate, so that what else the machine does meets all alike.

    A first call of each only warms up. On a busy machine `time.process_time` tells more, which
    counts what the processor does for this process alone.
    """
    seconds: dict[Way, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, work in ways.items():
            wait()
            start = clock()
            work()
            wait()
            if turn:
                seconds[name].append(clock() - start)
    return seconds


def clock_of(arguments: argparse.Namespace) -> Callable[[], float]:
    """The one that `add_clock` lets choose."""
    return time.process_time if arguments.processor else time.perf_counter


def add_clock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processor",
        action="store_true",
        help="take the processor's time for this process and not the clock's: on a busy machine",
    )


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    return median(take_turns({"": work}, repeats)[""])


def wait() -> None:
    """A GPU is asked, and works on."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


class Memory:
    """Of this process on Linux, or of a GPU: what is in use, in MB, and the most since `reset`."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def used(self) -> float:
        gc.collect()
        if self.device.type == "cuda":
            return torch.cuda.memory_allocated(self.device) / MB
        ctypes.CDLL(None).malloc_trim(0)
        return int(from_proc("self/status", "VmRSS").removesuffix("kB")) * 1024 / MB

    def reset(self) -> None:
        if not forget_peak(self.device):
            raise SystemExit("memory on a CPU is measured on Linux only: run this there.")

    def peak(self) -> float:
        return peak_memory(self.device) / MB

    def added(self, work: Callable[[], object]) -> float:
        """What a call adds at its peak."""
        before = self.used()
        self.reset()
        work()
        return self.peak() - before


def in_child(program: str, *arguments: object) -> Any:
    """What a program prints as JSON, in a process of its own."""
    command = [sys.executable, program, *map(str, arguments)]
    environment = os.environ | GIVING_BACK
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)
