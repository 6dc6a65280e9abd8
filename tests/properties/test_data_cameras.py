"""Foreign cameras: whatever their format and world, labels fit the prepared pictures."""

import json
from math import degrees

import numpy as np
import pytest
import torch
from datasets import Scene, ball_centers, shared
from PIL import Image

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.camera_formats.finding import find_cameras
from nerfgan_cli.data.camera_formats.matrices import OPENGL, Reading
from nerfgan_cli.data.camera_plot import project
from nerfgan_cli.data.framing import Framing, frame
from nerfgan_cli.data.preparation import Finish, draw_cuts, make_entries
from nerfgan_cli.data.sources.folder import FolderOptions, plan_folder
from nerfgan_cli.data.storage import open_storage
from nerfgan_cli.data.views import PictureIndex, Units, View
from nerfgan_cli.data.worlds import AXES, Wish, fit_world
from nerfgan_cli.data.writing import write_data_set
from nerfgan_cli.errors import InputError


def quiet(items, total):
    return items


def prepare(folder, out, side=128, mirror=False, **options):
    storage = open_storage(folder)
    plan = plan_folder(storage, FolderOptions(**options), 2, quiet)
    assert plan.bad == []
    finish = Finish(side, (0, 0, 0), mirror)
    entries = make_entries(storage, plan.cuts, finish)

    def draw(numbers):
        return draw_cuts(storage, plan.cuts, finish, numbers)

    write_data_set(out, entries, draw, 1 + mirror, 2, False, quiet)
    return plan, ImageArchive(out)


def write_transforms(scene, folder, frames=None, **common):
    frames = frames or [
        {"file_path": f"./{name[:-4]}", "transform_matrix": (pose @ OPENGL).tolist()}
        for name, pose in zip(scene.names, scene.poses, strict=True)
    ]
    (folder / "transforms.json").write_text(json.dumps({**common, "frames": frames}))


def as_transforms(scene, folder):
    (fx, _, cx), (_, fy, cy), _ = scene.intrinsics.tolist()
    write_transforms(
        scene, folder, fl_x=fx, fl_y=fy, cx=cx, cy=cy, w=scene.width, h=scene.height, k1=0.0
    )


def as_transforms_of_a_larger_picture(scene, folder):
    (fx, _, cx), (_, fy, cy), _ = (4 * scene.intrinsics).tolist()
    write_transforms(
        scene, folder, fl_x=fx, fl_y=fy, cx=cx, cy=cy, w=4 * scene.width, h=4 * scene.height
    )


def as_colmap(scene, folder):
    (fx, _, cx), (_, fy, cy), _ = scene.intrinsics.tolist()
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    (model / "cameras.txt").write_text(
        f"# CAMERA_ID, MODEL…\n3 PINHOLE {scene.width} {scene.height} {fx} {fy} {cx} {cy}\n"
    )
    lines = ["# IMAGE_ID, QW, …"]
    for index, name in enumerate(scene.names):
        w, x, y, z = quaternion(scene.to_camera(index)[:3, :3])
        tx, ty, tz = scene.to_camera(index)[:3, 3]
        points = "" if index % 2 else "12.5 7.5 -1"  # of this picture; may be none
        lines += [f"{index + 1} {w} {x} {y} {z} {tx} {ty} {tz} 3 {name[7:]}", points]
    (model / "images.txt").write_text("\n".join(lines))


def quaternion(rotation):
    """By the eigenvector of Bar-Itzhack's matrix: not how we read it."""
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    x, y, z, w = np.linalg.eigh(k / 3)[1][:, -1]
    return w, x, y, z


def as_middlebury(scene, folder):
    lines = [str(len(scene.names))]
    for index, name in enumerate(scene.names):
        to_camera = scene.to_camera(index)
        values = [*scene.intrinsics.flat, *to_camera[:3, :3].flat, *to_camera[:3, 3]]
        lines.append(" ".join([name[7:], *map(repr, map(float, values))]))
    (folder / "scene_par.txt").write_text("\n".join(lines))


def as_arrays(scene, folder):
    np.savez(
        folder / "cameras.npz",
        names=[name[7:] for name in scene.names],
        extrinsics=np.linalg.inv(scene.poses)[:, :3],
        K=scene.intrinsics,
    )


def as_arrays_to_world(scene, folder):
    intrinsics = np.repeat(scene.intrinsics[None], len(scene.names), axis=0)
    np.savez(folder / "cameras.npz", cam2world=scene.poses, intrinsics=intrinsics)


