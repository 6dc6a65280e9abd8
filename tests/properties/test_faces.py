"""Faces: the crop is EG3D's, PnP and placing are exact, networks are fed and read as described."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from datasets import shared
from faces_case import BFM, TDDFA, weights, write_network
from PIL import Image

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.cameras import PRESETS, Camera, viewing_angles
from nerfgan_cli.data.camera_plot import project
from nerfgan_cli.data.ffhq_crop import STANDARD, layout_of_points
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.faces import detector, shapes
from nerfgan_cli.faces.alignment import Aligner
from nerfgan_cli.faces.calibration import (
    Calibration,
    fit_calibration,
    read_calibration,
    write_calibration,
)
from nerfgan_cli.faces.conventions import KNOWN
from nerfgan_cli.faces.cropping import SIDE, Border, central_crop, crop_of_five, crop_of_world
from nerfgan_cli.faces.detector import Detector
from nerfgan_cli.faces.estimation import Estimator
from nerfgan_cli.faces.labelled import direction_errors
from nerfgan_cli.faces.networks import (
    Look,
    Network,
    PackLandmarks,
    look_steadily,
    open_session,
    unmirror,
)
from nerfgan_cli.faces.overlay import CROSS, ENLARGED, draw_overlay
from nerfgan_cli.faces.points import Marked
from nerfgan_cli.faces.pose import finished, place, solve_pose
from nerfgan_cli.photos import read_photo

FFHQ = PRESETS["ffhq"]


def flat_five(scale, middle, rotation=None):
    """The standard points under weak perspective, y down, in pixels."""
    points = STANDARD if rotation is None else STANDARD @ rotation.T
    return points[:, :2] * scale * (1, -1) + middle


def some_poses(count):
    """Cameras that look past the pivot, some rolled, at distances of their own: [N, 4, 4]."""
    draws = np.random.RandomState(3).uniform(-1, 1, (count, 4))
    poses = []
    for yaw, pitch, roll, more in draws:
        pose = FFHQ.at(0.7 * yaw, 0.4 * pitch, 0.3 * roll).cam2world[0].double().numpy()
        pose[:3, 3] = pose[:3, 3] * (1 + 0.1 * more) + 0.02 * draws[0, :3]
        poses.append(pose)
    return poses


def seen_by(pose, world):
    """Where its camera shows points, in pixels of the final picture."""
    camera = Camera(torch.from_numpy(pose)[None], FFHQ.frontal().intrinsics.double())
    return project(camera, world)[0, :, :2] * SIDE


# The crop


def test_the_crop_recovers_a_known_scale_and_shift():
    """A frontal face's eyes lie 0.621 units apart, which is 0.2663 of the crop's side."""
    for scale, middle in ((80.0, (300.0, 200.0)), (37.5, (90.0, 140.0))):
        points = flat_five(scale, middle)
        layout = layout_of_points(points, 640, 480)
        assert layout.fit.scale == pytest.approx(scale, rel=1e-9)
        np.testing.assert_allclose(layout.fit.offset, [middle[0], 479 - middle[1]], atol=1e-9)
        left, right, *_ = crop_of_five(points, 640, 480).to_crop(points) / SIDE
        assert right[0] - left[0] == pytest.approx(0.2663, abs=3e-4)
        off = 300 / scale / 700  # the release counts rows from H − 1 here, from H there
        expected = [0.5, 0.5 - 0.29 * 300 / 700 - off]
        np.testing.assert_allclose((left + right) / 2, expected, atol=3e-3)


def test_crops_of_real_photos_are_the_measured_ones():
    folder = shared("portraits")
    expected = json.loads((folder / "expected.json").read_text())["portraits"]
    checked = 0
    for name, facts in expected.items():
        if "eg3d_crop" not in facts:
            continue
        wanted = facts["eg3d_crop"]
        with Image.open(folder / name) as image:
            width, height = image.size
        points = np.array(facts["kps"])
        layout = layout_of_points(points, width, height)
        assert layout.fit.scale == pytest.approx(wanted["pixels_per_unit"], abs=1e-3)
        np.testing.assert_allclose(layout.fit.offset, wanted["offset"], atol=1e-2)
        assert list(layout.resized) == wanted["resized"]
        assert list(layout.left_top) == wanted["left_top"]
        crop = crop_of_five(points, width, height)
        np.testing.assert_allclose(crop.to_crop(points), wanted["kps_in_512"], atol=0.5)
        np.testing.assert_allclose(crop.to_photo(crop.to_crop(points)), points, atol=1e-9)
        checked += 1
    assert checked == 6


def naive_crop(photo, points):
    """By the steps of the reference, one by one: the whole photo is resized."""
    height, width = photo.shape[:2]
    layout = layout_of_points(points, width, height)
    large = Image.fromarray(photo).resize(layout.resized, Image.Resampling.BICUBIC)
    left, top = layout.left_top
    cut = large.crop((left, top, left + 1024, top + 1024)).crop((162, 162, 862, 862))
    return np.asarray(cut.resize((512, 512), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("middle", [(75.0, 60.0), (20.0, 30.0), (140.0, 110.0)])
def test_the_cut_is_that_of_the_release(middle):
    """Also where the photo ends, with black."""
    noise = np.random.RandomState(0).randint(0, 256, (120, 150, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise).resize((30, 24), Image.Resampling.BOX)
    photo = np.asarray(smooth.resize((150, 120), Image.Resampling.BICUBIC))
    points = flat_five(40.0, middle)
    crop = crop_of_five(points, 150, 120)
    ours = crop.cut(photo, Border.black).astype(int)
    theirs = naive_crop(photo, points).astype(int)
    assert np.abs(ours - theirs).max() <= 3
    reflected = crop.cut(photo, Border.reflect).astype(int)
    black = theirs.max(axis=2) == 0
    assert middle == (75.0, 60.0) or black.mean() > 0.1
    assert not (reflected[black].max(axis=1) == 0).any()
    inside = np.asarray(Image.fromarray(black).resize((64, 64), Image.Resampling.BOX)) == 0
    whole = np.asarray(Image.fromarray(inside).resize((512, 512), Image.Resampling.NEAREST))
    assert np.abs((reflected - theirs)[whole & ~black]).mean() < 1


def test_what_is_made_up_shows_no_second_face():
    """Stripes go on where the photo ends, and are gone a little farther: eyes would be, too."""
    photo = np.zeros((300, 300, 3), np.uint8)
    photo[:, np.arange(300) % 20 < 10] = 255
    crop = crop_of_five(flat_five(100.0, (100.0, 150.0)), 300, 300)
    picture = crop.cut(photo, Border.reflect).astype(float)
    start = crop.to_crop(np.zeros(2))[0]  # where the photo begins, from the left
    assert start == pytest.approx(0.047 * 512, abs=60)
    assert start > 30
    inside, beyond = picture[:, int(start) + 2 :], picture[:, : int(start - 0.04 * 512)]
    assert inside.std(axis=1).min() > 100
    assert beyond.std(axis=1).max() < 10
    edge = picture[:, int(start) - 3 : int(start) + 3]
    assert np.abs(np.diff(edge, axis=1)).max() < 60


def test_crops_of_world_points_fit_the_camera():
    """A box seen from far: the preset's camera shows it as large as it is in the crop."""
    cars = PRESETS["cars"]
    corners = np.array(np.meshgrid(*[[-0.3, 0.3]] * 3)).reshape(3, -1).T
    pose = cars.at(0.5, 0.2)
    seen = project(pose, corners)[0, :, :2] * 900 + (400, 100)
    crop = crop_of_world(seen, corners, cars)
    found = finished(solve_pose(crop.to_crop(seen), corners, cars), cars)
    np.testing.assert_allclose(
        viewing_angles(found.cam2world)[0], viewing_angles(pose.cam2world)[0], atol=0.05
    )
    # Nearer corners are larger, so that the fit is not exact as for something far away.
    assert crop.side / crop.zoom[0] == pytest.approx(900, rel=0.1)
    with pytest.raises(InputError, match="one plane"):
        crop_of_world(seen, corners * (1, 1, 0), cars)


