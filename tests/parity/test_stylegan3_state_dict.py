"""Tensor names, shapes, order and layer schedule of the released StyleGAN3 configurations."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from golden import ROOT
from stylegan3_case import build

from nerfgan_cli.nn.stylegan3_filters import LayerSpec

TABLE = ROOT / "stylegan3_state_dict.json"
if not TABLE.is_file():
    TABLE = Path(__file__).parents[1] / "goldens" / "stylegan3_state_dict.json"
RELEASES: dict[str, Any] = json.loads(TABLE.read_text())


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_released_configuration(release: dict[str, Any]) -> None:
    with torch.device("meta"):
        generator = build(release["config"])
    assert generator.synthesis.num_ws == release["num_ws"]
    parameters = {name for name, _ in generator.named_parameters()}
    tensors = [
        (name, list(tensor.shape), "parameter" if name in parameters else "buffer")
        for name, tensor in generator.state_dict().items()
    ]
    released = [(name, t["shape"], t["kind"]) for name, t in release["tensors"].items()]
    assert tensors == released
    count = sum(parameter.numel() for parameter in generator.parameters())
    assert count == release["num_parameters"]
    names = generator.synthesis.layer_names
    specs = [generator.synthesis.get_submodule(name).spec for name in names]
    for spec, layer in zip(specs, release["layers"], strict=True):
        check_layer(spec, layer)


def check_layer(spec: LayerSpec, layer: dict[str, Any]) -> None:
    exact = {
        "name": spec.name,
        "in_channels": spec.input.channels,
        "out_channels": spec.output.channels,
        "conv_kernel": spec.conv_kernel,
        "in_size": spec.input.size,
        "out_size": spec.output.size,
        "in_sampling_rate": spec.input.sampling_rate,
        "out_sampling_rate": spec.output.sampling_rate,
        "tmp_sampling_rate": spec.activation_rate,
        "up_factor": spec.up,
        "up_taps": spec.up_taps,
        "down_factor": spec.down,
        "down_taps": spec.down_taps,
        "down_radial": spec.radial_down_filter,
        "padding_x0_x1_y0_y1": [*spec.padding, *spec.padding],
        "is_torgb": spec.is_torgb,
    }
    assert exact == {key: layer[key] for key in exact}
    frequencies = {
        "in_cutoff": spec.input.cutoff,
        "out_cutoff": spec.output.cutoff,
        "in_half_width": spec.input.half_width,
        "out_half_width": spec.output.half_width,
    }
    assert frequencies == pytest.approx({key: layer[key] for key in frequencies}, rel=1e-12)
