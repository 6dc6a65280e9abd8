"""Metrics of which the exact value is known, and the libraries that others use (metrics.md 12)."""

import numpy as np
import pytest
from numpy.typing import NDArray

from nerfgan_cli.metrics.accumulator import Moments
from nerfgan_cli.metrics.fid import FeatureStatistics, feature_statistics, fid, frechet_distance
from nerfgan_cli.metrics.kid import kid, kid_with_error, squared_discrepancy
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.ssim import ssim


def gaussian(count: int, dims: int, seed: int, scale: float = 1, shift: float = 0) -> NDArray:
    return shift + scale * np.random.default_rng(seed).standard_normal((count, dims))


def pictures(side: int = 40, seed: int = 0) -> NDArray[np.uint8]:
    """Two of them, smooth enough to have structure."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (2, side // 4, side // 4, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def noisy(clean: NDArray[np.uint8], sigma: float = 20) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(0, sigma, clean.shape)
    return (clean + noise).clip(0, 255).round().astype(np.uint8)


# Fréchet distance


def test_fid_of_gaussians_by_their_moments_and_by_samples() -> None:
    moments = (
        FeatureStatistics(np.zeros(16), np.eye(16)),
        FeatureStatistics(np.full(16, 0.3), 2.25 * np.eye(16)),
    )
    assert frechet_distance(*moments) == pytest.approx(5.44, rel=1e-9)
    samples = gaussian(200_000, 16, 0), gaussian(200_000, 16, 1, 1.5, 0.3)
    assert fid(*samples) == pytest.approx(5.44, rel=0.01)


def test_fid_of_lines() -> None:
    """Rank 1: the root's trace is |u·v|."""
    u, v = gaussian(2, 6, 2)
    lines = (FeatureStatistics(np.zeros(6), np.outer(w, w)) for w in (u, v))
    assert frechet_distance(*lines) == pytest.approx(u @ u + v @ v - 2 * abs(u @ v), rel=1e-9)


def test_fid_is_that_of_any_frame_and_scales_squared() -> None:
    real, drawn = gaussian(300, 8, 3), gaussian(200, 8, 4, 1.3, 0.2)
    turn = np.linalg.qr(gaussian(8, 8, 5))[0]
    expected = fid(real, drawn)
    assert fid(drawn, real) == pytest.approx(expected)
    assert fid(real @ turn + 7, drawn @ turn + 7) == pytest.approx(expected)
    assert fid(3 * real, 3 * drawn) == pytest.approx(9 * expected)


def test_fid_of_few_samples_is_too_large_by_as_much_as_they_are_few() -> None:
    def bias(count: int) -> float:
        return float(
            np.mean([fid(gaussian(count, 16, s), gaussian(count, 16, s + 99)) for s in range(8)])
        )

    few, many = bias(500), bias(2000)
    assert few == pytest.approx(0.328, rel=0.1)
    assert many == pytest.approx(0.087, rel=0.15)


def test_moments_in_parts_are_those_of_all() -> None:
    features = gaussian(700, 12, 6, shift=1e4).astype(np.float32)
    parts = np.split(features, [1, 60, 61, 300])
    one, first, second = Moments(12), Moments(12), Moments(12)
    for index, part in enumerate(parts):
        one.add(part)
        (first if index % 2 else second).add(part)
    one.add(features[:0])
    first.merge(second)
    first.merge(Moments(12))
    expected = feature_statistics(features)
    for found in (one, first):
        assert found.count == 700
        np.testing.assert_allclose(found.statistics().mean, expected.mean, rtol=1e-12)
        np.testing.assert_allclose(found.statistics().covariance, expected.covariance, atol=1e-10)


# Kernel distance


