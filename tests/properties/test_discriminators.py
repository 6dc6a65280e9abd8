"""Discriminators: second derivatives for R1, what is frozen, what a label does."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.nn.conv_layers import minibatch_std
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import (
    DISCRIMINATORS,
    RAW_FADE_STEP,
    DummyDualDiscriminator,
    SingleDiscriminator,
    build_discriminator,
)

SIZE = 32


def build(name: str = "DualDiscriminator", **settings: Any) -> SingleDiscriminator:
    torch.manual_seed(0)
    config = DiscriminatorConfig(SIZE, channel_base=256, channel_max=16, **settings)
    return build_discriminator(name, config)


def batch(c_dim: int = 25, img_channels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Images, raw images and labels of four samples."""
    generator = torch.Generator().manual_seed(1)
    shapes = (4, img_channels, SIZE, SIZE), (4, img_channels, SIZE // 2, SIZE // 2), (4, c_dim)
    image, raw, c = (torch.randn(s, generator=generator) for s in shapes)
    return image, raw, c


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_r1_penalty_trains_the_weights(name: str) -> None:
    """Second derivatives obey Euler's rule.

    While all biases are 0, each of these weights scales the logits, and so R1 by its square:
    its slope along the weight is 2·R1.
    """
    network = build(name)
    image, raw, c = batch()
    image.requires_grad_()
    (gradient,) = torch.autograd.grad(network(image, raw, c).sum(), image, create_graph=True)
    penalty = gradient.square().sum()
    names = [f"b{SIZE}.fromrgb.weight", "b4.conv.weight", "b4.fc.weight", "b4.out.weight"]
    weights = [network.get_parameter(name) for name in names]
    for weight, slope in zip(weights, torch.autograd.grad(penalty, weights), strict=True):
        assert (slope * weight).sum().item() == pytest.approx(2 * penalty.item(), rel=1e-3)


def test_who_sees_the_raw_image() -> None:
    image, raw, c = batch()
    for name, sees in (("SingleDiscriminator", False), ("DualDiscriminator", True)):
        network = build(name)
        same = torch.equal(network(image, raw, c), network(image, -raw, c))
        assert same != sees
    network = build("DummyDualDiscriminator")
    assert isinstance(network, DummyDualDiscriminator)
    network(image, raw, c)
    assert network.raw_fade == 1 - RAW_FADE_STEP
    network.raw_fade = 0.0
    assert torch.equal(network(image, raw, c), network(image, -raw, c))
    assert network.raw_fade == 0


def test_without_labels() -> None:
    network = build(c_dim=0)
    names = list(network.state_dict())
    assert not [name for name in names if name.startswith("mapping")]
    assert network.get_parameter("b4.out.weight").shape[0] == 1
    image, raw, c = batch(c_dim=0)
    assert network(image, raw, c).shape == (4, 1)


def test_other_numbers_of_channels() -> None:
    network = build(img_channels=1)
    assert network.get_parameter(f"b{SIZE}.fromrgb.weight").shape[1] == 2
    assert network(*batch(img_channels=1)).shape == (4, 1)


@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_frozen_layers_are_buffers_of_the_same_names(count: int) -> None:
    free, network = build(), build(freeze_layers=count)
    assert set(free.state_dict()) == set(network.state_dict())
    layers = [f"b{SIZE}.fromrgb"]
    for resolution in (SIZE, SIZE // 2, SIZE // 4):
        layers += [f"b{resolution}.{layer}" for layer in ("conv0", "conv1", "skip")]
    frozen = {name for name, _ in free.named_parameters()} - {
        name for name, _ in network.named_parameters()
    }
    assert frozen == {
        f"{layer}.{tensor}"
        for layer in layers[:count]
        for tensor in ("weight", "bias")
        if not (tensor == "bias" and layer.endswith("skip"))
    }


def test_noise_on_the_label() -> None:
    image, raw, c = batch()
    quiet, noisy = build(), build(disc_c_noise=1.0)
    noisy.load_state_dict(quiet.state_dict())
    given = c.clone()
    first, again, other = (
        noisy(image, raw, c, torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not torch.allclose(first, quiet(image, raw, c))
    assert torch.equal(c, given), "the label is written to"


def test_minibatch_std_groups_are_strided() -> None:
    x = torch.zeros(8, 2, 1, 1)
    x[1], x[3] = 1, 1  # with 8 / 4 = 2 groups, odd samples form the second
    statistic = minibatch_std(x, 4)[:, 2, 0, 0]
    torch.testing.assert_close(statistic[::2], torch.full([4], 1e-4))  # √ε
    torch.testing.assert_close(statistic[1::2], torch.full([4], 0.5))


def test_bad_input() -> None:
    image, raw, c = batch()
    with pytest.raises(InputError, match="32²"):
        build()(image[:, :, ::2, ::2], raw, c)
    with pytest.raises(UsageError, match="DualDiscriminator"):
        build("TripleDiscriminator")
    with pytest.raises(InputError, match="power of two"):
        build_discriminator("DualDiscriminator", DiscriminatorConfig(48))
