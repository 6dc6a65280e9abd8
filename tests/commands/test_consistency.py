"""`nerfgan consistency` as a user runs it, on small networks."""

import json
import shutil

import numpy as np
import pytest
from datasets import shared
from PIL import Image

from nerfgan_cli.commands import consistency, scenes
from nerfgan_cli.reconstruction.fit import Fitting, explain


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    """Scenes of a few steps, short sweeps."""

    def quickly(pictures, cameras, half_depth, **options):
        return explain(pictures, cameras, half_depth, Fitting(steps=4, rays=128), **options)

    monkeypatch.setattr(scenes, "explain", quickly)
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
        assert value == pytest.approx(np.mean([one[name] for one in result["subjects"]]))
        assert name in done.out
    assert result["mean"].keys() >= {"psnr_mv_fast", "ssim_mv_fast", "psnr_mv_gain", "warped_psnr"}
    assert result["mean"]["warped_psnr"] != result["mean"]["teachers_warped_psnr"]
    assert np.asarray(Image.open(out.with_suffix(".png"))).std() > 10


def test_views_go_out_and_are_scored(nerfgan, tmp_path, models) -> None:
    folder = tmp_path / "export"
    export = ("consistency", "--model", models.student, "--export", folder, "--device", "cpu")
    done = nerfgan(*export, "--num", 2, "--views", 3)
    assert done.code == 0, done
    assert json.loads((folder / "consistency.json").read_text())["seeds"] == [0, 1]
    pictures = sorted((folder / "000001" / "image").iterdir())
    assert len(pictures) == 3
    assert not np.array_equal(*(np.asarray(Image.open(path)) for path in pictures[::2]))
    nerfgan(*export, "--num", 1).refused(3, "has files already")
    nerfgan("consistency", "--score", folder).refused(3, "rendered", "put")
    for subject in ("000000", "000001"):
        shutil.copytree(folder / subject / "image", folder / subject / "rendered")
    done = nerfgan("consistency", "--score", folder, "--json")
    result = json.loads(done.out)
    assert (result["psnr_mv"], result["ssim_mv"]) == (100, 1)
    assert len(result["subjects"]) == 2


def test_rows_of_a_sweep_are_drawn(nerfgan, tmp_path, models) -> None:
    out = tmp_path / "strips.png"
    run = ("consistency", "--model", models.student, "--teacher", models.teacher)
    done = nerfgan(*run, "--strips", out, "--what", "raw", "--device", "cpu")
    assert done.code == 0, done
    assert np.asarray(Image.open(out)).std() > 10


def test_pictures_of_one_subject_are_measured(nerfgan, tmp_path) -> None:
    folder = shared("head_sweep")
    out = tmp_path / "sweep.json"
    done = nerfgan("consistency", "--images", folder, "--side", 16, "-o", out)
    assert done.code == 0, done
    result = json.loads(out.read_text())
    assert result["views"] == 30
    assert "warped_psnr" not in result["mean"]


def test_what_cannot_be_measured_is_said(nerfgan, tmp_path, models) -> None:
    nerfgan("consistency", "--images", "a", "--score", "b").refused(2, "--images", "--score")
    nerfgan("consistency", "--score", tmp_path).refused(3, "consistency.json", "--export")
    nerfgan("consistency", "-o", "x.png").refused(2, ".json")
    nerfgan("consistency", "--strips", "x.json").refused(2, ".png")
    student = ("consistency", "--model", models.student, "-o", tmp_path / "x.json")
    nerfgan(*student, "--what", "depth").refused(2, "--what")
    nerfgan(*student, "--branch", "3d").refused(2, "--branch")
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    nerfgan("consistency", "--images", tmp_path, "-o", tmp_path / "x.json").refused(3, "--cameras")
