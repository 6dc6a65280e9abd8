"""Cameras that an inversion searches along with the latent."""

from dataclasses import replace

import pytest
import torch
from inversion_case import SIDEWAYS, Models, codes_of, load, run, search, view_of
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.inversion import schedules
from nerfgan_cli.inversion.camera_search import CameraSearch, shift_picture
from nerfgan_cli.inversion.settings import CameraSettings, PivotSettings, Settings


def test_a_search_begins_at_the_estimate() -> None:
    preset = PRESETS["ffhq"]
    label = preset.at([0.3, -0.5], [0.1, 0.2], [0.05, 0.0]).label
    label[0, 3] += 0.05  # it need not look at the pivot
    estimate = Camera.from_label(label)
    found = CameraSearch(estimate, preset, CameraSettings()).cameras()
    torch.testing.assert_close(found.label, estimate.label, rtol=1e-5, atol=1e-5)


def test_offsets_move_the_camera_as_angles_do() -> None:
    preset = PRESETS["ffhq"]
    finder = CameraSearch(preset.at(0.3, 0.1), preset, CameraSettings())
    with torch.no_grad():
        finder.offsets.copy_(torch.tensor([[0.1, -0.05, 0.02, 0.1, 0.0, 0.0]]))
    expected = replace(preset, radius=preset.radius * float(torch.tensor(0.1).exp()))
    camera = expected.at(0.4, 0.05, 0.02)
    torch.testing.assert_close(finder.cameras().label, camera.label, rtol=1e-5, atol=1e-5)


def test_a_shift_moves_the_picture_to_the_right_and_down() -> None:
    image = torch.zeros(1, 3, 8, 8)
    image[..., 2, 3] = 1
    moved = shift_picture(image, torch.tensor([2 / 8, 1 / 8]))
    assert moved[0, 0].argmax() == 3 * 8 + 5
    assert float(moved.max()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_a_wrong_camera_is_corrected(
    models: Models, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "NOISE", 0.0)
    generator = load(getattr(models, name))
    truth, estimate = SIDEWAYS, PRESETS["ffhq"].at(0.15, 0.05)
    view = view_of(generator, truth)._replace(camera=estimate)
    camera = CameraSettings(start=0.0, rate=1e-2, prior=0.0)
    settings = Settings(PivotSettings(40, optimise_noise=False), camera=camera)
    stage = search(generator, replace(settings, depth_multiplier=1.0), [view])
    with torch.no_grad():
        stage.ws.copy_(codes_of(generator)[:, :1])  # known, so that only the camera is sought
    stage.optimizer.param_groups[0]["params"][0].requires_grad_(False)
    distances = [terms["perceptual"] for terms in run(stage)]
    assert distances[-1] < 0.6 * distances[0]
    (yaw, *_), (true_yaw, *_) = (
        angles_from_pose(one.cam2world) for one in (stage.found_views()[0].camera, truth)
    )
    assert abs(float(yaw - true_yaw)) < 0.15


def test_the_camera_waits_and_the_prior_holds_it(models: Models) -> None:
    def offsets(camera: CameraSettings, steps: int) -> Tensor:
        view = view_of(load(models.student))._replace(camera=PRESETS["ffhq"].at(0.1))
        settings = Settings(PivotSettings(10), camera=camera)
        stage = search(load(models.student), settings, [view])
        for index in range(steps):
            stage.step(index)
        return stage.search.offsets.detach().abs()

    assert offsets(CameraSettings(start=0.5), 5).max() == 0
    assert offsets(CameraSettings(start=0.5), 8).max() > 0
    free = offsets(CameraSettings(start=0.0, prior=0.0), 10).sum()
    assert offsets(CameraSettings(start=0.0, prior=100.0), 10).sum() < free
