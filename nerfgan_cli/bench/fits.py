"""How a cost grows: what is there once and what each adds, or as which power."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Straight(NamedTuple):
    """cost = once + each · number"""

    once: float
    each: float
    off: float  # by which share of its value the measured point is off that is off most

    def at(self, number: float) -> float:
        return self.once + self.each * number


class Power(NamedTuple):
    """cost = factor · size^power"""

    factor: float
    power: float
    off: float

    def at(self, size: float) -> float:
        return float(self.factor * size**self.power)


def fit_straight(numbers: Sequence[float], costs: Sequence[float]) -> Straight:
    """Least squares, of two numbers or more."""
    each, once = np.polyfit(numbers, costs, 1)
    found = Straight(float(once), float(each), 0.0)
    return found._replace(off=_off([found.at(number) for number in numbers], costs))


def fit_power(sizes: Sequence[float], costs: Sequence[float]) -> Power:
    """Least squares of the logarithms, of two sizes or more."""
    power, factor = np.polyfit(np.log(sizes), np.log(costs), 1)
    found = Power(float(np.exp(factor)), float(power), 0.0)
    return found._replace(off=_off([found.at(size) for size in sizes], costs))


def _off(fitted: Sequence[float], measured: Sequence[float]) -> float:
    return max(abs(a - b) / abs(b) for a, b in zip(fitted, measured, strict=True))
