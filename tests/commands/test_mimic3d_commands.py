"""Mimic3D on the command line: from an official snapshot to pictures of both branches."""

import json
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from official_pickles import checkpoint, network
from PIL import Image

from nerfgan_cli.checkpoints.expected import discriminator_tensors, generator_tensors
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import MIMIC3D_TERMS
from nerfgan_cli.commands import mesh
from nerfgan_cli.figures import panels
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.drawing import Person, prepare_subject
from nerfgan_cli.generators.mimic3d_config import Mimic3DConfig
from nerfgan_cli.meshes import shading
from nerfgan_cli.meshes.surface import extract
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig

OPTIONS = {
    "superresolution_module": "training.superresolution.SuperresolutionHybrid2X",
    "clamp_mode": "softplus",
    "depth_resolution": 6,
    "depth_resolution_importance": 6,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "sr_antialias": True,
    "c_scale": 1.0,
    "avg_camera_radius": 2.7,
    "avg_camera_pivot": [0, 0, 0.2],
    "depth_guided": 0,  # EG3D has no such option
}
ARGUMENTS = {
    "z_dim": 8,
    "c_dim": 25,
    "w_dim": 64,
    "img_resolution": 128,
    "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2},
    "channel_base": 256,
    "channel_max": 4,
    "aware3d_res": [4, 8, 16],  # nor such an argument
    "rendering_kwargs": OPTIONS,
}
TINY = Mimic3DConfig.from_snapshot(
    ARGUMENTS, {}, ["backbone.synthesis.b3d16.block.conv0", "backbone.synthesis.b3d16.block2.conv0"]
)
PATCHES = {"c_dim": 0, "img_resolution": 16, "img_channels": 3, "channel_base": 64}


CONST = np.ones((4, 4, 4), np.float32)  # of EG3D's shape


def filled(shapes, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def generator(residual=True, change=lambda tensors: None):
    """Whatever its class is called: the release's names tell what it is."""
    tensors = filled(generator_tensors(TINY), 1)
    if not residual:
        tensors = {n: t for n, t in tensors.items() if ".block2." not in n and ".block3." not in n}
    change(tensors)
    tensors["dataset_label_std"] = np.ones(25, np.float32)
    attributes = {"rendering_kwargs": OPTIONS, "neural_rendering_resolution": 64}
    return network("TriPlaneGenerator", tensors, ARGUMENTS, attributes)


def snapshot(**networks):
    return checkpoint(networks, {"path": "/home/somebody/FFHQ_128.zip", "resolution": 128})


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    """Of the 3D phase."""
    tensors = filled(discriminator_tensors(1, DiscriminatorConfig.from_release(PATCHES)), 2)
    path = tmp_path_factory.mktemp("official") / "network-snapshot-000001.pkl"
    patches = network("SingleDiscriminator", tensors, PATCHES)
    path.write_bytes(snapshot(G_ema=generator(), D_patch=patches))
    return path


@pytest.fixture
def model(official, tmp_path, nerfgan) -> Path:
    out = tmp_path / "mimic.safetensors"
    assert nerfgan("convert", official, "-o", out).code == 0
    return out


@pytest.fixture
def model_2d(tmp_path, nerfgan) -> Path:
    path, out = tmp_path / "2d.pkl", tmp_path / "mimic-2d.safetensors"
    path.write_bytes(snapshot(G_ema=generator(residual=False)))
    assert nerfgan("convert", path, "-o", out).code == 0
    return out


def test_snapshot(official, model, nerfgan):
    header = read_header(model)
    assert header.kind == "mimic3d"
    assert header.config["residual"]
    assert header.config["plane_resolution"] == 16
    assert header.config["volume"]["plane_axes"] == "fixed"
    assert header.provenance.licence == MIMIC3D_TERMS
    loaded = load_model(model)
    for name, array in filled(generator_tensors(TINY), 1).items():
        np.testing.assert_array_equal(loaded.state_dict()[name].numpy(), array, name)
    about = json.loads(nerfgan("info", official, "--json").out)
    assert about["networks"]["G_ema"]["kind"] == "mimic3d"
    assert about["licence"] == MIMIC3D_TERMS
    said = nerfgan("info", model).out
    assert "Mimic3D" in said
    assert "2d and 3d (3D phase)" in said


def test_discriminator_of_patches(official, tmp_path, nerfgan):
    out = tmp_path / "patches.safetensors"
    done = nerfgan("convert", official, "-o", out, "--network", "D_patch", "--json")
    assert json.loads(done.out)["kind"] == "discriminator"
    config = read_header(out).config
    assert (config["class_name"], config["c_dim"]) == ("SingleDiscriminator", 0)


def test_both_branches(model, tmp_path, nerfgan):
    sizes = {}
    for branch, resolution in ((None, None), ("3d", 40), ("2d", 32)):
        out = tmp_path / f"{branch}.png"
        chosen = [] if branch is None else ["--branch", branch, "--resolution", resolution]
        done = nerfgan("image", "--model", model, *chosen, "-o", out, "--json")
        assert done.code == 0, done
        notes = json.loads(done.out)
        assert notes["branch"] == (branch or "2d")
        assert notes["resolution"] == (resolution or 64)
        with Image.open(out) as picture:
            sizes[branch] = min(picture.size)
    assert sizes["3d"] < sizes["2d"] == sizes[None]


def test_video_beside_a_student(model, student, tmp_path, nerfgan):
    out = tmp_path / "both.mp4"
    options = ["--branch", "2d", "--resolution", "16", "--frames", "2"]
    done = nerfgan("video", "--model", model, "--side-by-side", student, *options, "-o", out)
    assert done.code == 0, done
    assert json.loads(out.with_name("both.mp4.json").read_text())["branch"] == "2d"


def test_video_of_both_branches(model, teacher, tmp_path, nerfgan):
    """Of one model, side by side."""
    out = tmp_path / "both.mp4"
    options = ["--model", model, "--resolution", "16", "--frames", "1", "-o", out]
    side = ["--side-by-side", model, "--side-by-side-branch", "3d"]
    done = nerfgan("video", *options, "--branch", "2d", *side, "--json")
    assert done.code == 0, done
    notes = json.loads(done.out)
    assert (notes["branch"], notes["side_by_side_branch"]) == ("2d", "3d")
    reader = imageio_ffmpeg.read_frames(str(out))
    width, height = next(reader)["size"]
    picture = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3).astype(float)
    left, right = np.split(picture, 2, axis=1)
    assert np.abs(left - right).mean() > 1
    nerfgan("video", *options, "--side-by-side-branch", "3d").refused(2, "give --side-by-side too")
    side = ["--side-by-side", teacher, "--side-by-side-branch", "3d"]
    nerfgan("video", *options, *side).refused(2, "no branches, not 3d")


