"""What figures show: the surface of a volume in grey, tri-planes in colours."""

from math import radians
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nerfgan_cli.cameras import CameraPreset
from nerfgan_cli.figures.planes import coloured, plane_names, plane_pictures
from nerfgan_cli.generators.contract import Subject
from nerfgan_cli.meshes.paint import Field
from nerfgan_cli.meshes.shading import Body, find_body, find_depth, shade
from nerfgan_cli.nn.decoder import Decoded
from nerfgan_cli.nn.rays import camera_rays

BALLS = ((0.0, 0.05, 0.1, 0.2), (-0.3, -0.3, -0.4, 0.15), (0.0, 0.3, 0.1, 0.02))  # x, y, z, radius
CENTRE = (0.0, 0.05, 0.1)
CAMERA = CameraPreset(CENTRE, 2.7, 4.0)
SIDE = 1.2


class Balls:
    """A volume of three: what is meant, what is larger than a speck and behind it, and a speck."""

    def sample(self, subject: Subject, points: Tensor) -> Decoded:
        balls = torch.tensor(BALLS)
        away = torch.cdist(points, balls[None, :, :3])
        sigma = (balls[:, 3] - away).amax(dim=-1, keepdim=True) * 100
        return Decoded(sigma, sigma.new_zeros(*sigma.shape[:2], 3))


@pytest.fixture(scope="module")
def body() -> Body:
    volume: Any = Balls()
    return find_body(Field(volume, Subject(torch.zeros(1))), (0.0, 0.3, 0.1), SIDE, 0.0)


def test_rays_stop_at_the_part_that_is_meant(body: Body) -> None:
    rays = camera_rays(CAMERA.at(0.0, 0.0), 33)
    depth = find_depth(body, rays).view(33, 33)
    origins, directions = (x[0].double() for x in rays)
    to_centre = torch.tensor(CENTRE) - origins
    along = (to_centre * directions).sum(dim=1)
    apart = to_centre.square().sum(dim=1) - along.square()
    expected = (along - (0.2**2 - apart).sqrt()).view(33, 33).nan_to_num(torch.inf)
    assert torch.equal(depth.isinf(), expected.isinf())
    there = depth.isfinite()
    assert 0.2 < there.float().mean() < 0.6
    assert (depth - expected)[there].abs().max() < 1e-4


def test_light_comes_from_above_and_the_left(body: Body) -> None:
    picture = shade(body, CAMERA.at(radians(30), 0.0), 64)
    assert picture.shape == (64, 64, 3)
    assert (picture[0] == 255).all()  # paper about it
    gray = picture[..., 0].astype(int)
    assert gray[22, 22] > gray[32, 32] + 10
    assert gray[32, 32] > gray[42, 42] + 30
    assert (gray[42, 42] < 150) & (gray[42, 42] > 30)


def test_nothing_dense_is_a_blank_picture(body: Body) -> None:
    empty = find_body(body.field, CENTRE, SIDE, 1e6)
    assert (shade(empty, CAMERA.frontal(), 16) == 255).all()


def test_sets_of_planes_add_up_in_a_picture() -> None:
    """Whatever their sizes; also where one cancels the other."""
    torch.manual_seed(0)
    fine, coarse = torch.randn(3, 4, 16, 16), torch.randn(3, 4, 8, 8)
    both = plane_pictures([coarse, fine], "fixed", 16)
    large = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    for shown, alone in zip(both, plane_pictures([large + fine], "fixed", 16), strict=True):
        assert np.abs(shown.astype(int) - alone).max() <= 4
    for shown in plane_pictures([fine, -fine], "fixed", 16):
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1
    assert [picture.shape for picture in both] == [(16, 16, 3)] * 3


@pytest.mark.parametrize("axes", ["fixed", "released", "zy"])
def test_planes_stand_upright(axes: str) -> None:
    """What lies at large y is above; where a plane has no y, what is in its last row."""
    size, names = 8, plane_names(axes)
    for index, (column, row) in enumerate(names):
        planes = torch.zeros(3, 1, size, size)
        planes[index, 0, size - 1 if row != "z" or column != "y" else 0, size - 1] = 1.0
        marked = plane_pictures([planes], axes, size)[index].astype(int)
        other = marked[size - 1, size - 1]
        found = np.argwhere(np.abs(marked - other).sum(axis=-1) > 0)
        expected = [[0, 0]] if (column, row) == ("y", "z") else [[0, size - 1]]
        assert found.tolist() == expected


def test_brighter_is_lighter() -> None:
    ramp = coloured(np.arange(256, dtype=np.uint8)[None])[0].astype(float)
    assert (np.diff(ramp @ [0.3, 0.59, 0.11]) > -1).all()
    assert ramp[0].sum() < 160 < 500 < ramp[-1].sum()
