"""Whether a scene explains its views: the compact field, NeuS's cameras, strips."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import shared
from PIL import Image
from torch import Tensor

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.camera_formats.finding import read_one
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.data.camera_formats.middlebury import views_of_parameters
from nerfgan_cli.data.camera_formats.neus import FILE, WORLD, decompose, neus_arrays, views_of_neus
from nerfgan_cli.data.storage import Folder
from nerfgan_cli.errors import InputError
from nerfgan_cli.reconstruction import fit
from nerfgan_cli.reconstruction.export import score, write_json, write_subject
from nerfgan_cli.reconstruction.fit import Fitting, explain
from nerfgan_cli.reconstruction.layers import Layers, frame_of, spread_along_rays
from nerfgan_cli.reconstruction.strips import marked, stretched, strip
from nerfgan_cli.reconstruction.sweep import YAW, reduced, sweep

CAMERA = PRESETS["ffhq"]
TEMPLE_BOX = (-0.073568, 0.021728, -0.012445), (0.028855, 0.181892, 0.062736)


def card(cameras: Camera, side: int, depth: float) -> np.ndarray:  # [N, H, H, 3]
    """A painted plane across the direction of view, exactly."""
    frame = frame_of(cameras, side, 2, 0.5)
    origins, directions = frame.rays
    distance = (depth - origins[:, 2]) / directions[:, 2]
    x, y = (origins[:, :2] + distance[:, None] * directions[:, :2]).unbind(dim=1)
    waves = torch.stack([(25 * x).sin(), (25 * y).cos(), (18 * (x + y)).sin()], dim=1)
    pixels = (127.5 + 90 * waves).round().to(torch.uint8)
    return pixels.view(len(cameras), side, side, 3).numpy()


def test_a_field_shows_what_its_opaque_layer_holds() -> None:
    """And nothing of the layers behind it; weights add up to 1."""
    cameras = CAMERA.at([-0.2, 0.0, 0.3])
    frame = frame_of(cameras, 16, 12, 0.5)
    field = Layers(frame, 4, torch.tensor([0.25, 0.5, 0.75]))
    rays = frame.rays.rows(slice(0, 500))
    with torch.no_grad():
        seen = field(field.texels(), rays)
        torch.testing.assert_close(seen.weights.sum(dim=0), torch.ones(500))
        expected = torch.tensor([0.25, 0.5, 0.75]).expand(500, 3)
        torch.testing.assert_close(seen.colours, expected)  # of one colour, however dense
        field.density.fill_(-40.0)
        assert field(field.texels(), rays).weights[-1].min() > 0.999  # clear: the background
        field.density[5] = 20.0
        alone = field(field.texels(), rays).weights
        assert alone[5].min() > 0.999
        assert spread_along_rays(alone) < 1e-3
    halves = torch.zeros(12, 1)
    halves[2] = halves[9] = 0.5
    assert spread_along_rays(halves).item() == pytest.approx(0.5 * 7 / 11)


def test_a_scene_explains_a_painted_card_and_not_flicker() -> None:
    """A card off the pivot moves across the pictures, and still it is one scene."""
    cameras = sweep("ffhq", 8)
    views = card(cameras, 24, 0.2)
    quick = Fitting(steps=60, rays=1024)
    steps: list[int] = []
    found = explain(views, cameras, 0.5, quick, steps.append)
    assert steps == list(range(1, 61))
    assert found.pictures.shape == views.shape
    assert found.psnr.mean() > 25
    assert found.ssim.mean() > 0.9
    assert found.psnr_still.mean() < 18
    nearer = explain(card(cameras, 24, -0.2), cameras, 0.5, quick)
    assert found.depth.mean() > nearer.depth.mean() + 0.15
    again = explain(views, cameras, 0.5, quick)
    assert np.array_equal(again.pictures, found.pictures)
    flicker = views.astype(int) + np.where(np.arange(8) % 2, 20, -20)[:, None, None, None]
    troubled = explain(flicker.clip(0, 255).astype(np.uint8), cameras, 0.5, quick)
    assert troubled.psnr.mean() < found.psnr.mean() - 4


def test_rays_are_asked_for_one_surface_when_colours_are_known(monkeypatch) -> None:
    """After a third of the steps, with a weight that grows."""
    asked: list[Tensor] = []

    def spread(weights: Tensor) -> Tensor:
        asked.append(weights)
        return spread_along_rays(weights)

    monkeypatch.setattr(fit, "spread_along_rays", spread)
    cameras = sweep("ffhq", 4)
    views = card(cameras, 16, 0.2)
    loose, strict = (
        explain(views, cameras, 0.5, Fitting(steps=30, rays=256, surface=weight))
        for weight in (0.0, 3.0)
    )
    assert len(asked) == 2 * 20
    assert spread_along_rays(asked[39]) < 0.75 * spread_along_rays(asked[19])
    assert strict.psnr.mean() < loose.psnr.mean()


def test_what_tells_nothing_is_refused() -> None:
    views = card(sweep("ffhq", 2), 24, 0.0)
    with pytest.raises(InputError, match="give two or more"):
        explain(views[:1], sweep("ffhq", 2)[:1], 0.5)
    with pytest.raises(InputError, match="from about one side"):
        explain(views, CAMERA.at([0.0, 2.9]), 0.5)


def test_the_head_sweep_is_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact views above those that jitter or change colour with the yaw; who ignores the camera
    is told by the gain over a still picture."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    program = import_module("consistency")
    views, cameras = program.read(shared("head_sweep"))
    assert len(views) == 30
    quick = Fitting(steps=120, rays=1024)
    exact, jitter, colour, still = (
        explain(reduced(version, 32), cameras, 0.5, quick)
        for version in program.spoilt(views).values()
    )
    assert exact.psnr.mean() > max(jitter.psnr.mean(), colour.psnr.mean()) + 1
    assert exact.ssim.mean() > jitter.ssim.mean()
    gains = [(found.psnr - found.psnr_still).mean() for found in (exact, jitter, colour, still)]
    assert gains[0] - 1 > max(gains[1:3]) >= min(gains[1:3]) > 5
    assert gains[3] < -20


def as_views(arrays: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    views = views_of_neus(arrays)
    poses = np.stack([view.cam2world for view in views])
    sides = np.stack([np.diag([1 / view.size[0], 1 / view.size[1], 1.0]) for view in views])
    intrinsics = sides @ np.stack([view.intrinsics for view in views])
    return torch.from_numpy(poses), torch.from_numpy(intrinsics)


def test_neus_cameras_come_back() -> None:
    cameras = CAMERA.at([-0.4, 0.1, 0.3], [0.1, -0.2, 0.0], [0.0, 0.3, 0.0])
    arrays = neus_arrays(cameras, 128, (0.0, 0.0, 0.0), 0.7)
    poses, intrinsics = as_views(arrays)
    torch.testing.assert_close(poses, cameras.cam2world.double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(intrinsics, cameras.intrinsics.double(), atol=1e-6, rtol=0)
    scaled = {key: -3 * value if key.startswith(WORLD) else value for key, value in arrays.items()}
    torch.testing.assert_close(as_views(scaled)[0], poses, atol=1e-9, rtol=0)
    assert np.diag(arrays["scale_mat_2"]).tolist() == [0.7, 0.7, 0.7, 1.0]


def test_neus_counts_pixels_from_the_centre_of_the_first() -> None:
    """What lies on the axis is seen between the middle pixels: at 63.5 of 0 to 127."""
    arrays = neus_arrays(CAMERA.frontal(), 128, (0.0, 0.0, 0.0), 0.7)
    x, y, depth = (arrays[f"{WORLD}0"] @ np.array([*CAMERA.pivot, 1.0]))[:3]
    assert (x / depth, y / depth) == pytest.approx((63.5, 63.5), abs=1e-4)
    assert depth == pytest.approx(CAMERA.radius - CAMERA.pivot[2])


def test_what_is_no_neus_camera_is_refused() -> None:
    arrays = neus_arrays(sweep("ffhq", 3), 64, (0.0, 0.0, 0.0), 0.7)
    with pytest.raises(InputError, match="without gaps"):
        views_of_neus({key: value for key, value in arrays.items() if not key.endswith("_1")})
    with pytest.raises(InputError, match="singular"):
        views_of_neus({f"{WORLD}0": np.zeros((4, 4))})


def test_the_temple_lies_in_its_photographs() -> None:
    """Its box, as the file of its cameras says, and as it says after a way through NeuS's."""
    folder = shared("temple_ring")
    views = views_of_parameters((folder / "templeSR_par.txt").read_text())
    corners = np.array([[x, y, z] for x, y, z in np.ndindex(2, 2, 2)])
    low, high = map(np.array, TEMPLE_BOX)
    points = np.c_[low + corners * (high - low), np.ones(8)]
    assert len(views) == 16
    for view in views:
        projection = view.intrinsics @ np.linalg.inv(view.cam2world)[:3]
        intrinsics, pose = decompose(projection, view.name)
        np.testing.assert_allclose(intrinsics, view.intrinsics, atol=1e-6)
        np.testing.assert_allclose(pose, view.cam2world, atol=1e-6)
        x, y, depth = intrinsics @ np.linalg.inv(pose)[:3] @ points.T
        pixels = np.stack([x, y]) / depth
        width, height = Image.open(folder / view.name).size
        assert depth.min() > 0
        assert pixels.min() > 0
        assert pixels[0].max() < width
        assert pixels[1].max() < height
        shown = np.asarray(Image.open(folder / view.name).convert("L")) > 60  # it is dark around
        left, top = pixels.min(axis=1).astype(int)
        right, bottom = pixels.max(axis=1).astype(int)
        assert shown[top:bottom, left:right].sum() > 0.995 * shown.sum(), view.name


