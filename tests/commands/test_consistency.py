"""`nerfgan consistency` as a user runs it, on small networks."""

import json
import shutil

import numpy as np
import pytest
from datasets import shared
from PIL import Image

from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.delta import base_of, write_tuned
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import TUNED
from nerfgan_cli.commands import consistency, scenes
from nerfgan_cli.evaluation import consistency as measuring
from nerfgan_cli.generators.drawing import Person
from nerfgan_cli.latent_files import PIVOT, Latent, write_latent
from nerfgan_cli.reconstruction.fit import Fitting, explain


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    """Scenes of a few steps, short sweeps."""

    def quickly(pictures, cameras, half_depth, **options):
        return explain(pictures, cameras, half_depth, Fitting(steps=4, rays=128), **options)

    monkeypatch.setattr(scenes, "explain", quickly)
    monkeypatch.setattr(measuring, "explain", quickly)
    monkeypatch.setattr(consistency, "FRAMES", 4)


def test_a_model_is_measured_beside_its_teacher(nerfgan, tmp_path, models) -> None:
    out = tmp_path / "views.json"
    options = ("--num", 2, "--seed", 3, "--views", 3, "--side", 16, "-o", out)
    run = ("consistency", "--model", models.student, "--teacher", models.teacher)
    done = nerfgan(*run, *options, "--device", "cpu")
    assert done.code == 0, done
    result = json.loads(out.read_text())
    assert [one["subject"] for one in result["subjects"]] == ["seed 3", "seed 4"]
    for name, value in result["mean"].items():
        each = [one[name.removesuffix("2")] for one in result["subjects"]]  # of two
        assert value == pytest.approx(np.mean(each))
        assert name in done.out
    assert result["truncation"] == 0.7
    names = ("psnr_mv_fast", "ssim_mv_fast", "psnr_mv_gain", "warped_psnr", "teachers_warped_psnr")
    assert list(result["mean"]) == [f"{name}2" for name in names]
    assert result["mean"]["warped_psnr2"] != result["mean"]["teachers_warped_psnr2"]
    assert np.asarray(Image.open(out.with_suffix(".png"))).std() > 10


def test_views_go_out_and_are_scored(nerfgan, tmp_path, models) -> None:
    folder = tmp_path / "export"
    export = ("consistency", "--model", models.student, "--export", folder, "--device", "cpu")
    done = nerfgan(*export, "--num", 2, "--views", 3)
    assert done.code == 0, done
    protocol = json.loads((folder / "consistency.json").read_text())
    assert protocol["subjects"] == ["seed 0", "seed 1"]
    drawn = [protocol[key] for key in ("truncation", "conditioning", "noise")]
    assert drawn == [0.7, "frontal", "const"]
    pictures = sorted((folder / "000001" / "image").iterdir())
    assert len(pictures) == 3
    assert not np.array_equal(*(np.asarray(Image.open(path)) for path in pictures[::2]))
    nerfgan(*export, "--num", 1).refused(3, "has files already")
    nerfgan("consistency", "--score", folder).refused(3, "rendered", "put")
    for subject in ("000000", "000001"):
        shutil.copytree(folder / subject / "image", folder / subject / "rendered")
    assert "of 50 subjects from 30 views" in nerfgan("consistency", "--score", folder).out
    done = nerfgan("consistency", "--score", folder, "--json")
    result = json.loads(done.out)
    assert (result["psnr_mv"], result["ssim_mv"]) == (100, 1)
    assert len(result["subjects"]) == 2


def test_the_subject_of_an_inversion_is_judged(nerfgan, tmp_path, models) -> None:
    """As its own model draws it; seeds are judged if they are asked for."""
    folder, base = tmp_path / "Ann", load_model(models.student)
    folder.mkdir()
    ws = Person(5).codes(base).detach()
    write_latent(folder / PIVOT, Latent(ws, "pivot", space_checksum(base)))
    origin = base_of(str(models.student), models.student, base)
    write_tuned(folder / TUNED, base, base, origin, Provenance("a photograph"))
    run = (
        "consistency",
        "--teacher",
        models.teacher,
        "--views",
        2,
        "--side",
        16,
        "--device",
        "cpu",
    )

    def judge(name, model, *who):
        out = tmp_path / f"{name}.json"
        done = nerfgan(*run, "--model", model, *who, "-o", out)
        assert done.code == 0, done
        return json.loads(out.read_text())["subjects"]

    (own,) = judge("own", folder)
    (same,) = judge("same", models.student, "--seed", 5, "--num", 1, "--truncation", 1)
    assert (own.pop("subject"), same.pop("subject")) == ("Ann", "seed 5")
    assert own == pytest.approx(same)
    (other,) = judge("other", folder, "--seed", 6, "--num", 1)
    assert other["subject"] == "seed 6"


def test_a_volume_needs_no_teacher(nerfgan, tmp_path, models) -> None:
    run = ("consistency", "--model", models.teacher, "--teacher", models.teacher, "--device", "cpu")
    nerfgan(*run, "-o", tmp_path / "c.json").refused(2, "leave --teacher out")


def test_rows_of_a_sweep_are_drawn(nerfgan, tmp_path, models) -> None:
    out = tmp_path / "strips.png"
    run = ("consistency", "--model", models.student, "--teacher", models.teacher)
    done = nerfgan(*run, "--strips", out, "--what", "raw", "--device", "cpu")
    assert done.code == 0, done
    sheet = np.asarray(Image.open(out))
    assert sheet.std() > 10
    assert (sheet == (255, 0, 0)).all(axis=2).any(axis=1).sum() >= 6  # three rows of either model


def test_pictures_of_one_subject_are_measured(nerfgan, tmp_path) -> None:
    folder = shared("head_sweep")
    out = tmp_path / "sweep.json"
    done = nerfgan("consistency", "--images", folder, "--side", 16, "-o", out)
    assert done.code == 0, done
    result = json.loads(out.read_text())
    assert result["views"] == 30
    assert list(result["mean"]) == ["psnr_mv_fast1", "ssim_mv_fast1", "psnr_mv_gain1"]


def test_what_cannot_be_measured_is_said(nerfgan, tmp_path, models) -> None:
    nerfgan("consistency", "--images", "a", "--score", "b").refused(2, "--images", "--score")
    nerfgan("consistency", "--score", tmp_path).refused(3, "consistency.json", "--export")
    nerfgan("consistency", "-o", "x.png").refused(2, ".json")
    nerfgan("consistency", "--strips", "x.json").refused(2, ".png")
    student = ("consistency", "--model", models.student, "-o", tmp_path / "x.json")
    nerfgan(*student, "--what", "depth").refused(2, "--what")
    nerfgan(*student, "--branch", "3d").refused(2, "--branch")
    nerfgan(*student, "--like", "afhq").refused(2, "--like would do nothing without --images")
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    nerfgan("consistency", "--images", tmp_path, "-o", tmp_path / "x.json").refused(3, "--cameras")
