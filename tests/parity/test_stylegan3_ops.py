"""StyleGAN3 filters, filtered leaky ReLU and modulated convolution against the release."""

from pathlib import Path
from typing import Any

import pytest
import torch
from golden import Golden, assert_close, goldens

from nerfgan_cli.nn.stylegan3_filters import (
    STYLEGAN3_PRESETS,
    LayerSpec,
    layer_schedule,
    lowpass,
    radial_lowpass,
)
from nerfgan_cli.ops.filtered_lrelu import filtered_lrelu
from nerfgan_cli.ops.modconv import modulated_conv2d


@pytest.mark.parametrize("path", goldens("stylegan3_filters*.npz"))
def test_filter_design(path: Path) -> None:
    golden = Golden(path)
    for name, case in golden.meta["cases"].items():
        if case["identity"]:
            assert name not in golden
            continue
        design = radial_lowpass if case["radial"] else lowpass
        fir = design(case["numtaps"], case["cutoff"], case["half_width"], case["fs"])
        assert fir.dtype == torch.float32
        assert_close(fir, golden[name], golden.meta["tolerance"]["all"], floor=0)


@pytest.mark.parametrize("path", goldens("stylegan3_filters*.npz"))
def test_filters_of_networks(path: Path) -> None:
    golden = Golden(path)
    for name, layers in golden.meta["networks"].items():
        config = STYLEGAN3_PRESETS[name[0]]
        _, specs = layer_schedule(config, int(name[1:]), img_channels=3)
        assert len(specs) == len(layers)
        for spec in specs:
            key = f"L{spec.index}"
            check_filters(golden, spec, layers[key], f"{name}.{key}")


def check_filters(golden: Golden, spec: LayerSpec, layer: dict[str, Any], key: str) -> None:
    assert (spec.up, spec.down) == (layer["up"], layer["down"])
    assert [*spec.padding, *spec.padding] == layer["padding"]
    assert spec.radial_down_filter == layer["radial"]
    filters = {"up_filter": spec.up_filter(), "down_filter": spec.down_filter()}
    for kind, fir in filters.items():
        assert (fir is None) == (f"{key}.{kind}" not in golden)
        if fir is not None:
            assert_close(fir, golden[f"{key}.{kind}"], golden.meta["tolerance"]["all"], floor=0)


@pytest.mark.parametrize("path", goldens("stylegan3_filtered_lrelu*.npz"))
def test_filtered_lrelu(path: Path) -> None:
    golden = Golden(path)
    tolerance = golden.meta["tolerance"]["all"]
    for name, case in golden.meta["cases"].items():
        keys = [key for key in ("x", "b", "fu", "fd") if f"{name}.{key}" in golden]
        tensors = {key: golden[f"{name}.{key}"] for key in keys}
        inputs = [tensors[key].requires_grad_() for key in ("x", "b") if key in tensors]
        y = filtered_lrelu(
            tensors["x"],
            tensors.get("fu"),
            tensors.get("fd"),
            tensors.get("b"),
            up=case["up"],
            down=case["down"],
            padding=tuple(case["padding"]),
            gain=case["gain"],
            slope=case["slope"],
            clamp=case["clamp"],
            flip=case["flip_filter"],
        )
        assert list(y.shape) == case["out_shape"]
        assert_close(y, golden[f"{name}.y"], tolerance, floor=0)
        gradients = torch.autograd.grad(y, inputs, golden[f"{name}.dy"])
        for key, gradient in zip(("dx", "db"), gradients, strict=False):
            assert_close(gradient, golden[f"{name}.{key}"], tolerance, floor=0)


@pytest.mark.parametrize("path", goldens("stylegan3_modconv*.npz"))
def test_modulated_convolution(path: Path) -> None:
    golden = Golden(path)
    tolerance = golden.meta["tolerance"]["all"]
    for name, case in golden.meta["cases"].items():
        inputs = [golden[f"{name}.{key}"].requires_grad_() for key in ("x", "w", "s")]
        gain = golden[f"{name}.gain"] if case["gain"] is not None else 1.0
        settings = {
            "demodulate": case["demodulate"],
            "padding": case["padding"],
            "input_gain": gain,
        }
        y = modulated_conv2d(*inputs, **settings)
        assert_close(y, golden[f"{name}.y"], tolerance, floor=0)
        gradients = torch.autograd.grad(y, inputs, golden[f"{name}.dy"])
        for key, gradient in zip(("dx", "dw", "ds"), gradients, strict=True):
            assert_close(gradient, golden[f"{name}.{key}"], tolerance, floor=0)
        with torch.no_grad():  # takes another path on a CPU
            y = modulated_conv2d(*inputs, **settings)
        assert_close(y, golden[f"{name}.y"], tolerance, floor=0)
