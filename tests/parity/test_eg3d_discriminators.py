"""Discriminators against the official logits, gradients and R1 penalties."""

from pathlib import Path
from typing import Any

import pytest
import torch
from golden import Golden, assert_close, filled, goldens

from nerfgan_cli.nn.discriminators import (
    DiscriminatorConfig,
    DummyDualDiscriminator,
    SingleDiscriminator,
    build_discriminator,
)

TOLERANCE = 1e-4
R1_TOLERANCE = 1e-3  # relative
GRADIENT_TOLERANCE = 2e-2  # of the largest: leaky ReLU has kinks
CLASSES = {
    "dual": "DualDiscriminator",
    "single": "SingleDiscriminator",
    "dummy": "DummyDualDiscriminator",
}


def cases() -> list[Any]:
    found = []
    for parameter in goldens("eg3d_discriminators*.npz"):
        path = parameter.values[0]
        if path is None:
            return [pytest.param(None, "", marks=parameter.marks)]
        keys = Golden(path).meta["init_kwargs"]
        found += [pytest.param(path, key, id=f"{parameter.id}-{key}") for key in keys]
    return found


def build(g: Golden, key: str) -> SingleDiscriminator:
    name = next(name for kind, name in CLASSES.items() if key.startswith(kind))
    config = DiscriminatorConfig.from_release(g.meta["init_kwargs"][key])
    network = build_discriminator(f"training.dual_discriminator.{name}", config)
    filled(network)
    return network


@pytest.mark.parametrize(("path", "key"), cases())
def test_discriminator(path: Path, key: str) -> None:
    g = Golden(path)
    network = build(g, key)
    config, c = network.config, g["c"]
    size, raw_size = config.img_resolution, g.meta["raw"][key]
    batch = (len(c), config.img_channels)
    image = g.blocky(f"d/{key}/image", (*batch, size, size)).requires_grad_()
    raw = g.blocky(f"d/{key}/raw", (*batch, raw_size, raw_size)).requires_grad_()

    logits = network(image, raw, c)
    assert_close(logits, g[f"{key}_logits"], TOLERANCE)
    if f"{key}_cmap" in g:
        cmap = network.embed_label(c, None)
        assert cmap is not None
        assert_close(cmap, g[f"{key}_cmap"], TOLERANCE)
    if isinstance(network, DummyDualDiscriminator):
        assert network.raw_fade == pytest.approx(g[f"{key}_raw_fade"].item(), abs=1e-12)

    sees_raw = f"{key}_r1_raw" in g
    inputs = [image, raw] if sees_raw else [image]
    gradients = torch.autograd.grad(logits.sum(), inputs)
    stride = size // g[f"{key}_grad_sub"].shape[-1]
    grad_sub = gradients[0][:, :, stride // 2 :: stride, stride // 2 :: stride]
    assert_close(grad_sub, g[f"{key}_grad_sub"], GRADIENT_TOLERANCE, floor=0)
    for gradient, name in zip(gradients, ("image", "raw"), strict=False):
        ratio = gradient.square().sum(dim=(1, 2, 3)) / g[f"{key}_r1_{name}"]
        assert_close(ratio, torch.ones(len(c)), R1_TOLERANCE)
