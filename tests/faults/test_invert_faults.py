"""What can happen to an inversion: interruptions, other settings, lost models, odd photographs."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from inversion_case import SIDEWAYS, Models, make_job, quick, write_photo
from PIL import Image
from safetensors.torch import load_file
from training_case import at_call, in_child

from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.commands.app import main
from nerfgan_cli.errors import DivergedError, InputError, WeightsError
from nerfgan_cli.inversion import report, run
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.settings import CameraSettings, Settings
from nerfgan_cli.inversion.tuning import Tuning

STEPS = 6 + 4
TENSORS = ("pivot.safetensors", "model.safetensors")


@pytest.fixture(autouse=True)
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, as in a child process."""
    monkeypatch.setattr(report, "SWEEP_FRAMES", 2)
    torch.set_num_threads(1)


def settings(**changes: object) -> Settings:
    return quick(6, 4, camera=CameraSettings(start=0.3), **changes)


def invert(model: Path, folder: Path, **changes: object) -> None:
    job = make_job(model, settings(**changes))
    inversion = run.invert(job, folder, lambda sentence: None)
    assert inversion is not None
    report.write_report(job, inversion, folder, None, None)


@pytest.fixture(scope="module")
def uninterrupted(models: Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    for name in ("student", "teacher"):
        model = getattr(models, name)
        assert in_child(lambda model=model, name=name: invert(model, folder / name)) == 0
    return {name: folder / name for name in ("student", "teacher")}


def assert_same(folder: Path, expected: Path) -> None:
    for name in TENSORS:
        own, its = load_file(folder / name), load_file(expected / name)
        assert own.keys() == its.keys()
        assert all(torch.equal(own[key], its[key]) for key in its), name
    records = [
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in (where / run.LOG).read_text().splitlines()
        ]
        for where in (folder, expected)
    ]
    assert records[0] == records[1]
    assert (folder / "tuned.png").read_bytes() == (expected / "tuned.png").read_bytes()
    assert not (folder / "unfinished.state").exists()


