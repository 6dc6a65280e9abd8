"""Inversion: schedules, noise images, both stages, and that each option does what it says."""

import json
from dataclasses import replace
from math import cos, pi
from pathlib import Path

import numpy as np
import pytest
import torch
from inversion_case import PIXELS, SIDEWAYS, Models, codes_of, quick, view_of, write_models
from PIL import Image
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.inversion import distances, noise, schedules
from nerfgan_cli.inversion.camera_search import CameraSearch, shift_picture
from nerfgan_cli.inversion.extras import take_extras
from nerfgan_cli.inversion.photos import face_mask
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.settings import (
    CameraSettings,
    PivotSettings,
    Settings,
    TuningSettings,
)
from nerfgan_cli.inversion.statistics import measure_codes
from nerfgan_cli.inversion.tuning import NEIGHBOUR_DISTANCE, Tuning
from nerfgan_cli.latent_files import Latent
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return write_models(tmp_path_factory.mktemp("models"))


def load(path: Path) -> Generator:
    return load_model(path).requires_grad_(False)


def search(generator: Generator, settings: Settings, views=None) -> PivotSearch:
    views = [view_of(generator)] if views is None else views
    return PivotSearch(generator, views, PIXELS.pivot, measure_codes(generator), settings)


def run(stage: PivotSearch | Tuning) -> list[dict[str, float] | None]:
    return [stage.step(index) for index in range(stage.steps)]


def tuning(generator: Generator, pivot: Tensor, view=None, **settings: float) -> Tuning:
    views = [view_of(generator)] if view is None else [view]
    stop = settings.pop("stop", 0.0)
    table = Settings(tuning=TuningSettings(**{"steps": 12, **settings}), depth_multiplier=1.0)
    return Tuning(generator, pivot, views, PIXELS.tuning, table, stop)


# Schedules: the numbers of the reference, inversion_and_editing.md 9.1 and 9.2.


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


# Stage 1.


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_own_samples_are_found(models: Models, name: str) -> None:
    generator = load(getattr(models, name))
    settings = Settings(PivotSettings(steps=100, optimise_noise=False), depth_multiplier=1.0)
    view = view_of(generator, seed=1)
    stage = search(generator, settings, [view])
    run(stage)

    def distance(ws: Tensor) -> float:
        drawn = generator.synthesis(ws.detach().expand(1, generator.num_ws, -1), SIDEWAYS).image
        return float(PIXELS.pivot(drawn, view.target))

    assert distance(stage.ws) < 0.15 * distance(stage.statistics.w_avg)


def test_the_first_step_moves_nothing(models: Models) -> None:
    stage = search(load(models.student), quick())
    before = {name: tensor.clone() for name, tensor in stage.tensors().items()}
    assert stage.step(0)["rate"] == 0
    for name, tensor in stage.tensors().items():
        torch.testing.assert_close(tensor, before[name])
    stage.step(1)
    assert not torch.equal(stage.ws, before["ws"])


def test_noise_images_are_optimised_where_there_are_some(models: Models) -> None:
    generator = load(models.teacher)
    names = set(generator.noise_images())
    assert names
    assert all("backbone.synthesis" in name for name in names)
    stage = search(generator, quick())
    before = {name: image.clone() for name, image in generator.noise_images().items()}
    terms = run(stage)
    assert all(term["noise"] > 0 for term in terms)
    for name, image in generator.noise_images().items():
        assert image.detach().mean().item() == pytest.approx(0, abs=1e-5)
        assert image.detach().square().mean().item() == pytest.approx(1, rel=1e-4)
        assert not torch.equal(image, before[name])
    assert not load(models.student).noise_images()


def test_noise_images_can_be_left_alone(models: Models) -> None:
    generator = load(models.teacher)
    before = {name: image.clone() for name, image in generator.noise_images().items()}
    stage = search(generator, replace(quick(), pivot=PivotSettings(4, optimise_noise=False)))
    assert "noise" not in run(stage)[0]
    assert all(torch.equal(image, before[k]) for k, image in generator.noise_images().items())


