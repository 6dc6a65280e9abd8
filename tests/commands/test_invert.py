"""`nerfgan invert` as a user runs it, and its folder as a model."""

import json
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from inversion_case import SIDEWAYS, codes_of, write_photo
from PIL import Image

from nerfgan_cli.camera_files import load_cameras, write_cameras
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.faces.records import overlay_of
from nerfgan_cli.generators.drawing import Person
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.inversion import report
from nerfgan_cli.latent_files import Latent, read_latent, write_latent
from nerfgan_cli.media import to_pixels

STEPS = ("--steps", 6, "--tuning-steps", 3, "--depth-samples", 1)
FILES = {
    *("pivot.safetensors", "model.safetensors", "camera.json", "progress.jsonl", "result.json"),
    *("target.png", "projected.png", "tuned.png", "comparison.png", "sweep.mp4"),
}


@pytest.fixture(scope="module")
def photo(models, tmp_path_factory) -> Path:
    """A sample of the student, with its camera beside it."""
    path = tmp_path_factory.mktemp("photos") / "somebody.png"
    write_photo(path, models.student)
    write_cameras([(None, SIDEWAYS)], path.with_suffix(".json"))
    return path


@pytest.fixture(autouse=True)
def short_sweep(monkeypatch) -> None:
    monkeypatch.setattr(report, "SWEEP_FRAMES", 3)


@pytest.fixture
def invert(nerfgan, models, photo, tmp_path):
    """Inverts the photo with the student into a folder, and reads its result."""

    def run(*arguments, out="found", model=models.student, steps=STEPS):
        folder = tmp_path / out
        critic = ("--discriminator", models.critic)
        done = nerfgan("invert", "--model", model, "-o", folder, *critic, *steps, *arguments)
        assert done.code == 0, done.err
        return folder, json.loads((folder / "result.json").read_text()), done

    return run


def pixels(path: Path):
    return np.asarray(Image.open(path)).astype(int)


def test_the_folder_holds_all_there_is_to_know(invert, photo, models) -> None:
    folder, result, done = invert(photo)
    assert {path.name for path in folder.iterdir()} == FILES
    assert (pixels(folder / "target.png") == pixels(photo)).all()
    assert result["space"] == "w"
    assert "16 numbers" in result["latent"]
    assert result["steps"] == {"pivot": 6, "tuning": 3}
    assert result["networks"]["tuning"] == f"discriminator {models.critic.name}"
    both = pixels(folder / "tuned.png"), pixels(folder / "target.png")
    mse = np.square(both[0] - both[1]).mean()
    assert result["tuned"]["psnr"] == [pytest.approx(10 * np.log10(255**2 / mse), abs=1e-3)]
    assert result["tuned"]["psnr"][0] > result["projected"]["psnr"][0]
    assert {"mse", "ssim", "perceptual"} < result["tuned"].keys()
    assert result["toy"] is False
    assert read_latent(folder).tensors.keys() == {"w_avg", "w_std"}
    assert "tuning:" in done.out
    records = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    assert [(r["stage"], r["step"]) for r in records] == [
        *(("pivot", 0), ("pivot", 5), ("tuning", 0), ("tuning", 2))
    ]
    assert all("rate" in r and "perceptual" in r for r in records)
    ((_, camera),) = load_cameras(folder / "camera.json", PRESETS["ffhq"])
    torch.testing.assert_close(camera.label, SIDEWAYS.label)
    sheet = Image.open(folder / "comparison.png")
    assert sheet.width > 3 * 64
    assert sheet.height > 2 * 64


def test_every_command_takes_the_folder_as_a_model(invert, nerfgan, photo, tmp_path) -> None:
    folder, _, _ = invert(photo)
    drawn = tmp_path / "drawn"
    arguments = ("--model", folder, "--precision", "fp32", "-o")
    pitch, yaw = (float(np.degrees(angle)) for angle in (0.1, 0.3))
    done = nerfgan("image", *arguments, drawn, "--yaw", yaw, "--pitch", pitch, "--json")
    assert done.code == 0, done.err
    (told,) = json.loads(done.out)["pictures"]
    assert told["latent"] == "found"
    assert np.abs(pixels(drawn / "found.png") - pixels(folder / "tuned.png")).max() <= 1
    done = nerfgan("video", *arguments, tmp_path / "turn.mp4", "--frames", 3)
    assert done.code == 0, done.err
    whole = tmp_path / "whole.safetensors"
    assert nerfgan("convert", folder, "-o", whole).code == 0
    own, its = load_model(whole).state_dict(), load_model(folder / "model.safetensors").state_dict()
    assert all(torch.equal(own[name], its[name]) for name in its)
    for arguments in (("--model", folder, "--seed", 3), ("--model", whole, "--seed", 3)):
        nerfgan("image", *arguments, "--precision", "fp32", "-o", tmp_path / "3.png")
        assert json.loads((tmp_path / "3.png.json").read_text())["pictures"][0]["seed"] == 3