def test_central_crops():
    crop = central_crop(300, 200)
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[:, 50:250] = 255
    assert crop.cut(photo, Border.reflect).min() == 255
    np.testing.assert_allclose(crop.to_crop(np.array([150.0, 100.0])), [256, 256])


# The pose


@pytest.mark.parametrize("count", [5, 21, 68])
def test_pnp_recovers_cameras_exactly(count):
    shape = shapes.to_world(shapes.insightface_shape().points)
    world = {5: shapes.FIVE, 21: shape[shapes.RIGID], 68: shape}[count]
    for pose in some_poses(12):
        found = solve_pose(seen_by(pose, world), world, FFHQ)
        np.testing.assert_allclose(found.pose, pose, atol=1e-4)
        assert found.error < 1e-3
        assert found.distance == pytest.approx(np.linalg.norm(pose[:3, 3]), abs=1e-4)
        camera = finished(found, FFHQ)
        direction = pose[:3, 3] / np.linalg.norm(pose[:3, 3])
        np.testing.assert_allclose(camera.position[0], 2.7 * direction, atol=1e-4)
        np.testing.assert_allclose(camera.cam2world[0, :3, :3], pose[:3, :3], atol=1e-4)


def test_placing_with_known_angles_is_exact():
    for pose in some_poses(12):
        angles = np.array([float(a) for a in viewing_angles(torch.from_numpy(pose)[None])])
        found = place(angles, seen_by(pose, shapes.FIVE), shapes.FIVE, FFHQ)
        np.testing.assert_allclose(found.pose, pose, atol=1e-6)
        np.testing.assert_allclose(found.angles, angles, atol=1e-9)


