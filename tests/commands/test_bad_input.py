"""What people get wrong: one sentence, the right code, no traceback, nothing half-written."""

import errno
import json
import os
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from nerfgan_cli.checkpoints import zoo

DRAW = ("image", "video")


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path, monkeypatch):
    """Each test runs in a folder of its own, in which a refused command leaves nothing."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    yield
    assert not any(folder.iterdir()), "something was left behind"


@pytest.mark.parametrize("verb", DRAW)
def test_broken_installation(nerfgan, verb, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "BUNDLED_FOLDER", tmp_path)
    nerfgan(verb).refused(4, f"bundled model {zoo.DEFAULT} is missing", "install nerfgan again")


@pytest.mark.parametrize("verb", DRAW)
@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ffhq512-129", "did you mean ffhq512-128?"),
        ("afhqcats", "did you mean afhqcats512-128?"),
        ("xyzzy", "ffhq512-128"),
    ],
)
def test_unknown_model(nerfgan, verb, name, nearest):
    nerfgan(verb, "--model", name).refused(2, name, nearest)


def test_a_model_that_is_not_installed(nerfgan, tmp_path):
    done = nerfgan("image", "--model", "ffhq512-128")
    done.refused(4, "https://", "ffhq512-128.pkl", "nerfgan convert", str(tmp_path / "home"))


@pytest.mark.parametrize("verb", DRAW)
@pytest.mark.parametrize("name", ["nowhere.safetensors", "no/where", "./nowhere", "model.pkl"])
def test_missing_file(nerfgan, verb, name):
    nerfgan(verb, "--model", name).refused(3, name)


def wrong_files(folder):
    """Files that are no model: (path, the word that names their kind)."""
    files = {name: folder / name for name in ("png", "jpg", "npz", "zip", "pt", "json", "mp4")}
    Image.new("RGB", (4, 4)).save(files["png"], format="PNG")
    Image.new("RGB", (4, 4)).save(files["jpg"], format="JPEG")
    np.savez(files["npz"].open("wb"), a=np.zeros(3))
    with zipfile.ZipFile(files["zip"], "w") as archive:
        archive.writestr("dataset.json", "{}")
    torch.save({"a": torch.zeros(3)}, files["pt"])
    files["json"].write_text('{"cam2world": []}')
    files["mp4"].write_bytes(b"\0\0\0\x20ftypisom" + bytes(50))
    return files


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("png", "PNG"),
        ("jpg", "JPEG"),
        ("npz", "NumPy"),
        ("zip", "zip"),
        ("pt", "torch.save"),
        ("json", "JSON"),
        ("mp4", "video"),
    ],
)
def test_file_of_the_wrong_kind(nerfgan, tmp_path, kind, word):
    path = wrong_files(tmp_path)[kind]
    done = nerfgan("image", "--model", path)
    done.refused(3, str(path))
    assert word.lower() in done.err.lower().replace(str(path).lower(), "")


def test_empty_and_damaged_files(nerfgan, tmp_path, teacher):
    whole = teacher.read_bytes()
    for name, content in (("empty", b""), ("noise", os.urandom(99)), ("cut", whole[:-9])):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        nerfgan("video", "--model", path).refused(3, str(path))


@pytest.mark.parametrize(
    "verb", ["image --model", "video --model", "info", "convert -o a.safetensors"]
)
def test_a_pipe_is_not_waited_for(nerfgan, tmp_path, verb):
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)  # so that reading it would not hang this test
    os.write(writer, bytes(1 << 14))
    nerfgan(*verb.split(), tmp_path / "pipe").refused(3, "pipe is not a regular file")
    os.close(writer)


def test_folders(nerfgan, tmp_path):
    nerfgan("image", "--model", tmp_path).refused(3, "run folder")
    (tmp_path / "recipe.toml").touch()
    nerfgan("image", "--model", tmp_path).refused(4, "no checkpoint yet")


@pytest.mark.parametrize("verb", DRAW)
@pytest.mark.parametrize(
    "seeds", ["", "x", "-3", "3-", "5-2", "1,,2", "1-2-3", "1.5", "4294967296", "0-99999999", "٣"]
)
def test_seed_syntax(nerfgan, teacher, verb, seeds):
    nerfgan(verb, "--model", teacher, "--seeds", seeds).refused(2, "--seeds", repr(seeds))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--yaw", ""),
        ("--yaw", "left"),
        ("--yaw", "10,,20"),
        ("--yaw", "10;20"),
        ("--yaw", "nan"),
        ("--yaw", "inf"),
        ("--yaw", "1e9"),
        ("--pitch", "90"),
        ("--pitch", "-100"),
        ("--roll", "1,two"),
        ("--pivot", "0,0"),
        ("--pivot", "0,0,z"),
        ("--fov", "180"),
        ("--radius", "0"),
        ("--radius", "-2"),
        ("--batch", "0"),
        ("--batch", "many"),
        ("--ray-chunk", "0"),
        ("--resolution", "0"),
        ("--resolution", "64x64"),
        ("--resolution", "9999"),
        ("--truncation", "99"),
        ("--truncation", "nan"),
        ("--truncation-cutoff", "-1"),
        ("--what", "normals"),
        ("--noise", "loud"),
        ("--precision", "fp8"),
        ("--device", "tpu"),
        ("-o", "picture.jpg"),
        ("-o", "nope.txt"),
        ("-o", ".png"),
        ("-o", ""),
    ],
)
def test_image_options(nerfgan, teacher, option, value):
    nerfgan("image", "--model", teacher, option, value).refused(2, option)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--frames", "0"),
        ("--fps", "0"),
        ("--yaw-range", "200"),
        ("--pitch-range", "90"),
        ("--camera-path", "zigzag"),
        ("-o", "a.avi"),
        ("-o", "video"),
        ("-o", ".mp4"),
        ("-o", ""),
    ],
)
def test_video_options(nerfgan, teacher, option, value):
    nerfgan("video", "--model", teacher, option, value).refused(2, option)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there(nerfgan, teacher):
    nerfgan("image", "--model", teacher, "--device", "cuda").refused(2, "no CUDA", "choose cpu")


def test_resolution_not_of_the_model(nerfgan, student):
    done = nerfgan("image", "--model", student, "--resolution", "32")
    done.refused(2, "resolution", "64")


def test_resolution_of_neither_model(nerfgan, student):
    models = ("--model", student, "--side-by-side", student)
    nerfgan("video", *models, "--resolution", "32", "--frames", "1").refused(2, "64²", "32²")


@pytest.mark.parametrize("verb", DRAW)
def test_depth_of_a_model_without(nerfgan, student, verb):
    nerfgan(verb, "--model", student, "--what", "depth").refused(2, str(student), "depth")


def test_several_pictures_in_one_file(nerfgan, teacher):
    done = nerfgan("image", "--model", teacher, "--seeds", "0-3", "--separate", "-o", "a.png")
    done.refused(2, "folder")


@pytest.mark.parametrize(
    ("verb", "out", "named"),
    [
        ("image", "{file}/a.png", "{file}"),
        ("image", "{file}/pictures", "{file}/pictures"),
        ("image", "{file}", "{file}"),
        ("image", "/proc/nerfgan/a.png", "/proc/nerfgan"),
        ("image", "/dev/full", "/dev/full"),
        ("video", "{file}/a.mp4", "{file}"),
        ("video", "/proc/nerfgan/a.mp4", "/proc/nerfgan"),
        ("video", "{folder}", "{folder}"),
    ],
)
def test_places_that_cannot_be_written(nerfgan, tmp_path, verb, out, named):
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    places = {"file": tmp_path / "file", "folder": tmp_path / "folder.mp4"}
    # It is told before the model is looked for.
    done = nerfgan(verb, "--model", "nowhere.safetensors", "-o", out.format(**places))
    done.refused(3, named.format(**places), "choose")
    assert not any((tmp_path / "folder.mp4").iterdir())


def test_disk_full(nerfgan, teacher, monkeypatch):
    def save(self, path, **options):
        path.write_bytes(b"\x89PNG")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Image.Image, "save", save)
    nerfgan("image", "--model", teacher, "--resolution", "4").refused(3, "the disk is full")


def fake_ffmpeg(folder, body):
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("exit 1", 1, "ffmpeg failed with code 1"),
        ("head -c 100 > /dev/null; echo broken >&2; exit 2", 1, "broken"),
        ("echo 'Error: No space left on device' >&2; exit 1", 3, "the disk is full"),
    ],
)
def test_failing_encoder(nerfgan, teacher, tmp_path, monkeypatch, body, code, words):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake_ffmpeg(tmp_path, body)))
    arguments = ("--frames", "3", "--resolution", "4")
    nerfgan("video", "--model", teacher, *arguments).refused(code, words)


def test_no_ffmpeg(nerfgan, monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nowhere"))
    # It is told before the model is looked for.
    nerfgan("video", "--model", "nowhere.safetensors").refused(3, "ffmpeg", "IMAGEIO_FFMPEG_EXE")


def test_errors_with_json_leave_standard_output_empty(nerfgan):
    nerfgan("image", "--json", "--model", "xyzzy").refused(2, "no model named")
    with pytest.raises(json.JSONDecodeError):
        json.loads(nerfgan("--json", "video", "--model", "xyzzy").out)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_memory_that_is_not_there(nerfgan, teacher, monkeypatch):
    def draw(*arguments: object) -> None:
        torch.empty(1 << 50)

    monkeypatch.setattr("nerfgan_cli.generators.drawing.draw_views", draw)
    monkeypatch.setattr("nerfgan_cli.commands.image.draw_views", draw)
    nerfgan("image", "--model", teacher).refused(1, "out of memory", "--batch", "--ray-chunk")
