"""What can happen to an inversion: interruptions, other settings, lost models, odd photographs."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from inversion_case import Models, make_job, quick, write_models, write_photo
from PIL import Image
from safetensors.torch import load_file
from training_case import at_call, in_child

from nerfgan_cli.checkpoints import delta
from nerfgan_cli.checkpoints.base import Base, find_base, read_base
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.commands.app import main
from nerfgan_cli.errors import DivergedError, InputError, WeightsError
from nerfgan_cli.inversion import report, run
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.settings import CameraSettings, Settings
from nerfgan_cli.inversion.tuning import Tuning

STEPS = 6 + 4
TENSORS = ("pivot.safetensors", "model.safetensors")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return write_models(tmp_path_factory.mktemp("models"))


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
    report.write_report(job, inversion, folder, None)


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
    assert in_child(lambda: invert(models.student, folder)) == 0
    assert_same(folder, uninterrupted["student"])


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


# The file of a tuned model, and its base.


def tuned_pair(models: Models, size: float = 1e-3):
    base = load_model(models.student)
    tuned = load_model(models.student)
    with torch.no_grad():
        torch.manual_seed(0)
        for name, parameter in tuned.named_parameters():
            if not name.startswith("mapping_network"):
                parameter += size * torch.randn(parameter.shape)
    return base, tuned


def write(models: Models, path: Path) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    """A tuned model's file, and how far what is read back is off, for each tensor."""
    base, tuned = tuned_pair(models)
    origin = delta.base_of(str(models.student), models.student, base)
    bits = delta.write_tuned(path, base, tuned, origin, None, Provenance("x"))
    found, before = load_model(path).state_dict(), base.state_dict()
    wrong = {
        name: (found[name] - tensor).norm() / (tensor - before[name]).norm()
        for name, tensor in tuned.state_dict().items()
        if name in bits
    }
    return bits, wrong


def test_only_what_changed_is_stored(models: Models, tmp_path: Path) -> None:
    bits, wrong = write(models, tmp_path / "t.safetensors")
    assert not any(name.startswith("mapping_network") for name in bits)
    assert set(bits.values()) == {16}
    assert max(wrong.values()) < 0.01


def test_large_models_take_fewer_bits(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole.safetensors"
    write(models, whole)
    limits = {(16, 8): 0.8, (8, 4): 0.45}
    for (_, fewest), share in limits.items():
        path = tmp_path / f"{fewest}.safetensors"
        monkeypatch.setattr(delta, "LARGEST", share * whole.stat().st_size)
        bits, wrong = write(models, path)
        assert min(bits.values()) == fewest
        assert path.stat().st_size <= delta.LARGEST
        for name, error in wrong.items():
            assert error < {16: 0.01, 8: 0.02, 4: 0.25}[bits[name]], name
        kept = [n for n, b in bits.items() if b == max(bits.values()) and wrong[n] >= 0]
        assert kept


@pytest.mark.parametrize("name", ["teacher", "paper", "slim", "light", "stylegan3-r"])
def test_a_delta_of_any_full_size_model_takes_at_most_30_megabytes(name: str) -> None:
    from nerfgan_cli.generators.eg3d import EG3D, PRESETS
    from nerfgan_cli.generators.student import Student
    from nerfgan_cli.generators.student_config import student_config

    with torch.device("meta"):
        generator = EG3D(PRESETS["ffhq512-128"])
        if name != "teacher":
            generator = Student(student_config(name, generator))
    fixed = {id(parameter) for parameter in generator.latent_space().parameters()}
    changed = {
        key: tuple(tensor.shape)
        for key, tensor in generator.named_parameters()
        if id(tensor) not in fixed
    } | {key: tuple(image.shape) for key, image in generator.noise_images().items()}
    bits = delta.choose_bits(changed)
    assert sum(delta.size_of(shape, bits[key]) for key, shape in changed.items()) <= 30e6
    if name in ("light", "slim"):
        assert set(bits.values()) == {16}


def test_a_base_that_is_gone_or_another(models: Models, tmp_path: Path) -> None:
    mine = tmp_path / "mine.safetensors"
    shutil.copy(models.student, mine)
    folder = tmp_path / "found"
    invert(mine, folder)
    expected = load_model(folder / "model.safetensors").state_dict()
    mine.unlink()
    with pytest.raises(WeightsError, match=r"mine\.safetensors, which is not there: put"):
        load_model(folder / "model.safetensors")
    shutil.copy(models.student, folder / "mine.safetensors")  # beside it serves too
    found = load_model(folder / "model.safetensors").state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    _, other = tuned_pair(models)
    save_model(mine, other, Provenance("other"))
    with pytest.raises(WeightsError, match="is not the one"):
        load_model(folder / "model.safetensors")


def test_forged_tuned_models(models: Models, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write(models, path)
    header = read_header(path)
    for base in (None, {}, {"name": 1, "path": None, "checksum": 2}, {"name": "x"}):
        forged = type(header)(
            header.kind, {**header.config, "base": base}, {}, header.provenance, {}
        )
        with pytest.raises(InputError, match="does not say"):
            read_base(path, forged)
    with pytest.raises(WeightsError, match="tuned from no-such: there is no model"):
        find_base(path, Base("no-such", None, 1))
    with pytest.raises(WeightsError, match="not there"):  # itself
        find_base(path, Base(path.name, str(path), 1))
    name = next(iter(header.entries))
    text = path.read_bytes().replace(f'"{name}"'.encode(), f'"x{name[1:]}"'.encode())
    path.write_bytes(text)
    with pytest.raises(WeightsError, match="does not fit"):
        load_model(path)


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
