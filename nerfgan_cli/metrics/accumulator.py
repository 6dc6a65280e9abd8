"""Mean and covariance of features that come in parts, in double precision.

What one accumulator holds does not grow with the number of samples. Two that saw different samples
merge into one that saw both (Chan, Golub and LeVeque 1979), so processes may share the work.
"""

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError
from nerfgan_cli.metrics.fid import FeatureStatistics

Array = NDArray[np.float64]


class Moments:
    """Number, mean and scatter (the covariance times the number) of the rows so far."""

    def __init__(self, dims: int) -> None:
        self.count = 0
        self.mean: Array = np.zeros(dims)
        self.scatter: Array = np.zeros((dims, dims))

    def add(self, features: NDArray[np.floating]) -> None:  # [N, D]
        samples = features.astype(np.float64)
        if len(samples):
            mean = samples.mean(axis=0)
            centered = samples - mean
            self._join(len(samples), mean, centered.T @ centered)

    def merge(self, other: "Moments") -> None:
        self._join(other.count, other.mean, other.scatter)

    def statistics(self) -> FeatureStatistics:
        if self.count == 0:
            raise InputError("no features have no statistics: give at least one picture.")
        return FeatureStatistics(self.mean, self.scatter / self.count)

    def _join(self, count: int, mean: Array, scatter: Array) -> None:
        if count == 0:
            return
        total = self.count + count
        offset = mean - self.mean
        self.scatter = (
            self.scatter + scatter + np.outer(offset, offset) * (self.count * count / total)
        )
        self.mean = self.mean + offset * (count / total)
        self.count = total