def as_objects(scene, folder):
    """Four dialects by turns."""
    entries = {}
    for index, name in enumerate(scene.names):
        pose = scene.poses[index]
        entry = [
            {"extrinsics": pose.tolist()},
            {"pose": pose[:3].flatten().tolist()},
            {"extrinsics": scene.to_camera(index).tolist(), "type": "world_to_camera"},
            {"c2w": (pose @ OPENGL).tolist(), "axes": "opengl"},
        ][index % 4]
        entries[name] = {**entry, "intrinsics": scene.intrinsics.tolist()}
    (folder / "cameras.json").write_text(json.dumps(entries))


def as_texts(scene, folder):
    for index, name in enumerate(scene.names):
        rows = "\n".join(" ".join(map(str, row)) for row in scene.to_camera(index))
        k = "\n".join(" ".join(map(str, row)) for row in scene.intrinsics)
        text = f"extrinsic\n{rows}\n\nintrinsic\n{k}\n\n425.0 2.5\n"
        (folder / name).with_name(f"shot{index:02d}_cam.txt").write_text(text)


def as_json_beside(scene, folder):
    for name, pose in zip(scene.names, scene.poses, strict=True):
        entry = {
            "cam2world": pose.tolist(),
            "intrinsics": (2 * scene.intrinsics).tolist(),
            "image_size": [2 * scene.width, 2 * scene.height],
        }
        entry["intrinsics"][2][2] = 1
        (folder / name).with_suffix(".json").write_text(json.dumps(entry))


FORMATS = [
    as_transforms,
    as_transforms_of_a_larger_picture,
    as_colmap,
    as_middlebury,
    as_arrays,
    as_arrays_to_world,
    as_objects,
    as_texts,
    as_json_beside,
]


def assert_labels_fit(scene, plan, archive, least):
    """The balls are where the labels and the world's change say."""
    camera = Camera.from_label(archive.labels(np.arange(len(archive))))
    expected = project(camera, plan.world.points(scene.points))
    seen = 0
    for index in range(len(archive)):
        found = ball_centers(archive[index].image.permute(1, 2, 0).numpy())
        gaps = np.linalg.norm(expected[index, :, None, :2] - expected[index, :, :2], axis=2)
        found[(gaps + np.eye(3)).min(axis=1) < 0.1] = np.nan  # behind one another
        distance = np.linalg.norm(found - expected[index, :, :2], axis=1)
        assert not (distance > 0.008).any(), (index, found, expected[index])  # a pixel
        seen += (~np.isnan(distance)).sum()
    assert seen >= least


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_fits_the_pictures(tmp_path, write):
    scene = Scene()
    write(scene, scene.write(tmp_path / "in"))
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip", like="ffhq")
    assert len(archive) == 8
    assert_labels_fit(scene, plan, archive, least=18)
    position = Camera.from_label(archive.labels(np.arange(8))).position
    assert torch.linalg.vector_norm(position, dim=1).median() == pytest.approx(2.7, rel=1e-4)
    np.testing.assert_allclose(plan.world.rotation[1], scene.up, atol=1e-6)
    np.testing.assert_allclose(plan.world.center, scene.center, atol=1e-6)


@pytest.mark.parametrize("crop", [True, False])
def test_rolled_pictures_are_turned_upright(tmp_path, crop):
    """Rolls of a quarter and a half, some a little off; with and without a stated up."""
    scene = Scene(rolls=(0.0, np.pi / 2, np.pi, -np.pi / 2 + 0.1))
    as_middlebury(scene, scene.write(tmp_path / "in"))
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip", up="z", crop=crop)
    assert {cut.framing.turns for cut in plan.cuts} == {0, 1, 2, 3}
    assert_labels_fit(scene, plan, archive, least=18)
    camera = Camera.from_label(archive.labels(np.arange(8)))
    assert angles_from_pose(camera.cam2world)[2].abs().max() < 0.11
    found, _ = fit_world(scene.poses, Wish(2.7))
    np.testing.assert_allclose(np.abs(found.rotation[1]), scene.up, atol=0.05)


def test_mirrored_copies_fit_too(tmp_path):
    scene = Scene()
    as_middlebury(scene, scene.write(tmp_path / "in"))
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip", mirror=True)
    assert len(archive) == 16
    camera = Camera.from_label(archive.labels(np.arange(1, 16, 2)))
    points = plan.world.points(scene.points) * [-1, 1, 1]  # the mirrored world
    expected = project(camera, points)[..., :2]
    for index in range(8):
        image, mirrored = archive[2 * index].image, archive[2 * index + 1].image
        assert torch.equal(image.flip(2), mirrored)
        distance = np.linalg.norm(ball_centers(mirrored.permute(1, 2, 0).numpy()) - expected[index])
        assert not distance > 0.02


