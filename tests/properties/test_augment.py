"""Augmentation: derivatives, what the identity leaves alone, how often things happen."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nerfgan_cli.ops.warp import sample_bilinear
from nerfgan_cli.training.augment import OPERATIONS, AugmentDraws, AugmentPipe, warp

SIZE = 16


def pipe(p: float) -> AugmentPipe:
    augment = AugmentPipe()
    augment.p.fill_(p)
    return augment


def draws(count: int, seed: int = 0) -> AugmentDraws:
    return AugmentDraws.random(count, torch.Generator().manual_seed(seed))


def only(name: str, value: float, count: int = 1) -> AugmentDraws:
    """One operation happens, all its numbers being `value`."""
    chance = torch.ones(count, len(OPERATIONS))
    chance[:, OPERATIONS.index(name)] = 0
    values = torch.full((count, len(OPERATIONS), 2), value)
    return AugmentDraws(chance, values, values)


def picture(channels: int = 3, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, SIZE, SIZE, generator=generator)


def test_sampling_equals_the_library() -> None:
    images = picture(2).requires_grad_()
    positions = torch.rand(1, 5, 7, 2, generator=torch.Generator().manual_seed(2)) * 2.4 - 1.2
    expected = torch.nn.functional.grid_sample(images, positions, align_corners=False)
    actual = sample_bilinear(images, positions)
    torch.testing.assert_close(actual, expected)
    weights = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad((actual * weights).sum(), images),
        torch.autograd.grad((expected * weights).sum(), images),
    )


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_derivatives(p: float) -> None:
    """First and second, against finite differences."""
    augment = pipe(p).double()
    numbers = AugmentDraws(*(draw.double() for draw in draws(2, seed=3)))
    images = picture(count=2)[:, :, :4, :4].double().requires_grad_()

    def function(x: Tensor) -> Tensor:
        return augment(x, numbers).square()  # squared, so that there is a second derivative

    assert torch.autograd.gradcheck(function, images, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, images, fast_mode=True)


def test_nothing_happens_at_zero() -> None:
    images = picture(6, count=4)
    torch.testing.assert_close(pipe(0.0)(images, draws(4)), images, atol=2e-5, rtol=0)


def smooth_picture() -> Tensor:
    waves = torch.cos(torch.pi * torch.arange(1, 4)[:, None] * (torch.arange(SIZE) + 0.5) / SIZE)
    return (waves[:, None, :] * waves.roll(1, 0)[:, :, None])[None]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("xflip", 0.6, lambda x: x.flip(3)),
        ("rotate90", 0.3, lambda x: x.rot90(1, (2, 3))),
        ("rotate90", 0.6, lambda x: x.rot90(2, (2, 3))),
        ("rotate_before", 0.0, lambda x: x.rot90(2, (2, 3))),
    ],
)
def test_turns(name: str, value: float, expected: Callable[[Tensor], Tensor]) -> None:
    """The wavelet is not quite symmetric, so even these change a picture a little."""
    images = smooth_picture()
    actual = pipe(1.0)(images, only(name, value))
    torch.testing.assert_close(actual, expected(images), atol=0.06, rtol=0)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("lumaflip", 0.6, lambda x: x - 2 * x.mean(dim=1, keepdim=True)),
        ("brightness", 1.0, lambda x: x + 0.2),
        ("contrast", 2.0, lambda x: 2 * x),
        ("hue", 0.5 + 1 / 3, lambda x: x.roll(1, 1)),  # a third of a turn moves red to green
        ("saturation", -40.0, lambda x: x.mean(dim=1, keepdim=True).expand_as(x)),
    ],
)
def test_colors(name: str, value: float, expected: Callable[[Tensor], Tensor]) -> None:
    images = picture()
    actual = pipe(1.0)(images, only(name, value))
    torch.testing.assert_close(actual, expected(images), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "rate"), [("brightness", 0.6), ("rotate_before", 1 - 0.4**0.5), ("xfrac", 0.6)]
)
def test_how_often_things_happen(name: str, rate: float) -> None:
    """A rotation is tried twice, so that one of the two happens with probability p."""
    numbers = only(name, 0.3, count=1000)
    chance = numbers.chance.clone()
    chance[:, OPERATIONS.index(name)] = draws(1000).chance[:, 0]
    images = picture()[:, :, :4, :4].expand(1000, -1, -1, -1)
    changed = (pipe(0.6)(images, numbers._replace(chance=chance)) - images).abs().amax((1, 2, 3))
    assert (changed > 1e-3).float().mean().item() == pytest.approx(rate, abs=0.05)


def test_integer_shift_reflects() -> None:
    images = picture()
    moved = pipe(1.0)(images, only("xint", 1.0))  # by an eighth of the picture
    step = SIZE // 8
    torch.testing.assert_close(
        moved[:, :, step:, step:], images[:, :, :-step, :-step], atol=2e-5, rtol=0
    )


def test_raw_picture_is_augmented_alike() -> None:
    images = picture()
    both = pipe(0.8)(torch.cat([images, images], dim=1).expand(3, -1, -1, -1), draws(3))
    assert torch.equal(both[:, :3], both[:, 3:])


def test_samples_are_independent() -> None:
    """Batch mates only widen the margins."""
    images, numbers = picture(count=4), draws(4, seed=7)
    together = pipe(0.9)(images, numbers)
    for index in range(4):
        one = AugmentDraws(*(draw[index : index + 1] for draw in numbers))
        alone = pipe(0.9)(images[index : index + 1], one)
        torch.testing.assert_close(alone, together[index : index + 1], atol=1e-4, rtol=0)


def test_pictures_that_are_not_square() -> None:
    images = picture(count=2).reshape(1, 3, 16, 32)[:, :, :12, :20]
    identity = torch.eye(3)[None]
    torch.testing.assert_close(
        warp(images, identity, AugmentPipe().Hz_geom), images, atol=2e-5, rtol=0
    )


def test_same_generator_same_draws() -> None:
    first, second = draws(3, seed=4), draws(3, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
