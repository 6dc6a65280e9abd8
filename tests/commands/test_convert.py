"""`nerfgan convert`, on the golden checkpoints and on files of our own in the official format."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cli import ROOT
from official_pickles import SOURCE, checkpoint, network
from safetensors.numpy import load_file

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.expected import discriminator_tensors, generator_tensors
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.official import read_official
from nerfgan_cli.checkpoints.provenance import OFFICIAL_TERMS, Provenance, derived_licence
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig

OPTIONS = {
    "superresolution_module": "training.superresolution.SuperresolutionHybrid2X",
    "clamp_mode": "softplus",
    "depth_resolution": 8,
    "depth_resolution_importance": 8,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "sr_antialias": True,
    "c_scale": 1.0,
    "avg_camera_radius": 2.7,
    "avg_camera_pivot": [0, 0, 0.2],
}
ARGUMENTS = {
    "z_dim": 8,
    "c_dim": 25,
    "w_dim": 512,
    "img_resolution": 128,
    "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2},
    "channel_base": 256,
    "channel_max": 4,
    "rendering_kwargs": OPTIONS,
}
DISCRIMINATOR = {"c_dim": 25, "img_resolution": 128, "img_channels": 3}
DISCRIMINATOR |= {"channel_base": 256, "channel_max": 4, "block_kwargs": {"freeze_layers": 0}}


def filled(shapes, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def generator(change=lambda tensors: None, arguments=ARGUMENTS, source=SOURCE, **options):
    tensors = {"dataset_label_std": np.ones(25, np.float32)}
    tensors |= filled(generator_tensors(EG3DConfig.from_official(ARGUMENTS)), 1)
    change(tensors)
    attributes = {
        "rendering_kwargs": arguments["rendering_kwargs"] | options,
        "neural_rendering_resolution": 64,
    }
    return tensors, network("TriPlaneGenerator", tensors, arguments, attributes, source)


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "official.pkl"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def out(tmp_path):
    return tmp_path / "model.safetensors"


def test_own_model_in_half_the_size(write, out, tmp_path, nerfgan):
    nerfgan("convert", write(checkpoint({"G_ema": generator()[1]})), "-o", out)
    half = tmp_path / "half.safetensors"
    result = json.loads(nerfgan("convert", out, "--half", "-o", half, "--json").out)
    assert half.stat().st_size < 0.6 * out.stat().st_size
    assert read_header(half).provenance == read_header(out).provenance
    assert (result["network"], result["licence"]) == ("G_ema", OFFICIAL_TERMS)
    again = nerfgan("convert", out, "--network", "D", "-o", half)
    assert again.code == 2
    assert "leave it out" in again.err
    again = nerfgan("convert", out, "--camera", "cars", "-o", half)
    assert again.code == 2
    assert "leave them out" in again.err


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_harmless_file_of_any_protocol(protocol, write, out, tmp_path, nerfgan):
    """The embedded source would leave a marker."""
    marker = tmp_path / "ran"
    source = f"open({str(marker)!r}, 'w')\n" + "# very long\n" * 10_000
    tensors, made = generator(source=source)
    path = write(checkpoint({"G_ema": made}, protocol=protocol))
    done = nerfgan("convert", path, "-o", out)
    assert done.code == 0, done
    assert not marker.exists()
    loaded = load_file(out)
    del tensors["dataset_label_std"]
    assert set(loaded) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(loaded[name], array, name)


def test_converted_model_draws(write, out, tmp_path, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    face = tmp_path / "face.png"
    assert nerfgan("convert", path, "-o", out).code == 0
    done = nerfgan("image", "--model", out, "--seeds", "0", "--resolution", "8", "-o", face)
    assert done.code == 0, done


def test_discriminator(write, out, nerfgan):
    config = DiscriminatorConfig.from_release(DISCRIMINATOR)
    tensors = filled(discriminator_tensors(2, config), 2)
    made = network("DualDiscriminator", tensors, DISCRIMINATOR)
    path = write(checkpoint({"G": generator()[1], "D": made, "G_ema": generator()[1]}))
    done = nerfgan("convert", path, "-o", out, "--network", "D", "--json")
    result = json.loads(done.out)
    assert result["kind"] == "discriminator"
    assert result["tensors"] == len(tensors)
    assert read_header(out).config["class_name"] == "DualDiscriminator"


def test_json_result(write, out, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    result = json.loads(nerfgan("convert", path, "-o", out, "--json").out)
    assert result["out"] == str(out)
    assert result["kind"] == "eg3d"
    assert result["network"] == "G_ema"
    assert result["source"] == "official.pkl"
    assert len(result["sha256"]) == 64
    assert "non-commercial" in result["licence"]


def test_options_reach_the_architecture(write, out, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    assert nerfgan("convert", path, "-o", out).code == 0
    header = read_header(out)
    assert header.config["volume"]["plane_axes"] == "released"
    assert header.config["camera_preset"] == "ffhq"
    assert nerfgan("convert", path, "-o", out, "--plane-axes", "zy", "--camera", "cars").code == 0
    header = read_header(out)
    assert header.config["volume"]["plane_axes"] == "zy"
    assert header.config["camera_preset"] == "cars"


CARS = {"avg_camera_radius": 1.7, "avg_camera_pivot": [0, 0, 0]}


@pytest.mark.parametrize(
    ("recorded", "preset"),
    [
        ({"avg_camera_pivot": [0, 0, -0.06]}, "afhq"),
        ({"avg_camera_pivot": [0, 0, 0.19]}, "ffhq"),
        ({"white_back": True}, "ffhq"),
        (CARS, "cars-video"),
        (CARS | {"avg_camera_radius": 1.3}, "cars"),
        ({"avg_camera_pivot": None}, "ffhq"),
        ({"avg_camera_radius": None, "white_back": True}, "cars-video"),
    ],
)
def test_cameras_are_those_that_are_recorded(recorded, preset, write, out, nerfgan):
    path = write(checkpoint({"G_ema": generator(**recorded)[1]}))
    assert nerfgan("convert", path, "-o", out).code == 0
    assert read_header(out).config["camera_preset"] == preset


def test_every_camera_preset_can_be_chosen(write, out, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    for name in PRESETS:
        assert nerfgan("convert", path, "-o", out, "--camera", name).code == 0
        assert read_header(out).config["camera_preset"] == name
    nerfgan("convert", path, "-o", out, "--camera", "boats").refused(2, *PRESETS)


def test_a_pivot_that_is_no_point(write, out, nerfgan):
    path = write(checkpoint({"G_ema": generator(avg_camera_pivot=[0, 0.2])[1]}))
    nerfgan("convert", path, "-o", out).refused(3, "dimension")


def test_provenance_has_no_folders(write, out, nerfgan):
    training = {"path": "/home/somebody/data/FFHQ_512.zip", "resolution": 512}
    path = write(checkpoint({"G_ema": generator()[1]}, training))
    assert nerfgan("convert", path, "-o", out).code == 0
    provenance = read_header(out).provenance
    assert provenance.training == {"path": "FFHQ_512.zip", "resolution": 512}
    assert provenance.source == "official.pkl"
    assert b"somebody" not in out.read_bytes()
    assert str(path.parent).encode() not in out.read_bytes()


def test_converting_twice_gives_the_same_bytes(write, out, tmp_path, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    again = tmp_path / "again.safetensors"
    assert nerfgan("convert", path, "-o", out).code == 0
    assert nerfgan("convert", path, "-o", again).code == 0
    assert out.read_bytes() == again.read_bytes()


def test_golden_checkpoint(golden_checkpoint, write, out, nerfgan):
    """Of the discriminator it is also kept how strongly its pictures were augmented."""
    path = write(golden_checkpoint)
    for name in ("G_ema", "G", "D"):
        assert nerfgan("convert", path, "-o", out, "--network", name).code == 0
        training = read_header(out).provenance.training
        assert isinstance(training.get("augment_p"), float) == (name == "D")
    pipe = read_official(path).network("augment_pipe")
    assert training["augment_p"] == float(pipe.tensors["p"].array())


def test_does_not_import_torch(write, out):
    path = write(checkpoint({"G_ema": generator()[1]}))
    program = (
        "import sys; from nerfgan_cli.commands.app import main\n"
        "code = main(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    )
    for arguments in (["convert", path, "-o", out], ["info", path], ["info", out]):
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("decoder.net.0.bias"), ["lacks", "decoder.net.0.bias"]),
        (lambda t: t.update(surplus=np.ones(2, np.float32)), ["unknown", "surplus"]),
        (lambda t: t.update({"decoder.net.0.bias": np.ones(3, np.float32)}), ["mis-shaped"]),
        (lambda t: t["decoder.net.0.bias"].fill(np.nan), ["NaN", "decoder.net.0.bias"]),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, words, write, out, tmp_path, nerfgan):
    path = write(checkpoint({"G_ema": generator(change)[1]}))
    nerfgan("convert", path, "-o", out).refused(4, *words)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (ARGUMENTS | {"z_dim": "8"}, 4, "z_dim"),
        (ARGUMENTS | {"mapping_kwargs": {"num_layers": 1_000_000_000}}, 4, "0 to 64"),
        (ARGUMENTS | {"mapping_kwargs": {"num_layers": 3}}, 4, "fc2"),
        (ARGUMENTS | {"channel_max": 8}, 4, "mis-shaped"),
        (ARGUMENTS | {"surprise": 1}, 3, "surprise"),
        ({"rendering_kwargs": {}}, 3, "lack"),
        (ARGUMENTS | {"rendering_kwargs": OPTIONS | {"superresolution_module": "x.Y"}}, 2, "Y"),
    ],
)
def test_options_that_do_not_fit(arguments, code, word, write, out, nerfgan):
    path = write(checkpoint({"G_ema": generator(arguments=arguments)[1]}))
    nerfgan("convert", path, "-o", out).refused(code, word)
    assert not out.exists()


def test_network_that_is_not_there(write, out, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    nerfgan("convert", path, "-o", out, "--network", "D").refused(3, "no network D", "G_ema")


def test_input_is_never_overwritten(write, out, tmp_path, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    data = path.read_bytes()
    nerfgan("convert", path, "-o", path).refused(2, "is the input")
    out.hardlink_to(path)
    nerfgan("convert", path, "-o", out).refused(2, "is the input")
    assert path.read_bytes() == data


def test_output_that_cannot_be_written(write, tmp_path, nerfgan):
    path = write(checkpoint({"G_ema": generator()[1]}))
    for name in (tmp_path / "model.txt", tmp_path / ".safetensors", ""):
        nerfgan("convert", path, "-o", name).refused(2, repr(str(name)), "end it in .safetensors")
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    nerfgan("convert", path, "-o", folder).refused(3, "is a folder")
    nerfgan("convert", path, "-o", path / "model.safetensors").refused(3, "cannot write")


def test_terms_are_handed_on():
    origin = Provenance(source="ffhq512-128.pkl", licence=OFFICIAL_TERMS)
    terms = derived_licence(origin)
    assert terms == f"Derived from ffhq512-128.pkl. {OFFICIAL_TERMS}"
    assert derived_licence(Provenance(source="student", licence=terms)) == terms
    assert derived_licence(Provenance(source="ours")) is None
