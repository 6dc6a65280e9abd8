"""FFHQ, AFHQ and ShapeNet: the published crops and cameras, from files as users have them."""

import json

import numpy as np
import pytest
import torch
from datasets import ball_centers, labels_at, noise, shared
from PIL import Image

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.camera_plot import project
from nerfgan_cli.data.ffhq_crop import crop_of_points, fit_points
from nerfgan_cli.data.preparation import Finish, draw_cuts, make_entries
from nerfgan_cli.data.sources.afhq import plan_afhq
from nerfgan_cli.data.sources.ffhq import plan_ffhq
from nerfgan_cli.data.sources.published import match_published
from nerfgan_cli.data.sources.shapenet import plan_shapenet, turn_up
from nerfgan_cli.data.storage import open_storage
from nerfgan_cli.data.worlds import AXES
from nerfgan_cli.errors import InputError

FOCAL = 2985.29 / 700
ALIGNED, WIDE = 1024, 1500  # sides of FFHQ's pictures, and of those aligned anew
ENLARGED = 1.8  # what the latter show, in fields of the former


def quiet(items, total):
    return items


def finished(storage, plan, side):
    """Pictures and cameras as they would be written."""
    finish = Finish(side, (255, 255, 255), False)
    entries = make_entries(storage, plan.cuts, finish)
    images = [
        np.asarray(draw_cuts(storage, plan.cuts, finish, [i])[0]) for i in range(len(entries))
    ]
    return images, Camera.from_label(torch.stack([entry.label for entry in entries]))


def test_the_crop_of_five_points_is_the_published_one():
    """Numbers of an independent run of the recipe on real portraits."""
    folder = shared("portraits")
    portraits = json.loads((folder / "expected.json").read_text())["portraits"]
    cases = [(name, facts) for name, facts in portraits.items() if "eg3d_crop" in facts]
    assert len(cases) >= 5
    for name, facts in cases:
        with Image.open(folder / name) as image:
            width, height = image.size
        points, expected = np.array(facts["kps"]), facts["eg3d_crop"]
        fit = fit_points(points, height)
        assert fit.scale == pytest.approx(expected["pixels_per_unit"], abs=1e-3)
        assert fit.offset == pytest.approx(expected["offset"], abs=1e-3)
        crop = crop_of_points(points, width, height)
        found = (points - [crop.left, crop.top]) / crop.side * 512
        # They apply the scale before it is rounded to a picture of whole pixels.
        np.testing.assert_allclose(found, expected["kps_in_512"], atol=0.3)


def write_ffhq(folder, kind):
    """One face as three balls at the eyes and the mouth, in the frame that `kind` names."""
    points = np.array([[640.0, 660], [850, 664], [752, 780], [668, 880], [832, 884]])
    folder.mkdir()
    rows, columns = np.mgrid[:WIDE, :WIDE] + 0.5
    pixels = np.zeros((WIDE, WIDE, 3), np.uint8)
    balls = ((points[0], (255, 0, 0)), (points[1], (0, 255, 0)), (points[2], (0, 0, 255)))
    for (x, y), colour in balls:
        pixels[np.hypot(columns - x, rows - y) < 24] = colour
    image = Image.fromarray(pixels)
    if kind != "wide":
        edge = (WIDE - WIDE / ENLARGED) / 2
        side = ALIGNED if kind == "aligned" else 256
        box = (edge, edge, WIDE - edge, WIDE - edge)
        image = image.resize((side, side), Image.Resampling.LANCZOS, box=box)
    image.save(folder / "00042.png")
    pose = PRESETS["ffhq"].at(yaw=0.3, pitch=0.1).cam2world[0]
    pose[:3, 3] *= 1.04  # not yet at its distance
    (folder / "cropping_params.json").write_text(json.dumps({"00042.png": {"lm": points.tolist()}}))
    return points, pose


@pytest.mark.parametrize("kind", ["wide", "aligned", "small"])
def test_ffhq_is_cut_from_what_users_have(tmp_path, kind):
    points, pose = write_ffhq(tmp_path / "in", kind)
    label = [*pose.flatten().tolist(), FOCAL, 0, 0.5, 0, FOCAL, 0.5, 0, 0, 1]
    names = ["img00000042.png", "img00000042_mirror.png", "img00000043.png"]
    cameras = tmp_path / "dataset.json"
    cameras.write_text(json.dumps({"labels": [[name, label] for name in names]}))
    storage = open_storage(tmp_path / "in")
    crops = tmp_path / "in" / "cropping_params.json"
    plan = plan_ffhq(storage, cameras, crops, 1, quiet)
    assert plan.bad == []
    (image,), camera = finished(storage, plan, 256)
    crop = crop_of_points(points, WIDE, WIDE)
    expected = (points[:3] - [crop.left, crop.top]) / crop.side
    np.testing.assert_allclose(ball_centers(image), expected, atol=0.004)  # a pixel
    assert float(torch.linalg.vector_norm(camera.position)) == pytest.approx(2.7)
    assert torch.allclose(camera.cam2world[0, :3, :3], pose[:3, :3])
    assert camera.intrinsics[0, 0].tolist() == pytest.approx([FOCAL, 0, 0.5])
    with pytest.raises(InputError, match="cropping_params"):
        plan_ffhq(storage, cameras, cameras, 1, quiet)


