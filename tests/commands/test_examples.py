"""The programs in examples/ and the Python of README.md run as they stand, on a small model."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from cli import ROOT  # of this folder
from distill_case import MIMIC3D, read, save_teacher, write_case
from PIL import Image

from nerfgan_cli.bench.memory import MB
from nerfgan_cli.bench.probe import Taken
from nerfgan_cli.cameras import PRESETS, angles_from_pose
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.data.toyheads.traits import COORDINATES
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.volumes import Amount
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.recipe_files import load


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
    assert not (out / "ablations.png").exists()  # a teacher without a strict branch seeks no scenes
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
    variants = example("variants")
    save_teacher(tmp_path / "teacher.safetensors", 1, MIMIC3D)
    asked = []

    def make_scene(generator, person, views, side, options):
        asked.append((person.seed, options.branch))
        gain = float(options.branch == "3d")
        return SimpleNamespace(psnr=30.0 + person.seed, ssim=0.5 * (1 + person.seed), gain=gain)

    @contextmanager
    def probe(case):
        assert case.model == str(tmp_path / "teacher.safetensors")
        taken = Taken(int(case.branch[0]) * MB, 0, 0.0)
        yield SimpleNamespace(measure=lambda batch: taken)

    stubs = {"make_scene": make_scene, "Probe": probe}
    for name, value in {"MANY": 3, "FEW": 2, "SCENES": 2, **stubs}.items():
        monkeypatch.setattr(judging, name, value)
    recipe = read(case)
    judge = judging.Judge(recipe, torch.device("cpu"))
    listed = variants.Listed(variants.Variant("", "first", recipe), [], [])
    series = program.Series(listed, tmp_path, judge)
    found = series.references()
    assert series.references() == found  # which the folder keeps, see `asked` below
    flat, strict = (found[f"teacher, {name}"] for name in ("2d", "3d"))
    assert flat["image"] == strict["strict"] == 100
    assert flat["strict"] == pytest.approx(strict["image"])
    assert flat["strict"] < 60
    assert flat["features"] == strict["strict_features"] == 0
    assert flat["kid"] != strict["kid"]
    assert flat["coarse"] != flat["views"]
    sides = list(judging.see_both_sides(judge.teacher, range(2), options=judge.branches["2d"]))
    expected = judging.warped_psnr(judge.teacher, sides, options=judge.strict)
    assert strict["coarse"] == pytest.approx(expected, abs=0.01)
    assert flat["strict_features"] > 0.0001 < strict["features"]
    assert flat["sharpness"] == pytest.approx(1)
    (usual,), (strictly,) = judge.usual, judge.strictly
    assert judging.sharpness(0.5 * usual.image, usual.image) == pytest.approx([0.5] * 3)
    apart = judging.sharpness(strictly.image, usual.image).mean()
    assert strict["sharpness"] == pytest.approx(apart, rel=1e-4)
    assert asked == [(0, "2d"), (1, "2d"), (0, "3d"), (1, "3d")]
    assert (flat["psnr_mv"], flat["ssim_mv"], flat["gain"], strict["gain"]) == (30.5, 0.75, 0, 1)
    assert (flat["memory"], strict["memory"]) == (2, 3)
    (ws, (surface, _), _), *_ = judge.both_sides
    with torch.no_grad():
        drawn = judge.teacher.synthesis(ws, surface.camera, DrawOptions(branch="3d"))
    assert torch.equal(surface.depth, drawn.depth)
    assert series.row("3d", "", strict).count("|") == series.row("2d", "", flat).count("|") == 20
    series.draw(tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as chart:
        assert chart.width > 500


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
        ("ablations-mimic3d-training", set()),
    ],
)
def test_a_list_of_ablations_names_what_there_is(example, name, points):
    """Every recipe and every setting of it is one, and changes something."""
    program = example("ablations")
    base, variants, line = read_list(example, name)
    assert set(line) <= {"teacher, 3d", *(variant.name for variant in variants)}
    changed = [program.changes(variant.recipe, base.recipe) for variant in variants]
    assert all(changed)
    assert len(set(changed)) == len(variants)
    assert len({variant.name for variant in variants}) == len(variants)
    firsts = {each.name.partition("-")[0] for each in variants}
    assert {first for first in firsts if first.isdecimal()} == points


def read_list(example, name, kimg=20.0):
    program = example("ablations")
    given = {"list": program.LIST.with_stem(name), "settings": [], "kimg": kimg, "targets": 16}
    return program.read_list(argparse.Namespace(**given, out=Path("x")))


def test_tables_2_and_3_of_mimic3d(example):
    """Each run lacks what the paper says, and nothing else; schedules are as short as the runs."""
    program = example("ablations")
    base, variants, _ = read_list(example, "ablations-mimic3d-training", 0.4)
    changed = {each.name: program.changes(each.recipe, base.recipe) for each in variants}
    adversary, imitation = "`loss.patch_adversarial = 0.0`", "`loss.imitation = 0.0`"
    residual = "`model.generator.residual = false`"
    assert changed == {
        "another-seed": "`train.seed = 1`",
        "A-2d-only": f"{residual}, {imitation}, {adversary}",
        "B-imitation-only": f"{residual}, {adversary}",
        "C-no-adversary": adversary,
        "D-no-imitation": imitation,
        "no-3d-aware": "`model.generator.aware = false`",
    }
    recipe, whole = base.recipe, resolve(load("mimic3d-toyheads-full", []))
    assert (recipe.train.kimg, whole.train.kimg) == (0.4, 1.6)
    for now, before in (
        (recipe.loss.resolution_fade_kimg, whole.loss.resolution_fade_kimg),
        (recipe.optim.ema_kimg, whole.optim.ema_kimg),
    ):
        assert now == pytest.approx(before / 4)


VOLUME = """
base = "mimic3d-toyheads-full"
about = "for tests"
[data]
length = 8
workers = 0
[model.generator]
img_resolution = 64
raw_resolution = 12
plane_resolution = 16
plane_channels = 4
channel_base = 128
channel_max = 8
w_dim = 16
superresolution = "Light64"
[model.generator.volume]
depth_resolution = 4
depth_resolution_importance = 4
[model.discriminator]
channel_base = 128
channel_max = 8
mbstd_group_size = 2
[model.patch_discriminator]
channel_base = 128
channel_max = 8
mbstd_group_size = 2
[loss]
first_resolution = 12
[train]
batch = 2
batch_gpu = 2
init = "none"
init_discriminator = "none"
"""


@pytest.mark.usefixtures("quick_training")
def test_ablations_of_a_volume(example, tmp_path, monkeypatch, capsys):
    """Every way that a model draws has a row; what has no strict branch is rendered directly."""
    program, judging = example("ablations"), example("judging_volumes")
    (tmp_path / "volume.toml").write_text(VOLUME)
    (tmp_path / "list.toml").write_text(
        f'recipe = "{tmp_path}/volume.toml"\nname = "full"\n'
        '[table2]\nalone = ["model.generator.residual=false", "loss.patch_adversarial=0"]\n'
    )
    monkeypatch.setattr(judging, "AMOUNT", Amount(heads=2, pictures=2, scenes=1))
    scene = SimpleNamespace(psnr=30.0, ssim=0.9, gain=5.0)  # which takes seconds to find
    monkeypatch.setattr("nerfgan_cli.evaluation.consistency.make_scene", lambda *_: scene)
    monkeypatch.setattr("nerfgan_cli.evaluation.features._workers", lambda setting: 1)
    given = ["--list", tmp_path / "list.toml", "--out", tmp_path / "out", "--kimg", 0.004]
    monkeypatch.setattr(sys, "argv", ["ablations.py", *map(str, given)])
    program.main()
    table = (tmp_path / "out" / "ablations.md").read_text().splitlines()
    assert table[0] == "Runs of 0.004 kimg in batches of 2, from nothing."
    rows = rows_of(table)
    names = ["full, 2d", "full, 3d", "alone, 2d", "alone, direct"]
    assert [row[0] for row in rows] == names
    for row in rows:
        assert len(row) == 2 + len(judging.COLUMNS)
        assert row[3:6] == ["30.00", "0.9000", "5.00"]
        assert 0 < float(row[6]) < 60  # dB to the truth
    assert rows[0][2:] != rows[1][2:]
    assert (tmp_path / "out" / "ablations.png").is_file()
    capsys.readouterr()
    program.main()
    assert capsys.readouterr().out.count("finished before") == 2
    begun = SimpleNamespace(train=SimpleNamespace(init=str(tmp_path / "out" / "full")))
    judge = judging.VolumeJudge(begun, torch.device("cpu"), tmp_path / "cache")
    assert judge.learned == "from full"
    known = judge.references()
    assert list(known) == names[:2]
    for row, numbers in zip(rows, known.values(), strict=False):
        assert row[6] == f"{numbers['psnr']:.2f}"


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


def test_a_student_of_another_teacher(example, tmp_path, monkeypatch):
    """Codes and super-resolution are the new teacher's; what it knows of heads stays."""
    teacher, out = load_model(find_model(TEACHER)), tmp_path / "adopted.safetensors"
    with torch.no_grad():
        teacher.latent_space().fc0.weight.mul_(1.01)
        next(teacher.superresolution.parameters()).mul_(1.01)
    save_model(tmp_path / "other.safetensors", teacher, Provenance("other", licence="Terms."))
    given = ["adopted_student.py", out, "--teacher", tmp_path / "other.safetensors"]
    monkeypatch.setattr(sys, "argv", [str(each) for each in given])
    example("adopted_student").main()
    before, made = load_model(find_model(STUDENT)), load_model(out)
    z, camera = latent(3, teacher.z_dim).float(), PRESETS["ffhq"].at(0.4)
    assert torch.equal(made.mapping(z, camera), teacher.mapping(z, camera))
    assert not torch.equal(made.mapping(z, camera), before.mapping(z, camera))
    for network, other in ((teacher.superresolution, False), (before.superresolution, True)):
        pairs = zip(made.superresolution.parameters(), network.parameters(), strict=True)
        assert any(not torch.equal(*pair) for pair in pairs) == other
    for name, tensor in before.predictor.state_dict().items():
        assert torch.equal(made.predictor.state_dict()[name], tensor)
    assert read_header(out).provenance.licence == "Derived from other. Terms."


def test_python_of_the_readme(teacher, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert blocks
    monkeypatch.chdir(tmp_path)
    shutil.copy(teacher, "ffhq.safetensors")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "torch.Size([3, 3, 128, 128])" in capsys.readouterr().out
