"""Whole StyleGAN3 generators, T and R, against the release: images, taps, gradients, averages."""

from pathlib import Path
from typing import Any

import pytest
import torch
from golden import Golden, assert_close, filled, goldens
from stylegan3_case import build, stated_input
from torch import Tensor, nn

from nerfgan_cli.nn.stylegan3 import StyleGAN3


def generators(*keys: str) -> list[Any]:
    """The golden files that hold a generator and the given arrays."""
    files = goldens("stylegan3_*.npz")
    return [
        file
        for file in files
        if file.values[0] is None
        or ("config" in (golden := Golden(file.values[0])).meta and all(k in golden for k in keys))
    ]


def open_generator(path: Path) -> tuple[Golden, StyleGAN3, Tensor, Tensor | None]:
    golden = Golden(path)
    generator = build(golden.meta["config"])
    filled(generator)
    return golden, generator, golden["z"], golden["c"] if golden.meta["config"]["c_dim"] else None


def check_image(image: Tensor, golden: Tensor, tolerance: float) -> None:
    assert_close(image, golden, tolerance, floor=0)
    # The pictures of random weights have little contrast: compare what there is of it.
    assert_close(contrast(image), contrast(golden), tolerance, floor=0)


def contrast(image: Tensor) -> Tensor:
    return image - image.mean(dim=(2, 3), keepdim=True)


def tap_slice(text: str) -> tuple[slice, ...]:
    """(slice(None), slice(None, 4), …) for "[:, :4, 3::8, 2::8]"."""
    parts = text.strip("[]").split(",")
    return tuple(slice(*(int(n) if n else None for n in part.strip().split(":"))) for part in parts)


@pytest.mark.parametrize("path", generators("image"))
@torch.no_grad()
def test_images_and_taps(path: Path) -> None:
    golden, generator, z, c = open_generator(path)
    tolerance = golden.meta["tolerance"]["images_taps_averages"]
    taps: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Tensor) -> None:
            taps[name] = output

        return hook

    names = golden.meta.get("tap_names", [])
    for name in names:
        generator.synthesis.get_submodule(name).register_forward_hook(keep(name))
    image = generator(z, c)
    assert image.dtype == torch.float32
    check_image(image, golden["image"], tolerance)
    for name in names:
        tap = taps[name][tap_slice(golden.meta["tap_slice"])]
        assert_close(tap, golden[f"tap.{name}"], tolerance, floor=0)
    if names:
        stats = [torch.stack([t.mean(), t.std(), t.abs().max()]) for t in taps.values()]
        assert_close(torch.stack(stats), golden["tap_stats"], tolerance, floor=0)
    if "image_psi" in golden:
        check_truncated(golden, generator, z, c)


def check_truncated(golden: Golden, generator: StyleGAN3, z: Tensor, c: Tensor | None) -> None:
    expected, settings = golden["image_psi"], golden.meta["image_psi"]
    B, C, _, _ = expected.shape
    c = None if c is None else c[:B]
    image = generator(z[:B], c, settings["truncation_psi"], settings["truncation_cutoff"])
    check_image(image[:, :C], expected, golden.meta["tolerance"]["images_taps_averages"])


@pytest.mark.parametrize("path", generators("dz"))
def test_gradients(path: Path) -> None:
    golden, generator, z, c = open_generator(path)
    tolerance = golden.meta["tolerance"]["gradients"]
    parameters = dict(generator.requires_grad_().named_parameters())
    names = golden.meta["grad_norm_names"]
    assert set(names) == set(parameters)
    ws = generator.mapping(z.requires_grad_(), c)
    image = generator.synthesis(ws)
    dy = stated_input(golden.meta["dy"], image.shape)
    gradients = torch.autograd.grad(image, [z, ws, *(parameters[name] for name in names)], dy)
    dz, dws, *rest = gradients
    assert_close(dz, golden["dz"], tolerance, floor=0)
    assert_close(dws.norm(dim=2), golden["dws"], tolerance, floor=0)
    assert_close(torch.stack([g.norm() for g in rest]), golden["grad_norms"], tolerance, floor=0)


@pytest.mark.parametrize("path", generators("image_ema"))
@torch.no_grad()
def test_running_averages(path: Path) -> None:
    golden, generator, z, c = open_generator(path)
    tolerance = golden.meta["tolerance"]["images_taps_averages"]
    expected = golden["image_ema"]
    image = generator(z, c, update_emas=True)
    check_image(image[:, : expected.shape[1]], expected, tolerance)
    synthesis = generator.synthesis
    layers = [synthesis.get_submodule(name) for name in synthesis.layer_names]
    averages = torch.stack([layer.magnitude_ema for layer in layers])
    assert_close(averages, golden["magnitude_ema_after"], tolerance, floor=0)
    assert_close(generator.mapping.w_avg, golden["w_avg_after"], tolerance, floor=0)


def test_tap_slice() -> None:
    x = torch.arange(2 * 6 * 20 * 20).view(2, 6, 20, 20)
    assert torch.equal(x[tap_slice("[:, :4, 3::8, 2::8]")], x[:, :4, 3::8, 2::8])