@pytest.mark.parametrize("name", ["student", "teacher"])
@pytest.mark.parametrize("when", [3, 6, 8])  # within the pivot, between both, within the tuning
def test_an_interrupted_inversion_goes_on_exactly(
    models: Models, uninterrupted: dict[str, Path], tmp_path: Path, name: str, when: int
) -> None:
    model, folder = getattr(models, name), tmp_path / "broken"

    def interrupted() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stage, call = (PivotSearch, when) if when <= 6 else (Tuning, when - 6)
        at_call(call, stage, "step", lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            invert(model, folder)

    assert in_child(interrupted) == 0
    assert (folder / "unfinished.state").is_file()
    with pytest.raises(WeightsError, match="not finished"):
        find_model(str(folder))
    assert in_child(lambda: invert(model, folder)) == 0
    assert_same(folder, uninterrupted[name])


@pytest.mark.parametrize("when", [2, 5, 9])
def test_a_killed_inversion_goes_on_from_its_last_state(
    models: Models, uninterrupted: dict[str, Path], tmp_path: Path, when: int
) -> None:
    folder = tmp_path / "killed"

    def killed() -> None:
        run.SAVE_SECONDS = 0.0
        at_call(when, run, "save_state", lambda: os.kill(os.getpid(), signal.SIGKILL))
        invert(models.student, folder)

    assert in_child(killed) == -signal.SIGKILL
    assert in_child(lambda: invert(models.student, folder)) == 0
    assert_same(folder, uninterrupted["student"])


def test_a_kill_while_pictures_are_written(
    models: Models, uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "killed"

    def killed() -> None:
        at_call(1, report, "write_sweep", lambda: os.kill(os.getpid(), signal.SIGKILL))
        invert(models.student, folder)

    assert in_child(killed) == -signal.SIGKILL
    assert not (folder / "result.json").exists()
    assert (folder / "model.safetensors").exists()
    with pytest.raises(WeightsError, match="not finished"):
        find_model(str(folder))
    assert in_child(lambda: invert(models.student, folder)) == 0
    assert_same(folder, uninterrupted["student"])


def test_a_kill_before_the_state_is_removed(
    models: Models, uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(uninterrupted["student"], tmp_path / "copy"))
    state = folder / "unfinished.state"
    state.touch()
    assert find_model(str(folder)) == folder / "model.safetensors"
    assert run.find_result(make_job(models.student, settings()), folder) is not None
    assert not state.exists()


def begun(models: Models, folder: Path) -> None:
    """An inversion that was stopped."""

    def interrupted() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        at_call(2, PivotSearch, "step", lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            invert(models.student, folder)

    assert in_child(interrupted) == 0


def test_other_settings_models_and_photographs_are_refused(models: Models, tmp_path: Path) -> None:
    folder = tmp_path / "begun"
    begun(models, folder)
    cases = (
        (make_job(models.student, settings(seed=1)), "other settings"),
        (make_job(models.student, settings(), seed=6), "other photographs"),
        (make_job(models.teacher, settings()), "another model"),
    )
    for job, what in cases:
        with pytest.raises(InputError, match=what):
            run.invert(job, folder, print)
    state = folder / "unfinished.state"
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        invert(models.student, folder)


def test_a_finished_inversion_is_told_again_and_no_other(
    models: Models, uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(uninterrupted["student"], tmp_path / "copy"))
    result = run.find_result(make_job(models.student, settings()), folder)
    assert result == json.loads((folder / "result.json").read_text())
    with pytest.raises(InputError, match="other settings"):
        run.find_result(make_job(models.student, settings(seed=1)), folder)
    (folder / "result.json").write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        run.find_result(make_job(models.student, settings()), folder)


def test_a_folder_of_other_things_is_left_alone(models: Models, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="other things"):
        invert(models.student, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_inversion_that_diverges(models: Models, tmp_path: Path) -> None:
    job = make_job(models.student, settings())
    job.views[0].target.fill_(float("nan"))
    with pytest.raises(DivergedError, match="step 0 of the pivot"):
        run.invert(job, tmp_path / "x", print)
    assert not (tmp_path / "x").exists()


# Photographs.


def refused(code: int, words: str, capfd: pytest.CaptureFixture[str], *arguments: object) -> None:
    capfd.readouterr()
    assert main(["invert", *map(str, arguments)]) == code
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert words in said.err


def test_photographs_that_cannot_be_inverted(
    models: Models, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    common = ("--model", models.student, "-o", out, "--discriminator", models.critic)

    def check(code: int, words: str, *arguments: object) -> None:
        refused(code, words, capfd, *common, *arguments)
        assert not out.exists()

    photo = write_photo(tmp_path / "photo.png", models.student)
    check(2, "no photograph")
    check(3, "no such file", tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    check(3, "no picture", tmp_path / "text.png")
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:2000])
    check(3, "cut off", tmp_path / "cut.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "wide.png")
    check(3, "nerfgan align", tmp_path / "wide.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    check(3, "larger", tmp_path / "tiny.png")
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    check(3, "shrink it", tmp_path / "bomb.png")
    check(2, "0 pivot steps", photo, "--steps", 0)
    check(2, "0 tuning steps", photo, "--tuning-steps", 0)
    check(2, "2 cameras", photo, "--camera", photo, "--camera", photo)
    check(2, "--mask", photo, "--photo", photo, "--mask", photo)
    check(2, "w+", photo, "--layer-penalty", 1)
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    check(3, "black", photo, "--mask", tmp_path / "black.png")
    (tmp_path / "cam.json").write_text("[1, 2]")
    check(3, "cam.json", photo, "--camera", tmp_path / "cam.json")
    backwards = {"extrinsics": SIDEWAYS.cam2world[0].tolist(), "type": "world_to_camera"}
    (tmp_path / "cam.json").write_text(json.dumps(backwards))
    check(3, "cannot be right", photo, "--camera", tmp_path / "cam.json")
    check(3, "directory", tmp_path)
    check(2, "'--locality'", photo, "--locality", "nan")
    check(2, "--shape holds a depth", photo, "--shape", 1)
    check(2, "leave out the others", photo, "--frames", tmp_path)
    check(2, "--smoothness is of a video", photo, "--smoothness", 1)
    check(3, "is no folder", "--frames", photo)
    (tmp_path / "clip").mkdir()
    check(3, "has not two pictures", "--frames", tmp_path / "clip")
    check(2, "inf is impossible", photo, "--locality", "inf")
    check(2, "inf is impossible", photo, "--space", "w+", "--layer-penalty", "inf")
    check(2, "nan", photo, "--stop", "nan")
    check(2, "LPIPS needs no --discriminator", photo, "--perceptual", "lpips")
    check(2, "--depth-samples", photo, "--depth-samples", "nan")
    check(2, "add --perceptual lpips", photo, "--perceptual-weights", tmp_path)
    refused(3, "is a file", capfd, *common, photo, "-o", photo)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    refused(3, "other things", capfd, *common, photo, "-o", tmp_path / "mine")
    volume = ("--model", models.teacher, "--teacher", models.teacher)
    refused(2, "leave --teacher out", capfd, *common, photo, *volume)


def test_photographs_of_other_kinds_are_read(models: Models, tmp_path: Path) -> None:
    from nerfgan_cli.inversion.photos import read_square

    pixels = np.asarray(Image.open(write_photo(tmp_path / "photo.png", models.student)))
    image = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=turned)
    assert (read_square(tmp_path / "turned.png", 64) == pixels).all()
    image.convert("L").save(tmp_path / "grey.png")
    grey = read_square(tmp_path / "grey.png", 64)
    assert (grey == np.asarray(image.convert("L"))[..., None]).all()
    image.putalpha(Image.new("L", (64, 64), 0))
    image.save(tmp_path / "clear.png")
    assert (read_square(tmp_path / "clear.png", 64) == 255).all()
    deep = pixels[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (read_square(tmp_path / "deep.png", 64)[..., 0] == pixels[..., 0]).all()
    Image.fromarray(pixels).resize((192, 192), 0).save(tmp_path / "large.png")
    assert np.abs(read_square(tmp_path / "large.png", 64).astype(int) - pixels).mean() < 8


def test_no_weights_without_a_network(
    models: Models, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("nerfgan_cli.checkpoints.published.urlopen", offline)
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    photo = write_photo(tmp_path / "photo.png", models.student)
    common = (photo, "--model", models.student, "-o", tmp_path / "out")
    refused(4, "--perceptual discriminator", capfd, *common)
    refused(2, "--discriminator", capfd, *common, "--perceptual", "discriminator")
    assert not (tmp_path / "out").exists()
    from_folder = ("--perceptual", "lpips", "--perceptual-weights", tmp_path)
    refused(3, f"no file {tmp_path / 'vgg16-397923af.pth'}", capfd, *common, *from_folder)
    everything = ("--perceptual", "discriminator", "--discriminator", models.student)
    refused(4, "no discriminator", capfd, *common, *everything)