def test_a_direction_measured_in_either_branch(model, tmp_path, nerfgan):
    found, out = [], tmp_path / "d.json"
    again = ["directions", "regress", "--model", model, "-o", out]
    for branch in ("2d", "3d"):
        options = ["--measure", "red", "--num", 12, "--branch", branch]
        done = nerfgan(*again, *options)
        assert done.code == 0, done
        found.append(json.loads(out.read_text())["vector"])
    assert not np.allclose(*found)
    table = tmp_path / "t.csv"
    table.write_text("0,1\n1,2\n")
    nerfgan(*again, "--values", table, "--branch", "3d").refused(2, "--branch is of a --measure")


@pytest.mark.parametrize(("verb", "sized"), [("image", True), ("bench", False), ("video", True)])
def test_help_on_branches(verb, sized, nerfgan):
    """It speaks of --resolution where there is one."""
    said = " ".join(nerfgan(verb, "--help").out.replace("│", " ").split())
    assert "model's own: 2d, but for inversions tuned with 3d" in said
    assert ("at any --resolution" in said) == sized


def test_model_of_the_2d_phase(model_2d, tmp_path, nerfgan):
    assert not read_header(model_2d).config["residual"]
    out = tmp_path / "face.png"
    again = ["image", "--model", model_2d, "--resolution", "8", "-o", out]
    nerfgan(*again, "--branch", "3d").refused(2, "only the branch 2d", "3D phase")
    assert nerfgan(*again).code == 0


@pytest.mark.parametrize(
    "verb",
    [
        "video",
        "interpolate --seeds 1,2",
        "mix",
        "mesh",
        "bench",
        "consistency",
        "figure",
        "invert p.png",
        "edit --direction d.json",
        "directions regress --measure red --num 10",
    ],
)
def test_every_verb_knows_the_branches(verb, model_2d, nerfgan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (128, 128)).save("p.png")
    if "d.json" in verb:
        nerfgan("directions", "sefa", "--model", model_2d, "-o", "d.json")
    before = set(tmp_path.iterdir())
    nerfgan(*verb.split(), "--model", model_2d, "--branch", "3d").refused(2, "branch", "3d")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("given", "branch"), [((), "3d"), (("--branch", "2d"), "2d")])