def test_points_that_no_camera_sees_are_refused():
    pose = some_poses(1)[0]
    seen = seen_by(pose, shapes.FIVE)
    with pytest.raises(InputError, match=r"from the origin instead of about 2\.7"):
        finished(solve_pose(256 + 0.2 * (seen - 256), shapes.FIVE, FFHQ), FFHQ)


# Shapes


def test_mirroring_keeps_the_order_of_landmarks():
    shape = shapes.insightface_shape().points
    mirrored = (shape * (-1, 1, 1))[shapes.MIRRORED]
    assert np.abs(mirrored - shape).max() < 0.08  # it is not quite symmetric
    assert sorted(shapes.MIRRORED) == list(range(68))


def test_insightfaces_shape_is_brought_to_that_of_the_face_model():
    """Its five points are the standard ones; eyes and nose still differ by 0.041 units."""
    model = shapes.read_shape(weights(BFM)).points
    ours = shapes.insightface_shape().points
    np.testing.assert_allclose(shapes.five_of(ours), STANDARD, atol=0.004)
    gap = np.linalg.norm((ours - model)[shapes.RIGID], axis=1)
    assert np.sqrt((gap**2).mean()) == pytest.approx(0.041, abs=1e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no list of points"),
        ("[[1, 2, 3]]", r"shape \(1, 3\)"),
        ("upside down", "the other way"),
    ],
)
def test_shapes_that_are_none(tmp_path, content, message):
    path = tmp_path / "shape.json"
    down = shapes.insightface_shape().points * (1, -1, 1)
    path.write_text(json.dumps(down.tolist()) if content == "upside down" else content)
    with pytest.raises(InputError, match=message):
        shapes.read_shape(path)


# Calibration


