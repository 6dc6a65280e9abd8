"""The programs in examples/ and the Python of README.md run as they stand, on a small model."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from cli import ROOT  # of this folder
from distill_case import MIMIC3D, read, save_teacher, write_case
from PIL import Image

from nerfgan_cli.cameras import PRESETS, angles_from_pose
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model
from nerfgan_cli.data.toyheads.traits import COORDINATES
from nerfgan_cli.errors import InputError
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.generators.eg3d import EG3D


def run(name, *arguments):
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_turntable(teacher, tmp_path):
    run("turntable.py", teacher, tmp_path / "turn.png")
    with Image.open(tmp_path / "turn.png") as sheet:
        assert sheet.width >= 4 * 128
        assert sheet.height >= 2 * 128


def test_new_student(teacher, tmp_path):
    printed = run("new_student.py", teacher, tmp_path / "student.safetensors")
    assert "style codes equal the teacher's: True" in printed
    student = load_model(tmp_path / "student.safetensors")
    assert student.kind == "student"
    licence = read_header(tmp_path / "student.safetensors").provenance.licence
    assert licence == read_header(teacher).provenance.licence


@pytest.fixture
def example(monkeypatch):
    """A program of the folder, by name, to be run within this process."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    return import_module


@pytest.mark.usefixtures("quick_training")
def test_new_teacher(example, tmp_path, monkeypatch, capsys):
    """What learns from it is a student like any other; the same command goes on with its run."""
    program = example("new_teacher")
    monkeypatch.setattr(sys, "argv", ["new_teacher.py", str(tmp_path), "--kimg", "0.016"])
    program.main()
    teacher = load_model(tmp_path / "teacher.safetensors")
    student = load_model(find_model(str(tmp_path / "run")))
    assert (teacher.kind, student.kind) == ("balls", "student")
    z, camera = latent(3, teacher.z_dim), PRESETS["afhq"].at(0.4)
    assert torch.equal(teacher.mapping(z, camera), student.mapping(z, camera))
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert last["psnr/image"] > 0
    assert (tmp_path / "run" / "samples" / "000000016-beside-teacher.png").is_file()
    capsys.readouterr()
    program.main()
    assert "continuing from 0.016 kimg" in capsys.readouterr().out


@pytest.fixture
def ablations(example, tmp_path, monkeypatch, capsys):
    """Runs the program on a list of its own, as small as can be; returns what it said."""
    case = write_case(tmp_path)
    (case.parent / "first.toml").write_text('base = "distill.toml"\n[train]\nstage = 1\n')
    list_file = tmp_path / "list.toml"
    list_file.write_text(
        f'recipe = "{case}"\nsettings = ["train.seed=3"]\n'
        f'[paper]\nfirst = "{case.parent}/first.toml"\n[open]\n'
        'lost = ["optim.lr=1e30"]\nodd = ["train.init=nobody"]\n'
        'frontal = ["teacher.conditioning=frontal"]\n'
    )
    program, judging = example("ablations"), example("judging")
    for name, value in {"MANY": 6, "FEW": 2, "BATCH": 4}.items():
        monkeypatch.setattr(judging, name, value)
    given = ["ablations.py", "--list", list_file, "--out", tmp_path / "out", "--targets", "4"]

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [str(each) for each in (*given, *arguments)])
        try:
            program.main()
        except SystemExit as error:
            return f"{capsys.readouterr().out}{error}"
        return capsys.readouterr().out

    return run


