"""Damaged, forged and wrong model files: each refused in one sentence, nothing half-written."""

import errno
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from attacks import PROTOCOLS, WEIGHT, small
from official_pickles import Global, New, Writer, call, checkpoint, network
from safetensors.torch import load_file, save_file

from nerfgan_cli.checkpoints import container
from nerfgan_cli.checkpoints.conversion import convert
from nerfgan_cli.checkpoints.format import (
    load_model,
    load_network,
    rewrite_model,
    save_model,
)
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.official import read_official
from nerfgan_cli.checkpoints.payloads import to_payload
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import InputError, NerfganError, UnsafeFileError, WeightsError
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import DummyDualDiscriminator

ROOT = Path(__file__).parents[2]
CONFIG = EG3DConfig(
    z_dim=8,
    img_resolution=128,
    channel_base=256,
    channel_max=4,
    superresolution="SuperresolutionHybrid2X",
)
NAME = "backbone.mapping.fc0.bias"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The file of a small generator."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    save_model(path, EG3D(CONFIG), Provenance(source="test"))
    return path


def split(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: object, numbers: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def described(path: Path, **changes: object) -> bytes:
    """The file with another description of its model."""
    header, numbers = split(path)
    description = json.loads(header["__metadata__"]["nerfgan"]) | changes
    header["__metadata__"]["nerfgan"] = json.dumps(description)
    return joined(header, numbers)


def changed_tensors(path: Path, tmp_path: Path, change) -> Path:
    """The file with other tensors, under the same description."""
    tensors = load_file(path)
    change(tensors)
    metadata = split(path)[0]["__metadata__"]
    out = tmp_path / "changed.safetensors"
    save_file(tensors, out, metadata)
    return out


def refused(error: type[NerfganError], path: Path, *words: str) -> None:
    with pytest.raises(error) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.endswith((".", "?"))
    for word in words:
        assert word in message


# Tensors


def test_half_the_size(good, tmp_path):
    """Weights rounded to float16, within 2⁻¹¹ of what they were."""
    small_file = tmp_path / "half.safetensors"
    rewrite_model(good, small_file, half=True)
    assert small_file.stat().st_size < 0.6 * good.stat().st_size
    whole, half = load_network(good).state_dict(), load_network(small_file).state_dict()
    assert {tensor.dtype for tensor in half.values()} == {torch.float32}
    for name, tensor in whole.items():
        torch.testing.assert_close(half[name], tensor, rtol=2**-11, atol=1e-7)
    assert any(not torch.equal(half[name], tensor) for name, tensor in whole.items())


def test_too_large_for_half(good, tmp_path):
    model = load_network(good)
    with torch.no_grad():
        model.get_parameter(NAME).fill_(1e6)
    with pytest.raises(WeightsError, match="infinite"):
        save_model(tmp_path / "half.safetensors", model, Provenance(source="test"), half=True)


def test_whole_numbers_where_half_are_announced(good, tmp_path):
    path = tmp_path / "forged.safetensors"
    path.write_bytes(described(good, half=True))
    refused(WeightsError, path, "mis-typed", "F32 instead of F16")


def test_missing_tensor_is_named(good, tmp_path):
    path = changed_tensors(good, tmp_path, lambda tensors: tensors.pop(NAME))
    refused(WeightsError, path, "lacks", NAME)


def test_unknown_tensor_is_named(good, tmp_path):
    path = changed_tensors(good, tmp_path, lambda t: t.update(surplus=torch.zeros(1)))
    refused(WeightsError, path, "unknown", "surplus")


def test_misshaped_tensor_is_named(good, tmp_path):
    path = changed_tensors(good, tmp_path, lambda t: t.update({NAME: torch.zeros(3)}))
    refused(WeightsError, path, "mis-shaped", NAME, "(3,) instead of (512,)")


def test_tensor_of_another_type_is_named(good, tmp_path):
    path = changed_tensors(good, tmp_path, lambda t: t.update({NAME: t[NAME].half()}))
    refused(WeightsError, path, "mis-typed", NAME, "F16 instead of F32")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_tensor_that_is_not_finite_is_named(value, good, tmp_path):
    path = changed_tensors(good, tmp_path, lambda t: t[NAME].fill_(0)[3:4].fill_(value))
    refused(WeightsError, path, "NaN", NAME)


def test_many_names_are_counted(good, tmp_path):
    path = changed_tensors(good, tmp_path, lambda tensors: [tensors.pop(n) for n in list(tensors)])
    refused(WeightsError, path, "and 172 more")


def test_a_model_that_diverged_is_not_saved(good, tmp_path):
    model = load_model(good)
    model.decoder.net[0].bias.data[0] = float("nan")
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"the last good one")
    with pytest.raises(WeightsError, match=r"decoder\.net\.0\.bias"):
        save_model(path, model, Provenance(source="test"))
    assert path.read_bytes() == b"the last good one"
    assert os.listdir(tmp_path) == [path.name]


