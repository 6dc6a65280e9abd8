"""`nerfgan camera show|convert|draw`, as a user runs them."""

import json

import numpy as np
import pytest
from PIL import Image

from nerfgan_cli.camera_files import load_cameras, write_cameras
from nerfgan_cli.camera_forms import FORMS
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.commands.camera.convert import FormName

FFHQ = PRESETS["ffhq"]


@pytest.fixture
def cameras(tmp_path):
    """A file of three cameras."""
    made = FFHQ.at([-0.3, 0.0, 0.5], [0.1, 0.0, -0.2])
    named = [(f"{letter}.png", made[index]) for index, letter in enumerate("abc")]
    write_cameras(named, tmp_path / "cam.json")
    return tmp_path / "cam.json"


def test_show_says_where_cameras_stand(nerfgan, cameras):
    done = nerfgan("camera", "show", cameras, "--name", "c.png", "--json")
    assert done.code == 0, done.err
    (entry,) = json.loads(done.out)["cameras"]
    assert entry["name"] == "c.png"
    assert entry["yaw"] == pytest.approx(np.degrees(0.5), abs=1e-2)
    assert entry["viewing_yaw"] == pytest.approx(np.degrees(0.5388), abs=1e-2)
    assert (entry["radius"], entry["focal"], entry["fov"]) == (2.7, 4.2647, 13.374)
    assert entry["warning"] is None
    text = nerfgan("camera", "show", cameras).out
    assert "3 cameras" in text
    assert "c.png: yaw 28.648, pitch -11.459, roll 0 degrees; seen from yaw 30.8" in text


def test_show_warns_where_others_refuse(nerfgan, tmp_path):
    pose = FFHQ.at(0.2).cam2world[0].numpy() @ np.diag([1, -1, -1, 1])
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"extrinsics": pose.tolist()}))
    done = nerfgan("camera", "show", bad)
    assert done.code == 0
    told = (
        "warning: it looks away from the object, by 180 degrees: its matrix fits with OpenGL's axes"
    )
    assert told in done.out
    assert "1 camera cannot be right" in done.out
    for arguments in (("draw", bad, "-o", tmp_path / "x.png"), ("convert", bad, "-o", "x.npy")):
        nerfgan("camera", *arguments).refused(3, "bad.json", "looks away")
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(("focal", "told"), [(1.7, False), (1.0254, True), (4.2647, True)])
def test_a_lens_of_another_domain_is_told(nerfgan, tmp_path, focal, told):
    (tmp_path / "cam.json").write_text(json.dumps({"yaw": 30, "focal": focal}))
    done = nerfgan("camera", "show", tmp_path / "cam.json", "--like", "cars-video", "--json")
    assert done.code == 0, done.err
    notes = json.loads(done.out)["notes"]
    assert [f"focal length of {focal:.4g} where 1.707" in note for note in notes] == [True] * told


def test_matrices_can_be_read_the_other_way(nerfgan, tmp_path):
    """What is wrong is told, and mended when converting, also where a file has no words."""
    camera = FFHQ.at(0.4, 0.1)
    row = camera.label[0].double().numpy()
    pose = row[:16].reshape(4, 4)
    for wrong, options in (
        (np.linalg.inv(pose), ("--extrinsics", "world-to-camera")),
        (pose @ np.diag([1, -1, -1, 1]), ("--axes", "opengl")),
    ):
        np.save(tmp_path / "a.npy", np.concatenate([wrong.flatten(), row[16:]]))
        out = tmp_path / "mended.json"
        arguments = ("camera", "convert", tmp_path / "a.npy", "-o", out)
        nerfgan(*arguments).refused(3, "when converting the file")
        assert nerfgan(*arguments, *options).code == 0
        np.testing.assert_allclose(load_cameras(out, FFHQ)[0][1].label, camera.label, atol=1e-6)
        assert "warning" not in nerfgan("camera", "show", tmp_path / "a.npy", *options).out
        assert (
            nerfgan("camera", "draw", tmp_path / "a.npy", "-o", tmp_path / "d.png", *options).code
            == 0
        )


def test_the_form_of_a_file_is_told(nerfgan, tmp_path):
    k = [[2985.29, 0, 512], [0, 2985.29, 512], [0, 0, 1]]
    entry = {"intrinsics": k, "pose": FFHQ.at(0.3).cam2world[0].tolist()}
    (tmp_path / "cameras.json").write_text(json.dumps({"a.png": entry}))
    assert (
        "EG3D's intermediate cameras.json"
        in nerfgan("camera", "show", tmp_path / "cameras.json").out
    )
    labels = {"labels": [["a.png", FFHQ.at(0.3).label[0].tolist()]]}
    (tmp_path / "dataset.json").write_text(json.dumps(labels))
    assert (
        "1 camera: EG3D's dataset.json" in nerfgan("camera", "show", tmp_path / "dataset.json").out
    )


def test_many_cameras_are_summed_up(nerfgan, tmp_path):
    made = FFHQ.at(np.linspace(-0.4, 0.4, 30).tolist())
    write_cameras([(None, camera) for camera in made], tmp_path / "cam.json")
    text = nerfgan("camera", "show", tmp_path / "cam.json").out
    assert "and 10 more" in text
    assert "yaw -23 to 23" in text


def test_every_form_can_be_asked_for(nerfgan, cameras, tmp_path):
    assert [form.value for form in FormName] == list(FORMS)
    for form, (suffix, _, _) in FORMS.items():
        path = tmp_path / f"{form}{suffix}"
        done = nerfgan("camera", "convert", cameras, "-o", path, "--to", form)
        assert done.code == 0, done.err
        assert "wrote 3 cameras" in done.out
        again = load_cameras(path, FFHQ)
        for (_, camera), (_, expected) in zip(again, load_cameras(cameras, FFHQ), strict=True):
            np.testing.assert_allclose(camera.label, expected.label, atol=1e-6)
    by_name = nerfgan(
        "camera", "convert", cameras, "-o", tmp_path / "c.npy", "--name", "b", "--json"
    )
    assert json.loads(by_name.out)["cameras"] == 1
    assert np.load(tmp_path / "c.npy").shape == (1, 25)
    mirrored = nerfgan("camera", "convert", cameras, "-o", tmp_path / "m.json", "--mirror")
    assert "wrote 6 cameras" in mirrored.out
    assert load_cameras(tmp_path / "m.json", FFHQ)[1][0] == "a_mirror.png"


def test_convert_refuses_what_it_cannot_write(nerfgan, cameras, tmp_path):
    wrong = nerfgan("camera", "convert", cameras, "-o", tmp_path / "a.txt")
    wrong.refused(2, "end it in .json")
    nerfgan("camera", "convert", tmp_path / "no.json", "-o", "a.json").refused(3, "there is no")
    absent = nerfgan("camera", "convert", cameras, "-o", tmp_path / "a.npy", "--name", "x")
    absent.refused(3, "none of its 3 cameras is that of x")


def test_draw_shows_each_camera(nerfgan, cameras, tmp_path):
    done = nerfgan("camera", "draw", cameras, "-o", tmp_path / "d.png", "--side", 200)
    assert done.code == 0, done.err
    pixels = np.asarray(Image.open(tmp_path / "d.png"))
    assert pixels.shape == (200, 600, 3)
    coloured = np.ptp(pixels.astype(int), axis=2) > 60
    assert all(coloured[:, start : start + 200].sum() > 50 for start in (0, 200, 400))
