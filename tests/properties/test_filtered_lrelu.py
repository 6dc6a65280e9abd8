"""Filtered leaky ReLU: equal to its plain twin up to second derivatives, at any tiling."""

from math import sqrt
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from oracles.filtered_lrelu import filtered_lrelu as plain_filtered_lrelu
from torch import Tensor

from nerfgan_cli.nn.stylegan3_filters import lowpass
from nerfgan_cli.ops import filtered_lrelu as module
from nerfgan_cli.ops.filtered_lrelu import filtered_lrelu, separate


class Case(NamedTuple):
    size: tuple[int, int]  # height, width
    up_filter: tuple[int, ...]  # shape of the filter; () for none
    down_filter: tuple[int, ...]
    up: int
    down: int
    padding: tuple[int, int, int, int]
    clamp: float | None = None
    flip: bool = False


CASES = {
    "network": Case((14, 14), (12,), (12,), 2, 2, (9, 8, 9, 8), clamp=256.0),
    "enlarging": Case((13, 15), (24,), (12,), 4, 2, (-6, -9, -6, -9), clamp=1.5),
    "cropping": Case((30, 28), (12,), (12,), 2, 2, (-11, -12, -11, -12), clamp=0.5),
    "radial": Case((12, 12), (12,), (6, 6), 2, 2, (11, 10, 11, 10), clamp=256.0),
    "planar": Case((9, 12), (5, 3), (4, 6), 3, 2, (4, 0, 7, -2), clamp=0.7, flip=True),
    "mixed": Case((7, 11), (7,), (5,), 3, 1, (-1, 9, 12, -5)),
    "late": Case((11, 9), (4,), (3,), 1, 3, (9, 0, 0, 11), flip=True),
    "unfiltered": Case((6, 5), (), (), 1, 1, (0, 0, 0, 0), clamp=0.6),
}