# Header


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"version": 2}, WeightsError, "update nerfgan"),
        ({"version": "1"}, InputError, "damaged"),
        ({"kind": "hologram"}, WeightsError, "hologram"),
        ({"kind": 3}, InputError, "damaged"),
        ({"kind": "discriminator"}, WeightsError, "unknown key"),
        ({"config": {"z_dims": 8}}, WeightsError, "did you mean z_dim?"),
        ({"config": {"z_dim": "8"}}, WeightsError, "z_dim"),
        ({"config": {"z_dim": 1 << 40}}, WeightsError, "0 to 65536"),
        ({"config": {"z_dim": -1}}, WeightsError, "0 to 65536"),
        ({"config": {"mapping_layers": 1 << 15}}, WeightsError, "0 to 64"),
        ({"config": {"channel_base": 0}}, WeightsError, ""),
        ({"config": {"volume": {"plane_axes": "xyz"}}}, InputError, "plane axes"),
        ({"config": {"volume": {"ray_start": 3.5}}}, InputError, "have no length"),
        ({"config": {"c_dim": 7}}, WeightsError, "7 numbers of a camera: set c_dim to 25"),
        ({"kind": "student", "config": {"latent": {"c_dim": 7}}}, WeightsError, "7 numbers"),
        ({"config": {"channel_max": 1 << 16, "channel_base": 1 << 16}}, WeightsError, "larger"),
        ({"config": []}, InputError, "damaged"),
        ({"config": {"volume": {"box_warp": float("nan")}}}, InputError, "damaged"),
        ({"provenance": {}}, WeightsError, "provenance"),
        ({"provenance": {"source": 1, "nerfgan": "1"}}, WeightsError, "provenance"),
        ({"parameters": {"backbone": "many"}}, InputError, "damaged"),
    ],
)
def test_forged_description(changes, error, word, good, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(described(good, **changes))
    refused(error, path, word)


def test_file_that_nerfgan_did_not_write(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    refused(InputError, path, "did not write")


HEADERS = {
    "empty": b"",
    "a list": b"[]",
    "no JSON": b"{" * 100,
    "deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no UTF-8": b'{"\xff": 1}',
    "endless integer": b'{"a": 1' + b"0" * 10_000 + b"}",
    "a name twice": b'{"a": {"dtype":"F32","shape":[0],"data_offsets":[0,0]}, '
    b'"a": {"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
    "a tensor that is a number": b'{"a": 1}',
    "an unknown type": b'{"a": {"dtype":"F7","shape":[1],"data_offsets":[0,4]}}',
    "a type that is a list": b'{"a": {"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}',
    "negative sizes": b'{"a": {"dtype":"F32","shape":[-1],"data_offsets":[0,-4]}}',
    "huge sizes": b'{"a": {"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}',
    "a size of truth": b'{"a": {"dtype":"F32","shape":[true],"data_offsets":[0,4]}}',
    "another size": b'{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
    "surplus keys": b'{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4], "x": 1}}',
    "overlap": b'{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}, '
    b'"b": {"dtype":"F32","shape":[1],"data_offsets":[2,6]}}',
    "a gap": b'{"a": {"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    "metadata of numbers": b'{"__metadata__": {"a": 1}}',
}


@pytest.mark.parametrize("name", HEADERS)
def test_forged_header(name, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(joined(HEADERS[name], b"\0\0\0\0"))
    refused(InputError, path)


@pytest.mark.parametrize("length", [100, 1 << 30, 1 << 39, 1 << 63])
def test_header_that_claims_too_much(length, good, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b'{"a": 1}')
    refused(InputError, path)


def test_truncated_and_prolonged_files(good, tmp_path):
    data = good.read_bytes()
    path = tmp_path / "model.safetensors"
    for kept in (*range(12), 100, 1000, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:kept])
        refused(InputError, path)
    path.write_bytes(data + b"\0")
    refused(InputError, path, "belong to no tensor")


# Files of another kind


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def torch_saved(**options: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, buffer, **options)
    return buffer.getvalue()


KINDS = {
    "empty": (b"", "empty"),
    "pickle": (checkpoint({"G_ema": small()}), "nerfgan convert"),
    "torch zip": (torch_saved(), "torch.save"),
    "torch legacy": (torch_saved(_use_new_zipfile_serialization=False), "torch.save"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(20), "JPEG"),
    "MP4": (b"\0\0\0\x20ftypisom" + bytes(20), "video"),
    "HTML": (b"\n<!DOCTYPE html><html>404</html>", "web page"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(20), "TensorFlow"),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x062.0.0" + bytes(20), "ONNX"),
    "npy": (b"\x93NUMPY\x01\0" + bytes(20), "numpy"),
    "npz": (zipped(**{"a.npy": b"x"}), "numpy"),
    "dataset": (zipped(**{"dataset.json": b"{}", "a.png": b""}), "dataset"),
    "zip": (zipped(**{"readme.txt": b"x"}), "zip"),
    "broken zip": (b"PK\x03\x04" + bytes(20), "zip"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "gzip"),
    "text": (b"hello\nworld\n", "text"),
    "JSON": (b'{"labels": []}', "JSON"),
    "noise": (bytes(range(200, 256)) * 9, "kind"),
}


@pytest.mark.parametrize("name", KINDS)
def test_file_of_another_kind_is_named(name, tmp_path):
    data, word = KINDS[name]
    path = tmp_path / "file"
    path.write_bytes(data)
    refused(InputError, path, word)
    if name != "pickle":
        with pytest.raises(InputError, match=word):
            read_official(path)


def test_folder_is_named(tmp_path):
    refused(InputError, tmp_path, "a folder")
    (tmp_path / "recipe.toml").touch()
    refused(InputError, tmp_path, "run folder")


def test_missing_file(tmp_path):
    refused(InputError, tmp_path / "absent.safetensors", "no such file")


# Writing


def test_disk_full_leaves_the_last_good_file(good, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"the last good one")

    class Full(io.FileIO):
        room = 1 << 20

        def write(self, data):
            self.room -= len(data)
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(Path, "open", lambda self, mode: Full(self, mode))
    with pytest.raises(InputError, match="disk is full"):
        save_model(path, EG3D(CONFIG), Provenance(source="test"))
    monkeypatch.undo()
    assert path.read_bytes() == b"the last good one"
    assert os.listdir(tmp_path) == [path.name]


def test_killed_while_writing_leaves_the_last_good_file(good, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(good.read_bytes())
    program = """
import os, sys
from pathlib import Path
import numpy as np
from nerfgan_cli.checkpoints import container

def killed(array, left=iter(range(2))):
    next(left, None) is None and os.kill(os.getpid(), 9)
    return array

np.ascontiguousarray = killed
payloads = {str(i): container.Payload("F32", np.zeros(100_000, np.float32)) for i in range(4)}
container.write_container(Path(sys.argv[1]), {}, payloads)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program, path], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert load_model(path).config() == load_model(good).config()


def test_same_model_same_bytes(good, tmp_path):
    model = load_model(good)
    again = tmp_path / "again.safetensors"
    save_model(again, model, Provenance(source="test"))
    assert again.read_bytes() == good.read_bytes()
    assert again.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_loading_leaves_random_numbers_alone(good):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_model(good)
    assert torch.equal(torch.rand(3), expected)


def test_other_types_survive(tmp_path):
    """The container keeps what torch has: half precisions, integers, truth values, scalars."""
    tensors = {
        "half": torch.tensor([1.5, -2.0]).half(),
        "brain": torch.tensor([1.5, 3e38]).bfloat16(),
        "integer": torch.tensor(7),
        "byte": torch.arange(5, dtype=torch.uint8),
        "truth": torch.tensor([True, False]),
        "transposed": torch.arange(6.0).view(2, 3).t(),
        "nothing": torch.zeros(0, 3),
    }
    path = tmp_path / "any.safetensors"
    container.write_container(path, {}, {name: to_payload(t) for name, t in tensors.items()})
    loaded = load_file(path)
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_discriminator_round_trip(tmp_path):
    config = DiscriminatorConfig(img_resolution=16, channel_base=64, channel_max=8)
    model = DummyDualDiscriminator(config)
    path = tmp_path / "d.safetensors"
    save_model(path, model, Provenance(source="test"))
    loaded = load_network(path)
    assert type(loaded) is DummyDualDiscriminator
    assert loaded.config == config
    state = loaded.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert read_header(path).kind == "discriminator"
    refused(NerfganError, path, "discriminator")
    with pytest.raises(WeightsError, match="24 numbers of a camera"):
        DiscriminatorConfig(img_resolution=16, c_dim=24)


# Official pickles that are damaged rather than hostile


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_truncation_is_bad_input(protocol, tmp_path):
    data = checkpoint({"G": small(), "G_ema": small()}, None, protocol)
    path = tmp_path / "cut.pkl"
    for kept in range(1, len(data) - 1, 13):
        path.write_bytes(data[:kept])
        with pytest.raises(InputError):
            read_official(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(InputError, match="goes on"):
        read_official(path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damage_never_surprises(protocol, tmp_path):
    """Whatever bytes change, the file is read or refused in one of our own sentences."""
    data = checkpoint({"G_ema": small(learned=1.5, names={"a", "b"})}, None, protocol)
    rng = random.Random(protocol)
    path = tmp_path / "damaged.pkl"
    outcomes = set()
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.randrange(len(damaged))
            how = rng.random()
            if how < 0.6:
                damaged[place] = rng.randrange(256)
            elif how < 0.8:
                del damaged[place : place + rng.randrange(1, 9)]
            else:
                damaged[place:place] = rng.randbytes(rng.randrange(1, 9))
        path.write_bytes(damaged)
        try:
            for network in read_official(path).networks.values():
                for tensor in network.tensors.values():
                    np.isfinite(tensor.array()).all()
            outcomes.add("read")
        except (InputError, UnsafeFileError) as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"read", "InputError", "UnsafeFileError"}


def test_pickle_without_networks(tmp_path):
    path = tmp_path / "file.pkl"
    for value in ([1, 2], {"a": 1}, {"G": None}):
        path.write_bytes(Writer(4).file(value))
        with pytest.raises(InputError, match="no networks"):
            read_official(path)


def test_objects_of_another_version(tmp_path):
    meta = {"type": "class", "version": 5, "class_name": "A", "state": {}}
    path = tmp_path / "file.pkl"
    made = call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)
    path.write_bytes(checkpoint({"G_ema": made}))
    with pytest.raises(InputError, match="version 6"):
        read_official(path)


def test_other_official_releases_are_named(tmp_path):
    path = tmp_path / "file.pkl"
    tensorflow = New(Global("dnnlib.tflib.network", "Network"), [{"version": 4}])
    path.write_bytes(Writer(3).file((tensorflow, tensorflow, tensorflow)))
    with pytest.raises(InputError, match="TensorFlow"):
        read_official(path)
    generator = network("Generator", {"mapping.w_avg": WEIGHT}, {"z_dim": 512})
    path.write_bytes(checkpoint({"G_ema": generator}))
    with pytest.raises(InputError, match="StyleGAN"):
        convert(path, tmp_path / "out.safetensors")
