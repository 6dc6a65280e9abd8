"""What one photograph does not show: mirrored ones, and frames of a video."""

from dataclasses import replace

import pytest
import torch
from inversion_case import PIXELS, SIDEWAYS, Models, codes_of, load, quick, run, search, view_of

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.inversion.extras import codes_of_frames
from nerfgan_cli.inversion.mirror import confidence, mirrored
from nerfgan_cli.inversion.report import agreement, draw
from nerfgan_cli.inversion.settings import CameraSettings, FrameSettings, Settings
from nerfgan_cli.inversion.stage import chosen_views
from nerfgan_cli.inversion.tuning import Tuning
from nerfgan_cli.latent_files import Latent

PRESET = PRESETS["ffhq"]


def trust(yaw: float) -> torch.Tensor:  # [32, 32]
    camera = PRESET.at(yaw, 0.1)
    return confidence(camera.mirrored(), camera, PRESET, 32)[0, 0]


def test_a_mirrored_photograph_counts_where_the_other_sees_little() -> None:
    """Nowhere from the front; else on the side that is turned away, and never beside the head."""
    assert trust(0.0).max() < 1e-5
    assert 0.2 < trust(0.15).max() < trust(0.5).max() <= 1
    half = trust(0.5)
    assert half[:, :16].mean() > 2 * half[:, 16:].mean(), "to the left of who looks to the right"
    torch.testing.assert_close(trust(-0.5), half.flip(1), atol=1e-4, rtol=0)
    assert max(float(half[row, column]) for row in (0, -1) for column in (0, -1)) == 0
    # Behind the ball's edge as the photograph sees it, the mirrored camera alone tells.
    straight = PRESET.at(1.2)
    assert confidence(straight.mirrored(), straight, PRESET, 33)[0, 0, 16, 16] > 0.95


def test_a_mirrored_photograph_is_a_view_from_the_mirrored_camera(models: Models) -> None:
    view = view_of(load(models.student))
    half = torch.zeros(1, 1, 64, 64)
    half[..., :32] = 1
    other = mirrored(view._replace(mask=half), PRESET)
    assert torch.equal(other.target, view.target.flip(3))
    torch.testing.assert_close(other.camera.label, view.camera.mirrored().label)
    assert other.mask[..., :32].max() == 0, "what was masked out is so in the mirror"
    assert mirrored(view, PRESET).mask[..., :32].max() > 0.3


def test_both_stages_see_it(models: Models) -> None:
    generator = load(models.student)
    stage = search(generator, quick(mirror=True))
    assert [len(stage.views), len(stage.found_views())] == [2, 1]
    stage.step(0)
    plain = search(load(models.student), quick())
    plain.step(0)
    assert not torch.allclose(stage.ws.grad, plain.ws.grad)
    # While a camera is searched the mirrored one is not known; it is in the tuning.
    searched = quick(mirror=True, camera=CameraSettings())
    assert len(search(load(models.student), searched).views) == 1


def test_from_the_front_it_changes_nothing(models: Models) -> None:
    """Both stages weigh the photograph as if it were alone, and tuning ends where it would."""
    views, ended = [view_of(load(models.student), PRESET.frontal())], []
    gradients = []
    for mirror in (True, False):
        generator = load(models.student)
        stage = search(generator, quick(mirror=mirror), views)
        stage.step(0)
        gradients.append(stage.ws.grad)
        codes, distance = codes_of(generator, seed=6), PIXELS.tuning
        tuned = Tuning(generator, codes, views, distance, quick(mirror=mirror), 0.0)
        terms = tuned.step(0)
        assert terms is not None
        ended.append(terms["perceptual"])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)
    assert ended[0] == pytest.approx(ended[1], rel=1e-3)


def test_a_video_is_tuned_until_all_frames_are_good(models: Models) -> None:
    """The first four of five are; one that has not been seen yet, or is far off, counts."""
    generator = load(models.student)
    good = view_of(generator, PRESET.frontal())
    views = [*[good] * 4, good._replace(target=-good.target)]
    settings = quick(frames=FrameSettings())
    (bad,) = set(range(5)) - set(chosen_views(settings, 5, 0))
    views[bad], views[4] = views[4], views[bad]
    stage = Tuning(generator, codes_of(generator), views, PIXELS.tuning, settings, 0.01)
    assert stage.step(0) is not None
    stage.latest = dict.fromkeys(range(5), 0.0)
    assert stage.step(0) is None


def frames_of(models: Models, settings: Settings, count: int = 3):
    generator = load(models.student)
    cameras = [PRESET.at(yaw) for yaw in torch.linspace(-0.3, 0.3, count).tolist()]
    views = [view_of(generator, camera, 5 + k) for k, camera in enumerate(cameras)]
    return search(generator, settings, views)


def test_frames_move_on_their_own_and_smoothly(models: Models) -> None:
    def moved(smoothness: float) -> float:
        stage = frames_of(models, quick(20, frames=FrameSettings(smoothness)))
        run(stage)
        assert stage.tensors()["moves"].shape == (3, 1, stage.generator.w_dim)
        return float((stage.moves[1:] - stage.moves[:-1]).detach().norm())

    loose = moved(0.0)
    assert loose > 0
    assert moved(1e4) < 0.5 * loose


def test_a_step_sees_some_frames_and_in_time_all() -> None:
    settings = replace(quick(), frames=FrameSettings(per_step=4))
    seen = [chosen_views(settings, 9, index) for index in range(30)]
    assert all(len(set(some)) == 4 for some in seen)
    assert set().union(*seen) == set(range(9))
    assert seen[0] == chosen_views(settings, 9, 0), "the same when it goes on"
    assert chosen_views(settings, 3, 0) == [0, 1, 2]
    assert chosen_views(quick(), 9, 0) == list(range(9))


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_each_frame_is_tuned_with_its_own_codes(models: Models, name: str) -> None:
    generator = load(getattr(models, name))
    ws, moves = codes_of(generator)[:, :1], torch.randn(3, 1, generator.w_dim)
    pivot = Latent(ws, "x", tensors={"frames": moves})
    codes = codes_of_frames(pivot, generator)
    torch.testing.assert_close(codes, (ws + moves).expand(-1, generator.num_ws, -1))
    views = [view_of(generator, SIDEWAYS)] * 3
    stage = Tuning(generator, codes, views, lambda a, b: (a - b).square().mean(), quick(), 0.0)
    own = generator.synthesis(codes[1:2], SIDEWAYS, stage.options).image
    expected = (own - views[1].target).square().mean()
    torch.testing.assert_close(stage.compare(1)[0], expected)
    drawn = draw(generator, codes, views, stage.options)
    assert min(agreement(generator, pivot, drawn, views, stage.options)) > 60, "not by frames"