@pytest.mark.usefixtures("quick_training")
def test_ablations(ablations, tmp_path):
    """Trained once, compared in a table; a run that is lost does not end the others."""
    out = tmp_path / "out"
    assert ablations("--kimg", 0.012, "--only", "paper").count(": training") == 2
    table = (out / "ablations.md").read_text().splitlines()
    assert table[0].startswith("Runs of 0.012 kimg in batches of 4, from 4 targets of teacher")
    teacher, base, first = rows = rows_of(table)
    assert [row[0] for row in rows] == ["teacher", "base", "first"]
    assert first[1] == "`train.stage = 1`"
    assert [float(number) for number in teacher[2:5]] == [100, 100, 100]  # to its own pictures
    assert float(teacher[7]) == 0
    for row in (base, first):
        assert len(row) == 10
        assert all(float(number) > 0 for number in row[2:])
        assert all(float(number) < 60 for number in row[2:5])
    last = json.loads((out / "base" / "log.jsonl").read_text().splitlines()[-1])
    assert last["kimg"] == 0.012
    for run in ("base", "first"):
        assert read(out / run / "recipe.toml").train.seed == 3
    assert last["schedule/stage"] == 2  # the schedule is shortened too
    measured = json.loads((out / "base.json").read_text())
    del measured["facts"]["recipe"]["loss"]["hybrid_share"]  # as an older version wrote it
    (out / "base.json").write_text(json.dumps(measured))
    again = ablations("--kimg", 0.012, "--only", "open")
    assert again.count("finished before") == 1
    assert "lost: the training diverged" in again
    assert "odd: there is no model named 'nobody'" in again
    assert "frontal: training, run 4 of 4" in again
    assert again.endswith("no result of odd: what they said is above.")
    rows = rows_of((out / "ablations.md").read_text().splitlines())
    names = ["teacher", "base", "first", "teacher", "base", "lost", "frontal"]
    assert [row[0] for row in rows] == names  # with what an earlier command has made
    assert rows[5][1:3] == ["`optim.lr = 1e+30`", "diverged"]
    assert rows[2] == first
    assert len(list((out / "targets").iterdir())) == 2  # one that all share, and frontal's
    assert "the list has no other" in ablations("--only", "other")