def test_a_calibration_finds_gain_and_offset_among_outliers(tmp_path):
    random = np.random.RandomState(0)
    true = np.radians(random.uniform(-30, 30, (60, 3)))
    true[:, 2] = np.radians(random.normal(0, 0.5, 60))  # hardly any roll: no gain to be told
    estimated = (true - np.radians([2.0, -6.0, 1.0])) / [0.85, 1.1, 1.0]
    estimated += np.radians(random.normal(0, 0.2, (60, 3)))
    estimated[:4] += np.radians(25)  # networks that failed
    fitted = fit_calibration("made", estimated, true)
    np.testing.assert_allclose(fitted.gain, [0.85, 1.1, 1.0], atol=0.01)
    np.testing.assert_allclose(fitted.offset, [2.0, -6.0, 1.0], atol=0.15)
    assert fitted.gain[2] == 1.0
    corrected = fitted.correct(estimated)
    assert np.degrees(np.abs(corrected - true)[4:]).max() < 1.0
    write_calibration(fitted, tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == fitted


def test_calibrations_that_cannot_be_right():
    true = np.radians(np.linspace(-30, 30, 20))[:, None] * [1.0, 1, 1]
    with pytest.raises(InputError, match=r"yaw of made needs a gain of -1\.00"):
        fit_calibration("made", true * (-1, 1, 1), true)
    with pytest.raises(InputError, match=r"pitch of made needs .* an offset of 40"):
        fit_calibration("made", true - np.radians([0, 40, 0]), true)
    with pytest.raises(InputError, match="3 pictures are too few"):
        fit_calibration("made", true[:3], true[:3])


def test_a_calibration_belongs_to_one_estimator(tmp_path):
    (tmp_path / "c.json").write_text('{"gain": [1, 1], "estimator": "x"}')
    with pytest.raises(InputError, match="no calibration"):
        read_calibration(tmp_path / "c.json")
    shape = shapes.insightface_shape()
    offset = Calibration("five points", (1.0, 1.0, 1.0), (10.0, 0.0, 0.0), (0.0, 0.0, 0.0), 9)
    seen = seen_by(FFHQ.at(0.1).cam2world[0].double().numpy(), shapes.FIVE)
    plain = Estimator(FFHQ, shape).from_points(seen, None)
    moved = Estimator(FFHQ, shape, calibration=offset).from_points(seen, None)
    gap = np.degrees(moved.solved.angles - plain.solved.angles)
    np.testing.assert_allclose(gap, [10, 0, 0], atol=1e-6)
    assert "pitch is rough" in plain.notes[0]
    landmarks = seen_by(FFHQ.at(0.1).cam2world[0].double().numpy(), shapes.to_world(shape.points))
    with pytest.raises(InputError, match="calibration is for five points, but this is 68"):
        Estimator(FFHQ, shape, calibration=offset).from_points(seen, landmarks)


# Networks


BOX = np.array([100.0, 120, 180, 240])  # 80 wide, 120 high


def picture_with(left, top, right, bottom):
    """Red, green and blue of 200, 100 and 50 within, nothing around."""
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[top:bottom, left:right] = (200, 100, 50)
    return picture


@pytest.mark.parametrize(
    ("convention", "mean", "corner", "side"),
    [
        ({"crop": {"side": 1.0}}, [200, 100, 50], (80, 120), 120),
        (
            {"crop": {"side": 1.5, "of": "mean", "down": 0.1}, "channels": "bgr"},
            [50, 100, 200],
            (65, 115),
            150,
        ),
        ({"crop": {"side": 1.0}, "mean": 10, "scale": 5}, [38, 18, 8], (80, 120), 120),
        ({"crop": {"side": 0.8, "of": "picture"}}, [200, 100, 50], (40, 40), 320),
    ],
)
def test_networks_see_what_their_description_says(tmp_path, convention, mean, corner, side):
    """Its square and no more is coloured; its landmarks come back as pixels of the picture."""
    left, top = corner
    numbers = np.random.RandomState(0).uniform(0, 1, (68, 2))
    values = {"found": numbers.flatten().tolist(), "turn": [10.0, -20.0, 30.0]}
    described = {
        **convention,
        "landmarks": {"output": "found"},
        "pose": {"output": "turn", "signs": [-1, 1, 1]},
    }
    network = Network(write_network(tmp_path / "made.onnx", 30, values, described))
    picture = picture_with(left, top, left + side, top + side)
    seen = network._run(np.full((30, 30, 3), (200, 100, 50), np.float32))["mean"]
    np.testing.assert_allclose(seen, mean, rtol=1e-5)
    look = network.look(picture, BOX)
    np.testing.assert_allclose(look.landmarks, numbers * side + corner, atol=1e-3)
    np.testing.assert_allclose(np.degrees(look.angles), [-10, -20, 30], atol=1e-5)


def test_other_layouts_of_landmarks_and_pose(tmp_path):
    numbers = np.random.RandomState(0).uniform(-1, 1, (68, 2))
    camera = FFHQ.at(0.5, -0.3, 0.2)
    rotation = head_seen_by(camera)
    affine = np.concatenate([3.0 * rotation, np.ones((3, 1))], axis=1).flatten()
    described = {
        "crop": {"side": 1.0},
        "landmarks": {"output": "lm", "layout": "xxyy", "range": [-1, 1]},
        "pose": {"output": "p", "form": "affine"},
    }
    values = {"lm": numbers.T.flatten().tolist(), "p": affine.tolist()}
    network = Network(write_network(tmp_path / "made.onnx", 20, values, described))
    look = network.look(picture_with(0, 0, 9, 9), BOX)
    np.testing.assert_allclose(look.landmarks, (numbers + 1) / 2 * 120 + (80, 120), atol=1e-3)
    np.testing.assert_allclose(look.angles, true_angles(camera), atol=1e-5)


def test_a_reconstruction_makes_the_labels_of_eg3d(tmp_path):
    """The release's own numbers of Deep3DFaceRecon and its labels of them."""
    golden = np.load(Path(__file__).parents[1] / "goldens" / "eg3d_cameras.npz")
    angles, shifts = golden["d3d_angle"], golden["d3d_trans"]
    assert len(angles) == len(golden["pose_orig"]) >= 3
    picture, box = picture_with(0, 0, 9, 9), BOX
    for angle, shift, label in zip(angles, shifts, golden["pose_orig"], strict=True):
        told = [*[0.0] * 224, *angle.tolist(), *[0.0] * 27, *shift.tolist()]
        values = {"coefficients": [float(number) for number in told]}
        look = Network(write_network(tmp_path / "deep3d.onnx", 224, values)).look(picture, box)
        straight = Fixed(look)
        estimator = Estimator(FFHQ, shapes.insightface_shape(), (straight,))
        five = seen_by(label.astype(float), shapes.FIVE)
        estimate = estimator.estimate(picture, five, box)
        camera = finished(estimate.solved, FFHQ)
        np.testing.assert_allclose(camera.cam2world[0], label, atol=1e-5)
        assert estimate.known == "never measured"


def test_deep3dfacerecon_sees_its_own_crop():
    """102 pixels a face unit, 224 in all, from the same five points (reference 3.2)."""
    points = flat_five(80.0, (300.0, 200.0))
    fit, rule = layout_of_points(points, 640, 480).fit, KNOWN["deep3d"].crop
    up = points * (1, -1) + (0, 479)  # as the fit counts
    theirs = (up - fit.offset) * (102 / fit.scale) * (1, -1) + 112
    side = rule.side * SIDE
    ours = (crop_of_five(points, 640, 480).to_crop(points) - (SIDE - side) / 2) * 224 / side
    np.testing.assert_allclose(ours, theirs, atol=1.5)  # both crops begin at whole pixels


class Fixed:
    """Says the same of everybody, also in the mirror."""

    name, pose_measured, landmarks_measured = "fixed", None, None

    def __init__(self, told):
        self.told = told

    def look(self, picture, box):
        return self.told if picture[0, 0, 0] else unmirror(self.told, picture.shape[1])


def head_seen_by(camera):
    """From the head to the picture, both with x right, y up, z towards the viewer."""
    right, down, forward = camera.cam2world[0, :3, :3].double().numpy().T
    return np.stack([right, -down, -forward])


def true_angles(camera):
    return [float(angle) for angle in viewing_angles(camera.cam2world)]


def test_networks_that_are_not_as_described(tmp_path):
    wrong = {"crop": {"side": 1}, "landmarks": {"output": "lm"}}
    path = write_network(tmp_path / "made.onnx", 20, {"lm": [0.0] * 10}, wrong)
    with pytest.raises(WeightsError, match="10 numbers, not 136"):
        Network(path).look(picture_with(0, 0, 9, 9), BOX)
    for described, message in (
        ({**wrong, "landmarks": {"output": "other"}}, "no output 'other', only"),
        ({**wrong, "size": 33}, "cannot be run as it is described"),
    ):
        path.with_suffix(".json").write_text(json.dumps(described))
        with pytest.raises(WeightsError, match=message):
            Network(path).look(picture_with(0, 0, 9, 9), BOX)
    for described, message in (
        ({"crop": {"side": 1}}, "neither landmarks nor a pose"),
        ({"landmarks": {"output": "lm"}}, "crop"),
        ({**wrong, "colour": "rgb"}, "'colour' is none of"),
        ({**wrong, "channels": "grey"}, "channels is none of rgb, bgr"),
        ([], "no object"),
    ):
        path.with_suffix(".json").write_text(json.dumps(described))
        with pytest.raises(WeightsError, match=message):
            Network(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match=r"is not known .*write made\.json beside it"):
        Network(path)
    (tmp_path / "fsanet.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="no network that can be loaded"):
        Network(tmp_path / "fsanet.onnx")
    with pytest.raises(WeightsError, match="there is no"):
        Network(tmp_path / "absent.onnx")


class Biased:
    """Says that all is 7 pixels right and 5 degrees aside of what it is, as seen by itself."""

    name = "biased"

    def __init__(self, landmarks, angles):
        self.landmarks, self.angles, self.boxes = landmarks, angles, []

    def look(self, picture, box):
        self.boxes.append(box)
        landmarks, angles = self.landmarks, self.angles
        if picture[0, 0, 0] == 0:  # the mirrored picture
            landmarks = (landmarks * (-1, 1) + (400, 0))[shapes.MIRRORED]
            angles = angles * (-1, 1, -1)
        return Look(landmarks + np.array([7, 0]), angles + np.radians([5, 0, 5]))


def test_looking_in_the_mirror_cancels_what_is_one_sided():
    landmarks = np.random.RandomState(0).uniform(0, 400, (68, 2))
    angles = np.radians([20.0, -10.0, 5.0])
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[:, :200] = 255
    looker = Biased(landmarks, angles)
    look = look_steadily(looker, picture, BOX)
    np.testing.assert_allclose(look.landmarks, landmarks, atol=1e-9)
    np.testing.assert_allclose(look.angles, angles, atol=1e-9)
    sizes = sorted({round(float(box[2] - box[0]), 3) for box in looker.boxes})
    np.testing.assert_allclose(np.array(sizes) / 80, [0.92, 1.0, 1.08])


@pytest.mark.parametrize("camera", [FFHQ.at(), FFHQ.at(0.4, 0.2, 0.15), FFHQ.at(-0.3, -0.2)])
def test_the_pose_of_insightfaces_own_network(tmp_path, camera):
    """Its class for 68 points in 3D says from where its mean shape is seen.

    The network is made to find the points where the camera sees them. That class fits them as if
    they were seen from far away, which costs some degrees.
    """
    from insightface.data import get_object
    from insightface.model_zoo.landmark import Landmark

    face = shapes.to_world(get_object("meanshape_68.pkl") * (1.2, -1.2, 1.2))
    seen, to_pixels = seen_by(camera.cam2world[0].double().numpy(), face), FFHQ.focal * SIDE / 2.7
    nearness = face @ -camera.forward[0].double().numpy() * to_pixels
    zoom = 192 / (1.5 * (BOX[3] - BOX[1]))  # to the square that it sees
    flat = (seen - (BOX[:2] + BOX[2:]) / 2) * zoom / 96
    found = np.concatenate([flat, nearness[:, None] * zoom / 96], axis=1).flatten().tolist()
    outputs = {"fc1": [0.0] * (3309 - len(found)) + found}
    path = write_network(tmp_path / "made.onnx", 192, outputs, mean=False)
    pack = PackLandmarks(Landmark(str(path), open_session(path)), "made")
    look = pack.look(picture_with(0, 0, 9, 9), BOX)
    np.testing.assert_allclose(look.landmarks, seen, atol=0.01)
    np.testing.assert_allclose(look.angles, true_angles(camera), atol=np.radians(2))


class Choosy:
    """A detector that sees a face only in pictures of its size, tried at its sizes."""

    use_kps = True

    def __init__(self, shape, sizes):
        self.shape, self.sizes, self.tried = shape, sizes, []

    def detect(self, picture, input_size):
        self.tried.append((picture.shape[:2], input_size))
        if (picture.shape[:2], input_size) != (self.shape, self.sizes):
            return np.zeros((0, 5), np.float32), np.zeros((0, 5, 2), np.float32)
        rows, columns = np.nonzero(picture[..., 0])
        points = np.array([[columns.min(), rows.min()]] * 5, np.float32)
        boxes = [[x - 5, x - 5, x + size, x + 5, 0.9] for x, size in ((99, 10), (99, 30))]
        return np.array(boxes, np.float32), np.stack([points, points + 1])


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [((100, 80), detector.SIZES), ((200, 160), detector.SMALL_SIZES)],
)
def test_faces_are_looked_for_again_with_room_around(monkeypatch, shape, sizes):
    """Where they are found does not depend on the room; the largest comes first."""
    model = Choosy(shape, sizes)
    monkeypatch.setattr(detector, "load_pack", lambda pack: {"detection": model})
    photo = np.zeros((100, 80, 3), np.uint8)
    photo[40, 30] = 255
    faces = Detector("made").find(photo)
    np.testing.assert_allclose(faces[0].points, [[31, 41]] * 5)
    assert faces[0].size > faces[1].size
    model.sizes = ()
    assert Detector("made").find(photo) == []
    assert model.tried[-2:] == [((100, 80), detector.SIZES), ((200, 160), detector.SMALL_SIZES)]


def test_room_around_large_photos_takes_no_memory(monkeypatch):
    """They are shrunk first; faces are found where they are."""
    model = Choosy((1280, 960), detector.SMALL_SIZES)
    monkeypatch.setattr(detector, "load_pack", lambda pack: {"detection": model})
    photo = np.zeros((6400, 4800, 3), np.uint8)
    photo[3000:3100, 2000:2100] = 255
    faces = Detector("made").find(photo)
    np.testing.assert_allclose(faces[0].points[0] / 10, [200, 300], atol=3)
    assert faces[0].size == pytest.approx(10 * (35 + 10 - 5 + 5), rel=0.2)


# All together


@pytest.mark.parametrize("way", ["estimated", "given", "world"])
def test_the_overlay_shows_where_the_camera_has_the_mean_face(way):
    """Each cross lies where another projection has it; so do points of the world."""
    pose = FFHQ.at(0.3, 0.1).cam2world[0].double().numpy()
    seen = seen_by(pose, shapes.FIVE)
    photo = np.zeros((512, 512, 3), np.uint8)
    aligner = Aligner(FFHQ, estimator=Estimator(FFHQ, shapes.insightface_shape()))
    marked = Marked(seen, shapes.FIVE if way == "world" else None)
    aligned = aligner.align_marked(photo, marked, FFHQ.at(-0.2) if way == "given" else None)
    camera = aligned.camera.cam2world[0].double().numpy()
    if way == "estimated":
        camera = aligned.estimate.solved.pose
    sheet = draw_overlay(aligned).astype(int)
    ink = np.abs(sheet - CROSS).sum(axis=2) < 30
    wanted = seen_by(camera, shapes.FIVE) * ENLARGED
    for x, y in wanted.round().astype(int):
        assert ink[y - 7 : y + 8, x - 7 : x + 8].sum() > 15
    rows, columns = np.nonzero(ink)
    gaps = np.abs(np.stack([columns, rows], axis=1)[:, None] - wanted).max(axis=2).min(axis=1)
    assert gaps.max() < 8
    assert sheet.shape[0] > sheet.shape[1]  # text below


class PackFit:
    """InsightFace's fit of its mean shape, to landmarks that another network has found."""

    def __init__(self, network):
        self.network, self.looks = network, {}

    def look(self, picture, box):
        key = picture.tobytes(), box.tobytes()
        if key not in self.looks:
            self.looks[key] = self.network.look(picture, box)
        return self.looks[key]

    def get(self, picture, face):
        from insightface.data import get_object
        from insightface.utils import transform

        flat = self.look(np.ascontiguousarray(picture[:, :, ::-1]), face.bbox).landmarks
        points = np.concatenate([flat, np.zeros((68, 1))], axis=1)  # it leaves depths aside
        fit = transform.estimate_affine_matrix_3d23d(get_object("meanshape_68.pkl"), points)
        face["pose"] = transform.matrix2angle(transform.P2sRt(fit)[1])
        return points


@pytest.fixture(scope="module")
def head_scan():
    """Viewing angles of the 17 renders: true, and by every way that needs no more networks."""
    folder, network = shared("head_scan"), Network(weights(TDDFA))
    finder, fit = Detector(str(weights("insightface_pack"))), PackFit(network)
    fit.name, fit.pose_measured = network.name, network.pose_measured
    shape = shapes.insightface_shape()
    estimator = Estimator(FFHQ, shape, (fit,))
    by_model = Estimator(FFHQ, shapes.read_shape(weights(BFM)))
    by_pack = Estimator(FFHQ, shape, (PackLandmarks(fit, "fit"),))
    found, known = {}, {}
    aligner = Aligner(FFHQ, estimator=estimator, detector=finder)
    for name, camera in load_cameras(folder, FFHQ):
        aligned = aligner.align(read_photo(folder / name), name)
        one, measured = aligned.estimate, network.landmarks_measured
        box = aligned.crop.to_crop(aligned.face.box.reshape(2, 2)).reshape(4)
        rows = {
            "pose": one,
            "pack": by_pack.estimate(aligned.picture, one.five, box),
            "landmarks": estimator.from_points(one.five, one.landmarks, "x", measured),
            "model": by_model.from_points(one.five, one.landmarks, "x", measured),
            "five": estimator.from_points(one.five, None),
        }
        known = {way: row.known for way, row in rows.items()}
        angles = {way: row.solved.angles for way, row in rows.items()}
        angles |= {"true": true_angles(camera), "camera": true_angles(aligned.camera)}
        for way, row in angles.items():
            found.setdefault(way, []).append(row)
        fit.looks.clear()
    return HeadScan({way: np.array(rows) for way, rows in found.items()}, known)


class HeadScan(NamedTuple):
    angles: dict[str, np.ndarray]  # [17, 3]
    known: dict[str, str]  # what estimates say of their error

    def errors(self, way):
        return direction_errors(self.angles[way], self.angles["true"])


@pytest.mark.parametrize("way", ["pose", "landmarks", "five", "pack"])
def test_estimates_say_how_far_off_they_are(head_scan, way):
    """As measured here."""
    form = "(.*) degrees off on a scanned head(.*), (.*) at worst"
    told = re.fullmatch(form, head_scan.known[way])
    error = head_scan.errors(way)
    assert float(told[1]) == pytest.approx(np.median(error), abs=0.06)
    assert float(told[3]) == pytest.approx(error.max(), abs=0.06)
    assert told[2] == (" by 3DDFA's landmarks" if way == "pack" else "")
    assert head_scan.known["model"] == "never measured"  # a shape of the user's


@pytest.mark.parametrize("way", ["camera", "pack", "landmarks"])
def test_cameras_of_a_scanned_head(head_scan, way):
    """The direction from which the head is seen: at most 3 degrees off, median, and 6, worst."""
    error = head_scan.errors(way)
    assert np.median(error) <= 3
    assert error.max() <= 6
    roll = np.degrees(np.abs(head_scan.angles[way] - head_scan.angles["true"])[:, 2])
    assert roll.max() <= 5


def test_pnp_on_a_scanned_head(head_scan):
    """Reference 9.11: within 5 degrees in yaw and pitch; five points as rough as is said."""
    error = np.degrees(head_scan.angles["model"] - head_scan.angles["true"])
    assert np.abs(error[:, :2]).max() <= 5
    five = np.degrees(head_scan.angles["five"] - head_scan.angles["true"])
    assert np.sqrt((five[:, 0] ** 2).mean()) <= 3.5
    assert np.abs(five[:, 1]).max() <= 8


def test_calibrating_helps(head_scan):
    """Each render corrected by what the others tell."""
    estimated, true = head_scan.angles["landmarks"], head_scan.angles["true"]
    corrected = [
        fit_calibration("x", estimated[others], true[others]).correct(row)
        for row, others in zip(estimated, ~np.eye(17, dtype=bool), strict=True)
    ]
    error = direction_errors(np.array(corrected), true)
    assert np.median(error) < np.median(direction_errors(estimated, true)) - 0.4
    assert error.max() <= 6
