"""Whole generators: names, shapes and order of the released tensors, and their configurations."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from golden import ROOT

from nerfgan_cli.errors import InputError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.eg3d import EG3D, PRESETS, EG3DConfig


def releases() -> list[Any]:
    path = ROOT / "eg3d_state_dict.json"
    if not path.is_file():
        reason = f"no {path.name} in {ROOT}: set NERFGAN_GOLDENS to a folder that has it"
        return [pytest.param(None, None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(key, value, id=key) for key, value in json.loads(path.read_text()).items()]


RELEASES = pytest.mark.parametrize(("name", "release"), releases())


def official_config(release: dict[str, Any]) -> EG3DConfig:
    return EG3DConfig.from_official(release["init_kwargs"]["G"])


@RELEASES
def test_tensors(name: str, release: dict[str, Any]) -> None:
    with torch.device("meta"):
        generator = EG3D(official_config(release))
    ours = {key: list(tensor.shape) for key, tensor in generator.state_dict().items()}
    assert list(ours.items()) == list(release["G"].items())
    parameters = [key for key, _ in generator.named_parameters()]
    assert parameters == release["parameters"]["G"]
    assert [key for key, _ in generator.named_buffers()] == release["buffers"]["G"]


@RELEASES
def test_configuration(name: str, release: dict[str, Any]) -> None:
    """A configuration survives the header of a file, and the preset of this name equals it."""
    config = official_config(release)
    with torch.device("meta"):
        plain = EG3D(config).config()
    assert read_config(EG3DConfig, json.loads(json.dumps(plain))) == config
    if name in PRESETS:
        preset = PRESETS[name]
        theirs = replace(config, raw_resolution=preset.raw_resolution)
        recorded = preset.training.gpc_reg_prob
        theirs = replace(theirs, training=replace(theirs.training, gpc_reg_prob=recorded))
        assert theirs == preset


@RELEASES
def test_unknown_and_missing_options(name: str, release: dict[str, Any]) -> None:
    kwargs = release["init_kwargs"]["G"]
    with pytest.raises(InputError, match=r"'chanel_base'.*channel_base"):
        EG3DConfig.from_official({**kwargs, "chanel_base": 1})
    options = dict(kwargs["rendering_kwargs"])
    for key in ("gpc_reg_prob", "density_reg", "avg_camera_radius", "c_gen_conditioning_zero"):
        options.pop(key, None)
    without = EG3DConfig.from_official({**kwargs, "rendering_kwargs": options})
    assert without.training.density_reg is None
    options.pop("c_scale")
    unconditioned = EG3DConfig.from_official({**kwargs, "rendering_kwargs": options})
    assert unconditioned.conditioning_scale == 0
    options.pop("box_warp")
    with pytest.raises(InputError, match="box_warp"):
        EG3DConfig.from_official({**kwargs, "rendering_kwargs": options})


@RELEASES
def test_attributes_win_over_constructor_arguments(name: str, release: dict[str, Any]) -> None:
    kwargs = release["init_kwargs"]["G"]
    options = {**kwargs["rendering_kwargs"], "depth_resolution": 7}
    attributes = {"rendering_kwargs": options, "neural_rendering_resolution": 99}
    config = EG3DConfig.from_official(kwargs, attributes)
    assert (config.volume.depth_resolution, config.raw_resolution) == (7, 99)
