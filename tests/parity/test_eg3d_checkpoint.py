"""Official checkpoints: every name, number and option is as the golden files say."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from golden import ROOT, Golden, goldens

from nerfgan_cli.checkpoints.conversion import convert, describe
from nerfgan_cli.checkpoints.expected import discriminator_tensors, generator_tensors
from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.official import NETWORKS, SURPLUS, OfficialCheckpoint, read_official
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import PRESETS, EG3DConfig
from nerfgan_cli.generators.registry import build
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.superresolution_presets import PRESETS as SUPERRESOLUTION

FILES = goldens("eg3d_checkpoint*.npz")


def value(key: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Every tensor of the golden checkpoints, by its name."""
    count = int(np.prod(shape, dtype=np.int64))
    flat = crc32(f"{key}.{name}".encode()) % 97 + np.arange(count) % 7
    return flat.astype(np.float32).reshape(shape)


def pickles(golden: Golden, folder: Path) -> list[Path]:
    """The golden file's checkpoints, as files."""
    paths = []
    names = [name for name in golden.keys() if name.startswith("pickle_")]  # noqa: SIM118
    for name in names:
        paths.append(folder / f"{name}.pkl")
        paths[-1].write_bytes(golden.array(name).tobytes())
    assert paths
    return paths


@pytest.fixture(scope="module", params=FILES)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


@pytest.fixture(scope="module")
def paths(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return pickles(golden, tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="module")
def checkpoints(paths: list[Path]) -> list[OfficialCheckpoint]:
    return [read_official(path) for path in paths]


def networks(golden: Golden) -> list[str]:
    return [key for key in NETWORKS if f"names_{key}" in golden]


def test_names_and_sizes(golden: Golden, checkpoints: list[OfficialCheckpoint]) -> None:
    for checkpoint in checkpoints:
        assert set(checkpoint.networks) == set(networks(golden))
        for key, network in checkpoint.networks.items():
            assert list(network.tensors) == golden.array(f"names_{key}").tolist()
            sizes = [tensor.numel for tensor in network.tensors.values()]
            assert sizes == golden.array(f"numel_{key}").tolist()


def test_values(checkpoints: list[OfficialCheckpoint]) -> None:
    for checkpoint in checkpoints:
        for key, network in checkpoint.networks.items():
            for name, tensor in network.tensors.items():
                array = tensor.array()
                assert array.dtype == np.float32
                np.testing.assert_array_equal(array, value(key, name, tensor.shape), name)


def test_options(golden: Golden, checkpoints: list[OfficialCheckpoint]) -> None:
    for checkpoint in checkpoints:
        for key, network in checkpoint.networks.items():
            if key in ("G", "G_ema"):
                assert network.init_kwargs == golden.meta["init_kwargs_G"]
                resolution = golden.meta["neural_rendering_resolution"]
                assert network.attributes["neural_rendering_resolution"] == resolution
            if key == "D":
                assert network.init_kwargs == golden.meta["init_kwargs_D"]
        assert checkpoint.training == golden.meta.get("training_set_kwargs", {})


@pytest.mark.parametrize("key", ["G_ema", "G", "D"])
def test_converted_networks_hold_the_same(
    key: str, golden: Golden, paths: list[Path], tmp_path: Path
) -> None:
    if key not in networks(golden):
        pytest.skip(f"{golden.path.name} has no {key}")
    for path in paths:
        out = tmp_path / f"{path.stem}.safetensors"
        header = convert(path, out, key)
        state = load_network(out).state_dict()
        names = [n for n in golden.array(f"names_{key}").tolist() if n not in SURPLUS]
        assert list(state) == names
        assert set(header.entries) == set(names)
        for name, tensor in state.items():
            expected = torch.from_numpy(value(key, name, tuple(tensor.shape)))
            assert torch.equal(tensor, expected), name


def test_both_flavours_convert_to_the_same_model(paths: list[Path], tmp_path: Path) -> None:
    states = []
    for path in paths:
        out = tmp_path / f"{path.stem}.safetensors"
        convert(path, out)
        states.append(load_network(out).state_dict())
    for state in states[1:]:
        assert all(torch.equal(tensor, states[0][name]) for name, tensor in state.items())


def test_stored_attributes_win_over_the_constructor(
    checkpoints: list[OfficialCheckpoint],
) -> None:
    network = checkpoints[0].networks["G_ema"]
    options = {**network.attributes["rendering_kwargs"], "depth_resolution": 7, "box_warp": 3}
    attributes = {"rendering_kwargs": options, "neural_rendering_resolution": 96}
    config = describe(replace(network, attributes=attributes), "test", "zy", "afhq").config
    assert config["volume"]["depth_resolution"] == 7
    assert config["volume"]["box_warp"] == 3
    assert config["volume"]["plane_axes"] == "zy"
    assert config["raw_resolution"] == 96
    assert config["camera_preset"] == "afhq"


# The table of expected tensors


def releases() -> list[Any]:
    path = ROOT / "eg3d_state_dict.json"
    if not path.is_file():
        reason = f"no {path.name} in {ROOT}: set NERFGAN_GOLDENS to a folder that has it"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(value, id=key) for key, value in json.loads(path.read_text()).items()]


@pytest.mark.parametrize("release", releases())
def test_table_is_that_of_the_release(release: dict[str, Any]) -> None:
    config = EG3DConfig.from_official(release["init_kwargs"]["G"])
    assert generator_tensors(config) == {n: tuple(s) for n, s in release["G"].items()}
    discriminator = DiscriminatorConfig.from_release(release["init_kwargs"]["D"])
    tensors = discriminator_tensors(2, discriminator)
    assert tensors == {n: tuple(s) for n, s in release["D"].items()}


def generator_configs() -> list[Any]:
    configs = {f"preset-{name}": config for name, config in PRESETS.items()}
    for name, preset in SUPERRESOLUTION.items():
        configs[name] = EG3DConfig(
            z_dim=16,
            img_resolution=preset.resolution,
            mapping_layers=3,
            channel_base=1024,
            channel_max=16,
            superresolution=name,
        )
    return [pytest.param(config, id=name) for name, config in configs.items()]


@pytest.mark.parametrize("config", generator_configs())
def test_table_is_that_of_our_generator(config: EG3DConfig) -> None:
    with torch.device("meta"):
        state = EG3D(config).state_dict()
    assert generator_tensors(config) == {name: tuple(t.shape) for name, t in state.items()}


@pytest.mark.parametrize("c_dim", [0, 25])
@pytest.mark.parametrize(
    ("class_name", "images"),
    [("SingleDiscriminator", 1), ("DualDiscriminator", 2), ("DummyDualDiscriminator", 2)],
)
def test_table_is_that_of_our_discriminators(class_name: str, images: int, c_dim: int) -> None:
    config = DiscriminatorConfig(img_resolution=64, c_dim=c_dim, channel_base=512, channel_max=32)
    with torch.device("meta"):
        state = build("discriminator", {"class_name": class_name, **asdict(config)}).state_dict()
    tensors = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert discriminator_tensors(images, config) == tensors
