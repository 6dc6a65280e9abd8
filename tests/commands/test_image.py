"""`nerfgan image`: what it draws, how it lays it out, what it notes."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from nerfgan_cli.camera_files import write_cameras
from nerfgan_cli.cameras import PRESETS, Camera, focal_from_fov
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.commands.drawing import Look
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.media import GAP
from nerfgan_cli.nn.superresolution import SuperResolution

SMALL = ("--resolution", "8", "--precision", "fp32")
SIDE = 128  # of the small models' pictures


@pytest.fixture
def draw(nerfgan, tmp_path, teacher):
    """Draws with the small teacher and returns the picture and the notes."""

    def run(*arguments, model=teacher, small=SMALL):
        out = tmp_path / "a.png"
        done = nerfgan("image", "--model", model, "-o", out, *small, *map(str, arguments))
        assert done.code == 0, done.err
        notes = json.loads(out.with_name(f"{out.name}.json").read_text())
        return np.asarray(Image.open(out)), notes

    return run


def cells(sheet, rows, columns, side=SIDE):
    """The pictures of a sheet, without captions."""
    strip = (sheet.shape[0] - (rows - 1) * GAP) // rows - side
    tops = [row * (side + strip + GAP) + strip for row in range(rows)]
    lefts = [column * (side + GAP) for column in range(columns)]
    return [sheet[top : top + side, left : left + side] for top in tops for left in lefts]


def test_one_picture_is_exactly_what_the_library_draws(draw, teacher):
    picture, notes = draw("--seed", 7, "--yaw", 20, "--pitch", -10, "--truncation", 0.6)
    generator = load_model(teacher, "cpu")
    z = torch.from_numpy(np.random.RandomState(7).randn(1, generator.z_dim)).float()
    preset = PRESETS[generator.camera_preset]
    with torch.no_grad():
        ws = generator.mapping(z, preset.frontal(), truncation=0.6)
        camera = preset.at(math.radians(20), math.radians(-10))
        image = generator.synthesis(ws, camera, DrawOptions(resolution=8)).image
    expected = (image[0] * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    assert (picture == expected.numpy()).all()
    assert picture.std() > 10, "the picture shows nothing"
    (shown,) = notes["pictures"]
    assert (shown["seed"], shown["yaw"], shown["pitch"], shown["roll"]) == (7, 20, -10, 0)
    torch.testing.assert_close(torch.tensor([shown["camera"]]), camera.label)


def test_a_sheet_has_a_row_per_seed_and_a_column_per_view(draw):
    sheet, notes = draw("--seeds", "3,5", "--yaw=-20,0,20")
    pictures = cells(sheet, 2, 3)
    assert sheet.shape[1] == 3 * SIDE + 2 * GAP
    assert [(p["seed"], p["yaw"]) for p in notes["pictures"]] == [
        (seed, yaw) for seed in (3, 5) for yaw in (-20, 0, 20)
    ]
    alone, _ = draw("--seeds", "5", "--yaw", "-20")
    assert np.abs(pictures[3].astype(int) - alone).max() <= 1, "it is another picture"


def test_one_seed_from_a_grid_of_angles(draw):
    sheet, notes = draw("--yaw", "-20,20", "--pitch", "10,-10")
    assert sheet.shape[1] == 2 * SIDE + GAP
    assert [(p["pitch"], p["yaw"]) for p in notes["pictures"]] == [
        (10, -20),
        (10, 20),
        (-10, -20),
        (-10, 20),
    ]


def test_seeds_alone_fill_a_square(draw):
    sheet, _ = draw("--seeds", "0-4", "--what", "raw")
    assert sheet.shape[1] > 3 * (8 + GAP) - GAP  # as wide as the captions need


def test_separate_pictures(nerfgan, tmp_path, teacher, draw):
    folder = tmp_path / "faces"
    arguments = ("image", "--model", teacher, *SMALL, "-o", folder, "--seeds", "3,12")
    done = nerfgan(*arguments, "--json")
    assert sorted(path.name for path in folder.iterdir()) == [
        "pictures.json",
        "seed0003.png",
        "seed0012.png",
    ]
    assert json.loads(done.out) == json.loads((folder / "pictures.json").read_text())
    assert (np.asarray(Image.open(folder / "seed0012.png")) == draw("--seed", 12)[0]).all()
    nerfgan(*arguments, "--yaw", "-5,5")
    assert (folder / "seed0012-view01.png").exists()
    nerfgan(*arguments, "--grid")
    assert Image.open(folder / "grid.png").width == 2 * SIDE + GAP


def test_raw_and_depth(draw, teacher):
    raw, _ = draw("--what", "raw")
    assert raw.shape == (8, 8, 3)
    depth, _ = draw("--what", "depth", "--yaw", 30)
    assert (depth.min(), depth.max()) == (0, 255)
    generator = load_model(teacher, "cpu")
    frontal = PRESETS[generator.camera_preset]
    z = torch.from_numpy(np.random.RandomState(0).randn(1, generator.z_dim)).float()
    with torch.no_grad():
        ws = generator.mapping(z, frontal.frontal(), truncation=0.7)
        camera = frontal.at(math.radians(30))
        drawn = generator.synthesis(ws, camera, DrawOptions(resolution=8)).depth[0, 0]
    assert depth[divmod(int(drawn.argmin()), 8)].tolist() == [255] * 3


def test_only_what_is_shown_is_drawn(draw, student, monkeypatch):
    expected = draw("--what", "raw", model=student, small=())[0]
    image, _ = draw("--what", "image", model=student, small=())

    def refuse(*_):
        raise AssertionError("the super-resolution was run")

    monkeypatch.setattr(SuperResolution, "forward", refuse)
    for arguments in (("--what", "raw"), ("--what", "depth")):
        draw(*arguments)
    raw, notes = draw("--what", "raw", model=student, small=())
    assert (raw == expected).all()
    assert raw.shape == (64, 64, 3)
    assert image.shape == (SIDE, SIDE, 3)
    assert notes["what"] == "raw"


@pytest.mark.parametrize("out", ["{}/faces", "{}/faces.v2/", "{}/.hidden/", "{}/there.v2", "{}"])
def test_folders_of_any_name(nerfgan, tmp_path, teacher, out):
    (tmp_path / "there.v2").mkdir()
    out = out.format(tmp_path)
    done = nerfgan("image", "--model", teacher, *SMALL, "-o", out)
    assert done.code == 0, done
    assert (Path(out) / "seed0000.png").is_file()
    assert done.out == f"wrote 1 picture to {out}\n"


def test_batches_and_chunks_change_nothing(draw):
    views = ("--yaw", "-30,-15,0,15,30")
    expected, _ = draw(*views)
    for options in (("--batch", 1), ("--batch", 2), ("--batch", 64), ("--ray-chunk", 7)):
        other, _ = draw(*views, *options)
        assert np.abs(expected.astype(int) - other).max() <= 1, options


def test_truncation(draw):
    one, _ = draw("--seed", 1, "--truncation", 0)
    two, _ = draw("--seed", 2, "--truncation", 0)
    assert (one == two).all(), "without variety all seeds are the average"
    full, _ = draw("--seed", 1, "--truncation", 1)
    some, notes = draw("--seed", 1, "--truncation", 0, "--truncation-cutoff", 3)
    assert (full != one).any()
    assert (some != one).any()
    assert (some != full).any()
    assert notes["truncation_cutoff"] == 3


def test_noise_depends_on_the_seed_alone(draw):
    const, _ = draw("--seed", 1)
    none, _ = draw("--seed", 1, "--noise", "none")
    random, _ = draw("--seed", 1, "--noise", "random")
    again, _ = draw("--seed", 1, "--noise", "random", "--batch", 3)
    assert (const != none).any()
    assert (const != random).any()
    assert (random == again).all()


def test_camera_options(draw):
    options = ("--radius", 2, "--fov", 40, "--pivot", "0,0.1,0", "--roll", 15)
    _, notes = draw(*options)
    preset = PRESETS["ffhq"]
    preset = replace(preset, radius=2.0, focal=focal_from_fov(math.radians(40)), pivot=(0, 0.1, 0))
    expected = preset.at(0, 0, math.radians(15))
    drawn = Camera.from_label(torch.tensor(notes["pictures"][0]["camera"]))
    torch.testing.assert_close(drawn.label, expected.label)


def test_the_field_of_view_of_the_releases_programs_is_told(capsys):
    """18.837 degrees are across the diagonal there; who means them gets a smaller face."""
    teacher = SimpleNamespace(camera_preset="ffhq")
    for fov, told in ((18.837, True), (18.8, True), (18.5, False), (None, False)):
        Look(fov=fov).preset(teacher)
        assert ("13.374" in capsys.readouterr().err) is told, fov


def test_a_camera_from_a_file(draw, nerfgan, tmp_path, teacher):
    file = tmp_path / "cam.json"
    camera = PRESETS["ffhq"].at(math.radians(20), math.radians(-10), math.radians(5))
    file.write_text(json.dumps(camera.label[0].tolist()))
    found, notes = draw("--seed", 7, "--camera", file)
    expected, _ = draw("--seed", 7, "--yaw", 20, "--pitch", -10, "--roll", 5)
    assert np.abs(found.astype(int) - expected).max() <= 1
    (shown,) = notes["pictures"]
    assert (shown["yaw"], shown["pitch"]) == pytest.approx((20, -10), abs=1e-3)
    image = ("image", "--model", teacher, "--camera", file)
    nerfgan(*image, "--yaw", 3).refused(2, "give one of them")
    file.write_text(json.dumps([camera.label[0].tolist()] * 2))
    nerfgan(*image, "-o", tmp_path / "b.png").refused(3, "has 2 cameras", "give a file of one")
    write_cameras([("a.png", camera), ("c.png", camera)], file)
    remedy = f"nerfgan camera convert {file} --name a.png -o one.json"
    nerfgan(*image, "-o", tmp_path / "b.png").refused(3, "has 2 cameras", remedy)
    assert not (tmp_path / "b.png").exists()


def test_more_samples_along_a_ray(draw):
    usual, notes = draw("--seed", 1)
    more, described = draw("--seed", 1, "--depth-samples", 2)
    assert (notes["depth_samples"], described["depth_samples"]) == (1, 2)
    assert 0 < np.abs(usual.astype(int) - more).mean() < 40


def test_the_person_does_not_change_with_the_field_of_view(draw, monkeypatch):
    seen = []
    from nerfgan_cli.generators.eg3d import EG3D

    real = EG3D.mapping
    monkeypatch.setattr(
        EG3D, "mapping", lambda self, *args: seen.append(real(self, *args)) or seen[-1]
    )
    draw()
    draw("--fov", 50, "--radius", 3, "--yaw", 40)
    assert torch.equal(*seen)


def test_precision(draw):
    exact, notes = draw(small=("--resolution", "8", "--precision", "fp32"))
    assert notes["precision"] == "fp32"
    rough, notes = draw(small=("--resolution", "8", "--precision", "bf16"))
    assert notes["precision"] == "bf16"
    error = np.abs(exact.astype(int) - rough)
    assert error.max() > 0, "it was drawn in float32"
    assert error.mean() < 4
    _, notes = draw(small=("--resolution", "8"))
    assert notes["precision"] in ("fp32", "bf16")


def test_a_student_draws_too(draw, student):
    picture, notes = draw("--yaw", 10, model=student, small=())
    assert notes["kind"] == "student"
    assert picture.shape[0] == picture.shape[1]
    assert picture.std() > 1


def test_models_by_name_and_run_folder(draw, nerfgan, tmp_path, monkeypatch, teacher):
    expected, _ = draw()
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    weights = tmp_path / "home" / "weights"
    weights.mkdir(parents=True)
    shutil.copy(teacher, weights / "ffhq512-128.safetensors")
    named, notes = draw(model="ffhq512-128")
    assert (named == expected).all()
    assert notes["model"] == str(weights / "ffhq512-128.safetensors")
    shutil.copy(teacher, weights / "mine.safetensors")
    assert (draw(model="mine")[0] == expected).all()
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "mine.v2"):  # that of a model, and that of something here
        (tmp_path / name).write_bytes(b"no model")
    shutil.copy(teacher, weights / "mine.v2.safetensors")
    assert (draw(model="mine")[0] == expected).all()
    for path in ("mine.v2", "./mine", tmp_path / "mine"):
        nerfgan("image", "--model", path).refused(3, "is a text file")
    (tmp_path / "mine.v2").unlink()
    assert (draw(model="mine.v2")[0] == expected).all()
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "000100.safetensors").write_bytes(b"older")
    shutil.copy(teacher, checkpoints / "000200.safetensors")
    assert (draw(model=tmp_path / "run")[0] == expected).all()


def test_the_same_command_writes_the_same_bytes(draw, tmp_path):
    draw("--seeds", "0-1")
    first = (tmp_path / "a.png").read_bytes()
    draw("--seeds", "0-1")
    assert (tmp_path / "a.png").read_bytes() == first


def test_for_people(nerfgan, tmp_path, teacher):
    out = tmp_path / "a.png"
    done = nerfgan("image", "--model", teacher, *SMALL, "-o", out, "--seeds", "0-1")
    assert done.out == f"wrote 2 pictures to {out}\n"
    assert done.err == "", "no progress bar where nobody looks at it"
