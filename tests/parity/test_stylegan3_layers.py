"""StyleGAN3 synthesis input, synthesis layers and mapping network against the release."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from golden import Golden, assert_close, filled, fixed_input, goldens
from stylegan3_case import factor, input_name, stated_input

from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.nn.stylegan3 import SynthesisInput, SynthesisLayer
from nerfgan_cli.nn.stylegan3_filters import Grid, LayerSpec, StyleGAN3Config

DEFAULTS = StyleGAN3Config()


@pytest.mark.parametrize("path", goldens("stylegan3_input*.npz"))
def test_synthesis_input(path: Path) -> None:
    golden = Golden(path)
    tolerance = golden.meta["tolerance"]
    prefix = re.search(r"fill_value\('([^']*)'", golden.meta["weights"])
    assert prefix
    for name, case in golden.meta["cases"].items():
        size = case["size"] if isinstance(case["size"], list) else [case["size"]] * 2
        module = SynthesisInput(
            case["w_dim"], case["channels"], tuple(size), case["sampling_rate"], case["bandwidth"]
        )
        filled(module, lambda tensor: prefix.group(1) + tensor)
        module.transform.copy_(golden[f"{name}.transform"])
        inputs = [golden[f"{name}.w"].requires_grad_(), module.weight.requires_grad_()]
        y = module(inputs[0])
        assert_close(y, golden[f"{name}.y"], tolerance["y"], floor=0)
        gradients = torch.autograd.grad(y, inputs, stated_input(case["dy"], y.shape))
        for key, gradient in zip(("dw", "dweight"), gradients, strict=True):
            assert_close(gradient, golden[f"{name}.{key}"], tolerance["gradients"], floor=0)


@pytest.mark.parametrize("path", goldens("stylegan3_layer_*.npz"))
def test_synthesis_layer(path: Path) -> None:
    golden = Golden(path)
    tolerance = golden.meta["tolerance"]["all"]
    for name, case in golden.meta["cases"].items():
        layer = SynthesisLayer(
            layer_spec(case),
            case["w_dim"],
            conv_clamp=case.get("conv_clamp", DEFAULTS.conv_clamp),
            magnitude_ema_beta=case.get("magnitude_ema_beta", DEFAULTS.magnitude_ema_beta),
        )
        filled(layer, lambda tensor, name=name: f"synthesis.{name}.{tensor}")
        stem = input_name(case["input"]).removesuffix(".x")
        batch = case["x_shape"][0]
        inputs = {
            "x": stated_input(case["input"], case["x_shape"]),
            "w": fixed_input(f"{stem}.w", (batch, case["w_dim"])),
            "weight": layer.weight,
            "bias": layer.bias,
            "affine_weight": layer.affine.weight,
            "affine_bias": layer.affine.bias,
        }
        for tensor in inputs.values():
            tensor.requires_grad_()
        y = layer(inputs["x"], inputs["w"], update_emas=case["update_emas"])
        assert_close(y, golden[f"{name}.y"], tolerance, floor=0)
        if case["update_emas"]:
            after = golden[f"{name}.magnitude_ema_after"]
            assert_close(layer.magnitude_ema, after, tolerance, floor=0)
        dy = fixed_input(f"{stem}.dy", y.shape)
        gradients = torch.autograd.grad(y, list(inputs.values()), dy)
        for key, gradient in zip(inputs, gradients, strict=True):
            # Of a doubled input, the file has the gradient with respect to the undoubled one.
            scale = factor(case["input"]) if key == "x" else 1.0
            assert_close(gradient * scale, golden[f"{name}.d{key}"], tolerance, floor=0)


def layer_spec(case: dict[str, Any]) -> LayerSpec:
    """The layer of a golden case, its derived sizes checked against the stated ones."""
    sides = [
        Grid(
            channels=case[f"{side}_channels"],
            size=case[f"{side}_size"],
            sampling_rate=case[f"{side}_sampling_rate"],
            cutoff=case[f"{side}_cutoff"],
            half_width=case[f"{side}_half_width"],
        )
        for side in ("in", "out")
    ]
    spec = LayerSpec(
        index=0,
        input=sides[0],
        output=sides[1],
        conv_kernel=1 if case["is_torgb"] else case["conv_kernel"],
        is_torgb=case["is_torgb"],
        radial_down_filter=case["use_radial_filters"] and not case["is_critically_sampled"],
        filter_size=case.get("filter_size", DEFAULTS.filter_size),
        lrelu_upsampling=case.get("lrelu_upsampling", DEFAULTS.lrelu_upsampling),
    )
    assert [*spec.padding, *spec.padding] == case["padding"]
    derived = (spec.up, spec.down, spec.up_taps, spec.down_taps)
    stated = ("up_factor", "down_factor", "up_taps", "down_taps")
    assert derived == tuple(case[key] for key in stated)
    return spec


@pytest.mark.parametrize("path", goldens("stylegan3_mapping*.npz"))
def test_mapping(path: Path) -> None:
    golden = Golden(path)
    tolerance = golden.meta["tolerance"]["all"]
    for name, case in golden.meta["cases"].items():
        mapping = MappingNetwork(
            case["z_dim"],
            case["c_dim"],
            case["w_dim"],
            case["num_ws"],
            num_layers=case["num_layers"],
        )
        filled(mapping, lambda tensor: f"mapping.{tensor}")
        z = golden[f"{name}.z"].requires_grad_()
        c = golden[f"{name}.c"].requires_grad_() if case["c_dim"] else None
        first = mapping.get_submodule("fc0").weight.requires_grad_()
        psi, cutoff = case["truncation_psi"], case["truncation_cutoff"]
        ws = mapping(z, c, psi, cutoff, update_emas=case["update_emas"])
        assert ws.shape == (len(z), case["num_ws"], case["w_dim"])
        assert_close(ws[:, 0], golden[f"{name}.ws_first"], tolerance, floor=0)
        assert_close(ws[:, -1], golden[f"{name}.ws_last"], tolerance, floor=0)
        if case["update_emas"]:
            assert_close(mapping.w_avg, golden[f"{name}.w_avg_after"], tolerance, floor=0)
        dy = stated_input(case["dy"], ws.shape)
        dz, dfirst, *dc = torch.autograd.grad(ws, [z, first, *([] if c is None else [c])], dy)
        assert_close(dz, golden[f"{name}.dz"], tolerance, floor=0)
        assert_close(dfirst[:4], golden[f"{name}.dfc0_weight_rows0to3"], tolerance, floor=0)
        if dc:
            assert_close(dc[0], golden[f"{name}.dc"], tolerance, floor=0)