def test_ffhq_crops_with_the_intermediate_cameras(tmp_path):
    noise(64, 0).save(tmp_path / "a.png")
    pose = PRESETS["ffhq"].at(yaw=-0.4, pitch=0.2).cam2world[0]
    expected = pose.clone()
    pose[:3, 3] *= 0.9
    k = [[2985.29, 0, 512], [0, 2985.29, 512], [0, 0, 1]]
    entry = {"a.png": {"intrinsics": k, "pose": pose.tolist()}}
    (tmp_path / "cameras.json").write_text(json.dumps(entry))
    storage = open_storage(tmp_path)
    images, camera = finished(storage, plan_ffhq(storage, None, None, 1, quiet), 64)
    assert (images[0] == np.asarray(noise(64, 0))).all()
    assert torch.allclose(camera.cam2world[0], expected, atol=1e-6)
    assert float(camera.intrinsics[0, 0, 0]) == pytest.approx(FOCAL)


def test_ffhq_of_the_wrong_alignment_is_refused(tmp_path):
    Image.new("RGB", (ALIGNED, ALIGNED)).save(tmp_path / "00000.png")
    labels = [["img00000000.png", labels_at([0.0])[0]]]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    plan = plan_ffhq(open_storage(tmp_path), None, None, 1, quiet)
    assert plan.cuts == []
    assert "crop parameters" in plan.bad[0].text


def test_labels_that_are_numbered_anew_are_refused():
    entries = {f"{i // 1000:05d}/img{i:08d}.png": i for i in range(70_001)}
    assert match_published(entries, ["00000/img00000007.png"]) == {"00000/img00000007.png": 7}
    with pytest.raises(InputError, match="mirror"):
        match_published(entries, ["00007.png"])


def test_afhq_keeps_the_rotation_and_sets_the_rest(tmp_path):
    noise(32, 0).save(tmp_path / "cat.png")
    camera = PRESETS["ffhq"].at(yaw=0.5, pitch=-0.2, roll=0.3)
    label = camera.label[0].tolist()
    label[3] += 0.5
    label[16] = 3.0
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["cat.png", label]]}))
    storage = open_storage(tmp_path)
    _, found = finished(storage, plan_afhq(storage, None, 1, quiet), 32)
    assert torch.allclose(found.cam2world[0, :3, :3], camera.cam2world[0, :3, :3], atol=1e-6)
    assert torch.allclose(found.position, -2.7 * found.forward, atol=1e-6)
    assert found.intrinsics[0, 0].tolist() == pytest.approx([FOCAL, 0, 0.5], rel=1e-5)


def write_cars(folder, scenes=2, views=3):
    poses = {}
    for scene in range(scenes):
        for part in ("rgb", "pose"):
            (folder / f"car{scene}" / part).mkdir(parents=True)
        lines = "525. 256. 256. 0.\n0. 0. 0.\n1.\n512 512\n"
        (folder / f"car{scene}" / "intrinsics.txt").write_text(lines)
        for view in range(views):
            camera = PRESETS["cars"].at(yaw=view + scene / 2, pitch=0.4)
            to_z_up = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
            pose = (to_z_up @ camera.cam2world[0]).double()
            poses[f"car{scene}/rgb/{view:06d}.png"] = pose
            image = Image.new("RGBA", (64, 64))
            image.paste((200, 30, 40, 255), (20, 20, 40, 40))
            image.save(folder / f"car{scene}" / "rgb" / f"{view:06d}.png")
            text = " ".join(map(repr, pose.flatten().tolist()))
            (folder / f"car{scene}" / "pose" / f"{view:06d}.txt").write_text(text)
    return poses


def test_cars_keep_their_poses_on_white(tmp_path):
    poses = write_cars(tmp_path)
    storage = open_storage(tmp_path)
    plan = plan_shapenet(storage, None, 2, quiet)
    assert [cut.picture for cut in plan.cuts] == sorted(poses)
    images, camera = finished(storage, plan, 32)
    for index, name in enumerate(sorted(poses)):
        assert torch.allclose(camera.cam2world[index].double(), poses[name], atol=1e-6)
        assert images[index][0, 0].tolist() == [255, 255, 255]
        assert images[index][15, 15].tolist() == [200, 30, 40]
    assert camera.intrinsics[0].flatten().tolist() == [
        525 / 512,
        0,
        0.5,
        0,
        525 / 512,
        0.5,
        0,
        0,
        1,
    ]
    _, turned = finished(storage, plan_shapenet(storage, "z", 2, quiet), 32)
    assert float(turned.position[:, 1].mean()) == pytest.approx(1.3 * np.sin(0.4), rel=1e-5)
    seen = [
        project(part, np.array([[0.3, 0.2, 0.1]]) @ rotation.T)
        for part, rotation in ((camera, np.eye(3)), (turned, turn_up(AXES["z"])[:3, :3]))
    ]
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-6)


@pytest.mark.parametrize("up", AXES)
def test_turning_an_axis_up_is_a_rotation(up):
    matrix = turn_up(AXES[up])[:3, :3]
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(matrix @ AXES[up], [0, 1, 0])


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        ("car0/intrinsics.txt", "car0/intrinsics.txt"),
        ("car1/pose/000001.txt", "car1/pose/000001.txt"),
    ],
)
def test_cars_with_missing_files(tmp_path, remove, words):
    write_cars(tmp_path)
    (tmp_path / remove).unlink()
    if "pose" in remove:
        plan = plan_shapenet(open_storage(tmp_path), None, 1, quiet)
        assert len(plan.cuts) == 5
        assert words in plan.bad[0].text
    else:
        with pytest.raises(InputError, match=words):
            plan_shapenet(open_storage(tmp_path), None, 1, quiet)
