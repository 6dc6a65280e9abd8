"""Cameras that an inversion searches along with the latent."""

from dataclasses import replace
from math import pi
from pathlib import Path

import pytest
import torch
from inversion_case import SIDEWAYS, Models, codes_of, load, run, search, view_of
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.checkpoints.zoo import STUDENT, find_model
from nerfgan_cli.inversion import schedules
from nerfgan_cli.inversion.camera_search import CameraSearch, shift_picture
from nerfgan_cli.inversion.distances import open_distances
from nerfgan_cli.inversion.first_cameras import FirstCameras
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.settings import CameraSettings, FrameSettings, PivotSettings, Settings
from nerfgan_cli.inversion.state import (
    Progress,
    read_state,
    restore,
    restore_optimizer,
    save_state,
)
from nerfgan_cli.inversion.statistics import measure_codes


def test_a_search_begins_at_the_estimate() -> None:
    preset = PRESETS["ffhq"]
    label = preset.at([0.3, -0.5], [0.1, 0.2], [0.05, 0.0]).label
    label[0, 3] += 0.05  # it need not look at the pivot
    estimate = Camera.from_label(label)
    found = CameraSearch(estimate, [True] * 2, "ffhq", CameraSettings()).cameras()
    torch.testing.assert_close(found.label, estimate.label, rtol=1e-5, atol=1e-5)


def test_offsets_move_the_camera_as_angles_do() -> None:
    preset = PRESETS["ffhq"]
    finder = CameraSearch(preset.at(0.3, 0.1), [True], "ffhq", CameraSettings())
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


def test_photographs_move_by_whole_pixels(models: Models) -> None:
    generator = load(models.student)
    view = view_of(generator)
    settings = Settings(PivotSettings(1), camera=CameraSettings())
    stage = search(generator, settings, [view])
    with torch.no_grad():
        stage.search.offsets[0, 4:] = torch.tensor([2.4, -0.8]) / 64
    (found,) = stage.found_views()
    assert (stage.shifts() * 64).tolist() == [[2, -1]]
    torch.testing.assert_close(found.target[..., 1:, :-2], view.target[..., :-1, 2:])


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


def offsets_prior(domain: str, known: bool, yaw: float) -> float:
    estimate = PRESETS[domain].frontal()
    finder = CameraSearch(estimate, [known], domain, CameraSettings(prior=1.0))
    with torch.no_grad():
        finder.offsets[0, 0] = yaw
    finder.prior().sum().backward()
    assert finder.offsets.grad is not None
    assert finder.offsets.grad.isfinite().all()
    return finder.prior().item()


def test_an_unknown_camera_is_anywhere_in_its_domain() -> None:
    assert offsets_prior("ffhq", True, 0.3) == pytest.approx(9)
    assert offsets_prior("ffhq", False, 0.3) == pytest.approx(1)
    assert offsets_prior("cars", False, 3.0) == 0, "cars are seen all round"


def test_cars_are_tried_from_all_sides() -> None:
    finder = CameraSearch(PRESETS["cars"].frontal(), [False], "cars", CameraSettings())
    assert len(finder.starts) == len(set(finder.starts)) == 8
    assert max(finder.starts) > pi


@pytest.mark.parametrize("known", [True, False])
def test_cameras_that_are_told_stay(models: Models, known: bool) -> None:
    """One is told, the other is not: it alone moves, unless all shall."""
    generator = load(models.student)
    told, lost = view_of(generator), view_of(generator, PRESETS["ffhq"].at(-0.3))
    lost = lost._replace(camera=PRESETS["ffhq"].frontal(), known=False)
    settings = Settings(
        PivotSettings(4), camera=CameraSettings(start=0.0, known=known), depth_multiplier=1.0
    )
    stage = search(generator, settings, [told, lost])
    run(stage)
    first, second = stage.found_views()
    assert torch.equal(first.camera.label, told.camera.label) is not known
    assert torch.equal(first.target, told.target) is not known
    assert not torch.equal(second.camera.label, lost.camera.label)
    assert not second.known