def test_horizontal_field_of_view_of_a_wide_picture(tmp_path):
    scene = Scene()
    scene.intrinsics = np.array([[150.0, 0, 60], [0, 150, 45], [0, 0, 1]])
    write_transforms(scene, scene.write(tmp_path / "in"), camera_angle_x=2 * np.arctan(60 / 150))
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip")
    assert_labels_fit(scene, plan, archive, least=18)


def test_scenes_in_several_transforms_files(tmp_path):
    scene = Scene()
    as_transforms(scene, scene.write(tmp_path / "in"))
    content = json.loads((tmp_path / "in" / "transforms.json").read_text())
    frames = content["frames"]
    (tmp_path / "in" / "transforms.json").unlink()
    for name, part in (("train", frames[:5]), ("test", frames[5:])):
        path = tmp_path / "in" / f"transforms_{name}.json"
        path.write_text(json.dumps({**content, "frames": part}))
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip")
    assert_labels_fit(scene, plan, archive, least=18)
    storage = open_storage(tmp_path / "in")
    named = FolderOptions(cameras=tmp_path / "in" / "transforms_train.json")
    assert len(plan_folder(storage, named, 2, quiet).cuts) == 5


def test_transparency_shows_the_background(tmp_path):
    scene = Scene()
    as_middlebury(scene, scene.write(tmp_path / "in"))
    for index, name in enumerate(scene.names):
        image = scene.picture(index)
        image.putalpha(image.convert("L").point(lambda value: 255 if value else 0))
        image.save(tmp_path / "in" / name)
    _, archive = prepare(tmp_path / "in", tmp_path / "out.zip")
    assert archive[0].image[:, 0, 0].tolist() == [0, 0, 0]
    assert archive[0].image.max() > 200


def test_exif_is_heeded_or_not_as_the_camera_says(tmp_path):
    scene = Scene()
    as_transforms(scene, scene.write(tmp_path / "in"))
    exif = Image.Exif()
    exif[0x0112] = 6
    name = tmp_path / "in" / scene.names[0]
    turned = scene.picture(0).transpose(Image.Transpose.ROTATE_90)  # as a camera on its side
    turned.save(name, exif=exif)
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip")
    assert_labels_fit(scene, plan, archive, least=18)
    scene.picture(0).save(name, exif=exif)  # stored as the camera means it, the tag is wrong
    plan, archive = prepare(tmp_path / "in", tmp_path / "out2.zip")
    assert_labels_fit(scene, plan, archive, least=18)


def test_a_box_or_a_named_front(tmp_path):
    scene = Scene()
    as_middlebury(scene, scene.write(tmp_path / "in"))
    box = np.array([[9.0, -5, 1], [11, -3, 3.5]])
    options = {"box": box, "front": scene.names[3], "radius": 1.3, "like": "cars"}
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip", **options)
    np.testing.assert_allclose(plan.world.points(box.mean(axis=0)), 0, atol=1e-9)
    yaw, _, _ = angles_from_pose(Camera.from_label(archive.labels(np.arange(8))).cam2world)
    assert abs(degrees(yaw[3])) < 1e-3
    assert_labels_fit(scene, plan, archive, least=18)
    assert any("within the volume's 0.8" in note for note in plan.notes)


def test_wishes_without_effect_are_refused(tmp_path):
    scene = Scene()
    as_middlebury(scene, scene.write(tmp_path / "in"))
    out = tmp_path / "out.zip"
    for options, word in (
        ({"opengl": True}, "settles"),
        ({"to_camera": False}, "settles"),
        ({"keep_world": True, "up": "z"}, "no centre"),
        ({"keep_world": True, "radius": 2.0}, "distances"),
    ):
        with pytest.raises(InputError, match=word):
            prepare(tmp_path / "in", out, **options)


def test_matrices_that_the_file_does_not_explain(tmp_path):
    """The user says that they are OpenGL's, and camera-to-world."""
    scene = Scene()
    scene.write(tmp_path / "in")
    np.savez(tmp_path / "in" / "cameras.npz", extrinsics=scene.poses @ OPENGL, K=scene.intrinsics)
    plan, archive = prepare(tmp_path / "in", tmp_path / "out.zip", to_camera=False, opengl=True)
    assert_labels_fit(scene, plan, archive, least=18)


