"""Pose, identity and landmarks of a scanned head with real networks; descriptions of networks."""

import json
from threading import Barrier

import numpy as np
import pytest
import torch
from datasets import shared
from faces_case import PACK, TDDFA, weights
from faces_judged import ExactHeads, setting_of

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.cameras import PRESETS, viewing_angles
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.evaluation import pack_faces
from nerfgan_cli.evaluation.looks import IDENTITY, LANDMARKS, POSE, distance_of_eyes
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.pack_faces import PackFaces
from nerfgan_cli.evaluation.point_networks import OnnxPoints, convention_of
from nerfgan_cli.evaluation.turning import TURNING
from nerfgan_cli.generators.contract import Rendering
from nerfgan_cli.metrics.identity import cosines
from nerfgan_cli.metrics.landmarks import landmark_errors
from nerfgan_cli.photos import read_photo

MESH = "landmarks/facemesh468.onnx"
FRONT = "head_y+00_p+00.png"


@pytest.fixture(scope="module")
def reader():
    """InsightFace's detector and identity, 3DDFA's pose, the points of MediaPipe's mesh."""
    pack = weights(PACK)
    return PackFaces(Networks(pack=str(pack), pose=weights(TDDFA), landmarks=weights(MESH)))


@pytest.fixture(scope="module")
def scan(reader):
    """Names, true angles and looks of the 17 renders."""
    folder = shared("head_scan")
    cameras = dict(load_cameras(folder, PRESETS["ffhq"]))
    names = sorted(path.name for path in folder.glob("head_*.png"))
    true = [[float(angle) for angle in viewing_angles(cameras[name].cam2world)] for name in names]
    looks = reader.look(np.stack([read_photo(folder / name) for name in names]))
    assert len(names) == 17
    assert looks.found.all()
    return names, np.array(true), looks


def test_poses_of_the_scanned_head(scan):
    """The reference measured 1.5 degrees of yaw and 3 of pitch, at most."""
    _, true, looks = scan
    off = np.abs(np.degrees(looks.angles - true))
    assert (off.max(axis=0).round(1) <= (1.5, 3.0, 2.8)).all()
    assert (np.sqrt(np.square(off).mean(axis=0)) < (1.1, 1.6, 1.6)).all()


def test_identity_of_the_scanned_head(scan):
    names, _, looks = scan
    expected = json.loads((shared("head_scan") / "expected.json").read_text())
    front = looks.codes[names.index(FRONT)]
    found = cosines(looks.codes, np.tile(front, (17, 1)))
    for name, cosine in zip(names, found, strict=True):
        assert cosine == pytest.approx(expected[name]["cosine_to_frontal"], abs=0.01)


def test_landmarks_of_the_scanned_head(reader, scan):
    """The reference's floor: a root of 0.036 on average, 0.065 at 45 degrees."""
    names, true, looks = scan
    front = looks.points[[names.index(FRONT)] * 17]
    eyes = distance_of_eyes(reader, front)
    root = landmark_errors(looks.points, front, eyes) ** 0.5
    turned = np.array(names) != FRONT
    assert root[turned].mean() == pytest.approx(0.036, abs=0.006)
    far = np.abs(np.degrees(true[:, 0])) > 40
    assert root[far].mean() == pytest.approx(0.065, abs=0.01)


def test_a_picture_without_a_face_is_told(reader):
    blank = np.full((1, 96, 96, 3), 200, np.uint8)
    looks = reader.look(blank)
    assert not looks.found.any()
    assert looks.codes.shape == (1, 128)
    assert looks.points.shape == (1, 468, 3)


def test_a_pack_lacks_what_it_lacks(tmp_path):
    """This one has neither pose nor landmarks; of heads without a face nothing can be said."""
    networks = Networks(pack=str(weights(PACK)))
    assert set(PackFaces(networks).sources) == {IDENTITY}
    setting = setting_of(ExactHeads(), tmp_path, networks=networks)
    told = {metric.name: metric.obstacle(setting) for metric in TURNING}
    assert told[IDENTITY] is None
    assert "--pose-network" in told[POSE]
    assert "--landmark-network" in told[LANDMARKS]
    broken = Networks(pack=str(weights(PACK)), pose=tmp_path / "missing.onnx")
    assert "missing.onnx" in TURNING[0].obstacle(
        setting_of(ExactHeads(), tmp_path, networks=broken)
    )


