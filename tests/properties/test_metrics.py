"""FID and KID: known values, hard cases."""

import numpy as np
import pytest
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError
from nerfgan_cli.metrics.fid import FeatureStatistics, feature_statistics, fid, frechet_distance
from nerfgan_cli.metrics.kid import kid, squared_discrepancy


def features(count: int, dims: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((dims, dims))
    return (random.standard_normal((count, dims)) @ mixing + shift).astype(np.float32)


def test_fid_of_known_gaussians() -> None:
    """Commuting covariances have a closed form: Σ (√a − √b)²."""
    random = np.random.default_rng(1)
    basis = np.linalg.qr(random.standard_normal((8, 8)))[0]
    a, b = random.random(8), random.random(8)
    a[0] = b[1] = 0.0  # singular
    first = FeatureStatistics(np.zeros(8), basis * a @ basis.T)
    second = FeatureStatistics(np.full(8, 0.5), basis * b @ basis.T)
    expected = 8 * 0.25 + np.square(np.sqrt(a) - np.sqrt(b)).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [10, 500])  # fewer samples than features, and more
def test_fid_of_a_set_with_itself_is_zero(count: int) -> None:
    one = features(count, 40, seed=2)
    scale = float(np.trace(feature_statistics(one).covariance))
    assert abs(fid(one, one)) < 1e-10 * scale
    assert fid(one, one + 1) == pytest.approx(40, rel=1e-4)


def test_covariance_is_that_of_numpy() -> None:
    one = features(50, 6, seed=3, shift=1000.0)
    statistics = feature_statistics(one)
    np.testing.assert_allclose(statistics.covariance, np.cov(one.T.astype(np.float64), ddof=0))


def test_kid_grows_with_the_distance() -> None:
    real = features(400, 16, seed=4)
    near = kid(real, features(300, 16, seed=5), subsets=10)
    far = kid(real, features(300, 16, seed=5, shift=1.0), subsets=10)
    assert abs(near) < 0.1 * far


def test_kid_is_the_mean_over_pairs() -> None:
    """Against the definition, sample by sample."""
    x, y = features(5, 3, seed=6).astype(float), features(5, 3, seed=7).astype(float)

    def mean(a: NDArray[np.float64], b: NDArray[np.float64], same: bool) -> float:
        pairs = [(i, j) for i in range(5) for j in range(5) if not (same and i == j)]
        return float(np.mean([(a[i] @ b[j] / 3 + 1) ** 3 for i, j in pairs]))

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
    assert squared_discrepancy(x, y) == pytest.approx(expected)


def test_kid_depends_on_its_seed_only() -> None:
    real, generated = features(60, 4, seed=8), features(50, 4, seed=9)
    first, again, other = (kid(real, generated, seed, 5, 20) for seed in (1, 1, 2))
    assert first == again != other


def test_empty_sets_are_refused() -> None:
    with pytest.raises(InputError, match="at least one row"):
        feature_statistics(np.zeros((0, 4)))
    with pytest.raises(InputError, match="at least two"):
        kid(np.zeros((1, 4)), np.zeros((5, 4)))
