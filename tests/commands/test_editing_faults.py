"""What people get wrong when they edit: one sentence, the right code, nothing half-written."""

import json

import numpy as np
import pytest
import torch

from nerfgan_cli.latent_files import Latent, write_latent


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path, monkeypatch):
    """Each test runs in a folder of its own, in which a refused command leaves nothing."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    assert not any(folder.iterdir()), "something was left behind"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["two subjects or more", "--seeds 1,2"]),
        (("--seed", 3), ["two subjects or more"]),
        (("--seeds", "1,x"), ["no list of seeds"]),
        (("--seeds", "1,2", "--slerp"), ["--slerp turns in z", "--space z"]),
        (("--seeds", "1,2", "--space", "z", "--slerp", "--cubic"), ["one of them"]),
        (("--seeds", "1,2", "--space", "z", "--latents", "0.5*3"), ["0.5*3 has no z"]),
        (("--seeds", "1,2", "--cells", 2), ["end -o in .mp4"]),
        (("--seeds", "1,2", "-o", "a.gif"), ["a.gif", ".png", ".mp4"]),
        (("--seeds", "1,2", "--camera-path", "zigzag"), ["zigzag", "spiral", "file of cameras"]),
        (("--seeds", "1,2", "--frames", 1), ["--frames"]),
        (("--latents", "1,,2"), ["empty entry"]),
        (("--latents", "1,99*2"), ["weight of 99", "±10"]),
        (("--seeds", "1,2", "--camera", "cam.json", "--yaw", 3), ["give one of them"]),
        (("--seeds", "1,2", "--what", "depth"), ["draws no depth"]),
        (("--seeds", "1,2", "--yaw", 3, "--path", "orbit"), ["either", "--camera-path"]),
        (("--seeds", "1,2", "--yaw-range", 3), ["fixed has no range", "sweep, orbit or spiral"]),
    ],
)
def test_walks_that_are_none(nerfgan, student, arguments, words):
    nerfgan("interpolate", "--model", student, *arguments).refused(2, *words)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--layers", "9-3"), 2, ["9-3", "write 0-3"]),
        (("--layers", "rough"), 2, ["rough", "coarse"]),
        (("--layers", "3-10"), 2, ["layers 0 to 9"]),
        (("--layers", "3-13", "--outer", "--cols", "1.5*"), 3, ["1.5*"]),
        (("-o", "a.mp4"), 2, [".png"]),
        (("--rows", "99999999999"), 2, ["no list of seeds"]),
    ],
)
def test_mixtures_that_are_none(nerfgan, student, arguments, code, words):
    mix = ("mix", "--model", student, "--rows", 1, "--cols", 2)
    nerfgan(*mix, *arguments).refused(code, *words)


def test_latents_that_cannot_be_used(nerfgan, student, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros((1, 64)))
    foreign = Latent(torch.zeros(1, 14, 512), "Eve", "00000000")
    write_latent(tmp_path / "eve.safetensors", foreign)
    walk = ("interpolate", "--model", student, "--seed", 1, "--latents")
    nerfgan(*walk, tmp_path / "short.npy").refused(4, "64 numbers", "512")
    nerfgan(*walk, tmp_path / "eve.safetensors").refused(4, "Eve belongs to another model")
    nerfgan(*walk, tmp_path / "nobody.npy").refused(3, "nobody.npy", "no such file")
    (tmp_path / "empty").mkdir()
    nerfgan(*walk, tmp_path / "empty").refused(3, "empty holds no latents")
    nerfgan(*walk, tmp_path).refused(4, "Eve belongs to another model")
    nerfgan(*walk, student).refused(3, "without a latent")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--strength", "strong"), 2, ["strong", "write -3..3"]),
        (("--strength", "2..2"), 2, ["empty range"]),
        (("--strength", "-3..300"), 2, ["too strong"]),
        (("--strength", "nan"), 2, ["no strengths"]),
        (("--strength", "1,2", "--steps", 4), 2, ["--steps divide a range"]),
        (("--strength", "1", "-o", "a.mp4"), 2, ["from one strength to another"]),
        (("--steps", 0), 2, ["--steps"]),
        (("--direction", "none.json"), 3, ["none.json"]),
        (("--direction", "."), 3, ["no directions"]),
        (("--direction", "a.json,"), 2, ["empty entry"]),
    ],
)
def test_edits_that_are_none(nerfgan, student, tmp_path, arguments, code, words):
    edit = ("edit", "--model", student, "--direction", tmp_path / "d.json")
    nerfgan(*edit, *arguments).refused(code, *words)


def test_an_edit_without_direction(nerfgan):
    nerfgan("edit").refused(2, "--direction")


@pytest.mark.parametrize(
    ("verb", "arguments", "code", "words"),
    [
        ("ganspace", ("--num", 3, "--component", 5), 2, ["larger --num"]),
        ("ganspace", ("--component", 512), 2, ["512 components"]),
        ("ganspace", ("--layers", "0-2,8"), 2, ["no gap"]),
        ("ganspace", ("--layers", ""), 2, ["no gap"]),
        ("ganspace", ("-o", "a.png"), 2, [".json"]),
        ("sefa", ("--layers", "13-20"), 2, ["layers 0 to 13"]),
        ("regress", (), 2, ["give one of --values, --measure and --trait"]),
        ("regress", ("--measure", "age"), 2, ["no measure 'age'", "brightness", "smile"]),
        ("regress", ("--measure", "smile", "--region", "0,0,1,0.5"), 2, ["leave out --region"]),
        ("regress", ("--measure", "red", "--region", "0,0,2,1"), 2, ["no region"]),
        ("regress", ("--trait", "smile"), 2, ["not taught ToyHeads"]),
        ("regress", ("--trait", "smile", "--region", "0,0,1,0.5"), 2, ["of a --measure"]),
        ("regress", ("--values", "none.csv"), 3, ["none.csv"]),
        ("interfacegan", ("--measure", "red", "--num", 3), 2, ["--num"]),
        ("interfacegan", ("--measure", "red", "--num", 20), 3, ["too few"]),
    ],
)
def test_directions_that_cannot_be_found(nerfgan, student, verb, arguments, code, words):
    nerfgan("directions", verb, "--model", student, *arguments).refused(code, *words)


def test_landmarks_are_of_faces(nerfgan):
    """Not of ToyHeads, which are known better."""
    smile = ("directions", "regress", "--measure", "smile", "--num", 10)
    nerfgan(*smile).refused(2, "--trait smile")


def test_a_direction_to_keep_has_to_fit(nerfgan, student, tmp_path):
    content = {"name": "a", "method": "b", "model": "c", "space": "w", "std": 1, "origin": 0}
    content |= {"layers": [0, 1], "vector": [1.0, 0.0]}
    (tmp_path / "d.json").write_text(json.dumps(content))
    regress = ("directions", "regress", "--model", student, "--measure", "red", "--keep")
    nerfgan(*regress, tmp_path / "d.json").refused(4, "2 numbers", "512")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--seed", "1,2"), 2, ["2 seeds", "give one"]),
        (("-o", "head.stl"), 2, [".ply", ".obj", ".glb"]),
        (("--resolution", 4), 2, ["--resolution"]),
        (("--inversion", "a"), 2, ["give one of them"]),
        (("--level", 1e9, "--resolution", 8), 3, ["nothing is denser", "lower level"]),
    ],
)
def test_meshes_that_are_none(nerfgan, teacher, arguments, code, words):
    nerfgan("mesh", "--model", teacher, *arguments).refused(code, *words)


def test_a_student_names_its_teacher(nerfgan, student):
    nerfgan("mesh", "--model", student).refused(2, "no surface", "distilled from")
