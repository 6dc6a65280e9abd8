"""StyleGAN3 as its theory wants it: filters, schedule, equivariance, modulation, averages."""

from dataclasses import replace
from math import cos, radians, sin

import pytest
import torch
from oracles.filtered_lrelu import filtered_lrelu as plain_filtered_lrelu
from torch import Tensor

from nerfgan_cli.nn import stylegan3 as module
from nerfgan_cli.nn.stylegan3 import StyleGAN3, SynthesisLayer, SynthesisNetwork
from nerfgan_cli.nn.stylegan3_filters import (
    STYLEGAN3_PRESETS,
    LayerSpec,
    StyleGAN3Config,
    layer_schedule,
)

NETWORKS = [(name, size) for name in STYLEGAN3_PRESETS for size in (64, 128, 256)]
SIZE = 64
W_DIM = 16


def small(name: str) -> StyleGAN3Config:
    return replace(STYLEGAN3_PRESETS[name], channel_base=512, channel_max=16)


def network(name: str, channels: int = 3) -> SynthesisNetwork:
    torch.manual_seed(3)
    return SynthesisNetwork(W_DIM, SIZE, channels, small(name)).eval().requires_grad_(False)


def codes(net: SynthesisNetwork, batch: int = 1) -> Tensor:
    w = torch.randn(batch, 1, W_DIM, generator=torch.Generator().manual_seed(4))
    return w.expand(-1, net.num_ws, -1)


def calibrate(net: SynthesisNetwork) -> None:
    """Sets each layer's average input energy to what it sees."""

    def measure(layer: SynthesisLayer, inputs: tuple[Tensor, ...]) -> None:
        layer.magnitude_ema.copy_(inputs[0].square().mean())

    layers = [net.get_submodule(name) for name in net.layer_names]
    handles = [layer.register_forward_pre_hook(measure) for layer in layers]
    net(codes(net))
    for handle in handles:
        handle.remove()


def specs(name: str, size: int) -> list[LayerSpec]:
    return layer_schedule(STYLEGAN3_PRESETS[name], size, 3)[1]


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_filters_keep_a_constant_and_have_no_phase(name: str, size: int) -> None:
    for spec in specs(name, size):
        for fir in (spec.up_filter(), spec.down_filter()):
            if fir is None:
                assert spec.is_torgb
                continue
            assert fir.sum().item() == pytest.approx(1, abs=1e-6)
            torch.testing.assert_close(fir, fir.flip(tuple(range(fir.ndim))), rtol=0, atol=1e-8)
            assert fir.ndim == 1 or torch.equal(fir, fir.T)


def test_radial_filters_have_low_rank() -> None:
    terms = []
    for spec in specs("R", 64):
        if spec.radial_down_filter:
            values = torch.linalg.svdvals(spec.down_filter().double())
            terms.append(int((values > 1e-3 * values[0]).sum()))
    assert terms == [2, 2, 2, 2, 2, 2, 2, 3, 2, 2, 3, 4]


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_padding_keeps_the_grids_centred(name: str, size: int) -> None:
    for spec in specs(name, size):
        before, after = spec.padding
        if not spec.is_torgb:
            assert (before + after + spec.up) % 2 == 1
            # Where the first output's filters are centred, in samples of the convolution's output.
            first = ((spec.up_taps + spec.down_taps) / 2 - 1 - before) / spec.up
            grown = spec.input.size + spec.conv_kernel - 1
            step = spec.down / spec.up
            assert first + (spec.output.size - 1) * step / 2 == (grown - 1) / 2


@pytest.mark.parametrize("name", STYLEGAN3_PRESETS)
@torch.no_grad()
def test_layers_draw_the_scheduled_sizes(name: str) -> None:
    net = network(name, channels=5)
    x = net.input(codes(net)[:, 0])
    for layer_name in net.layer_names:
        layer = net.get_submodule(layer_name)
        assert x.shape == (1, layer.spec.input.channels, *[layer.spec.input.size] * 2)
        x = layer(x, codes(net)[:, 0])
    assert x.shape == (1, 5, SIZE, SIZE)


@pytest.mark.parametrize("name", STYLEGAN3_PRESETS)
@torch.no_grad()
def test_translation_moves_the_image(name: str) -> None:
    net = network(name)
    calibrate(net)
    original = net(codes(net))
    right, down = 3, -5
    net.input.transform[:2, 2] = torch.tensor([right, down]) / SIZE
    moved = net(codes(net))
    expected = original.roll((-down, -right), dims=(2, 3))
    inside = (..., slice(8, -8), slice(8, -8))
    # The filters let a little through: 1e-3 on average over many networks.
    assert rms((moved - expected)[inside]) < 5e-3 * original.std()
    assert rms((moved - original)[inside]) > 0.1 * original.std()


