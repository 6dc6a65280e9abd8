"""StyleGAN2's operators: derivatives, plain twins, independence of the batch."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from oracles import fir as plain_fir
from oracles import modconv as plain_modconv
from torch import Tensor
from torch.autograd import grad, gradcheck, gradgradcheck

from nerfgan_cli.nn.stylegan2 import SynthesisBlock, SynthesisLayer, SynthesisNetwork
from nerfgan_cli.ops.bias_act import ACTIVATIONS, bias_act
from nerfgan_cli.ops.conv import conv2d_resample
from nerfgan_cli.ops.fir import RESAMPLE_TAPS, fir_filter, upfirdn2d
from nerfgan_cli.ops.modconv import modulated_conv2d
from nerfgan_cli.ops.resize import filtered_resizing, resize

FIR = fir_filter(RESAMPLE_TAPS).double()
# (up, down, padding) as (x, y) and (x0, x1, y0, y1)
RESAMPLINGS: list[Any] = [
    ((1, 1), (1, 1), (2, 1, 2, 1)),
    ((2, 2), (1, 1), (2, 1, 2, 1)),
    ((1, 1), (2, 2), (1, 1, 1, 1)),
    ((2, 3), (3, 2), (1, 2, -1, 3)),
    ((2, 1), (1, 2), (5, 0, -1, 2)),
]


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def leaf(*shape: int, seed: int = 0) -> Tensor:
    return draw(*shape, seed=seed).requires_grad_()


def check(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def assert_same(
    actual: Callable[..., Tensor], oracle: Callable[..., Tensor], *inputs: Tensor
) -> None:
    """Values, gradients, and gradients of a function of the gradients."""
    outputs = []
    for function in (actual, oracle):
        y = function(*inputs)
        first = grad(y, inputs, draw(*y.shape, seed=9), create_graph=True)
        penalty = torch.stack([g.square().sum() for g in first]).sum()
        second = grad(penalty, inputs, allow_unused=True, materialize_grads=True)
        outputs.append((y, *first, *second))
    for a, b in zip(*outputs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bias_act_derivatives(activation: str) -> None:
    check(
        lambda x, bias: bias_act(x, bias, activation, gain=1.3, clamp=1.1),
        leaf(2, 3, 2, 3),
        leaf(3, seed=1),
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bias_act_in_place(activation: str) -> None:
    x, bias = draw(2, 3, 4, 5), draw(3, seed=1)
    expected = bias_act(x, bias, activation, clamp=0.9)
    with torch.no_grad():
        kept = x.clone()
        assert torch.equal(bias_act(x, bias, activation, clamp=0.9), expected)
        assert torch.equal(x, kept)
        torch.testing.assert_close(
            bias_act(x, bias, activation, clamp=0.9, overwrite=True), expected
        )


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("taps", [(3, 5), (4, 4), (5,)])
@pytest.mark.parametrize(("up", "down", "padding"), RESAMPLINGS)
def test_upfirdn2d(up: Any, down: Any, padding: Any, taps: tuple[int, ...], flip: bool) -> None:
    fir = draw(*taps, seed=2)

    def resample(function: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x: function(x, fir, up, down, padding, flip=flip, gain=1.7)

    x = leaf(2, 2, 6, 5)
    assert_same(resample(upfirdn2d), resample(plain_fir.upfirdn2d), x)
    check(resample(upfirdn2d), leaf(1, 1, 4, 5))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2)])
def test_conv2d_resample(up: int, down: int, k: int, flip: bool) -> None:
    def convolve(x: Tensor, weight: Tensor) -> Tensor:
        return conv2d_resample(x, weight, FIR, up, down, padding=k // 2, flip_weight=flip)

    def by_definition(x: Tensor, weight: Tensor) -> Tensor:
        return plain_fir.conv2d_resample(x, weight, FIR, up, down, flip)

    x, weight = leaf(2, 3, 6, 4), leaf(2, 3, k, k, seed=1)
    assert convolve(x, weight).shape == (2, 2, 6 * up // down, 4 * up // down)
    assert_same(convolve, by_definition, x, weight)
    check(convolve, leaf(1, 2, 4, 2), leaf(1, 2, k, k, seed=1))


MODULATIONS = list(product((False, True), (1, 2), (1, 3)))


@pytest.mark.parametrize(("demodulate", "up", "k"), MODULATIONS)
def test_modulated_convolution(demodulate: bool, up: int, k: int) -> None:
    settings = {"demodulate": demodulate, "up": up, "fir": FIR, "padding": k // 2}

    def shared(x: Tensor, weight: Tensor, styles: Tensor, gain: Tensor) -> Tensor:
        return modulated_conv2d(x, weight, styles, input_gain=gain, **settings)

    def per_sample(x: Tensor, weight: Tensor, styles: Tensor, gain: Tensor) -> Tensor:
        return plain_modconv.modulated_conv2d(x, weight, styles, input_gain=gain, **settings)

    inputs = leaf(3, 4, 5, 6), leaf(2, 4, k, k, seed=1), leaf(3, 4, seed=2), leaf(4, seed=3)
    assert_same(shared, per_sample, *inputs)
    with torch.no_grad():  # folds the scales into the weight of each sample
        torch.testing.assert_close(shared(*inputs), per_sample(*inputs), rtol=1e-9, atol=1e-9)
    check(shared, leaf(2, 2, 3, 3), leaf(1, 2, k, k, seed=1), leaf(2, 2, seed=2), leaf(2, seed=3))


@pytest.mark.parametrize("size", [3, 6, 9])
@pytest.mark.parametrize("antialias", [False, True])
def test_resize_derivatives(size: int, antialias: bool) -> None:
    check(lambda x: resize(x, size, antialias), leaf(1, 2, 6, 6))


@pytest.mark.parametrize("mode", ["antialiased", "none", "classic", 0.3])
def test_filtered_resizing_derivatives(mode: str | float) -> None:
    check(lambda x: filtered_resizing(x, 3, mode), leaf(1, 1, 5, 5))


# --- networks ---


def network(**settings: Any) -> SynthesisNetwork:
    torch.manual_seed(0)
    net = SynthesisNetwork(16, 32, 6, channel_base=512, channel_max=32, **settings)
    for module in net.modules():
        if isinstance(module, SynthesisLayer):
            torch.nn.init.normal_(module.bias)
            torch.nn.init.constant_(module.noise_strength, 0.3)
    return net.eval()


@pytest.mark.parametrize("inference", [False, True])
def test_a_sample_does_not_depend_on_its_batch(inference: bool) -> None:
    net = network(conv_clamp=2)
    ws = draw(5, net.num_ws, 16).float()
    with torch.set_grad_enabled(not inference):
        together = net(ws, "const")
        for count in (1, 2):
            alone = net(ws[:count], "const")
            torch.testing.assert_close(together[:count], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("noise_mode", ["const", "random", "none"])
def test_inference_equals_training(noise_mode: str) -> None:
    """Without autograd, scales are folded into weights and memory is reused."""
    net = network(conv_clamp=2)
    ws = draw(3, net.num_ws, 16).float()
    training = net(ws, noise_mode, torch.Generator().manual_seed(1))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.no_grad():
        inference = net(ws, noise_mode, torch.Generator().manual_seed(1))
    torch.testing.assert_close(inference, training.detach(), rtol=0, atol=1e-4)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), f"{name} was written to"


def test_inference_leaves_its_inputs_alone() -> None:
    block = SynthesisBlock(4, 4, 16, 8, img_channels=3, up=1)
    x, img, ws = draw(2, 4, 8, 8).float(), draw(2, 3, 8, 8).float(), draw(2, 3, 16).float()
    copies = x.clone(), img.clone(), ws.clone()
    with torch.no_grad():
        block(x, img, ws, "const")
    assert all(torch.equal(a, b) for a, b in zip((x, img, ws), copies, strict=True))


def test_random_noise_comes_from_the_generator() -> None:
    net = network()
    ws = draw(2, net.num_ws, 16).float()
    first, again, other = (net(ws, "random", torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_bfloat16_is_close() -> None:
    net = network()
    ws = draw(2, net.num_ws, 16).float()
    with torch.no_grad():
        exact = net(ws, "const")
        for module in net.modules():
            if isinstance(module, SynthesisBlock):
                module.compute_dtype = torch.bfloat16
        rounded = net(ws, "const")
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() < 0.03 * exact.abs().max()
    assert not torch.equal(rounded, exact)
