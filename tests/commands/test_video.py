"""`nerfgan video`: what it shows, that it loops, and that it leaves nothing unfinished."""

import json
import os
import shlex
import signal
import time

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from cli import start  # of this folder
from PIL import Image

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.commands.camera_path import CameraPath, PathName
from nerfgan_cli.commands.video import draw_frames
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.nn.superresolution import SuperResolution

SMALL = ("--resolution", "8", "--precision", "fp32")
SIDE = 128  # of the small models' pictures
HALVES = slice(0, SIDE), slice(-SIDE, None)  # of a frame with two cells


@pytest.fixture
def film(nerfgan, tmp_path, teacher):
    """Draws a video with the small teacher and returns its facts, its frames and the notes."""

    def run(*arguments, model=teacher, small=SMALL):
        out = tmp_path / "a.mp4"
        done = nerfgan("video", "--model", model, "-o", out, *small, *map(str, arguments))
        assert done.code == 0, done.err
        reader = imageio_ffmpeg.read_frames(str(out))
        facts = next(reader)
        width, height = facts["size"]
        frames = [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader]
        return facts, frames, json.loads(out.with_name(f"{out.name}.json").read_text())

    return run


def test_a_video_of_a_seed(film, nerfgan, teacher, tmp_path):
    facts, frames, notes = film("--seed", 7, "--yaw-range", 30, "--frames", 8, "--fps", 25)
    assert (facts["codec"], facts["fps"], facts["size"]) == ("h264", 25, (SIDE, SIDE))
    assert facts["pix_fmt"].startswith("yuv420p")
    assert len(frames) == 8
    poses = Camera.from_label(torch.tensor(notes["cameras"])).cam2world
    yaw, pitch, _ = (angle.rad2deg().numpy() for angle in angles_from_pose(poses))
    np.testing.assert_allclose(yaw[[0, 2, 4, 6]], [0, 30, 0, -30], atol=1e-3)
    np.testing.assert_allclose(pitch, 0, atol=1e-3)
    still = tmp_path / "a.png"
    nerfgan("image", "--model", teacher, *SMALL, "--seed", 7, "--yaw", 30, "-o", still)
    error = np.abs(np.asarray(Image.open(still)).astype(int) - frames[2])
    assert error.mean() < 6, "the third frame is not the person from 30 degrees"


def test_codes_that_follow_the_camera_are_shown_beside(film, nerfgan, teacher, tmp_path):
    """From the front both are the same person; elsewhere the right one is somebody else."""
    angles = ("--frames", 4, "--yaw-range", 30)
    _, frames, notes = film("--seed", 7, *angles, "--condition-on-view", "--truncation", 1)
    _, alone, _ = film("--seed", 7, *angles, "--truncation", 1)
    assert notes["condition_on_view"]
    left, right = (np.stack(frames).astype(int)[:, :SIDE, part] for part in HALVES)
    assert np.abs(left - np.stack(alone)).mean() < 3, "the person that always is drawn"
    apart = np.abs(left - right).mean(axis=(1, 2, 3))
    assert max(apart[0], apart[2]) < 0.5 * min(apart[1], apart[3])
    out = tmp_path / "b.mp4"
    latent = ("--latent", tmp_path / "a.npy", "--condition-on-view")
    np.save(latent[1], np.zeros((1, 512), np.float32))
    nerfgan("video", "--model", teacher, *latent, "-o", out).refused(2, "give --seeds")
    assert not out.exists()


def test_codes_that_follow_no_camera_are_not_shown(nerfgan, tmp_path):
    """Nothing would differ."""
    out = tmp_path / "b.mp4"
    nerfgan("video", "--seed", 7, "--condition-on-view", "-o", out).refused(2, "do not depend")
    assert not out.exists()


@pytest.mark.parametrize(
    ("path", "yaw_range", "pitch_range"),
    [
        ("sweep", None, None),
        ("sweep", None, 20),
        ("sweep", 40, 10),
        ("orbit", None, None),
        ("orbit", 25, 15),
        ("spiral", None, None),
    ],
)
def test_loops_have_no_seam(path, yaw_range, pitch_range):
    walk = CameraPath(path, yaw_range, pitch_range).choose(PathName.sweep)
    preset = PRESETS["ffhq"]
    cameras = walk.cameras(preset, 120, preset.frontal(), closed=True)
    assert len(cameras) == 120
    yaw, pitch, _ = (angle.rad2deg().numpy() for angle in angles_from_pose(cameras.cam2world))
    steps = np.hypot(np.diff(yaw, append=yaw[0]), np.diff(pitch, append=pitch[0]))
    assert steps[-1] <= steps[:-1].max() * 1.1, "the last frame does not lead to the first"
    assert steps.max() > 0.5
    if yaw_range is not None:
        assert abs(yaw).max() == pytest.approx(yaw_range, abs=0.1)
    if pitch_range is not None:
        assert abs(pitch).max() == pytest.approx(pitch_range, abs=0.1)
    if path == "sweep" and yaw_range is None and pitch_range is None:
        assert abs(yaw).max() == pytest.approx(30, abs=0.1)


