"""EG3D's tensor functions and StyleGAN2's layers and blocks against the official outputs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from golden import Golden, assert_close, filled, goldens
from torch import Tensor, nn

from nerfgan_cli.nn.conv_layers import minibatch_std
from nerfgan_cli.nn.discriminators import DiscriminatorBlock, DiscriminatorEpilogue
from nerfgan_cli.nn.stylegan2 import SynthesisBlock, SynthesisLayer, ToRGBLayer
from nerfgan_cli.ops.bias_act import bias_act
from nerfgan_cli.ops.conv import conv2d_resample
from nerfgan_cli.ops.fir import (
    RESAMPLE_TAPS,
    blur2d,
    blur_taps,
    downsample2d,
    filter2d,
    fir_filter,
    upfirdn2d,
    upsample2d,
)
from nerfgan_cli.ops.modconv import modulated_conv2d
from nerfgan_cli.ops.resize import filtered_resizing

TOLERANCE = 1e-4
FP16_TOLERANCE = 1e-2
FAMILY = pytest.mark.parametrize("path", goldens("eg3d_ops*.npz"))
FIR = fir_filter(RESAMPLE_TAPS)
W_DIM = 16


@pytest.fixture(params=["autograd", "inference"], autouse=True)
def _mode(request: pytest.FixtureRequest) -> Iterator[None]:
    """Inference folds scales into weights and reuses memory: it must give the same."""
    with torch.set_grad_enabled(request.param == "autograd"):
        yield


def named(module: nn.Module, prefix: str) -> nn.Module:
    return filled(module, lambda name: f"{prefix}.{name}")


def compare(g: Golden, key: str, actual: Tensor, tolerance: float = TOLERANCE) -> None:
    assert_close(actual, g[key], tolerance)


@FAMILY
def test_fir(path: Path) -> None:
    g = Golden(path)
    x = g.fx("ops/x", (2, 3, 10, 12))
    compare(g, "fir", FIR)
    compare(g, "up2", upsample2d(x, FIR))
    compare(g, "down2", downsample2d(x, FIR))
    compare(g, "filter", filter2d(x, FIR))


@FAMILY
@pytest.mark.parametrize("flip", [0, 1])
def test_upfirdn(path: Path, flip: int) -> None:
    g = Golden(path)
    x = g.fx("ops/x", (2, 3, 10, 12))
    f2, f1 = g.fx("ops/f2", (3, 5)), g.fx("ops/f1", (5,))
    actual = upfirdn2d(x, f2, (2, 3), (3, 2), (1, 2, -1, 3), flip=bool(flip), gain=1.7)
    compare(g, f"upfirdn_f2_flip{flip}", actual)
    actual = upfirdn2d(x, f1, (2, 2), padding=(2, 1, 0, 3), flip=bool(flip), gain=1.7)
    compare(g, f"upfirdn_f1_flip{flip}", actual)


@FAMILY
def test_blur(path: Path) -> None:
    g = Golden(path)
    x = g.blocky("ops/blur", (1, 3, 64, 64))
    for key in sorted(g.keys()):
        if key.startswith("blur_kernel_"):
            sigma = key.removeprefix("blur_kernel_")
            compare(g, key, blur_taps(float(sigma)))
            compare(g, f"blur_{sigma}", blur2d(x, float(sigma)))


@FAMILY
def test_convolution_with_resampling(path: Path) -> None:
    g = Golden(path)
    x = g.fx("ops/x", (2, 3, 10, 12))
    w3, w1 = g.fx("ops/w3", (4, 3, 3, 3)), g.fx("ops/w1", (4, 3, 1, 1))
    compare(g, "conv_up2", conv2d_resample(x, w3, FIR, up=2, padding=1, flip_weight=True))
    compare(g, "conv_down2", conv2d_resample(x, w3, FIR, down=2, padding=1))
    compare(g, "conv1_up2", conv2d_resample(x, w1, FIR, up=2, flip_weight=True))
    compare(g, "conv1_down2", conv2d_resample(x, w1, FIR, down=2))


@FAMILY
def test_biased_activation(path: Path) -> None:
    g = Golden(path)
    x, bias = g.fx("ops/x", (2, 3, 10, 12)), g.fx("ops/b", (3,))
    compare(g, "bias_lrelu", bias_act(x, bias, "lrelu", gain=1.0, clamp=0.8))
    compare(g, "bias_lin", bias_act(x, bias, clamp=0.5))


@FAMILY
def test_modulated_convolution(path: Path) -> None:
    g = Golden(path)
    x, weight = g.fx("ops/xm", (2, 6, 9, 9)), g.fx("ops/wm", (5, 6, 3, 3))
    styles = 1 + g.fx("ops/sm", (2, 6), 0.3)
    noise, noise_up = g.fx("ops/nz", (9, 9), 0.2), g.fx("ops/nz2", (18, 18), 0.2)
    compare(g, "modconv", modulated_conv2d(x, weight, styles, padding=1) + noise)
    actual = modulated_conv2d(x, weight, styles, padding=1, up=2, fir=FIR)
    compare(g, "modconv_up2", actual + noise_up)
    weight_1 = g.fx("ops/wt", (3, 6, 1, 1))
    compare(g, "modconv_nodemod", modulated_conv2d(x, weight_1, styles * 0.4, demodulate=False))
    half = modulated_conv2d(x.half(), weight, styles, padding=1) + noise.half()
    assert half.dtype == torch.float16
    compare(g, "modconv_fp16", half.float(), FP16_TOLERANCE)


@FAMILY
def test_synthesis_layers(path: Path) -> None:
    g = Golden(path)
    x, ws = g.fx("ops/xm", (2, 6, 9, 9)), g.fx("ops/ws", (2, 3, W_DIM))
    up = named(SynthesisLayer(6, 5, W_DIM, 18, up=2, conv_clamp=1.2), "layer_up")
    for mode in ("const", "none"):
        compare(g, f"layer_up_{mode}", up(x, ws[:, 0], mode))
    flat = named(SynthesisLayer(6, 5, W_DIM, 9), "layer_flat")
    gain = 0.5**0.5  # without a clamp, the official gain argument just scales the output
    compare(g, "layer_flat_gain", flat(x, ws[:, 0], "const") * gain)
    torgb = named(ToRGBLayer(6, 3, W_DIM, conv_clamp=0.7), "torgb")
    compare(g, "torgb", torgb(x, ws[:, 0]))


@FAMILY
def test_synthesis_block(path: Path) -> None:
    g = Golden(path)
    block = named(SynthesisBlock(6, 5, W_DIM, 16, img_channels=3), "block")
    x, img = g.fx("ops/xB", (2, 6, 8, 8)), g.fx("ops/iB", (2, 3, 8, 8))
    before = img.clone()
    y, rgb = block(x, img, g.fx("ops/ws", (2, 3, W_DIM)), "const")
    compare(g, "block_x", y)
    compare(g, "block_img", rgb)
    assert torch.equal(img, before)


@FAMILY
def test_discriminator_parts(path: Path) -> None:
    g = Golden(path)
    block = named(DiscriminatorBlock(6, 6, 7, img_channels=3, conv_clamp=256), "dblock")
    compare(g, "dblock", block(g.fx("ops/xd", (2, 6, 16, 16))))
    x, cmap = g.fx("ops/xe", (8, 6, 4, 4)), g.fx("ops/ce", (8, 8))
    epilogue = named(DiscriminatorEpilogue(6, 8), "depi")
    compare(g, "epilogue", epilogue(x, cmap))
    for features in (1, 2):
        compare(g, f"mbstd_g4_f{features}", minibatch_std(x, 4, features)[:, 6:])


@FAMILY
def test_filtered_resizing(path: Path) -> None:
    g = Golden(path)
    x = g.blocky("ops/resize", (1, 3, 48, 48))
    for mode in ("antialiased", "none", "classic", 0.3):
        compare(g, f"filtered_resizing_{mode}", filtered_resizing(x, 20, mode))
    compare(g, "filtered_resizing_up", filtered_resizing(x, 80))
