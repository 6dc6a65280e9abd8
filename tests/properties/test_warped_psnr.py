"""Whether views of one subject agree, measured on scenes that are known exactly."""

from math import log10, radians

import numpy as np
import pytest
import torch
from test_view_consistency import plane
from torch import Tensor, nn

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator, Rendering
from nerfgan_cli.generators.contract import Subject as Prepared
from nerfgan_cli.metrics.warped_psnr import carried_psnr, see_both_sides, warped_psnr
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.nn.reprojection import Surface

CAMERA = PRESETS["ffhq"]
SIDE = 64


class Exact(Generator):
    """Draws a scene without error; a code is the latent itself."""

    kind, camera_preset, has_depth = "exact", "ffhq", True
    z_dim = w_dim = latents(0, np.arange(1)).shape[1]
    num_ws, img_resolution, raw_resolution = 1, SIDE, SIDE

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))  # tells the device

    def config(self) -> dict[str, object]:
        return {}

    def mapping(self, z: Tensor, *_: object, **__: object) -> Tensor:
        return z[:, None]

    def latent_space(self) -> MappingNetwork:
        raise AssertionError("a latent of this drawer is its code")

    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Prepared:
        return Prepared(ws)

    def draw(
        self, subject: Prepared, camera: Camera, options: DrawOptions = DEFAULT_OPTIONS
    ) -> Rendering:
        image, depth = self.scene(subject.ws[:, 0], camera)
        return Rendering(image, image, image, depth)

    def scene(self, z: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class Wall(Exact):
    """A painted plane."""

    def scene(self, z: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        image, surface = plane(camera, SIDE)
        return image * z[:, :1, None, None].tanh(), surface.depth


class Screen(Wall):
    """The wall as the front camera sees it, whatever the camera."""

    def scene(self, z: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        image, _ = super().scene(z, CAMERA.frontal().expand(len(z)))
        return image, super().scene(z, camera)[1]


class Lamp(Wall):
    """One grey, which is brighter by a known amount from the right."""

    def scene(self, z: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        image, depth = super().scene(z, camera)
        yaw, _, _ = angles_from_pose(camera.cam2world)
        return torch.full_like(image, 0.1) * yaw.sign()[:, None, None, None], depth


class Heads(Exact):
    """ToyHeads, drawn exactly."""

    def scene(self, z: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        drawn = draw(heads_from_latent(z), camera, SIDE)
        return drawn.image, drawn.depth


class ScreenHeads(Heads):
    def scene(self, z: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        image, _ = super().scene(z, CAMERA.frontal().expand(len(z)))
        return image, super().scene(z, camera)[1]


def test_exact_renderings_agree_and_a_painted_screen_does_not() -> None:
    subjects = list(see_both_sides(Wall(), [1, 2, 3], batch=2))
    assert warped_psnr(Wall(), subjects) > 50
    assert warped_psnr(Screen(), subjects) < 20
    assert warped_psnr(Screen(), subjects) > warped_psnr(
        Screen(), list(see_both_sides(Wall(), [1, 2, 3], yaw=radians(25)))
    )


def test_heads_agree_where_both_cameras_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = list(see_both_sides(Heads(), [1, 2]))
    exact, screen = (warped_psnr(each, subjects) for each in (Heads(), ScreenHeads()))
    assert exact > 24  # edges are sampled, and light falls off a little as the camera turns
    assert screen < exact - 6
    monkeypatch.setattr("nerfgan_cli.metrics.warped_psnr.TOLERANCE", 10.0)
    assert warped_psnr(Heads(), subjects) < exact - 6  # hidden parts are compared


def test_a_known_difference_gives_its_decibels() -> None:
    subjects = list(see_both_sides(Lamp(), [1, 2, 3]))
    assert warped_psnr(Lamp(), subjects) == pytest.approx(-20 * log10(0.1), abs=1e-3)
    assert subjects[0].left.image.mean() == pytest.approx(-0.1, abs=1e-6)


def test_pictures_are_compared_as_they_are_shown() -> None:
    """What lies beyond black and white is cut off; equal pictures have the largest value."""
    image, surface = plane(CAMERA.at(0.2), 16)
    white = torch.ones_like(image)
    assert carried_psnr(3 * white, 5 * white, surface, surface).item() == 100
    half = carried_psnr(white, -white, surface, surface)
    assert half.item() == pytest.approx(0, abs=1e-4)


def test_subjects_do_not_depend_on_their_batch() -> None:
    together, alone = (list(see_both_sides(Screen(), [4, 5], batch=n)) for n in (2, 1))
    found = warped_psnr(Screen(), together)
    assert found == pytest.approx(warped_psnr(Screen(), alone), abs=1e-3)
    assert abs(found - warped_psnr(Screen(), alone[:1])) > 0.1


def test_without_a_common_point_there_is_no_value() -> None:
    (pair,) = see_both_sides(Wall(), [1, 2])
    empty = pair.left.surface.depth.clone()
    empty[0] = torch.inf
    left = pair.left._replace(surface=Surface(pair.left.surface.camera, empty))
    second = warped_psnr(Wall(), list(see_both_sides(Wall(), [2])))
    assert warped_psnr(Wall(), [pair._replace(left=left)]) == pytest.approx(second, abs=1e-3)
    empty[1] = torch.inf
    with pytest.raises(InputError, match="no point that both cameras see"):
        warped_psnr(Wall(), [pair._replace(left=left)])


def test_a_teacher_has_depth() -> None:
    flat = Wall()
    flat.has_depth = False
    with pytest.raises(UsageError, match="give a volumetric model"):
        next(see_both_sides(flat, [1]))