@torch.no_grad()
def quarter_turn_error(name: str) -> float:
    net = network(name)
    calibrate(net)
    original = net(codes(net))
    angle = radians(90)
    net.input.transform[:2, :2] = torch.tensor(
        [[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]
    )
    turned = net(codes(net))
    return min(
        ((turned - original.rot90(turns, dims=(2, 3))).abs().max() / original.std()).item()
        for turns in (1, -1)
    )


def test_rotation_turns_the_image_of_r_only() -> None:
    assert quarter_turn_error("R") < 1e-4
    assert quarter_turn_error("T") > 0.1


def test_radial_filters_are_separated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a layer is made and when it is loaded: never while it draws."""
    net = network("R")
    assert not any("radial_taps" in name for name in net.state_dict())
    state = {
        name: value.roll(1, 0) if name.endswith("down_filter") and value.ndim == 2 else value
        for name, value in net.state_dict().items()
    }
    before = net(codes(net))
    net.load_state_dict(state)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a filter was separated while drawing")

    monkeypatch.setattr(torch.linalg, "svd", refuse)
    image = net(codes(net))
    assert rms(image - before) > 0.01 * rms(image), "the filters that were loaded play no part"
    for layer in net.modules():
        if isinstance(layer, SynthesisLayer):
            layer.radial_taps = None
    monkeypatch.setattr(module, "filtered_lrelu", plain_filtered_lrelu)
    torch.testing.assert_close(image, net(codes(net)), rtol=1e-3, atol=1e-4 * rms(image))


def layer_of(net: SynthesisNetwork, index: int) -> tuple[SynthesisLayer, Tensor, Tensor]:
    """A layer with an input of its shape and a style."""
    layer = net.get_submodule(net.layer_names[index])
    assert isinstance(layer, SynthesisLayer)
    generator = torch.Generator().manual_seed(5)
    grid = layer.spec.input
    x = torch.randn(2, grid.channels, grid.size, grid.size, generator=generator)
    return layer, x, torch.randn(2, W_DIM, generator=generator)


@torch.no_grad()
def test_demodulation_undoes_the_scale_of_the_styles() -> None:
    layer, x, w = layer_of(network("T"), 1)
    expected = layer(x, w)
    layer.affine.weight *= 7
    layer.affine.bias *= 7
    torch.testing.assert_close(layer(x, w), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("index", [1, -1])
@torch.no_grad()
def test_average_energy_scales_the_convolution(index: int) -> None:
    layer, x, w = layer_of(network("T"), index)
    expected = layer(x, w) / 2  # the bias is zero, and the activation homogeneous
    layer.magnitude_ema *= 4
    torch.testing.assert_close(layer(x, w), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_averages_move_only_when_asked() -> None:
    torch.manual_seed(3)
    generator = StyleGAN3(8, 0, W_DIM, SIZE, 3, small("T"))
    z = torch.randn(2, 8)

    def averages() -> list[Tensor]:
        return [
            tensor.clone()
            for name, tensor in generator.named_buffers()
            if name.endswith(("magnitude_ema", "w_avg"))
        ]

    before = averages()
    generator(z)
    assert all(map(torch.equal, averages(), before))
    generator(z, update_emas=True)
    assert not any(map(torch.equal, averages(), before))


@torch.no_grad()
def test_images_do_not_depend_on_their_batch() -> None:
    net = network("T")
    ws = codes(net, batch=3)
    together = net(ws)
    alone = torch.cat([net(ws[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, together, rtol=0, atol=2e-5 * together.abs().max().item())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 2.5e-3)])
@torch.no_grad()
def test_half_precision_stays_close(dtype: torch.dtype, tolerance: float) -> None:
    """The reference has 7e-3 and 9e-4 for the network of 512 channels; narrow ones average less."""
    net = network("T", channels=32)
    calibrate(net)
    exact = net(codes(net))
    for layer in net.modules():
        if isinstance(layer, SynthesisLayer):
            layer.compute_dtype = dtype
    image = net(codes(net))
    assert image.dtype == torch.float32
    assert rms(image - exact) < tolerance * rms(exact)


def rms(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


def test_recomputing_layers_keeps_their_inputs_alone() -> None:
    net = network("T").requires_grad_(True)
    gradients, kept = [], []
    for recompute in (False, True):
        ws, sizes = codes(net).clone().requires_grad_(True), dict[int, int]()

        def keep(tensor: Tensor, sizes: dict[int, int] = sizes) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            image = net(ws, recompute=recompute)
        kept.append(sum(sizes.values()))
        weights = [net.get_submodule(name).weight for name in net.layer_names]
        gradients.append(torch.autograd.grad(image.square().mean(), [ws, *weights]))
    torch.testing.assert_close(*gradients)
    assert kept[1] < 0.4 * kept[0]


def test_gradient_of_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a gradient penalty needs it, against the plain twin of the one custom operator."""
    torch.manual_seed(3)
    config = replace(small("T"), channel_max=4, num_layers=4, margin_size=4)
    net = SynthesisNetwork(W_DIM, 16, 3, config).requires_grad_(False)
    calibrate(net)

    def slope() -> Tensor:
        ws = codes(net).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(net(ws).square().sum(), ws, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), ws)[0]

    ours = slope()
    monkeypatch.setattr(module, "filtered_lrelu", plain_filtered_lrelu)
    assert rms(ours - slope()) < 1e-3 * rms(ours)