def lost_frames(models: Models, count: int) -> PivotSearch:
    generator, preset = load(models.student), PRESETS["ffhq"]
    yaws = torch.linspace(-0.3, 0.3, count).tolist()
    views = [
        view_of(generator, preset.at(yaw))._replace(known=False, camera=preset.frontal())
        for yaw in yaws
    ]
    settings = Settings(PivotSettings(100), camera=CameraSettings(), frames=FrameSettings())
    return search(generator, replace(settings, depth_multiplier=1.0), views)


def test_unknown_cameras_of_a_video_take_a_few_draws_each(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps from each of five yaws and a look at each, then a look for each other frame."""
    stage, draws = lost_frames(models, 9), []
    draw = stage.generator.draw
    monkeypatch.setattr(stage.generator, "draw", lambda *given: draws.append(1) or draw(*given))
    begin = FirstCameras(stage)
    counts = []
    for index in range(begin.steps):
        begin.step(index)
        counts.append(len(draws))
    assert len(draws) == 5 * (2 + 1) + 8 * 5
    assert counts[0] == 1, "a signal waits for a step, which is no more than this"
    assert stage.search is not None
    assert set(stage.search.offsets[:, 0].tolist()) <= set(torch.tensor(begin.yaws).tolist())


def test_trials_go_on_where_they_were_interrupted(models: Models, tmp_path: Path) -> None:
    whole = FirstCameras(lost_frames(models, 3))
    run(whole)
    for stop in (3, 11):  # within a yaw, and among the other frames
        first, second = (FirstCameras(lost_frames(models, 3)) for _ in range(2))
        for index in range(stop):
            first.step(index)
        save_state(tmp_path / "state", Progress({}, step=stop), [first])
        _, tensors = read_state(tmp_path / "state")
        restore(second, tensors)
        restore_optimizer(second, tensors)
        for index in range(stop, whole.steps):
            second.step(index)
        for key, tensor in whole.tensors().items():
            assert torch.equal(tensor, second.tensors()[key]), key


def test_cameras_that_stay_are_not_tried(models: Models) -> None:
    view = view_of(load(models.student))
    for known, camera in ((True, CameraSettings()), (False, None)):
        settings = Settings(PivotSettings(4), camera=camera)
        stage = search(load(models.student), settings, [view._replace(known=known)])
        assert FirstCameras(stage).steps == 0


def test_a_search_begins_on_the_right_sides() -> None:
    """Of a turning sample of the bundled student, with all defaults."""
    generator, preset, yaws = load(find_model(STUDENT)), PRESETS["ffhq"], (0.3, 0.0, -0.3)
    views = [view_of(generator, preset.at(yaw), seed=6) for yaw in yaws]
    lost = [view._replace(camera=preset.frontal(), known=False) for view in views]
    distance = open_distances(generator, "auto", None, None, torch.device("cpu")).pivot
    settings = Settings(PivotSettings(50), camera=CameraSettings())
    stage = PivotSearch(generator, lost, distance, measure_codes(generator), settings)
    run(FirstCameras(stage))
    assert stage.search is not None
    for begun, yaw in zip(stage.search.offsets[:, 0].tolist(), yaws, strict=True):
        assert abs(begun - yaw) < 0.2


def test_a_photograph_tells_more_than_the_prior() -> None:
    """Of the bundled student: 6 degrees beside the truth against the whole turn, with defaults."""
    generator, preset = load(find_model(STUDENT)), PRESETS["ffhq"]
    distance = open_distances(generator, "auto", None, None, torch.device("cpu")).pivot
    codes, target = codes_of(generator), view_of(generator, preset.at(0.3)).target
    with torch.no_grad():
        beside = distance(generator.synthesis(codes, preset.at(0.2)).image, target).item()
    finder = CameraSearch(preset.frontal(), [False], "ffhq", CameraSettings())
    with torch.no_grad():
        finder.offsets[0, 0] = 0.3
    assert 0 < finder.prior().item() < 0.02 * beside


def test_cameras_forget_how_steep_it_was(models: Models) -> None:
    settings = Settings(PivotSettings(4), camera=CameraSettings())
    codes, cameras = search(load(models.student), settings).optimizer.param_groups
    assert (codes["betas"], cameras["betas"]) == ((0.9, 0.999), (0.9, 0.95))