def test_a_world_of_ours_is_moved_on_request(tmp_path):
    poses = PRESETS["ffhq"].at(yaw=[-0.4, 0.0, 0.4]).label.tolist()
    labels = [[f"{index}.png", label] for index, label in enumerate(poses)]
    for index in range(3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{index}.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    plan, kept = prepare(tmp_path, tmp_path / "kept.zip", side=8)
    assert plan.world is None
    np.testing.assert_allclose(kept.labels(np.arange(3)), poses, atol=1e-6)
    plan, moved = prepare(tmp_path, tmp_path / "moved.zip", side=8, up="y", radius=2.0)
    position = Camera.from_label(moved.labels(np.arange(3))).position
    assert torch.linalg.vector_norm(position, dim=1).median() == pytest.approx(2.0)
    np.testing.assert_allclose(plan.world.center, [0, 0, 0.2], atol=1e-6)


def test_the_table_of_angles(tmp_path):
    for name in ("a", "b", "c"):
        Image.new("L", (32, 24), 99).save(tmp_path / f"{name}.png")
    (tmp_path / "turn.csv").write_text("pitch;name;yaw\n10;a.png;-30\n;b;0\n-5.5;c.png;90\n")
    _, archive = prepare(tmp_path, tmp_path / "out.zip", side=16, focal=3.0, pivot=(0, 0, 0.2))
    camera = Camera.from_label(archive.labels(np.arange(3)))
    angles = angles_from_pose(camera.cam2world)
    np.testing.assert_allclose(angles[0].rad2deg(), [-30, 0, 90], atol=1e-3)
    np.testing.assert_allclose(angles[1].rad2deg(), [10, 0, -5.5], atol=1e-3)
    assert (camera.intrinsics[:, 0, 0] == 3).all()
    assert (archive[0].image == 99).all()
    away = torch.tensor([0, 0, 0.2]) - camera.position
    assert torch.allclose(torch.linalg.cross(away, camera.forward), torch.zeros(3), atol=1e-5)


@pytest.mark.parametrize(
    ("entry", "yaw", "focal"),
    [
        ({"yaw": 20, "pitch": -5, "radius": 3, "fov": 2 * degrees(np.arctan(0.25))}, 20, 2.0),
        ({"yaw": 0.5, "unit": "rad", "focal": 5}, degrees(0.5), 5),
        (PRESETS["ffhq"].at(yaw=0.25).label[0].tolist(), degrees(0.25), 4.2647),
        (PRESETS["ffhq"].at(yaw=0.25).cam2world[0].flatten().tolist(), degrees(0.25), 4.2647),
        ({"cam2world": np.eye(4).tolist()}, 0, 4.2647),
    ],
)
def test_other_camera_objects(tmp_path, entry, yaw, focal):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(entry))
    found = find_cameras(open_storage(tmp_path), ["a.png"], None, Reading(PRESETS["ffhq"]))
    _, label = frame(found.views[0], 8, 8, upright=False, crop=True)
    camera = Camera.from_label(label)
    assert float(angles_from_pose(camera.cam2world)[0].rad2deg()) == pytest.approx(yaw, abs=1e-4)
    assert float(camera.intrinsics[0, 0, 0]) == pytest.approx(focal, rel=1e-6)
    assert found.ours


def test_turning_cropping_and_padding_keep_every_point():
    """Random cameras and framings: a point's pixel before and after agree."""
    random = np.random.RandomState(1)
    for case in range(40):
        width, height = random.randint(50, 200, 2).tolist()
        pose = PRESETS["ffhq"].at(*random.uniform(-1, 1, 2).tolist(), roll=float(case)).cam2world
        pixels = np.array([[300.0, 0, width / 2 + 5], [0, 310, height / 2 - 4], [0, 0, 1]])
        view = View("a", pose[0].double().numpy(), pixels, Units.pixels)
        framing, label = frame(view, width, height, upright=True, crop=case % 2 == 0)
        point = random.uniform(-0.1, 0.1, (1, 3))
        x, y, _ = project(Camera.from_label(label), point)[0, 0]
        sides = np.diag([1 / width, 1 / height, 1]) @ pixels
        before = Camera(pose, torch.from_numpy(sides)[None].float())
        u, v, _ = project(before, point)[0, 0] * [width, height, 1]
        for _ in range(framing.turns):
            u, v = height - v, u
            width, height = height, width
        expected = np.array([u - framing.left, v - framing.top]) / framing.side
        np.testing.assert_allclose([x, y], expected, atol=1e-4)
        assert framing.side == (min if case % 2 == 0 else max)(width, height)
        roll = angles_from_pose(Camera.from_label(label).cam2world)[2]
        assert abs(float(roll)) <= np.pi / 4 + 1e-3