def test_info_tells_of_an_inversion(invert, nerfgan, photo, models) -> None:
    folder, result, _ = invert(photo)
    told = nerfgan("info", folder)
    assert models.student.name in told.out
    assert "photograph" in told.out
    assert f"{result['tuned']['psnr'][0]:.2f} dB" in told.out
    data = json.loads(nerfgan("info", folder, "--json").out)
    assert data["base"] == models.student.name
    assert data["image_resolution"] == 64
    assert data["licence"].endswith("Some terms.")
    (folder / "result.json").write_text("{}")
    nerfgan("info", folder).refused(3, "damaged")


def test_the_pivot_of_one_model_is_drawn_by_the_other(
    invert, nerfgan, photo, models, tmp_path, monkeypatch
) -> None:
    drawn, draw = [], EG3D.draw
    monkeypatch.setattr(EG3D, "draw", lambda self, *rest: drawn.append(1) or draw(self, *rest))
    folder, result, _ = invert(photo, "--teacher", models.teacher)
    assert len(drawn) == 1, "volumes are for this comparison only"
    assert result["other_model"]["model"] == str(models.teacher)
    (decibels,) = result["other_model"]["psnr_of_projections"]
    out = tmp_path / "by_teacher.png"
    arguments = ("--latent", folder, "--precision", "fp32", "--yaw", np.degrees(0.3))
    done = nerfgan(
        *("image", "--model", models.teacher, *arguments, "--pitch", np.degrees(0.1), "-o", out)
    )
    assert done.code == 0, done.err
    mse = np.square(pixels(out) - pixels(folder / "projected.png")).mean()
    assert 10 * np.log10(255**2 / mse) == pytest.approx(decibels, abs=0.1)


def test_with_teacher_inverts_by_the_volume(invert, photo, models, nerfgan, tmp_path) -> None:
    options = ("--with", "teacher", "--teacher", models.teacher)
    folder, result, _ = invert(photo, *options)
    assert result["kind"] == "eg3d"
    assert result["model"] == models.teacher.name
    assert result["other_model"]["model"] == str(models.student)
    latent = read_latent(folder)
    noise = [name for name in latent.tensors if name.startswith("noise.")]
    assert noise
    tuned = load_model(folder / "model.safetensors")
    for name in noise:
        image = tuned.noise_images()[name.removeprefix("noise.")]
        torch.testing.assert_close(image, latent.tensors[name], rtol=1e-2, atol=1e-3)
    # The base draws the projection from the pivot alone, noise images and all.
    out = tmp_path / "again.png"
    view = ("--yaw", np.degrees(0.3), "--pitch", np.degrees(0.1))
    arguments = ("--model", models.teacher, "--latent", folder, "--precision", "fp32", *view)
    assert nerfgan("image", *arguments, "-o", out).code == 0
    assert np.abs(pixels(out) - pixels(folder / "projected.png")).max() <= 1


def test_a_student_of_unknown_teacher(nerfgan, photo, models, tmp_path) -> None:
    common = ("invert", photo, "--model", models.student, "-o", tmp_path / "x", "--with", "teacher")
    nerfgan(*common).refused(2, "--teacher")
    nerfgan(*common, "--teacher", "eg3d-toyheads").refused(4, "not the teacher")
    nerfgan(
        *("invert", photo, "--model", models.teacher, "-o", tmp_path / "x", "--with", "student")
    ).refused(2, "renders a volume")
    assert not (tmp_path / "x").exists()