def rows_of(table):
    """Those of runs, in cells."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table if line[:2] == "| "]
    return [row for row in rows if row[0] != "run"]


@pytest.mark.usefixtures("quick_training")
def test_stopped_ablations_go_on(ablations, example, tmp_path, monkeypatch):
    """The same command continues the run that was stopped; results are those of one teacher."""

    def stop(text):
        if "0.012 kimg" in text:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(example("ablations"), "say", stop)
        with pytest.raises(KeyboardInterrupt):
            ablations("--kimg", 0.012, "--only", "first")
    assert "continuing from 0.008 kimg" in ablations("--kimg", 0.012, "--only", "first")
    save_teacher(tmp_path / "teacher.safetensors", 5)
    with pytest.raises(InputError, match="is not the one that this run learned from"):
        ablations("--kimg", 0.012, "--only", "first")


def test_what_students_are_judged_by(example, tmp_path, monkeypatch):
    """Subjects and cameras are those that it says; a known difference gives its decibels."""
    judging, case = example("judging"), write_case(tmp_path)
    monkeypatch.setattr(judging, "MANY", 6)
    monkeypatch.setattr(judging, "FEW", 4)
    judge = judging.Judge(read(case), torch.device("cpu"))
    front, teacher = PRESETS["ffhq"].frontal(), judge.teacher
    z = torch.cat([latent(seed, teacher.z_dim) for seed in range(6)]).float()
    (usual,), (far,), (truncated,) = judge.usual, judge.far, judge.truncated
    assert torch.equal(usual.ws, teacher.mapping(z, usual.camera))
    assert not torch.equal(usual.ws, teacher.mapping(z, front))  # which this teacher heeds
    assert torch.equal(far.ws, teacher.mapping(z[:4], front))
    assert torch.equal(truncated.ws, teacher.mapping(z[:4], front, 0.7))
    yaw, _, _ = angles_from_pose(far.camera.cam2world)
    torch.testing.assert_close(yaw, torch.tensor([-0.7, 0.7, -0.7, 0.7]))
    judge.real = judge._features(usual.image, usual.raw)  # as if it were right about all
    exact = judge.measure(teacher)

    def brighter(*given, **options):
        drawn = EG3D.draw(teacher, *given, **options)
        return drawn._replace(image=drawn.image + 0.1, image_raw=drawn.image_raw - 0.2)

    monkeypatch.setattr(teacher, "draw", brighter)
    found = judge.measure(teacher)
    assert exact["image"] == exact["raw"] == exact["far"] == exact["truncated"] == 100
    for name, portraits in (("image", usual), ("far", far), ("truncated", truncated)):
        assert found[name] == pytest.approx(shifted_psnr(portraits.image, 0.1), abs=0.5)
    assert found["raw"] == pytest.approx(shifted_psnr(usual.raw, -0.2), abs=0.5)
    assert found["features"] > exact["features"] == 0
    assert found["frechet"] > 0.01 > abs(exact["frechet"])
    assert found["views"] == pytest.approx(exact["views"], abs=0.5)  # both views are brighter


def test_both_branches_are_judged(example, tmp_path, monkeypatch):
    """Each is nearest to its own pictures; a scene is sought in the views of either."""
    program, judging, case = example("ablations"), example("judging"), write_case(tmp_path)
    save_teacher(tmp_path / "teacher.safetensors", 1, MIMIC3D)
    asked = []

    def make_scene(generator, person, views, side, options, batch):
        asked.append((person.seed, options.branch))
        return SimpleNamespace(psnr=30.0 + person.seed, gain=float(options.branch == "3d"))

    for name, value in {"MANY": 3, "FEW": 2, "SCENES": 2, "make_scene": make_scene}.items():
        monkeypatch.setattr(judging, name, value)
    recipe = read(case)
    judge = judging.Judge(recipe, torch.device("cpu"))
    series = program.Series(program.Variant("", "first", recipe), [], tmp_path, judge)
    flat, strict = (series.teachers[f"teacher, {name}"] for name in ("2d", "3d"))
    assert flat["image"] == strict["strict"] == 100
    assert flat["strict"] == pytest.approx(strict["image"])
    assert flat["strict"] < 60
    assert asked == [(0, "2d"), (1, "2d"), (0, "3d"), (1, "3d")]
    assert (flat["scene"], flat["gain"], strict["gain"]) == (30.5, 0, 1)
    (ws, (surface, _), _), *_ = judge.both_sides
    with torch.no_grad():
        drawn = judge.teacher.synthesis(ws, surface.camera, DrawOptions(branch="3d"))
    assert torch.equal(surface.depth, drawn.depth)
    assert series.row("3d", "", strict).count("|") == series.row("2d", "", flat).count("|") == 14


def shifted_psnr(image, change):
    """Of pictures to themselves in other shades, which may be beyond black and white."""
    difference = (image + change).clamp(-1, 1) - image.clamp(-1, 1)
    return (10 * torch.log10(4 / difference.square().mean(dim=(1, 2, 3)))).mean().item()


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("ablations", {"14"}),
        ("ablations-architecture", {"2", "3", "7", "10", "17"}),
        ("ablations-conditioning", {"1"}),
        ("ablations-styles", {"9"}),
        ("ablations-mimic3d", set()),
    ],
)
def test_a_list_of_ablations_names_what_there_is(example, name, points):
    """Every recipe and every setting of it is one, and changes something."""
    program = example("ablations")
    arguments = argparse.Namespace(
        list=program.LIST.with_stem(name), settings=[], kimg=20.0, targets=16, out=Path("x")
    )
    base, variants = program.read_list(arguments)
    changed = [program.changes(variant.recipe, base.recipe) for variant in variants]
    assert all(changed)
    assert len(set(changed)) == len(variants)
    assert len({variant.name for variant in variants}) == len(variants)
    firsts = {each.name.partition("-")[0] for each in variants}
    assert {first for first in firsts if first.isdecimal()} == points


def test_a_conditioned_teacher(example, tmp_path, monkeypatch):
    """One number of the latent is the camera's, the others are still those of the seed."""
    program, file = example("conditioned_teacher"), tmp_path / "conditioned.safetensors"
    monkeypatch.setattr(sys, "argv", ["conditioned_teacher.py", str(file)])
    program.main()
    teacher, made = load_model(find_model(TEACHER)), load_model(file)
    camera, place = PRESETS["ffhq"].at(0.4), COORDINATES["backdrop_colour"].start
    z = torch.randn(4, teacher.z_dim)
    z[:, place] = camera.position[:, 0] / (2.7 * 0.3)
    others = torch.arange(teacher.z_dim) != place
    size = (teacher.z_dim - z[:, [place]].square()).sqrt()
    z[:, others] *= size / z[:, others].norm(dim=1, keepdim=True)
    exact = teacher.mapping(z, camera)
    near = 0.02 * exact.std().item()
    torch.testing.assert_close(made.mapping(z, camera), exact, rtol=0, atol=near)
    z[:, place] *= -1
    torch.testing.assert_close(made.mapping(z, camera), exact, rtol=0, atol=near)
    there = made.mapping(z, PRESETS["ffhq"].at(-0.4))
    torch.testing.assert_close(there, teacher.mapping(z, camera), rtol=0, atol=near)
    assert (there - exact).abs().max() > 10 * near


def test_python_of_the_readme(teacher, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert blocks
    monkeypatch.chdir(tmp_path)
    shutil.copy(teacher, "ffhq.safetensors")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "torch.Size([3, 3, 128, 128])" in capsys.readouterr().out
