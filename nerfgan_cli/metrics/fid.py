"""Fréchet distance between two sets of features (Heusel et al. 2017).

The square root of the covariances' product only enters through its trace, the sum of the roots of
the eigenvalues of Σ₁·Σ₂. Those are the eigenvalues of the symmetric matrix √Σ₁·Σ₂·√Σ₁, that is the
squared singular values of √Σ₁·√Σ₂: they are real, not negative and found exactly also where there
are fewer samples than features and a general matrix root would be singular.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError

Array = NDArray[np.float64]


class FeatureStatistics(NamedTuple):
    mean: Array  # [D]
    covariance: Array  # [D, D], normalised by the number of samples


def feature_statistics(features: NDArray[np.floating]) -> FeatureStatistics:  # [N, D]
    """Mean and covariance, in double precision."""
    if features.ndim != 2 or len(features) == 0:
        raise InputError(
            f"features of shape {features.shape} have no statistics: give at least one row."
        )
    samples = features.astype(np.float64)
    mean = samples.mean(axis=0)
    centered = samples - mean
    return FeatureStatistics(mean, centered.T @ centered / len(samples))


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """|μ₁ − μ₂|² + Tr(Σ₁ + Σ₂ − 2·(Σ₁·Σ₂)^½)."""
    offset = first.mean - second.mean
    roots = _symmetric_root(first.covariance) @ _symmetric_root(second.covariance)
    cross = np.linalg.svd(roots, compute_uv=False).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(offset @ offset + traces - 2 * cross)


def fid(real: NDArray[np.floating], generated: NDArray[np.floating]) -> float:  # [N, D], [M, D]
    return frechet_distance(feature_statistics(generated), feature_statistics(real))


def _symmetric_root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    rounding = values[-1] * len(values) * np.finfo(np.float64).eps
    roots: Array = (vectors * np.sqrt(np.where(values > rounding, values, 0))) @ vectors.T
    return roots