def test_w_plus_of_a_student_is_kept_by_its_folder(invert, nerfgan, photo, tmp_path) -> None:
    folder, result, _ = invert(photo, "--space", "w+", "--layer-penalty", 0.01)
    assert "offset" in result["latent"]
    view = ("--yaw", np.degrees(0.3), "--pitch", np.degrees(0.1), "--precision", "fp32")
    nerfgan("image", "--model", folder, *view, "-o", tmp_path / "a.png")
    assert np.abs(pixels(tmp_path / "a.png") - pixels(folder / "tuned.png")).max() <= 1
    offset = read_latent(folder).tensors["offset"]
    assert offset.abs().max() > 0
    # It is the subject's, not the model's: others are drawn without it, also by the whole model.
    whole = tmp_path / "whole.safetensors"
    assert nerfgan("convert", folder, "-o", whole).code == 0
    for name, who in (("b", ("--seed", 3)), ("c", ("--latent", folder))):
        drawn = []
        for model in (folder, whole):
            out = tmp_path / f"{name}.png"
            assert nerfgan("image", "--model", model, *who, *view, "-o", out).code == 0
            drawn.append(pixels(out))
        assert np.abs(drawn[0] - drawn[1]).max() <= 1
    assert np.abs(drawn[0] - pixels(folder / "tuned.png")).max() <= 1
    ws = Person(3, 0.7).codes(load_model(whole))
    plain = load_model(whole).synthesis(ws, SIDEWAYS).image
    assert np.abs(to_pixels(plain)[0].astype(int) - pixels(tmp_path / "b.png")).max() <= 1


def test_without_a_camera_the_frontal_one_is_optimised(invert, photo, tmp_path) -> None:
    alone = tmp_path / "alone.png"
    alone.write_bytes(photo.read_bytes())
    _, result, done = invert(alone)
    assert "frontal" in done.err
    assert result["settings"]["camera"] is not None
    assert len(result["shifts"]) == 1
    assert abs(result["cameras"][0]["yaw"]) > 0
    _, told, _ = invert(alone, "--no-optimise-camera", out="fixed")
    assert told["settings"]["camera"] is None
    assert told["cameras"][0]["yaw"] == 0
    _, told, _ = invert(photo, "--optimise-camera", out="searched")
    assert told["cameras"][0]["yaw"] != pytest.approx(np.degrees(0.3), abs=1e-3)
    # One of two is told: that one stays.
    _, told, done = invert(photo, "--photo", alone, out="both")
    assert told["shifts"][0] == [0, 0]
    assert told["cameras"][0]["yaw"] == pytest.approx(np.degrees(0.3), abs=1e-3)
    assert told["cameras"][1]["yaw"] != 0
    assert "for 1 of 2 photographs" in done.err


def test_what_was_tuned_is_drawn_alike(
    invert, photo, models, nerfgan, tmp_path, monkeypatch
) -> None:
    """Its pictures have the depth samples of the tuning, whoever draws them."""
    drawn, times, draw = ("--depth-samples", 2), [], EG3D.draw
    steps = ("--steps", 2, "--tuning-steps", 1, *drawn)

    def spy(self, subject, camera, options):
        times.append(options.depth_multiplier)
        return draw(self, subject, camera, options)

    monkeypatch.setattr(EG3D, "draw", spy)
    _, result, done = invert(photo, "--teacher", models.teacher, steps=steps)
    assert times == [2.0], "the teacher, which draws the pivot of the student"
    assert not result["volume"]
    assert "depth samples" not in done.out
    folder, result, done = invert(photo, model=models.teacher, out="volume", steps=steps)
    assert result["volume"]
    assert "2 times the model's depth samples" in done.out
    view = ("--yaw", np.degrees(0.3), "--pitch", np.degrees(0.1), "--precision", "fp32")
    found = [tmp_path / "as_tuned.png", tmp_path / "thinner.png"]
    for path, options in zip(found, ((), ("--depth-samples", 0.5)), strict=True):
        assert nerfgan("image", "--model", folder, *view, *options, "-o", path).code == 0
    tuned = pixels(folder / "tuned.png")
    apart = [np.abs(pixels(path) - tuned).max() for path in found]
    assert apart[0] <= 1 < apart[1]


def test_several_photographs_of_one_subject(invert, photo, models, tmp_path) -> None:
    other, camera = tmp_path / "other.png", PRESETS["ffhq"].at(-0.4)
    write_photo(other, models.student, camera)
    write_cameras([(None, camera)], tmp_path / "b.json")
    folder, result, _ = invert(
        *("--photo", photo, "--camera", photo.with_suffix(".json")),
        *("--photo", other, "--camera", tmp_path / "b.json"),
    )
    assert [round(c["yaw"]) for c in result["cameras"]] == [17, -23]
    assert len(result["tuned"]["psnr"]) == 2
    assert (pixels(folder / "target-2.png") == pixels(other)).all()
    assert (folder / "tuned-2.png").exists()
    write_cameras([(photo.name, SIDEWAYS), (other.name, camera)], tmp_path / "both.json")
    files = ("--photo", photo, "--photo", other, "--camera", tmp_path / "both.json")
    _, again, _ = invert(*files, out="again")
    assert again["tuned"] == result["tuned"]


