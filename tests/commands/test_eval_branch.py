"""`nerfgan eval --branch, --what`: a model draws in several ways, each has numbers of its own."""

import json
from dataclasses import replace
from functools import partial
from math import radians
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import archive
from distill_case import TEACHER
from PIL import Image

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.commands.counterparts import open_model, open_teacher
from nerfgan_cli.evaluation import consistency
from nerfgan_cli.evaluation.figures import TRUNCATION, YAWS
from nerfgan_cli.evaluation.samples import beside_teacher
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions
from nerfgan_cli.generators.drawing import Person, prepare_subject
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import AXES, Mimic3DConfig
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PredictorConfig, student_config
from nerfgan_cli.media import to_pixels
from nerfgan_cli.reconstruction.fit import Fitting, explain

METRICS = "fid,warped_psnr,psnr_mv"
CPU = torch.device("cpu")


@pytest.fixture
def evaluate(nerfgan, models, tmp_path, monkeypatch):
    """Two pictures, and views that are few and small; later words win."""

    def quickly(pictures, cameras, half_depth):
        return explain(pictures, cameras, half_depth, Fitting(steps=3, rays=64))

    for name in ("NERFGAN_HOME", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr("nerfgan_cli.evaluation.figures.SUBJECTS", 1)
    monkeypatch.setattr(consistency, "explain", quickly)
    monkeypatch.setattr(consistency, "VIEWS", 2)
    monkeypatch.setattr(consistency, "SIDE", 16)
    real = archive(tmp_path / "real.zip", count=4, side=64)
    fixed = ("--data", real, "--discriminator", models.critic, "--cache", tmp_path / "cache")

    def run(*more):
        return nerfgan("eval", *fixed, "--num", 2, "--device", "cpu", *more)

    return run


@pytest.fixture
def mimic(tmp_path):
    volume = replace(TEACHER.volume, plane_axes=AXES)
    sizes = {key: getattr(TEACHER, key) for key in ("z_dim", "w_dim", "img_resolution")}
    planes = {"plane_resolution": 16, "channel_base": 128, "channel_max": 8}
    config = Mimic3DConfig(
        **sizes, **planes, raw_resolution=16, superresolution="Light64", volume=volume
    )
    torch.manual_seed(0)
    path = tmp_path / "mimic.safetensors"
    save_model(path, Mimic3D(config), Provenance("mimic"))
    return path


def test_each_branch_has_its_own_numbers(evaluate, mimic, nerfgan, tmp_path):
    reports = {}
    for branch, chosen in (("2d", ()), ("3d", ("--branch", "3d"))):  # the usual one is 2d
        out = tmp_path / branch
        done = evaluate("--model", mimic, "--metrics", METRICS, "-o", out, *chosen)
        assert done.code == 0, done
        reports[branch] = json.loads((out / "eval.json").read_text())
    values = {
        branch: {value["name"]: value["value"] for value in report["values"]}
        for branch, report in reports.items()
    }
    assert values["2d"].keys() == values["3d"].keys()  # of the same protocol
    assert len(values["2d"]) == 5
    for name, value in values["2d"].items():
        assert values["3d"][name] != pytest.approx(value, rel=1e-6), name
    for branch, report in reports.items():  # each follows the depth of its own branch
        (warped,) = (one for one in report["values"] if one["metric"] == "warped_psnr")
        assert warped["protocol"]["teacher_branch"] == branch
        assert warped["protocol"]["teachers_own"] == pytest.approx(warped["value"])
    told = {branch: (report["name"], report["branch"]) for branch, report in reports.items()}
    assert told == {"2d": ("mimic 2d", "2d"), "3d": ("mimic 3d", "3d")}
    sheets = [np.asarray(Image.open(tmp_path / branch / "poses.png")) for branch in ("2d", "3d")]
    assert not np.array_equal(*sheets)
    both = nerfgan("eval", "--compare", tmp_path / "2d", tmp_path / "3d", "-o", tmp_path / "both")
    assert both.code == 0, both
    lines = [line for line in both.out.splitlines() if line.startswith("mimic")]
    assert [line.split()[1] for line in lines[:2]] == ["2d,", "3d,"]  # rows of one column


def test_a_student_is_judged_beside_the_branch_that_it_learnt_from(
    evaluate, mimic, nerfgan, tmp_path
):
    teacher, found = load_model(mimic), {}
    predictor = PredictorConfig("stylegan2", channel_base=128, channel_max=8)
    student = Student(replace(student_config("light", teacher), predictor=predictor))
    student.start_from_teacher(teacher)
    for branch in ("2d", "3d", "hybrid"):
        path, out = tmp_path / f"of-{branch}.safetensors", tmp_path / branch
        save_model(path, student, Provenance("student", training={"branch": branch}))
        options = ("--teacher", mimic, "--metrics", "psnr", "-o", out)
        assert evaluate("--model", path, *options).code == 0
        value, *_ = json.loads((out / "eval.json").read_text())["values"]
        found[branch] = (value["value"], value["protocol"]["teacher_branch"])
        opened = open_model(str(path), CPU)
        assert opened.provenance.training == {"branch": branch}  # told to what is tuned from it
        other = open_teacher(opened, str(mimic), CPU)
        assert other.generator.branch == found[branch][1]
    assert [told for _, told in found.values()] == ["2d", "3d", "2d"]
    assert found["3d"][0] != pytest.approx(found["2d"][0], rel=1e-6)
    assert found["hybrid"] == found["2d"]
    both = nerfgan("eval", "--compare", tmp_path / "2d", tmp_path / "3d", "-o", tmp_path / "both")
    assert "psnr2@teacher_branch=3d" in both.out


def test_fewer_are_compared_with_a_teacher_that_draws_slowly():
    """Unless somebody says how many."""

    def count(branch, number):
        teacher = SimpleNamespace(branch=branch)
        return beside_teacher(SimpleNamespace(teacher=teacher, number=number, images=None), 200)

    assert [count(branch, None) for branch in (None, "2d", "3d")] == [200, 200, 100]
    assert count("3d", 150) == 150


def test_raw_pictures_have_their_own_numbers(evaluate, mimic, nerfgan, tmp_path):
    """Of the side of the data, which the model's own raw pictures have not."""
    raw = ("--what", "raw", "--resolution", 64, "--metrics", f"{METRICS},psnr,efficiency")
    for name, more, code in (("whole", (), 0), ("raw", raw, 2)):  # two cannot be had of raw ones
        done = evaluate("--model", mimic, "--metrics", METRICS, "-o", tmp_path / name, *more)
        assert done.code == code, done
    whole, own = (
        json.loads((tmp_path / name / "eval.json").read_text()) for name in ("whole", "raw")
    )
    assert (own["name"], own["what"], own["resolution"]) == ("mimic 2d raw 64", "raw", 64)
    values = {value["name"]: value["value"] for value in whole["values"]}
    of_raw = {value["name"]: value["value"] for value in own["values"]}
    assert list(of_raw) == [
        "fid2_full_raw64:discriminator",
        *(
            "warped_psnr2_raw64",
            "psnr_mv_fast2_raw64",
            "ssim_mv_fast2_raw64",
            "psnr_mv_gain2_raw64",
        ),
    ]
    for name, value in of_raw.items():  # and nothing was taken from the kept ones of the whole
        assert values[name.replace("_raw64", "")] != pytest.approx(value, rel=1e-6), name
    skipped = {entry["metric"]: entry["reason"] for entry in own["skipped"]}
    assert "leave --what raw out" in skipped["psnr"]
    assert "leave --what raw out" in skipped["efficiency"]
    both = nerfgan(
        "eval", "--compare", tmp_path / "whole", tmp_path / "raw", "-o", tmp_path / "both"
    )
    assert both.code == 0, both
    sheets = [np.asarray(Image.open(tmp_path / name / "poses.png")) for name in ("raw", "both")]
    model = load_model(mimic).eval()
    subject = prepare_subject(model, Person(0, TRUNCATION), DEFAULT_OPTIONS)
    options = DrawOptions(64, raw_only=True, branch="2d")
    camera = PRESETS["ffhq"].at(radians(YAWS[0]))
    pixels = to_pixels(model.draw(subject, camera, options).image)[0]
    for sheet in sheets:  # somewhere, whatever the captions need
        cells = np.lib.stride_tricks.sliding_window_view(sheet, pixels.shape)[..., 0, :, :, :]
        same = np.abs(cells[..., 32, 32, :].astype(int) - pixels[32, 32]).max(axis=-1) <= 1
        assert any(np.abs(cell.astype(int) - pixels).max() <= 1 for cell in cells[same])


@pytest.mark.parametrize("words", [("--what", "raw"), ("--resolution", 64)])
def test_the_3d_branch_is_raw_already(evaluate, mimic, tmp_path, words):
    options = ("--branch", "3d", *words, "--metrics", "fid", "-o", tmp_path / "out")
    done = evaluate("--model", mimic, *options)
    done.refused(2, "no super-resolution", "leave --what and --resolution out")


def test_what_has_no_raw_pictures_of_that_side(evaluate, models, tmp_path):
    def refused(*words):
        done = evaluate(
            "--model", models.student, "--metrics", "fid", "-o", tmp_path / "out", *words
        )
        return partial(done.refused, 2)

    refused("--what", "raw", "--resolution", 32)("has no rays", "--resolution")
    refused("--resolution", 64)("--what raw")
    refused("--what", "depth")("--what image or raw")


def test_what_has_no_such_branch(evaluate, models, tmp_path):
    options = ("--branch", "3d", "--metrics", "fid", "-o", tmp_path / "out")
    evaluate("--model", models.student, *options).refused(2, "no branch 3d", "--branch")