def draw(case: Case, channels: int = 3, dtype: torch.dtype = torch.float64) -> list[Any]:
    """Image, filters and bias of a case; asymmetric filters, so that their order shows."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    filters = [normal(*s) / 3 if s else None for s in (case.up_filter, case.down_filter)]
    return [normal(2, channels, *case.size), *filters, normal(channels)]


def settings(case: Case) -> dict[str, Any]:
    names = ("up", "down", "padding", "clamp", "flip")
    return {name: getattr(case, name) for name in names} | {"gain": 1.3, "slope": 0.3}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_equals_plain_twin(case: Case) -> None:
    x, up_filter, down_filter, bias = draw(case)
    results = []
    for function in (filtered_lrelu, plain_filtered_lrelu):
        inputs = [x.clone().requires_grad_(), bias.clone().requires_grad_()]
        y = function(inputs[0], up_filter, down_filter, inputs[1], **settings(case))
        first = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), inputs)
        results.append([y, *first, *second])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-7 * theirs.abs().max().item())


@pytest.mark.parametrize("name", ["enlarging", "planar", "late"])
def test_derivatives_by_finite_differences(name: str) -> None:
    case = CASES[name]
    x, up_filter, down_filter, bias = draw(case, channels=1)
    x = x[:1, :, :8, :8] if name != "enlarging" else x[:1]

    def function(x: Tensor, bias: Tensor) -> Tensor:
        return filtered_lrelu(x, up_filter, down_filter, bias, **settings(case))

    inputs = (x.clone().requires_grad_(), bias.requires_grad_())
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize(("block", "strip"), [(1, 1), (3, 12), (1000, 1000)])
def test_tiling_changes_nothing(
    case: Case, block: int, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, up_filter, down_filter, bias = draw(case)
    x.requires_grad_()

    def run() -> list[Tensor]:
        y = filtered_lrelu(x, up_filter, down_filter, bias, **settings(case))
        return [y, *torch.autograd.grad(y.square().sum(), x)]

    expected = run()
    monkeypatch.setattr(module, "BLOCK_OUTPUTS", block)
    monkeypatch.setattr(module, "STRIP_VALUES", 1 << 40)
    monkeypatch.setattr(module, "MAX_STRIP_COLUMNS", strip)
    torch.testing.assert_close(run(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_one_large_product_as_on_a_gpu(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    x, up_filter, down_filter, bias = draw(case)
    expected = filtered_lrelu(x, up_filter, down_filter, bias, **settings(case))
    real = module._tile_sizes

    def tile_sizes(operator: module.Operator, x: Tensor) -> tuple[int, int]:
        return real(operator, SimpleNamespace(device=torch.device("cuda"), shape=x.shape))

    monkeypatch.setattr(module, "_tile_sizes", tile_sizes)
    y = filtered_lrelu(x, up_filter, down_filter, bias, **settings(case))
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)


def test_a_separated_filter_serves_as_the_filter_itself() -> None:
    for name in ("radial", "planar"):
        x, up_filter, down_filter, bias = draw(CASES[name])
        taps_y, taps_x = separate(down_filter)
        torch.testing.assert_close(taps_y.T @ taps_x, down_filter)
        results = [
            filtered_lrelu(x, up_filter, fir, bias, **settings(CASES[name]))
            for fir in (down_filter, (taps_y, taps_x))
        ]
        torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


def test_negative_slopes_are_refused() -> None:
    x, up_filter, down_filter, _ = draw(CASES["network"])
    with pytest.raises(ValueError, match="use 0 or more"):
        filtered_lrelu(x, up_filter, down_filter, slope=-0.1)
    x.requires_grad_()
    gradients = []
    for function in (filtered_lrelu, plain_filtered_lrelu):
        y = function(x, up_filter, down_filter, up=2, down=2, slope=0.0)
        gradients += torch.autograd.grad(y.square().sum(), x)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("up", "ripple"), [(2, 1e-5), (4, 0.02)])
def test_constant_keeps_its_value(up: int, ripple: float) -> None:
    up_filter, down_filter = lowpass(6 * up, 2, 6, 16 * up), lowpass(12, 2, 6, 32)
    x = torch.tensor([3.0, -3.0]).view(1, 2, 1, 1).expand(-1, -1, 30, 30)
    y = filtered_lrelu(x, up_filter, down_filter, up=up, down=2, padding=(40, 40, 40, 40))
    middle = y.shape[-1] // 2
    inside = y[0, :, middle - 4 : middle + 4, middle - 4 : middle + 4]
    expected = torch.tensor([3 * sqrt(2), -0.6 * sqrt(2)]).view(2, 1, 1).expand_as(inside)
    torch.testing.assert_close(inside, expected, rtol=ripple, atol=0)


def test_images_do_not_depend_on_their_batch() -> None:
    x, up_filter, down_filter, bias = draw(CASES["network"], dtype=torch.float32)
    arguments = (up_filter, down_filter, bias)
    together = filtered_lrelu(x, *arguments, **settings(CASES["network"]))
    alone = [filtered_lrelu(image[None], *arguments, **settings(CASES["network"])) for image in x]
    assert torch.equal(together, torch.cat(alone))


def test_memory_layout_of_the_input_changes_nothing() -> None:
    x, up_filter, down_filter, bias = draw(CASES["network"], dtype=torch.float32)
    arguments = (up_filter, down_filter, bias)
    y = filtered_lrelu(x, *arguments, **settings(CASES["network"]))
    x = x.to(memory_format=torch.channels_last)
    assert torch.equal(y, filtered_lrelu(x, *arguments, **settings(CASES["network"])))
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_only_the_result(dtype: torch.dtype) -> None:
    x, up_filter, down_filter, bias = draw(CASES["network"], dtype=torch.float32)
    y = filtered_lrelu(x.to(dtype), up_filter, down_filter, bias, up=2, down=2)
    exact = filtered_lrelu(x.to(dtype).float(), up_filter, down_filter, bias, up=2, down=2)
    assert y.dtype == dtype
    assert torch.equal(y, exact.to(dtype))


def test_one_byte_per_value_is_kept_for_the_backward_pass() -> None:
    case = CASES["network"]
    x, up_filter, down_filter, _ = draw(case, channels=32, dtype=torch.float32)
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        filtered_lrelu(x.requires_grad_(), up_filter, down_filter, **settings(case))
    upsampled = 2 * case.size[0] + 17 - 11
    assert kept == x.shape[0] * x.shape[1] * upsampled**2
