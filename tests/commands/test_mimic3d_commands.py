"""Mimic3D on the command line: from an official snapshot to pictures of both branches."""

import json
from pathlib import Path

import numpy as np
import pytest
from official_pickles import checkpoint, network
from PIL import Image

from nerfgan_cli.checkpoints.expected import discriminator_tensors, generator_tensors
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import MIMIC3D_TERMS
from nerfgan_cli.generators.mimic3d_config import Mimic3DConfig
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
    assert "Mimic3D" in nerfgan("info", model).out


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


def test_model_of_the_2d_phase(model_2d, tmp_path, nerfgan):
    assert not read_header(model_2d).config["residual"]
    out = tmp_path / "face.png"
    again = ["image", "--model", model_2d, "--resolution", "8", "-o", out]
    nerfgan(*again, "--branch", "3d").refused(2, "only the branch 2d", "3D phase")
    assert nerfgan(*again).code == 0


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
