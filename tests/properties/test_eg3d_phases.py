"""EG3D's training phases where the goldens do not look: swapping, augmentation."""

from typing import cast

import pytest
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.nn.discriminators import DiscriminatorConfig, DualDiscriminator
from nerfgan_cli.ops.resize import resize
from nerfgan_cli.training.augment import AugmentDraws, AugmentPipe
from nerfgan_cli.training.eg3d import (
    DensityPoints,
    Latents,
    Moment,
    Reals,
    Views,
    density_phase,
    distance,
    r1_phase,
    shown,
    swap_cameras,
)

SIZE = 32
CAMERAS = PRESETS["ffhq"].at([-0.3, -0.1, 0.1, 0.3])


def moment(augment=None, blur_sigma: float = 0.0) -> Moment:
    return Moment(0.5, blur_sigma, SIZE, DrawOptions(), augment)


def pictures(size: int = SIZE) -> Tensor:
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_swapped_cameras_are_the_previous_samples() -> None:
    draws = torch.tensor([0.1, 0.6, 0.4, 0.5])
    swapped = swap_cameras(CAMERAS, 0.5, draws)
    assert torch.equal(swapped.label, CAMERAS.label[[3, 1, 1, 3]])
    together = swap_cameras(CAMERAS, 0.5, draws[:1])
    assert torch.equal(together.label, CAMERAS.label[[3, 0, 1, 2]])


def test_both_views_are_augmented_alike() -> None:
    views = Views(pictures(), pictures(SIZE // 2))
    flipped = shown(views, moment(lambda both: both.flip(3)))
    plain = shown(views, moment(lambda both: both))
    assert flipped.image_raw.shape == views.image_raw.shape
    torch.testing.assert_close(flipped.image, plain.image.flip(3))
    torch.testing.assert_close(flipped.image_raw, plain.image_raw.flip(3))
    assert torch.equal(plain.image, views.image)


def test_blur_comes_before_augmentation_and_spares_the_raw_view() -> None:
    seen = []
    views = Views(pictures(), pictures())
    shown(views, moment(lambda both: seen.append(both) or both, blur_sigma=2.0))
    assert seen[0][:, :3].std() < 0.5 * views.image.std()
    assert torch.equal(seen[0][:, 3:], views.image_raw)


def test_penalty_is_on_the_augmented_views() -> None:
    """Doubling in the augmentation is like doubling the data, with no factor for the doubling."""
    torch.manual_seed(0)
    config = DiscriminatorConfig(SIZE, channel_base=256, channel_max=16)
    discriminator = DualDiscriminator(config)
    reals = Reals(pictures(), CAMERAS)
    augmented = r1_phase(discriminator, reals, 1.0, moment(lambda both: 2 * both))
    doubled = r1_phase(discriminator, reals._replace(image=2 * reals.image), 1.0, moment())
    torch.testing.assert_close(augmented.loss, doubled.loss)


def test_the_generator_learns_through_the_augmentation() -> None:
    draws = AugmentDraws.random(4, torch.Generator().manual_seed(1))
    views = Views(pictures().requires_grad_(), pictures(SIZE // 2).requires_grad_())
    fakes = shown(views, moment(lambda both: AugmentPipe()(both, draws), blur_sigma=1.0))
    gradients = torch.autograd.grad(sum(view.square().sum() for view in fakes), views)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_distance_from_the_truth_is_that_of_both_views() -> None:
    image = pictures()
    exact = Views(image, resize(image, SIZE // 2))
    offsets = torch.tensor([0.0, 0.1, 0.2, -0.3]).view(4, 1, 1, 1)
    views = Views(exact.image + offsets, exact.image_raw - 2 * offsets)
    torch.testing.assert_close(distance(views, image), 3 * offsets.abs().flatten())


class Field(torch.nn.Module):
    """In place of a generator: a density that rises along z."""

    finest_branch = None

    eg3d_config = EG3DConfig()

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(slope))

    def mapping(self, z: Tensor, camera: Camera) -> Tensor:
        return z

    def prepare(self, ws: Tensor, options: DrawOptions) -> Tensor:
        return ws

    def density(self, subject: Tensor, points: Tensor) -> Tensor:
        return self.slope * points[..., 2:]


def regularized(slope: float, hold_front: bool) -> tuple[float, float]:
    """The loss without smoothness, and the slope's gradient."""
    field = Field(slope)
    points = DensityPoints(torch.rand(4, 5, 3), torch.zeros(4, 5, 3), torch.rand(4, 7, 3))
    latents = Latents(torch.zeros(4, 8), CAMERAS, torch.zeros(4))
    result = density_phase(cast(EG3D, field), latents, points, moment(), 0.25, hold_front)
    result.loss.backward()
    assert field.slope.grad is not None
    return result.loss.item(), field.slope.grad.item()


def test_density_may_not_fall_behind() -> None:
    """EG3D's monotonic variants: 10 times what is lost in 1/256 of the box along −z."""
    box = EG3DConfig().volume.box_warp
    loss, gradient = regularized(3.0, hold_front=False)
    assert (loss, gradient) == pytest.approx((30 * box / 256, 10 * box / 256), rel=1e-3)
    assert regularized(-3.0, hold_front=False) == (0, 0)


def test_held_points_in_front_get_no_gradient() -> None:
    torch.manual_seed(0)
    torch.rand(4, 5, 3)
    behind = 2 * torch.rand(4, 7, 3)[..., 2] - 1 - EG3DConfig().volume.box_warp / 256
    torch.manual_seed(0)
    loss, gradient = regularized(3.0, hold_front=True)
    assert loss == pytest.approx(regularized(3.0, hold_front=False)[0], rel=1e-3)
    assert gradient == pytest.approx(-10 * behind.mean().item(), rel=1e-3)
