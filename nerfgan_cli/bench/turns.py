"""Seconds, taken in turns: what else the machine does meets all alike."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch

Way = TypeVar("Way", bound=Hashable)
Clock = Callable[[], float]


class Spread(NamedTuple):
    """Of measured seconds."""

    median: float
    low: float  # a quarter of them is below
    high: float  # a quarter is above


def take_turns(
    ways: Mapping[Way, Callable[[], object]],
    repeats: int,
    clock: Clock = time.perf_counter,
    warm_up: int = 1,
    follow: Callable[[int], None] = lambda done: None,  # is told how many calls are over
) -> dict[Way, list[float]]:
    """Seconds of `repeats` calls of each, which alternate; `warm_up` calls before are left out.

    On a busy machine `time.process_time` tells more, which counts what the processor does for this
    process alone.
    """
    seconds: dict[Way, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + repeats):
        for place, (name, work) in enumerate(ways.items()):
            wait()
            start = clock()
            work()
            wait()
            if turn >= warm_up:
                seconds[name].append(clock() - start)
            follow(turn * len(ways) + place + 1)
    return seconds


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    return spread(take_turns({"": work}, repeats)[""]).median


def spread(seconds: Sequence[float]) -> Spread:
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return Spread(float(median), float(low), float(high))


def wait() -> None:
    """A GPU is asked, and works on."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    if torch.backends.mps.is_available():
        torch.mps.synchronize()