@pytest.mark.parametrize(("dims", "squared", "expected"), [(8, 1, 0.494), (16, 4, 1.029)])
def test_kid_of_gaussians(dims: int, squared: float, expected: float) -> None:
    """3M/d + 3M²/d² + (M³ + 6M² + 3Md + 6M)/d³, with M the squared distance of the means."""
    d, m = dims, squared
    exact = 3 * m / d + 3 * m**2 / d**2 + (m**3 + 6 * m**2 + 3 * m * d + 6 * m) / d**3
    assert exact == pytest.approx(expected, abs=1e-3)
    shift = np.sqrt(squared / dims)
    real, drawn = gaussian(9000, dims, 7), gaussian(9000, dims, 8, shift=shift)
    value, error = kid_with_error(real.__getitem__, 9000, drawn.__getitem__, 9000, 0, 40, 400)
    assert 0 < error < 0.02
    assert value == pytest.approx(exact, abs=0.05)
    assert value == kid(real, drawn, 0, 40, 400)


def test_kid_of_equal_distributions_is_unbiased() -> None:
    draws = [squared_discrepancy(gaussian(50, 6, s), gaussian(50, 6, s + 1000)) for s in range(200)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 4 * error
    assert min(draws) < 0 < max(draws)


def test_kid_of_four_numbers() -> None:
    x, y = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    assert squared_discrepancy(x, y) == pytest.approx(-13)


def test_torch_fidelity_finds_the_same_of_fewer_samples_than_features() -> None:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    real, drawn = (gaussian(30, 64, seed, scale) for seed, scale in ((9, 1.0), (10, 1.4)))
    statistics = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (drawn, real)]
    theirs = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    ours = frechet_distance(
        *(
            FeatureStatistics(found.mean, found.covariance * 30 / 29)  # it divides by N − 1
            for found in map(feature_statistics, (drawn, real))
        )
    )
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_torch_fidelity_finds_the_same() -> None:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    real, drawn = (
        torch.from_numpy(gaussian(20_000, 24, seed, scale, 0.1).astype(np.float32))
        for seed, scale in ((9, 1.0), (10, 1.4))
    )
    statistics = [fid_features_to_statistics(features) for features in (drawn, real)]
    theirs = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    # Its covariances divide by N − 1, those of EG3D by N.
    assert fid(real.numpy(), drawn.numpy()) == pytest.approx(theirs, rel=1e-4)
    theirs = kid_features_to_metric(
        drawn, real, kid_subsets=10, kid_subset_size=100, rng_seed=3, verbose=False
    )["kernel_inception_distance_mean"]
    ours = kid(real.numpy(), drawn.numpy(), seed=3, subsets=10, subset_size=100)
    assert ours == pytest.approx(theirs, rel=1e-4)


# Pictures


def test_psnr_of_constants_and_of_noise() -> None:
    first, second = (np.full((1, 8, 8, 3), value, np.uint8) for value in (102, 153))
    assert psnr(first, second)[0] == pytest.approx(13.9794, abs=1e-4)
    assert psnr(first, first)[0] == 100
    grey = np.full((1, 256, 256, 3), 128, np.uint8)
    assert psnr(grey, noisy(grey, 10))[0] == pytest.approx(-20 * np.log10(10 / 255), abs=0.05)


def test_ssim_of_constants() -> None:
    first, second = (np.full((1, 16, 16, 3), value, np.uint8) for value in (102, 153))
    assert ssim(first, second)[0] == pytest.approx(0.923092, abs=1e-6)
    assert ssim(first, first)[0] == pytest.approx(1)


def test_scikit_image_finds_the_same() -> None:
    library = pytest.importorskip("skimage.metrics")
    clean = pictures()
    worse = noisy(clean)
    for found, a, b in zip(ssim(clean, worse), clean, worse, strict=True):
        expected = library.structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1,
            data_range=255,
        )  # fmt: skip
        assert found == pytest.approx(expected, abs=1e-6)
    for found, a, b in zip(psnr(clean, worse), clean, worse, strict=True):
        expected = library.peak_signal_noise_ratio(a, b, data_range=255)
        assert found == pytest.approx(expected, abs=1e-9)
