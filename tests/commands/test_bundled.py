"""The model that travels with the package: there, small, and of heads that turn."""

import json
import sys
from importlib import import_module
from math import radians
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cli import ROOT  # of this folder
from distill_case import MIMIC3D, save_teacher
from PIL import Image

from nerfgan_cli.checkpoints import zoo
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.toyheads import toyheads_teacher
from nerfgan_cli.checkpoints.zoo import (
    BUNDLED,
    BUNDLED_FOLDER,
    PAPER,
    SLIM,
    STRICT,
    STUDENT,
    TEACHER,
    find_model,
    installed,
)
from nerfgan_cli.data.toyheads.renderer import Drawn
from nerfgan_cli.evaluation.volumes import Measured
from nerfgan_cli.generators.contract import DrawOptions, Rendering
from nerfgan_cli.metrics.toyheads import HELD_OUT, Likeness, View, likeness
from nerfgan_cli.metrics.warped_psnr import see_both_sides, warped_psnr
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.recipe_reader import parse_toml
from nerfgan_cli.training.viewpoints import FACES

LARGEST = 8e6  # bytes, of a model
TEXTS = (".md", ".toml", ".jsonl")


@pytest.mark.parametrize("name", BUNDLED)
def test_each_has_its_file_card_recipe_and_log(name):
    assert installed(name) is not None
    run = BUNDLED[name].run
    card = (BUNDLED_FOLDER / f"{run}.md").read_text()
    assert len(card) > 1000
    assert name in card
    recipe = (BUNDLED_FOLDER / f"{run}.recipe.toml").read_text()
    assert resolve(parse_toml(recipe, run)).data.kind == "toyheads"
    log = (BUNDLED_FOLDER / f"{run}.log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["kimg"] > json.loads(log[0])["kimg"]


def test_all_weights_are_small():
    """Whatever is not text is weights."""
    files = [file for file in BUNDLED_FOLDER.iterdir() if file.suffix not in TEXTS]
    assert len(files) >= len(BUNDLED)
    assert {file.name: file.stat().st_size for file in files if file.stat().st_size > LARGEST} == {}


def test_it_draws_without_a_word_about_models(nerfgan, tmp_path):
    out = tmp_path / "people.png"
    done = nerfgan("image", "--seeds", "0-3", "-o", out)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "people.png.json").read_text())["kind"] == "student"
    video = tmp_path / "turn.mp4"
    done = nerfgan("video", "--seed", 7, "--yaw-range", 30, "--frames", 3, "-o", video)
    assert done.code == 0, done.err
    assert nerfgan("info").code == 0


def test_heads_are_those_of_their_latents_and_have_depth():
    """Floors well below what the card says, so that only a broken file fails."""
    yaws = [radians(yaw) for yaw in (-30, 30)]
    teacher, heads = load_model(find_model(TEACHER)), np.arange(HELD_OUT, HELD_OUT + 8)
    found = likeness(teacher, heads, yaws, batch=8)
    assert found.psnr > 19
    assert found.distinctness > 6
    assert found.depth_correlation > 0.6
    assert found.depth_error < 0.8 * found.billboard_error < found.other_depth_error


@pytest.mark.parametrize("branch", ["2d", "3d"])
def test_the_mimic3d_draws_those_heads_too(branch):
    yaws = [radians(yaw) for yaw in (-30, 30)]
    teacher, heads = load_model(find_model(zoo.MIMIC3D)), np.arange(HELD_OUT, HELD_OUT + 4)
    found = likeness(teacher, heads, yaws, batch=4, options=DrawOptions(branch=branch))
    assert found.psnr > 19
    assert found.distinctness > 6
    assert found.depth_error < 0.9 * found.billboard_error < found.other_depth_error


def test_each_bundled_model_knows_its_teacher():
    taught = {TEACHER: TEACHER, STUDENT: TEACHER, zoo.MIMIC3D: zoo.MIMIC3D, STRICT: zoo.MIMIC3D}
    for name, teacher in taught.items():
        assert toyheads_teacher(load_model(find_model(name))) == teacher