def test_framing_cuts_the_pixels_it_names():
    rows, columns = np.mgrid[:40, :60]
    image = Image.fromarray(np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8))
    cut = np.asarray(Framing(0, 10, 5, 20).apply(image, 20, None))
    assert (cut[..., 0] == np.arange(10, 30)).all()
    assert (cut[..., 1] == np.arange(5, 25)[:, None]).all()
    padded = np.asarray(Framing(0, -10, 0, 40).apply(image, 40, (7, 8, 9)))
    assert (padded[:, :10] == (7, 8, 9)).all()
    assert (padded[:, 10:, 0] == np.arange(30)).all()
    reflected = np.asarray(Framing(0, -10, 0, 40).apply(image, 40, None))
    assert (reflected[:, :10, 0] == np.arange(10)[::-1]).all()
    clockwise = np.asarray(Framing(1, 0, 0, 40).apply(image, 40, None))
    assert (clockwise[0, :, 1] == np.arange(40)[::-1]).all()  # the left column is on top


@pytest.mark.parametrize("up", AXES)
def test_any_axis_may_be_up(up):
    scene = Scene(spread=np.pi / 2)
    world, _ = fit_world(scene.poses, Wish(2.7, up=up))
    np.testing.assert_allclose(world.rotation @ AXES[up], [0, 1, 0], atol=1e-9)
    assert np.linalg.det(world.rotation) == pytest.approx(1)


def test_cameras_on_one_side_put_the_front_in_their_middle():
    scene = Scene(count=9, spread=np.pi / 2)
    world, _ = fit_world(scene.poses, Wish(2.7))
    yaw, _, _ = angles_from_pose(torch.from_numpy(world.poses(scene.poses)))
    assert abs(float(yaw.mean())) < 0.02
    assert float(yaw.max()) < np.pi / 4


def test_worlds_that_cannot_be_fitted():
    scene = Scene()
    backwards = scene.poses @ np.diag([1.0, -1, -1, 1])
    with pytest.raises(InputError, match="look away"):
        fit_world(backwards, Wish(2.7))
    parallel = np.repeat(scene.poses[:1], 5, axis=0)
    parallel[:, :3, 3] += np.arange(5)[:, None] * parallel[0, :3, 0]
    with pytest.raises(InputError, match="too parallel"):
        fit_world(parallel, Wish(2.7))


def test_names_of_camera_files_find_their_pictures():
    index = PictureIndex(["a/x.png", "b/x.png", "b/y.jpg", "z.png"])
    assert index.find("./a/x.png") == "a/x.png"
    assert index.find("b\\x") == "b/x.png"
    assert index.find("../elsewhere/b/y.jpg") == "b/y.jpg"
    assert index.find("/root/y") == "b/y.jpg"
    assert index.find("z") == "z.png"
    assert index.find("x.png") is None
    assert index.find("../../etc/passwd") is None


def test_temple_ring_stands_upright_in_its_box(tmp_path):
    """Photographs lying on their side, calibrated: the published box must hold the temple."""
    folder = shared("temple_ring")
    box = np.array([[-0.073568, 0.021728, -0.012445], [0.028855, 0.181892, 0.062736]])
    plan, archive = prepare(folder, tmp_path / "out.zip", side=64, box=box)
    assert len(archive) == 16
    assert {cut.framing.turns for cut in plan.cuts} == {1, 3}
    corners = np.array(np.meshgrid(*box.T)).reshape(3, -1).T
    assert np.abs(plan.world.points(corners)).max() < 0.5
    camera = Camera.from_label(archive.labels(np.arange(16)))
    seen = project(camera, plan.world.points(corners))[..., :2]
    for index, label_box in enumerate(seen):
        bright = archive[index].image.float().mean(dim=0).numpy() > 90
        rows, columns = np.nonzero(bright)
        low, high = label_box.min(axis=0) * 64 - 1, label_box.max(axis=0) * 64 + 1
        inside = (columns >= low[0]) & (columns <= high[0]) & (rows >= low[1]) & (rows <= high[1])
        assert inside.mean() > 0.97, index
        assert rows.max() - rows.min() > 0.8 * (high[1] - low[1])  # and it fills the box's height