def test_a_camera_passes_by_those_of_a_file(film, nerfgan, teacher, tmp_path):
    file = tmp_path / "cameras.json"
    own = PRESETS["ffhq"].at([-0.4, 0.4])
    file.write_text(json.dumps(own.label.tolist()))
    _, frames, notes = film("--seed", 7, "--path", file, "--frames", 4)
    labels = torch.tensor(notes["cameras"])
    torch.testing.assert_close(labels[[0, 2]], own.label, atol=1e-5, rtol=0)
    torch.testing.assert_close(labels[1], labels[3], msg="it does not come back")
    assert np.abs(frames[0].astype(int) - frames[2]).mean() > 1
    ranged = ("video", "--model", teacher, "--path", file, "--yaw-range", 3)
    nerfgan(*ranged).refused(2, "has no range")


def test_several_seeds_and_two_models(film, student):
    facts, frames, notes = film("--seeds", "0-2", "--frames", 2)
    assert facts["size"] == (2 * SIDE, 2 * SIDE)
    assert (frames[0][SIDE + 8 :, SIDE + 8 :] > 240).all(), "the place of a fourth is empty"
    facts, both, notes = film("--seed", 1, "--frames", 2, "--side-by-side", student, small=())
    _, alone, _ = film("--seed", 1, "--frames", 2, small=())
    height = facts["size"][1]
    assert facts["size"] == (2 * height, height)
    assert notes["side_by_side"] == str(student)
    if height == SIDE:
        assert np.abs(both[0][:, :SIDE].astype(int) - alone[0]).mean() < 4


def test_side_by_side_a_resolution_is_for_the_model_that_can_draw_it(film, teacher, student):
    raw = ("--what", "raw", "--frames", 2)
    facts, _, notes = film(*raw, "--side-by-side", student)
    assert facts["size"] == (2 * 64, 64), "the teacher's 8², enlarged, and the student's 64²"
    assert notes["resolution"] == 8
    facts, _, notes = film(*raw, "--side-by-side", teacher, model=student)
    assert facts["size"] == (2 * 64, 64)
    assert notes["resolution"] == 64


@pytest.mark.parametrize("noise", ["const", "random"])
def test_many_seeds_in_little_memory_are_the_same_video(film, monkeypatch, noise):
    arguments = ("--seeds", "0-2", "--frames", 5, "--batch", 2, "--noise", noise)
    _, expected, _ = film(*arguments)
    prepared = []
    real = EG3D.prepare
    monkeypatch.setattr(
        EG3D, "prepare", lambda self, *args: prepared.append(1) or real(self, *args)
    )
    monkeypatch.setattr("nerfgan_cli.generators.drawing.total_memory", lambda device: 0)
    _, frames, _ = film(*arguments)
    assert len(prepared) == 9, "three subjects, for each of three batches of frames"
    assert np.array_equal(frames, expected)


def test_what_takes_no_super_resolution_does_without(film, monkeypatch):
    def refuse(*_):
        raise AssertionError("the super-resolution was run")

    monkeypatch.setattr(SuperResolution, "forward", refuse)
    for what in ("raw", "depth"):
        film("--what", what, "--frames", 1)


def test_odd_pictures_become_even(film):
    facts, _, notes = film("--what", "raw", "--frames", 2, small=("--resolution", "9"))
    assert facts["size"] == (10, 10)
    assert (notes["width"], notes["height"]) == (10, 10)


def test_depth(film):
    _, frames, _ = film("--what", "depth", "--frames", 2)
    assert np.ptp(frames[0]) > 200


def test_planes_are_made_once_per_seed(film, monkeypatch):
    prepared = []
    real = EG3D.prepare

    def prepare(self, *arguments):
        prepared.append(1)
        return real(self, *arguments)

    monkeypatch.setattr(EG3D, "prepare", prepare)
    film("--seeds", "0-1", "--frames", 6, "--batch", 2)
    assert len(prepared) == 2


def test_frames_are_drawn_as_they_are_needed(film, monkeypatch):
    drawn, encoded = [], []
    real = EG3D.draw

    def draw(self, subject, camera, options):
        drawn.append(len(camera))
        return real(self, subject, camera, options)

    def frames(*arguments):
        for frame in draw_frames(*arguments):
            encoded.append(sum(drawn))
            yield frame

    monkeypatch.setattr(EG3D, "draw", draw)
    monkeypatch.setattr("nerfgan_cli.commands.video.draw_frames", frames)
    film("--frames", 7, "--batch", 3)
    assert encoded == [3, 3, 3, 6, 6, 6, 7]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_video_leaves_nothing(tmp_path, teacher, sent, code):
    started, out = tmp_path / "encoder", tmp_path / "out" / "a.mp4"
    ffmpeg = tmp_path / "ffmpeg"
    real = shlex.quote(imageio_ffmpeg.get_ffmpeg_exe())
    ffmpeg.write_text(f'#!/bin/sh\necho $$ > "{started}"\nexec {real} "$@"\n')
    ffmpeg.chmod(0o755)
    arguments = ("--frames", 20_000, "--resolution", 2, "--batch", 1, "-o", out)
    process = start("video", "--model", teacher, *arguments, IMAGEIO_FFMPEG_EXE=str(ffmpeg))
    try:
        while not started.exists() or not started.read_text().strip():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        assert any(out.parent.iterdir())
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, said
    assert said.count("\n") == 1
    wait_for_end(int(started.read_text()))
    assert not any(out.parent.iterdir())


def wait_for_end(process, seconds=30):
    """A signal may arrive while the encoder is being started; it then ends with its input."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"the encoder still runs {seconds} s after the program has ended")