def test_the_student_draws_its_teachers_heads(tmp_path, monkeypatch):
    """As `benchmarks/student.py` measures it of more of them; floors well below the card's."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = import_module("student")
    teacher, student = (load_model(find_model(name)) for name in (TEACHER, STUDENT))
    networks = {"own": student, "teacher": teacher}
    networks |= {name: load_model(find_model(name)) for name in (SLIM, PAPER)}
    with torch.inference_mode():
        found = benchmark.likeness(teacher, networks, 12, FACES)
        benchmark.write_sheet([teacher, student], tmp_path / "sheet.png")
    assert (found["teacher"] == 100).all()
    assert found["own"].shape == (12, 2)
    assert found["own"][:, 0].mean() > 26
    means = [found[name][:, 0].mean() for name in (PAPER, SLIM, "own")]
    assert 21 < means[0] < means[1] < means[2]
    sides = list(see_both_sides(teacher, range(4)))
    assert warped_psnr(student, sides) > 0.9 * warped_psnr(teacher, sides)
    side, count = teacher.img_resolution, len(benchmark.YAWS)
    assert Image.open(tmp_path / "sheet.png").size == (count * side, 2 * benchmark.SHEET * side)


def test_the_strict_student_draws_what_the_3d_branch_does(monkeypatch):
    """Nearer to it than the 2D branch's student is, with views that agree better than those."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    teacher, strict, other = (
        load_model(find_model(name)) for name in (zoo.MIMIC3D, STRICT, STUDENT)
    )
    options = DrawOptions(branch="3d")
    with torch.inference_mode():
        networks = {"strict": strict, "other": other}
        found = import_module("student").likeness(teacher, networks, 12, FACES, options)
        sides = list(see_both_sides(teacher, range(4), options=options))
        agreed = {name: warped_psnr(one, sides) for name, one in networks.items()}
        flat = warped_psnr(teacher, sides)
    assert found["strict"].mean(axis=0).min() > 27
    assert found["strict"][:, 0].mean() > found["other"][:, 0].mean() + 1
    assert agreed["strict"] > max(agreed["other"], flat) + 1


def test_the_sheet_of_the_benchmark_has_cells_of_one_size(tmp_path, monkeypatch):
    """The depth is drawn at a lower resolution than the pictures, and is shown as large."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    bundled = import_module("bundled")
    side, ramp = 16, torch.linspace(2.0, 3.0, 8).expand(8, 1, 8, 8)
    exact, drawn = ramp.clone(), ramp.flip(3)
    exact[:, :, :, -1] = torch.inf  # where nothing is seen
    image = torch.zeros(8, 3, side, side)
    rendering = Rendering(image, image, image, drawn)
    view = View(rendering, image, Drawn(image, exact, torch.zeros_like(exact)))
    monkeypatch.setattr(bundled, "view_heads", lambda *_, **__: view)
    generator = SimpleNamespace(camera_preset="ffhq", img_resolution=side)
    bundled.write_sheet(generator, {"2d": None, "3d": None}, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (12 * side, 8 * side, 3)
    first, *others = (sheet[row * side : (row + 1) * side, :side] for row in (9, 10, 11))
    assert (first[:, 0].min(), first[:, -1].max()) == (255, 0)  # near is bright, to the left
    for other in others:
        assert (other[:, 0].max(), other[:, -1].min()) == (0, 255)


def test_the_benchmark_tells_of_both_branches(tmp_path, monkeypatch, capsys):
    """A column for each, of what was measured of it."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    bundled = import_module("bundled")
    save_teacher(tmp_path / "mimic.safetensors", 1, MIMIC3D)

    def measure(generator, options, cache, amount):
        branch = float(options.branch[0])
        return Measured(*(branch * scale for scale in (1, 2, 3, 4)), Likeness(*range(10)))

    monkeypatch.setattr(bundled, "measure", measure)
    monkeypatch.setattr(bundled, "REPEATS", 1)
    given = ["bundled.py", "--model", tmp_path / "mimic.safetensors", "--scenes", 2]
    monkeypatch.setattr(sys, "argv", [str(each) for each in given])
    bundled.main()
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    rows = {title: own for title, *own in filter(None, cells)}
    assert rows["mimic.safetensors"] == ["2d", "3d"]
    assert rows["fid500:discriminator"] == ["2", "3"]
    assert rows["psnr_mv_fast2, dB"] == ["4", "6"]
    assert rows["ssim_mv_fast2"] == ["6", "9"]
    assert rows["psnr_mv_gain2, dB"] == ["8", "12"]
    assert rows["SSIM of the picture"] == ["1", "1"]
    assert rows["correlation with the exact depth, on the head"] == ["8", "8"]
    assert all(float(number) > 0 for number in rows["one frame of a new head, s"])