def test_surface_of_each_branch(given, branch, model, tmp_path, nerfgan, monkeypatch):
    """Unless told otherwise that of all planes, since a surface is not enlarged."""
    points, seen = np.random.default_rng(0).uniform(-0.35, 0.35, (50, 3)), []

    def look(density, side, *ignored):
        assert side == pytest.approx(1 - 2 * 30 / 256)  # of a box of 1
        above = density(np.array([[0, 0.35, 0], [0, 0.353, 0]]))  # 38/256 are left out there
        assert (above == -1000).tolist() == [False, True]
        seen.append(density(points))
        return extract(lambda points: -np.linalg.norm(points, axis=1), side, 8, -0.2)

    monkeypatch.setattr(mesh, "extract", look)
    done = nerfgan("mesh", "--model", model, *given, "-o", tmp_path / "m.ply", "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["branch"] == branch
    generator, options = load_model(model), DrawOptions(branch=branch)
    subject = prepare_subject(generator, Person(0, 0.7), options)
    expected = generator.sample(subject, torch.from_numpy(points).float()[None]).sigma
    np.testing.assert_allclose(seen[0], expected[0, :, 0].detach(), atol=0.01)


def test_figure(model, student, tmp_path, nerfgan, monkeypatch):
    """Every branch of a model, and of each what it has."""
    monkeypatch.setattr(shading, "CELLS", 16)
    monkeypatch.setattr(shading, "STEPS", 16)
    tops, find = [], panels.find_body

    def note(field, *arguments):
        tops.append(field.top)
        return find(field, *arguments)

    monkeypatch.setattr(panels, "find_body", note)
    out = tmp_path / "figure.png"
    options = ["--side", 24, "--views", 2, "-o", out, "--json"]
    show = ["--show", "residual,planes,strip,shape,depth,image"]
    done = nerfgan("figure", "--model", model, "--model", student, *options, *show)
    assert done.code == 0, done
    assert tops == pytest.approx([0.5 - 38 / 256] * 2)  # of a box of 1, in both branches
    result = json.loads(done.out)
    planes, rest = ["xy", "yz", "zx"], ["depth", "shape", "row 64"]
    wide = [f"mimic 2d {name}" for name in [*rest, *planes]]
    full = [f"mimic 3d {name}" for name in [*rest, *planes]]
    added = [f"mimic 3d {name} residual" for name in planes]
    own = [student.stem, f"{student.stem} row 64"]
    assert result["columns"] == ["mimic 2d", *wide, "mimic 3d", *full, *added, *own]
    assert result["branches"] == ["2d", "3d", None]
    for lack in ("2d has no residual planes", f"{student.stem} has no density", "no tri-planes"):
        assert done.err.count(lack) == 1
    with Image.open(out) as picture:
        assert picture.width > 24 * len(result["columns"])
    one = ["figure", "--model", model, "--branch", "3d", *options, "--seeds", "1,2"]
    result = json.loads(nerfgan(*one, "--show", "planes").out)
    assert result["columns"] == [f"mimic 3d {name}" for name in planes]
    assert result["people"] == ["seed 1", "seed 2"]


def test_strips_of_several_rows(student, tmp_path, nerfgan):
    """Each is marked in the picture that it is of."""
    out = tmp_path / "figure.png"
    given = ["--side", 24, "--views", 2, "--row", 0.2, "--row", 0.6, "-o", out, "--json"]
    done = nerfgan("figure", "--model", student, "--show", "strip,rows", *given)
    assert done.code == 0, done
    name = student.stem
    columns = [f"{name} rows", f"{name} row 25", f"{name} row 76"]
    assert json.loads(done.out)["columns"] == columns
    with Image.open(out) as picture:
        red, _, blue = np.asarray(picture, dtype=int).transpose(2, 0, 1)
    assert ((red - blue > 40).sum(axis=1) >= 20).sum() >= 2


def test_figures_of_nothing(student, tmp_path, nerfgan):
    again = ["figure", "--model", student, "-o", tmp_path / "f.png"]
    nerfgan(*again, "--show", "image,mesh").refused(2, "no 'mesh'", "shape")
    done = nerfgan(*again, "--show", "shape,planes")
    assert done.code == 2
    assert done.err.endswith("leave --show out, or give others.\n")
    assert not list(tmp_path.iterdir())


def test_what_has_no_branches(student, tmp_path, nerfgan):
    out = tmp_path / "face.png"
    done = nerfgan("image", "--model", student, "--branch", "3d", "-o", out)
    done.refused(2, "no branches", "leave --branch out")
    done = nerfgan("video", "--model", student, "--branch", "2d", "-o", tmp_path / "v.mp4")
    done.refused(2, "no branches")


def test_resolution_beyond_the_super_resolution(model, tmp_path, nerfgan):
    options = ["--branch", "2d", "--resolution", "65", "-o", tmp_path / "face.png"]
    nerfgan("image", "--model", model, *options).refused(2, "65²", "64² or less", "3D branch")


def test_axes_of_eg3d(official, tmp_path, nerfgan):
    out = tmp_path / "m.safetensors"
    done = nerfgan("convert", official, "--plane-axes", "released", "-o", out)
    done.refused(2, "xy, yz and zx", "leave the plane axes out")
    assert not out.exists()


@pytest.fixture(scope="module")
def of_eg3d(golden_checkpoint, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("official") / "eg3d.pkl"
    path.write_bytes(golden_checkpoint)
    return path


def test_weights_of_the_other_kind(official, of_eg3d, tmp_path, nerfgan):
    """Whatever a file is called, EG3D's planes are not Mimic3D's."""
    name = tmp_path / "mimic3d-ffhq512-3d.safetensors"
    axes = ["xy, xz and zx", "xy, yz and zx"]
    nerfgan("convert", of_eg3d, "-o", name).refused(4, "is an EG3D", "is a Mimic3D", *axes)
    out, own = tmp_path / "own.safetensors", ["--preset", "mimic3d-afhq256-2d"]
    nerfgan("convert", of_eg3d, "-o", out, *own).refused(4, "afhq256-2d is a Mimic3D", *axes)
    done = nerfgan("convert", official, "-o", out, "--preset", "ffhq512-128")
    done.refused(4, "is a Mimic3D", "ffhq512-128 is an EG3D", *axes)
    done = nerfgan("convert", of_eg3d, "-o", name, "--plane-axes", "fixed")
    done.refused(4, "is an EG3D", "is a Mimic3D")
    assert not list(tmp_path.iterdir())


def test_snapshots_of_another_release(official, tmp_path, nerfgan):
    out = tmp_path / "m.safetensors"
    again = ["convert", official, "-o", out, "--preset"]
    nerfgan(*again, "mimic3d-shapenet128-2d").refused(4, "of the 3D phase", "of the 2D phase")
    nerfgan(*again, "mimic3d-ffhq256-3d").refused(4, "of 128²", "of 256²")
    nerfgan(*again, "mimic3d-shapenet128-3d").refused(4, "cameras of ffhq", "cameras of cars")
    nerfgan(*again, "mimic3d-shapnet128-3d").refused(2, "did you mean mimic3d-shapenet128-3d?")
    assert not out.exists()
    own = tmp_path / "mimic3d-shapenet128-3d.safetensors"
    assert nerfgan("convert", official, "-o", own, "--camera", "cars-video").code == 0
    refused = nerfgan("convert", own, "-o", out, "--preset", own.stem)
    refused.refused(2, "model of nerfgan already", "--preset")


def test_own_models_under_the_name_of_a_release(model, student, teacher, tmp_path, nerfgan):
    out = tmp_path / "mimic3d-ffhq512-3d.safetensors"
    nerfgan("convert", teacher, "-o", out).refused(4, "is an EG3D", "ffhq512-3d is a Mimic3D")
    nerfgan("convert", student, "-o", out).refused(4, "is a student", "ffhq512-3d is a Mimic3D")
    nerfgan("convert", model, "-o", out).refused(4, "of 128²", "of 512²")
    assert not out.exists()


def test_discriminators_are_no_release(official, model, tmp_path, nerfgan):
    named, out = tmp_path / "mimic3d-ffhq512-3d.safetensors", tmp_path / "D.safetensors"
    again = ["convert", official, "--network", "D_patch", "-o"]
    nerfgan(*again, named).refused(2, "ffhq512-3d is a generator, and D_patch is none")
    nerfgan(*again, out, "--preset", named.stem).refused(2, "leave out --preset")
    assert nerfgan(*again, out).code == 0
    nerfgan("convert", out, "-o", named).refused(4, "is a discriminator", "is a Mimic3D")
    assert not named.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("backbone.synthesis.b3d8.block.conv1.bias"), ["lacks", "b3d8"]),
        (lambda t: t.update({"backbone.synthesis.b4.const": CONST}), ["mis-shaped"]),
        (lambda t: t.pop("backbone.synthesis.b3d16.block3.torgb.bias"), ["lacks", "block3"]),
    ],
)
def test_tensors_that_do_not_fit(change, words, tmp_path, nerfgan):
    path = tmp_path / "official.pkl"
    path.write_bytes(snapshot(G_ema=generator(change=change)))
    nerfgan("convert", path, "-o", tmp_path / "m.safetensors").refused(4, *words)