def test_an_identity_network_by_itself(reader):
    pack = weights(PACK)
    alone = PackFaces(Networks(pack=str(pack), identity=next(pack.glob("*arcface.onnx"))))
    photo = read_photo(shared("head_scan") / FRONT)[None]
    np.testing.assert_allclose(alone.look(photo).codes, reader.look(photo).codes, rtol=1e-4)
    with pytest.raises(WeightsError, match="there is no"):
        PackFaces(Networks(pack=str(pack), identity=pack / "missing.onnx"))
    with pytest.raises(WeightsError, match="take another"):
        PackFaces(Networks(pack=str(pack), identity=weights(TDDFA)))


def test_networks_of_points_are_described(tmp_path):
    mesh = weights(MESH)
    assert OnnxPoints(mesh).count == 468
    other = tmp_path / "mine.onnx"
    other.write_bytes(mesh.read_bytes())
    with pytest.raises(WeightsError, match=r"write mine\.json beside it"):
        OnnxPoints(other)
    told = {"output": "landmarks", "side": 1.5, "scale": 255, "eyes": [[33, 133], [362, 263]]}
    beside = other.with_suffix(".json")
    beside.write_text(json.dumps(told))
    assert convention_of(other) == convention_of(mesh)
    assert OnnxPoints(other).count == 468
    described = [OnnxPoints(other).source]
    beside.write_text(json.dumps({**told, "side": 2.0}))
    described.append(OnnxPoints(other).source)
    assert described[0].sha256 == described[1].sha256
    assert described[0].description != described[1].description
    for fault in (
        {**told, "output": "presence"},
        {**told, "eyes": [[33], [999]]},
        {**told, "eyes": [[33]]},
        {**told, "side": 0},
        {**told, "colour": 1},
        [1],
    ):
        beside.write_text(json.dumps(fault))
        with pytest.raises(WeightsError, match=r"correct|mend"):
            OnnxPoints(other)


def test_nobody_tells_a_pose_from_points_only(tmp_path):
    points = weights("landmarks/face_landmark_68.onnx")
    with pytest.raises(WeightsError, match="tell a pose"):
        PackFaces(Networks(pack=str(weights(PACK)), pose=points))


class Blank(ExactHeads):
    """Nobody is in the picture."""

    def draw(self, subject, camera, options=None):
        image = torch.zeros(len(camera), 3, 64, 64)
        return Rendering(image, image, image, None)


def test_heads_that_nobody_finds(tmp_path):
    setting = setting_of(Blank(), tmp_path, networks=Networks(pack=str(weights(PACK))), number=2)
    identity = next(metric for metric in TURNING if metric.name == IDENTITY)
    with pytest.raises(InputError, match="no face was found in any of 2 heads"):
        identity.measure(setting)


def test_pictures_are_looked_at_side_by_side(reader, monkeypatch):
    names = [f"head_y{yaw}_p+00.png" for yaw in ("+00", "+20", "-20")]
    pictures = np.stack([read_photo(shared("head_scan") / name) for name in names])
    monkeypatch.setattr(pack_faces, "WORKERS", 3)
    together = reader.look(pictures)
    for index, picture in enumerate(pictures):
        for seen, alone in zip(together, reader.look(picture[None]), strict=True):
            np.testing.assert_array_equal(seen[index], alone[0])
    alone = reader.only(IDENTITY)
    monkeypatch.setattr(pack_faces, "look_steadily", None)  # a pose is not asked for
    codes = alone.look(pictures)
    np.testing.assert_array_equal(codes.codes, together.codes)
    assert codes.points.shape == (3, 0, 3)
    assert (list(alone.sources), len(reader.sources)) == ([IDENTITY], 3)
    monkeypatch.undo()
    monkeypatch.setattr(pack_faces, "WORKERS", 3)
    all_here, look = Barrier(3, timeout=20), reader._look

    def wait(picture):
        all_here.wait()
        return look(picture)

    monkeypatch.setattr(reader, "_look", wait)
    assert reader.look(pictures).found.all()