def test_w_plus_of_a_teacher_has_a_code_for_each_layer(models: Models) -> None:
    generator = load(models.teacher)
    stage = search(generator, replace(quick(), pivot=PivotSettings(8, "w+")))
    run(stage)
    assert stage.ws.shape[1] == generator.num_ws
    assert (stage.ws[:, 1:] - stage.ws[:, :1]).abs().max() > 1e-4


def test_w_plus_of_a_student_is_an_offset_to_its_inner_codes(models: Models) -> None:
    generator = load(models.student)
    stage = search(generator, replace(quick(), pivot=PivotSettings(8, "w+")))
    run(stage)
    assert stage.ws.shape[1] == 1
    assert stage.offset.abs().max() > 0
    offset = (stage.offset * stage.offset_scale).detach()
    ws = stage.ws.detach().expand(-1, generator.num_ws, -1)
    plain = load(models.student)
    codes = plain.layer_codes(ws, SIDEWAYS)
    expected = plain.features(codes + offset, SIDEWAYS)
    assert take_extras(Latent(ws, "x", tensors={"offset": offset}), plain) == []
    torch.testing.assert_close(plain.synthesis(ws, SIDEWAYS).features, expected)
    teacher = load(models.teacher)
    assert "offset" in take_extras(Latent(ws, "x", tensors={"offset": offset}), teacher)[0]


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_the_layer_penalty_pulls_layers_together(models: Models, name: str) -> None:
    def spread(penalty: float) -> float:
        table = PivotSettings(20, "w+", layer_penalty=penalty)
        stage = search(load(getattr(models, name)), replace(quick(), pivot=table))
        run(stage)
        rows = stage.ws[:, 1:] - stage.ws[:, :1] if stage.offset is None else stage.offset
        return float(rows.detach().square().mean())

    assert spread(1e3) < 0.5 * spread(0.0)


def test_several_photographs_count_alike(models: Models) -> None:
    generator = load(models.student)
    views = [view_of(generator), view_of(generator, PRESETS["ffhq"].at(-0.4))]
    alone = [search(load(models.student), quick(), [view]) for view in views]
    both = search(generator, quick(), views)
    first = [stage.step(0)["perceptual"] for stage in alone]
    assert both.step(0)["perceptual"] == pytest.approx(sum(first) / 2, rel=1e-5)
    mean = (alone[0].ws.grad + alone[1].ws.grad) / 2
    torch.testing.assert_close(both.ws.grad, mean)


def test_a_mask_hides_what_does_not_count(models: Models) -> None:
    generator = load(models.student)
    view, half = view_of(generator), torch.zeros(1, 1, 64, 64)
    half[..., 32:] = 1
    spoiled = view.target.clone()
    spoiled[..., :32] = 0.9
    stages = [
        search(load(models.student), quick(), [view._replace(target=target, mask=half)])
        for target in (view.target, spoiled)
    ]
    results = [run(stage) for stage in stages]
    assert torch.equal(stages[0].ws, stages[1].ws)
    assert results[0][-1]["perceptual"] > 0
    for target in (view.target, spoiled):
        tuned = tuning(generator, codes_of(generator), view._replace(target=target, mask=half))
        assert float(tuned.compare(tuned.views[0])[0].detach()) < 1e-3


def test_depth_samples_and_recomputing(models: Models) -> None:
    """Recomputing changes no gradient; more samples along the rays do."""
    gradients = []
    for options in ({}, {"recompute": True}, {"depth_multiplier": 2.0}):
        stage = search(load(models.teacher), quick(**options))
        stage.step(0)
        gradients.append(stage.ws.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-7)
    assert not torch.allclose(gradients[0], gradients[2], rtol=1e-3)


# Cameras that are searched.


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


# Stage 2.


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_tuning_draws_the_photograph(models: Models, name: str) -> None:
    generator = load(getattr(models, name))
    pivot = codes_of(generator, seed=6)  # somebody else
    stage = tuning(generator, pivot, steps=25, rate=3e-3)
    terms = run(stage)
    assert terms[-1]["pixels"] < 0.5 * terms[0]["pixels"]
    own, its = stage.tuned.latent_space().state_dict(), generator.latent_space().state_dict()
    assert all(torch.equal(own[key], its[key]) for key in own), "the latent space has moved"