def test_an_export_is_read_back_and_scored(tmp_path) -> None:
    cameras = sweep("ffhq", 5)
    views = card(cameras, 32, 0.1)
    subject = tmp_path / "000003"
    write_subject(subject, views, cameras, 0.5)
    write_json({}, tmp_path / "consistency.json")
    storage = Folder(subject)
    assert len([name for name in storage.names if name.startswith("mask/")]) == 5
    found = read_one(storage, FILE, None, Reading(CAMERA))
    assert found.form == "NeuS"
    for name in (FILE, "transforms.json", "cameras.json"):
        named = load_cameras(subject / name, CAMERA)
        assert [called for called, _ in named] == [f"image/{index:03d}.png" for index in range(5)]
        label = torch.cat([camera.label for _, camera in named])
        torch.testing.assert_close(label, cameras.label, atol=1e-6, rtol=0)
    transforms = json.loads((subject / "transforms.json").read_text())
    assert {frame["w"] for frame in transforms["frames"]} == {32}
    with pytest.raises(InputError, match="put the scene's rendering"):
        list(score(tmp_path))
    (subject / "rendered").mkdir()
    for index, view in enumerate(views):
        worse = view.astype(int) + 1
        Image.fromarray(worse.astype(np.uint8)).save(subject / "rendered" / f"{index:03d}.png")
    (scored,) = score(tmp_path)
    assert (scored.subject, scored.views) == ("000003", 5)
    assert scored.psnr == pytest.approx(20 * np.log10(255), abs=1e-6)
    assert 0.99 < scored.ssim < 1
    Image.fromarray(views[0][:16]).save(subject / "rendered" / "004.png")
    with pytest.raises(InputError, match="render at that size"):
        list(score(tmp_path))
    (subject / "rendered" / "004.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="is no picture"):
        list(score(tmp_path))


def test_a_strip_is_one_row_of_every_picture() -> None:
    """What moves evenly draws a straight stripe."""
    pictures = np.zeros((6, 8, 8, 3), np.uint8)
    pictures[np.arange(6), 3, np.arange(6)] = 255
    found = strip(pictures, 3)
    assert found.shape == (6, 8, 3)
    assert np.array_equal(found[..., 0] > 0, np.eye(6, 8, dtype=bool))
    assert strip(pictures, 4).sum() == 0
    assert stretched(found, 12).shape == (12, 12, 3)
    shown = marked(pictures[0], [4])
    assert shown[4].tolist() == [[255, 0, 0]] * 8
    assert pictures[0][4].sum() == 0


def test_the_sweep_is_that_of_the_protocol() -> None:
    cameras = sweep("ffhq")
    x, y, z = cameras.position.unbind(dim=1)
    assert len(cameras) == 30
    steps = torch.atan2(x, z).diff()
    torch.testing.assert_close(steps, torch.full((29,), 2 * YAW / 29), atol=1e-5, rtol=0)
    assert y.abs().max() < 1e-6