def test_frames_of_a_video(invert, nerfgan, photo, models, tmp_path) -> None:
    """One subject that moves a little from frame to frame, each with its own camera."""
    clip = tmp_path / "clip"
    clip.mkdir()
    angles = (-0.2, 0.0, 0.2)
    for number, yaw in enumerate(angles):
        frame = write_photo(clip / f"{number}.png", models.student, PRESETS["ffhq"].at(yaw))
        write_cameras([(None, PRESETS["ffhq"].at(yaw))], frame.with_suffix(".json"))
        overlay_of(clip, frame.stem).write_bytes(b"as align leaves it: no frame")
    folder, result, _ = invert("--frames", clip)
    assert (result["name"], result["settings"]["frames"]["smoothness"]) == ("clip", 1)
    yaws = [np.radians(camera["yaw"]) for camera in result["cameras"]]
    np.testing.assert_allclose(yaws, angles, atol=1e-5)
    moves = read_latent(folder).tensors["frames"]
    assert moves.shape[0] == len(angles)
    assert moves.abs().amax(dim=(1, 2)).min() > 0
    assert moves.mean(dim=0).abs().max() < 1e-6, "the pivot is what frames have in common"
    assert not (folder / "tuned.png").exists()
    facts = next(imageio_ffmpeg.read_frames(str(folder / "frames.mp4")))
    assert facts["size"] == (4 * 64, 64)
    pivot, frames = read_latent(folder), sorted((folder / "frames").iterdir())
    assert len(frames) == len(angles)
    for file, move in zip(frames, moves, strict=True):
        torch.testing.assert_close(read_latent(file).ws, pivot.ws + move)
    out = tmp_path / "walk.png"
    latents = ("--latents", folder / "frames", "--frames", 2)
    done = nerfgan("interpolate", "--model", folder, *latents, "-o", out)
    assert done.code == 0, done.err
    told = json.loads(out.with_name("walk.png.json").read_text())
    assert told["subjects"] == ["frame 0", "frame 1", "frame 2"]


def test_a_mask(invert, photo, tmp_path) -> None:
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    _, masked, _ = invert(photo, "--mask", tmp_path / "mask.png")
    _, plain, _ = invert(photo, out="plain")
    assert masked["key"]["photos"] != plain["key"]["photos"]
    assert masked["projected"] != plain["projected"]


def test_the_fast_preset_says_what_it_costs(invert, photo, monkeypatch) -> None:
    monkeypatch.setattr("nerfgan_cli.inversion.settings.PRESETS", {"full": (9, 9), "fast": (3, 2)})
    _, result, done = invert(photo, "--preset", "fast", steps=("--depth-samples", 1))
    assert result["steps"] == {"pivot": 3, "tuning": 2}
    assert "dB" in done.err


def test_good_enough_leaves_the_base(invert, photo, models) -> None:
    folder, result, _ = invert(photo, "--stop", "inf")
    assert result["steps"]["tuning"] == 0
    assert "Infinity" not in (folder / "result.json").read_text(), "which is no JSON"
    assert result["settings"]["tuning"]["stop"] == "inf"
    own, base = load_model(folder / "model.safetensors"), load_model(models.student)
    assert all(torch.equal(x, base.state_dict()[name]) for name, x in own.state_dict().items())
    assert (pixels(folder / "tuned.png") == pixels(folder / "projected.png")).all()


def test_latents_of_other_programs_are_drawn(nerfgan, models, tmp_path) -> None:
    generator = load_model(models.student)
    ws = codes_of(generator)
    np.save(tmp_path / "w.npy", ws.numpy())
    common = ("image", "--model", models.student, "--precision", "fp32")
    assert nerfgan(*common, "--latent", tmp_path / "w.npy", "-o", tmp_path / "a.png").code == 0
    assert nerfgan(*common, "--seed", 5, "--truncation", 1, "-o", tmp_path / "b.png").code == 0
    assert (pixels(tmp_path / "a.png") == pixels(tmp_path / "b.png")).all()
    nerfgan(*common, "--latent", tmp_path / "w.npy", "--seed", 5).refused(2, "--latent")
    foreign = Latent(ws, "foreign", "12345678")
    write_latent(tmp_path / "f.safetensors", foreign)
    nerfgan(*common, "--latent", tmp_path / "f.safetensors").refused(4, "another model")
    assert space_checksum(generator) != "12345678"
