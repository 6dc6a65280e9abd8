"""Names, shapes and order of Mimic3D's released tensors, and the table that converting uses."""

import json
from typing import Any

import pytest
import torch
from golden import ROOT

from nerfgan_cli.checkpoints.expected import discriminator_tensors, generator_tensors
from nerfgan_cli.checkpoints.official import SURPLUS
from nerfgan_cli.generators.mimic3d import PRESETS, Mimic3D
from nerfgan_cli.generators.mimic3d_config import PATCH_DISCRIMINATOR
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import build_discriminator

BUFFERS = ("resample_filter", "noise_const", "w_avg")


def releases() -> list[Any]:
    path = ROOT / "mimic3d_state_dict.json"
    if not path.is_file():
        reason = f"no {path.name} in {ROOT}: set NERFGAN_GOLDENS to a folder that has it"
        return [pytest.param(None, None, marks=pytest.mark.skip(reason=reason))]
    tables = json.loads(path.read_text())
    resolved = {
        name: {
            key: tables[table.removeprefix("same as ")][key] if isinstance(table, str) else table
            for key, table in entry.items()
        }
        for name, entry in tables.items()
    }
    return [pytest.param(name, entry, id=name) for name, entry in resolved.items()]


RELEASES = pytest.mark.parametrize(("name", "release"), releases())


@RELEASES
def test_generator(name: str, release: dict[str, Any]) -> None:
    config = PRESETS[name.replace("_", "-")]
    with torch.device("meta"):
        generator = Mimic3D(config)
    state = {key: list(tensor.shape) for key, tensor in generator.state_dict().items()}
    expected = {key: shape for key, shape in release["G"].items() if key not in SURPLUS}
    assert list(state.items()) == list(expected.items())
    buffers = [key for key in expected if key.endswith(BUFFERS)]
    assert [key for key, _ in generator.named_buffers()] == buffers
    assert generator_tensors(config) == {key: tuple(shape) for key, shape in expected.items()}


@RELEASES
def test_discriminators(name: str, release: dict[str, Any]) -> None:
    config = DiscriminatorConfig(img_resolution=PRESETS[name.replace("_", "-")].img_resolution)
    networks = [("D", "DualDiscriminator", config, 2)]
    if release["D_patch"] is not None:
        networks.append(("D_patch", "SingleDiscriminator", PATCH_DISCRIMINATOR, 1))
    assert (release["D_patch"] is None) == name.endswith("2d")
    for key, class_name, config, images in networks:
        with torch.device("meta"):
            state = build_discriminator(class_name, config).state_dict()
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        assert shapes == {name: tuple(shape) for name, shape in release[key].items()}
        assert discriminator_tensors(images, config) == shapes
