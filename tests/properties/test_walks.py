"""Ways through latent space and of cameras: ends, speed, seams (inversion_and_editing.md 6, 9)."""

import numpy as np
import pytest
import torch

from nerfgan_cli.cameras import PRESETS, angles_from_pose, find_problems
from nerfgan_cli.editing.camera_walks import spiral, through
from nerfgan_cli.editing.walks import lerp, piecewise, slerp, spline


@pytest.fixture
def pair():
    a, b = torch.randn(2, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return a, 3 * b


def at(t):
    return torch.tensor(t, dtype=torch.float64)


def test_slerp_has_exact_ends_constant_speed_and_even_lengths(pair):
    a, b = pair
    assert (slerp(a, b, at(0.0)) == a).all()
    assert (slerp(a, b, at(1.0)) == b).all()
    times = torch.linspace(0, 1, 11, dtype=torch.float64)
    way = slerp(a.expand(11, -1), b.expand(11, -1), times)
    lengths = way.norm(dim=1)
    torch.testing.assert_close(lengths, torch.lerp(a.norm(), b.norm(), times))
    unit = way / lengths[:, None]
    steps = (unit[1:] * unit[:-1]).sum(dim=1).arccos()
    torch.testing.assert_close(steps, steps[:1].expand(10))
    whole = (unit[0] * unit[-1]).sum().arccos()
    torch.testing.assert_close(steps.sum(), whole)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])
def test_slerp_of_parallel_and_antipodal_vectors(pair, t):
    a, _ = pair
    for b in (a, a * (1 + 1e-9), -a, -a + 1e-9 * pair[1]):
        torch.testing.assert_close(slerp(a, b, at(t)), lerp(a, b, at(t)))
    assert slerp(a, 0 * a, at(t)).isfinite().all()


def test_a_closed_spline_has_no_seam():
    keyframes = torch.randn(4, 2, 8, dtype=torch.float64)
    way = spline(keyframes, closed=True)
    torch.testing.assert_close(way(torch.arange(5.0)), keyframes[[0, 1, 2, 3, 0]])
    step = 1e-4
    before, after = ((way(at([t + step])) - way(at([t]))) / step for t in (4 - step, 0.0))
    torch.testing.assert_close(before, after, atol=1e-2, rtol=0)
    assert (after - (keyframes[1] - keyframes[0])).abs().max() > 0.1, "it is no straight line"


def test_an_open_spline_passes_every_keyframe_and_may_have_two():
    keyframes = torch.randn(5, 3)
    torch.testing.assert_close(spline(keyframes, closed=False)(torch.arange(5.0)), keyframes)
    two = spline(keyframes[:2], closed=False)(at([0.25]))
    torch.testing.assert_close(two[0], lerp(*keyframes[:2], at(0.25)).float())


@pytest.mark.parametrize("closed", [False, True])
def test_piecewise_ways(closed):
    keyframes = torch.randn(3, 2, 4)
    times = torch.tensor([0.0, 0.5, 1.0, 1.25, 2.0] + [2.5, 3.0] * closed)
    found = piecewise(keyframes, closed)(times)
    torch.testing.assert_close(found[[0, 2, 4]], keyframes)
    torch.testing.assert_close(found[1], keyframes[:2].mean(dim=0))
    torch.testing.assert_close(found[3], 0.75 * keyframes[1] + 0.25 * keyframes[2])
    if closed:
        torch.testing.assert_close(found[5], (keyframes[0] + keyframes[2]) / 2)
        torch.testing.assert_close(found[6], keyframes[0])


def test_one_keyframe_stands_still():
    one = torch.randn(1, 2, 4)
    for way in (spline(one, True), spline(one, False), piecewise(one, True)):
        torch.testing.assert_close(way(torch.tensor([0.0, 0.5])), one.expand(2, -1, -1))


def test_a_spiral_begins_at_the_front_and_closes():
    cameras = spiral(PRESETS["ffhq"], 60, 0.4, 0.2)
    yaw, pitch, _ = angles_from_pose(cameras.cam2world.double())
    assert abs(yaw[0]) < 1e-6
    assert abs(pitch[0]) < 1e-6
    assert 0.3 < yaw.abs().max() <= 0.4
    x, y = (yaw / 0.4).numpy(), (pitch / 0.2).numpy()
    np.testing.assert_allclose(np.hypot(x, y), np.sin(np.pi * np.arange(60) / 60), atol=1e-5)
    around = np.unwrap(np.arctan2(x, y)[1:])
    np.testing.assert_allclose(np.diff(around), 3 * 2 * np.pi / 60, atol=1e-4)
    steps = np.hypot(np.diff(yaw, append=yaw[0]), np.diff(pitch, append=pitch[0]))
    assert steps[-1] == pytest.approx(steps[0], rel=1e-3), "it closes as slowly as it began"


def test_cameras_of_ones_own_are_passed_by():
    preset = PRESETS["ffhq"]
    own = preset.at([-0.5, 0.1, 0.5], [0.2, 0.0, -0.2])
    way = through(own, 5, closed=False)
    torch.testing.assert_close(way.label[[0, 2, 4]], own.label, atol=1e-5, rtol=0)
    between = angles_from_pose(way[1].cam2world)[0].item()
    assert -0.5 < between < 0.1
    assert way[1].position.norm().item() == pytest.approx(preset.radius, abs=1e-4)
    assert not find_problems(way)
    closed = through(own, 6, closed=True)
    torch.testing.assert_close(closed.label[[0, 2, 4]], own.label, atol=1e-5, rtol=0)
    assert abs(angles_from_pose(closed[5].cam2world)[0].item()) < 0.1, "half way back"
    assert (through(own, 3, closed=True).label == own.label).all()
    assert len(through(own[0], 7, closed=False)) == 7


@pytest.mark.parametrize(("count", "frames"), [(8, 42), (32, 121), (22, 601)])
def test_the_last_frame_is_not_past_the_last_camera(count, frames):
    """Where steps of (count - 1)/(frames - 1) add up to more than they should."""
    own = PRESETS["ffhq"].at(torch.linspace(-0.5, 0.5, count))
    way = through(own, frames, closed=False)
    assert len(way) == frames
    torch.testing.assert_close(way.label[[0, -1]], own.label[[0, -1]], atol=1e-5, rtol=0)
