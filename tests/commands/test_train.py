"""`nerfgan train` as a user runs it."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli import ROOT, start  # of this folder
from PIL import Image

from nerfgan_cli.commands import train
from nerfgan_cli.training import samples
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.recipe_files import load

SHORT = ("--set", "train.kimg=0.004")

pytestmark = pytest.mark.usefixtures("quick_training")


def test_recipes_are_listed(nerfgan) -> None:
    done = nerfgan("train", "--list")
    assert done.code == 0
    names = [line.split()[0] for line in done.out.splitlines()]
    assert {"eg3d-ffhq512-64", "eg3d-toyheads"} <= set(names)
    assert json.loads(nerfgan("train", "--list", "--json").out).keys() == set(names)


def test_a_run_and_what_can_be_done_with_it(
    nerfgan, tiny_recipe: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(samples, "VIDEO_PEOPLE", 1)
    run = tmp_path / "run"
    settings = ("--set", "train.video_frames=2", "--set", "data.workers=1", "--seed", 3)
    done = nerfgan("train", tiny_recipe, "--out", run, *SHORT, *settings)
    assert done.code == 0, done
    assert "images/s" in done.err
    assert "s/kimg" in done.err
    assert "left" in done.err
    assert "GiB" in done.err
    assert "discriminator" in done.err
    assert f"nerfgan video --model {run}" in done.out
    assert {path.name for path in (run / "samples").iterdir()} == {
        *("reals.png", "000000004.png", "000000004.mp4")
    }
    recipe = (run / "recipe.toml").read_text()
    assert "seed = 3" in recipe
    assert 'nerfgan = "' in recipe
    assert nerfgan("image", "--model", run, "-o", tmp_path / "one.png").code == 0
    described = nerfgan("info", run, "--json")
    assert described.code == 0
    assert '"kimg": 0.004' in described.out

    longer = nerfgan("train", tiny_recipe, "--out", run, "--set", "train.kimg=0.008", *settings[2:])
    assert longer.code == 0, longer
    assert "continuing from 0.004 kimg" in longer.err
    images = [json.loads(line)["images"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert images == [4, 8]
    again = nerfgan("train", run / "recipe.toml", "--out", run)
    assert again.code == 0
    assert "trained to 0.008 kimg" in again.out

    other = nerfgan("train", tiny_recipe, "--out", run, *SHORT, "--seed", 4)
    other.refused(2, f"{run} was started with train.seed = 3, not 4")


def test_rehearsal(nerfgan, tiny_recipe: Path) -> None:
    done = nerfgan("train", tiny_recipe, "--dry-run", "--batch-gpu", 4)
    assert done.code == 0
    for part in (
        "10 pictures of 64²",
        "24 images in 6 steps of 4",
        "backbone",
        "GiB",
        "3 snapshots",
    ):
        assert part in done.out
    facts = json.loads(nerfgan("train", tiny_recipe, "--dry-run", "--json").out)
    assert facts["steps"] == 6
    assert facts["memory_gib"] > 0
    assert facts["batch_gpu"] == 2


def test_rehearsal_before_the_data_is_there(nerfgan) -> None:
    done = nerfgan(
        "train", "eg3d-shapenetcars128-64", "--dry-run", "--set", "data.path=nowhere.zip"
    )
    assert done.code == 0
    assert "there is no nowhere.zip" in done.err
    assert "29,587,512 parameters" in done.out
    assert "pictures" not in done.out


def test_rehearsal_tells_of_foreign_cameras(nerfgan, tiny_recipe: Path) -> None:
    cars = ("--set", "model.generator.camera_preset=cars")
    done = nerfgan("train", tiny_recipe, "--dry-run", *cars)
    assert done.code == 0
    assert "warning: the focal length of the cameras of pictures is 4.265" in done.err


def test_what_is_refused(nerfgan, tiny_recipe: Path, tmp_path: Path) -> None:
    nerfgan("train", tiny_recipe).refused(2, "use --out")
    nerfgan("train", "eg3d-toyhead", "-o", "x").refused(2, "did you mean eg3d-toyheads?")
    bad = ("train", tiny_recipe, "--out", tmp_path / "new")
    nerfgan(*bad, "--set", "train.kim=1").refused(2, "did you mean train.kimg?")
    nerfgan(*bad, "--set", "train.batch=6", "--batch-gpu", 4).refused(2, "train.batch a multiple")
    nerfgan(*bad, "--set", "data.path=nowhere").refused(3, "nowhere")
    nerfgan(*bad, "--set", "data.kind=toyheads").refused(2, "data.path has no effect")
    assert not (tmp_path / "new").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    nerfgan("train", tiny_recipe, "--out", tmp_path / "full").refused(3, "holds other things")
    letter = tmp_path / "full" / "letter.txt"
    nerfgan("train", tiny_recipe, "--out", letter).refused(3, "letter.txt is a file")


def test_a_bare_word_is_the_default_recipe(nerfgan, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(train, "run", lambda recipe, folder, *rest: asked.append((recipe, folder)))
    done = nerfgan("train")
    assert done.code == 0
    assert "the run is in distill-toyheads" in done.err
    assert asked == [(resolve(load("distill-toyheads", [])), Path("distill-toyheads"))]
    assert asked[0][0].train.heldout == 256


def test_systems_where_nothing_is_trained(tiny_recipe: Path, tmp_path: Path) -> None:
    """Windows lacks what a run is locked with: training says so, all else goes on."""
    train = ["train", str(tiny_recipe), "--out", str(tmp_path / "run"), *SHORT]
    program = [
        "import sys",
        "sys.modules['fcntl'] = sys.modules['resource'] = None",
        "from nerfgan_cli.commands.app import main",
        f"print(main({train}), main({[*train, '--dry-run']}))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == (
        "nerfgan: training needs Linux or macOS: on Windows, run the same command within WSL.\n"
    )
    assert done.stdout.endswith("\n2 0\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("victim", ["log.jsonl", "tfevents", "sheet", "video"])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on(
    nerfgan, tiny_recipe: Path, tmp_path: Path, monkeypatch, victim: str
) -> None:
    monkeypatch.setattr(samples, "VIDEO_PEOPLE", 1)
    folder = tmp_path / "run"
    settings = ("--set", "train.snapshot_kimg=0.004", "--set", "train.video_frames=2")
    command = ("train", tiny_recipe, "--out", folder, *settings, "--set", "train.kimg=0.008")
    opened, saved = Path.open, Image.Image.save

    def open_full(path: Path, mode: str = "r", *options, **named):
        full = victim in path.name and mode.startswith("a")
        return opened(Path("/dev/full") if full else path, mode, *options, **named)

    def save_full(picture, path: Path, **options) -> None:
        if path.name == "000000004.png":
            path.write_bytes(b"\x89PNG")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        saved(picture, path, **options)

    with monkeypatch.context() as full:
        full.setattr(Path, "open", open_full)
        if victim == "sheet":
            full.setattr(Image.Image, "save", save_full)
        if victim == "video":
            ffmpeg = tmp_path / "ffmpeg"
            ffmpeg.write_text("#!/bin/sh\necho 'Error: No space left on device' >&2\nexit 1\n")
            ffmpeg.chmod(0o755)
            full.setenv("IMAGEIO_FFMPEG_EXE", str(ffmpeg))
        done = nerfgan(*command)
    assert done.code == 3, done
    assert done.err.splitlines()[-1].startswith("nerfgan: the disk is full")
    assert "Traceback" not in done.err
    assert not list(folder.rglob("*.tmp"))
    again = nerfgan(*command)
    assert again.code == 0, again
    assert ("continuing from" in again.err) == (victim in ("sheet", "video"))
    images = [json.loads(line)["images"] for line in (folder / "log.jsonl").open()]
    assert images == [4, 8]
    assert (folder / "samples" / "000000008.mp4").exists()


def test_divergence_has_its_code(nerfgan, tiny_recipe: Path, tmp_path: Path) -> None:
    done = nerfgan(
        *("train", tiny_recipe, "--out", tmp_path / "run", "--batch-gpu", 4),
        *("--set", "optim.discriminator_lr=1e30", "--set", "train.snapshot_kimg=1"),
    )
    assert done.code == 6
    assert "the training diverged: the loss" in done.err
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_process_that_is_killed_and_those_that_are_asked_to_stop(
    tiny_recipe: Path, tmp_path: Path
) -> None:
    """The real signals to the real program, with a process that reads data."""
    run = tmp_path / "run"
    arguments = (
        "train",
        tiny_recipe,
        "--out",
        run,
        "--set",
        "train.kimg=1000",
        "--set",
        "data.workers=1",
    )

    def begin() -> "subprocess.Popen[str]":
        process = start(*arguments, OMP_NUM_THREADS="1")
        assert process.stderr is not None
        for line in process.stderr:
            if "images/s" in line:
                return process
        raise AssertionError(process.wait())

    process = begin()
    process.kill()
    process.communicate()
    for stop, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = begin()  # at once, though the killed one's reader may still live
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code
        assert "the same command continues" in said
        assert list((run / "checkpoints").glob("*.state"))


def test_torchrun(tiny_recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", *torchrun, "-m", "nerfgan_cli", "train"),
            *(tiny_recipe, "--out", run, *SHORT),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done
    assert done.stdout.count("trained to 0.004 kimg") == 1
    assert (run / "checkpoints" / "000000004.state").exists()