def test_good_enough_changes_nothing(models: Models) -> None:
    generator = load(models.student)
    stage = tuning(generator, codes_of(generator, seed=6), stop=float("inf"))
    assert stage.step(0) is None
    for key, tensor in stage.tuned.state_dict().items():
        assert torch.equal(tensor, generator.state_dict()[key])


def test_locality_holds_other_people(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerfgan_cli.inversion.tuning.NEIGHBOUR_DISTANCE", 2.0)
    generator = load(models.student)
    pivot = codes_of(generator, seed=6)

    def moved(weight: float) -> float:
        stage = tuning(generator, pivot, steps=25, rate=2e-3, locality=weight)
        run(stage)
        return sum(stage.locality(1000 + k).item() for k in range(8))

    assert moved(10.0) < 0.7 * moved(0.0)


def test_neighbours_are_a_step_away_and_not_all_the_same(models: Models) -> None:
    generator = load(models.student)
    stage = tuning(generator, codes_of(generator))
    found = [stage.neighbour(index) for index in range(2)]
    for ws in found:
        distance = (ws - stage.pivot).norm(dim=2)
        torch.testing.assert_close(distance, torch.full_like(distance, NEIGHBOUR_DISTANCE))
    assert not torch.allclose(*found)
    assert torch.equal(stage.neighbour(1), found[1])


def test_consistency_holds_the_other_sides(models: Models) -> None:
    generator = load(models.student)
    pivot = codes_of(generator, seed=6)

    def moved(weight: float) -> float:
        stage = tuning(generator, pivot, steps=25, rate=2e-3, consistency=weight)
        run(stage)
        return sum(stage.consistency(1000 + k).item() for k in range(8))

    assert moved(10.0) < 0.7 * moved(0.0)


# Photographs.


def test_the_face_mask_follows_the_points(tmp_path: Path) -> None:
    Image.new("RGB", (128, 128)).save(tmp_path / "a.png")
    five = [[40, 60], [80, 60], [60, 72], [46, 90], [74, 90]]  # eyes, nose, mouth; 30 pixels high
    (tmp_path / "a.json").write_text(json.dumps({"points": five}))
    mask = face_mask(tmp_path / "a.json", tmp_path / "a.png", 64)[0, 0]
    (rows, columns) = mask.nonzero(as_tuple=True)
    assert float(mask.max()) == 1
    center = 30 + 0.43 * 15
    assert float(rows.float().mean()) == pytest.approx(center, abs=1)
    assert float(columns.float().mean()) == pytest.approx(30, abs=1)
    height, width = int(rows.max() - rows.min()), int(columns.max() - columns.min())
    assert height == pytest.approx(2 * 1.4 * 15 * 1.15, abs=2)
    assert width == pytest.approx(2 * 1.1 * 15 * 1.15, abs=2)
    turned = [[y, 128 - x] for x, y in five]  # the head lies down
    (tmp_path / "a.json").write_text(json.dumps({"points": turned}))
    lying = face_mask(tmp_path / "a.json", tmp_path / "a.png", 64)[0, 0]
    torch.testing.assert_close(lying, mask.T.flip(0), rtol=0, atol=1e-5)


# Networks that compare pictures.


def test_networks_by_model(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        distances, "open_lpips", lambda name, folder: asked.append(name) or PIXELS.pivot
    )
    cpu = torch.device("cpu")
    other = distances.open_distances(load(models.student), "auto", None, None, cpu)
    assert (asked, other.names, other.stop) == (
        ["vgg", "alex"],
        ("lpips-vgg", "lpips-alex"),
        0.06,
    )
    for name in (STUDENT, TEACHER):
        own = distances.open_distances(load(find_model(name)), "auto", None, None, cpu)
        assert isinstance(own.pivot, DiscriminatorDistance)
        assert own.names == (f"discriminator {TEACHER}-discriminator",) * 2
        assert own.stop == 0
    given = distances.open_distances(load(models.student), "auto", str(models.critic), None, cpu)
    assert given.names[0] == f"discriminator {models.critic.name}"
    assert len(asked) == 2
