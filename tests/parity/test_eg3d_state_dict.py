"""Names, shapes and order of the released tensors, both ways."""

import json
from typing import Any

import pytest
from golden import ROOT
from torch import nn

from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import build_discriminator
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.nn.stylegan2 import SynthesisNetwork
from nerfgan_cli.nn.superresolution import build_superresolution

PLANES_RESOLUTION, PLANES_CHANNELS = 256, 96  # of the backbone, in every release


def configurations() -> list[Any]:
    path = ROOT / "eg3d_state_dict.json"
    if not path.is_file():
        reason = f"no {path.name} in {ROOT}: set NERFGAN_GOLDENS to a folder that has it"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(value, id=key) for key, value in json.loads(path.read_text()).items()]


CONFIGURATIONS = pytest.mark.parametrize("release", configurations())


def assert_same_tensors(module: nn.Module, released: dict[str, list[int]], prefix: str) -> None:
    ours = {prefix + name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    theirs = {name: shape for name, shape in released.items() if name.startswith(prefix)}
    assert ours == theirs
    assert list(ours) == list(theirs)


def assert_same_parameters(module: nn.Module, names: list[str], prefix: str) -> None:
    ours = [prefix + name for name, _ in module.named_parameters()]
    assert ours == [name for name in names if name.startswith(prefix)]


@CONFIGURATIONS
def test_backbone(release: dict[str, Any]) -> None:
    kwargs = release["init_kwargs"]["G"]
    synthesis = SynthesisNetwork(
        kwargs["w_dim"],
        PLANES_RESOLUTION,
        PLANES_CHANNELS,
        channel_base=kwargs["channel_base"],
        channel_max=kwargs["channel_max"],
        conv_clamp=kwargs["conv_clamp"],
    )
    mapping = MappingNetwork(
        kwargs["z_dim"],
        kwargs["c_dim"],
        kwargs["w_dim"],
        num_ws=synthesis.num_ws,
        **kwargs["mapping_kwargs"],
    )
    for module, prefix in ((synthesis, "backbone.synthesis."), (mapping, "backbone.mapping.")):
        assert_same_tensors(module, release["G"], prefix)
        assert_same_parameters(module, release["parameters"]["G"], prefix)


@CONFIGURATIONS
def test_super_resolution(release: dict[str, Any]) -> None:
    name = release["init_kwargs"]["G"]["rendering_kwargs"]["superresolution_module"]
    module = build_superresolution(name)
    assert_same_tensors(module, release["G"], "superresolution.")
    assert_same_parameters(module, release["parameters"]["G"], "superresolution.")


@CONFIGURATIONS
def test_discriminator(release: dict[str, Any]) -> None:
    config = DiscriminatorConfig.from_release(release["init_kwargs"]["D"])
    module = build_discriminator(release["class_name"]["D"], config)
    assert_same_tensors(module, release["D"], "")
    assert_same_parameters(module, release["parameters"]["D"], "")
