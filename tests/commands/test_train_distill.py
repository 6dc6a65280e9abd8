"""`nerfgan train` as a user distils a student from a teacher's file."""

import json
from pathlib import Path

import pytest
from distill_case import MIMIC3D, save_teacher, write_case

SHORT = ("--set", "train.kimg=0.008")

pytestmark = pytest.mark.usefixtures("quick_training")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("distillation"))


def test_a_student_from_a_teacher(nerfgan, recipe: Path, tmp_path: Path) -> None:
    """Both stages, with a stop in between; then the student draws."""
    run = tmp_path / "run"
    done = nerfgan("train", recipe, "--out", run, *SHORT)
    assert done.code == 0, done
    assert "features" in done.err
    longer = nerfgan("train", run / "recipe.toml", "--out", run, "--set", "train.kimg=0.02")
    assert longer.code == 0, longer
    assert "continuing from 0.008 kimg" in longer.err
    assert "adversarial" in longer.err
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["schedule/stage"] for line in lines] == [1, 1, 1, 2, 2]
    assert lines[1]["psnr/image"] > 0
    assert (run / "samples" / "000000020-beside-teacher.png").is_file()
    assert any(b"beside-teacher" in events.read_bytes() for events in run.glob("events.*"))
    described = nerfgan("info", run)
    assert described.code == 0
    assert "distilled from a volumetric generator" in described.out
    assert "Derived from teacher.pkl. Some terms." in described.out
    picture = tmp_path / "one.png"
    assert nerfgan("image", "--model", run, "--seed", 3, "-o", picture).code == 0
    other = nerfgan("train", recipe, "--out", run, "--stage", 1)
    other.refused(2, "was started with train.stage = 'none', not 1")


def test_options_of_a_distillation(nerfgan, recipe: Path, tmp_path: Path, monkeypatch) -> None:
    """One stage without pictures, several views of each subject, targets that are kept."""
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    options = ("--stage", 1, "--views-per-latent", 2, "--cache-targets", 8)
    cameras = ("--set", "data.kind=spread")
    done = nerfgan("train", recipe, "--out", tmp_path / "run", *SHORT, *options, *cameras)
    assert done.code == 0, done
    written = (tmp_path / "run" / "recipe.toml").read_text()
    for line in ("stage = 1", "views_per_latent = 2", "cache_targets = 8", 'kind = "spread"'):
        assert line in written
    assert len(list((tmp_path / "home" / "targets").rglob("lesson-*"))) == 4
    assert not (tmp_path / "run" / "samples" / "reals.png").exists()


def test_a_student_of_the_3d_branch(nerfgan, recipe: Path, tmp_path: Path) -> None:
    """And what it knows of itself."""
    save_teacher(tmp_path / "mimic3d.safetensors", 1, MIMIC3D)
    model = ("--set", f"teacher.model={tmp_path / 'mimic3d.safetensors'}", "--branch", "3d")
    settings = ("--set", "train.heldout=1", "--set", "loss.pixels=1", "--stage", 1)
    done = nerfgan("train", recipe, "--out", tmp_path / "run", *model, *settings, *SHORT)
    assert done.code == 0, done
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert {"loss/pixels", "psnr/image"} <= last.keys()
    training = json.loads(nerfgan("info", tmp_path / "run", "--json").out)["provenance"]["training"]
    assert training["branch"] == "3d"


def test_rehearsal(nerfgan, recipe: Path) -> None:
    done = nerfgan("train", recipe, "--dry-run")
    assert done.code == 0, done
    for part in ("of kind distill", "24 images in 6 steps of 4", "predictor", "discriminator"):
        assert part in done.out
    alone = ("--stage", 1, "--set", "data.kind=spread", "--set", "data.path=nowhere.zip")
    first = nerfgan("train", recipe, "--dry-run", "--json", *alone)
    assert set(json.loads(first.out)["parameters"]) == {"generator"}
    assert "nowhere.zip" not in first.err  # it is not needed


def test_recipes_with_a_base(nerfgan, recipe: Path, tmp_path: Path) -> None:
    """A recipe of one's own beside another; what is written stands alone."""
    own = recipe.parent / "own.toml"
    own.write_text('base = "distill.toml"\nabout = "mine"\n[train]\nstage = 1\nheldout = 0\n')
    done = nerfgan("train", own, "--out", tmp_path / "run", *SHORT)
    assert done.code == 0, done
    written = (tmp_path / "run" / "recipe.toml").read_text()
    assert not any(line.startswith("base") for line in written.splitlines())
    assert 'about = "mine"' in written
    assert "raw_resolution = 16" in written
    again = nerfgan("train", tmp_path / "run" / "recipe.toml", "--out", tmp_path / "run")
    assert again.code == 0


def test_what_is_refused(nerfgan, recipe: Path, tmp_path: Path) -> None:
    bad = ("train", recipe, "--out", tmp_path / "new")
    nerfgan(*bad, "--set", "teacher.model=nobody").refused(2, "no model named 'nobody'")
    nerfgan(*bad, "--set", "teacher.modle=x").refused(2, "did you mean teacher.model?")
    nerfgan(*bad, "--stage", 3).refused(2, "--stage")
    nerfgan(*bad, "--set", "loss.consistency=1").refused(2, "teacher.views_per_latent to 2")
    nerfgan(*bad, "--views-per-latent", 3).refused(2, "multiple of teacher.views_per_latent")
    nerfgan(*bad, "--branch", "3d").refused(2, "has no branches", "set teacher.model to a Mimic3D")
    file = f"teacher.model={recipe.parent / 'critic.safetensors'}"
    nerfgan(*bad, "--set", file).refused(4, "is a discriminator", "an EG3D model")
    gone = ("--set", f"data.path={tmp_path / 'gone.zip'}")
    nerfgan(*bad, *gone).refused(3, "gone.zip: give a folder or a zip of pictures.")
    nerfgan(*bad, *gone, "--stage", 1).refused(3, "gone.zip", "--set data.kind=spread")
    nerfgan("train", "eg3d-toyheads", "-o", tmp_path / "x", "--stage", 1).refused(
        2, "--stage is of a distillation"
    )
    assert not (tmp_path / "new").exists()
