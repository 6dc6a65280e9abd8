"""Numbers of the reference's inversion: schedules, noise images, statistics of style codes."""

from math import cos, pi

import numpy as np
import pytest
import torch
from inversion_case import Models, load

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.inversion import noise, schedules
from nerfgan_cli.inversion.distances import LPIPS_STOP
from nerfgan_cli.inversion.settings import PivotSettings, Settings, TuningSettings
from nerfgan_cli.inversion.statistics import measure_codes
from nerfgan_cli.inversion.tuning import NEIGHBOUR_DISTANCE, NEIGHBOUR_TRUNCATION


def test_settings_are_the_published_ones() -> None:
    """inversion_and_editing.md 4.1 and 4.2."""
    assert Settings() == Settings(
        PivotSettings(steps=500, space="w", layer_penalty=0.0, optimise_noise=True),
        TuningSettings(steps=350, rate=3e-4, stop=None, locality=0.0, consistency=0.0),
        camera=None,
        depth_multiplier=2.0,
    )
    assert Settings().with_steps("full", None, None) == Settings()
    fast = Settings().with_steps("fast", None, 7)
    assert (fast.pivot.steps, fast.tuning.steps) == (100, 7)
    assert LPIPS_STOP == 0.06
    assert (NEIGHBOUR_TRUNCATION, NEIGHBOUR_DISTANCE) == (0.5, 30.0)


# Schedules: the numbers of section 9.1 and 9.2.


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        *((0, 0.0), (12, 0.0048), (25, 0.01), (375, 0.01)),
        (499, 0.01 * (0.5 - 0.5 * cos(pi * 0.008))),
    ],
)
def test_rate(step: int, expected: float) -> None:
    assert schedules.rate(step, 500) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_rate_falls_along_a_cosine() -> None:
    assert schedules.rate(875, 1000) == pytest.approx(0.005)


def test_latent_noise() -> None:
    assert schedules.latent_noise(0, 1000) == 0.05
    assert schedules.latent_noise(375, 1000) == pytest.approx(0.0125)
    assert [schedules.latent_noise(step, 1000) for step in (750, 999)] == [0, 0]


# Noise images: 9.3 and 9.4.


def test_a_constant_image_is_far_from_white() -> None:
    scales = 3  # 32, 16, 8
    assert float(noise.whiteness(torch.ones(32, 32))) == pytest.approx(2 * scales)


def test_white_noise_is_white() -> None:
    draws = torch.Generator().manual_seed(0)
    found = torch.stack(
        [noise.whiteness(torch.randn(32, 32, generator=draws)) for _ in range(200)]
    ).mean()
    # Of each direction and scale var²/n² with n numbers a side; each 2×2 mean divides var by 4.
    expected = 2 * sum((0.25**k) ** 2 / (32 / 2**k) ** 2 for k in range(3))
    assert float(found) == pytest.approx(expected, rel=0.3)


def test_a_checkerboard_is_seen_at_full_scale_only() -> None:
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    board = 1.0 - 2 * ((rows + columns) % 2)
    assert float(noise.whiteness(board)) == pytest.approx(2.0)


def test_regulariser_sums_over_images() -> None:
    board = torch.ones(8, 8)
    assert float(noise.regulariser([board, board])) == pytest.approx(4 * noise.WEIGHT)


def test_normalised_noise() -> None:
    image = torch.randn(16, 16) * 3 + 5
    noise.normalise(image)
    assert float(image.mean()) == pytest.approx(0, abs=1e-6)
    assert float(image.square().mean()) == pytest.approx(1, rel=1e-5)


# Statistics.


def test_w_std_is_a_distance_and_not_of_one_coordinate(models: Models) -> None:
    generator = load(models.teacher)
    found = measure_codes(generator)
    z = torch.from_numpy(np.random.RandomState(123).randn(10_000, generator.z_dim)).float()
    codes = generator.mapping(z, PRESETS["ffhq"].frontal())[:, 0]
    torch.testing.assert_close(found.w_avg, codes.mean(dim=0))
    distance = (codes - codes.mean(dim=0)).norm(dim=1).square().mean().sqrt()
    torch.testing.assert_close(found.w_std, distance)
