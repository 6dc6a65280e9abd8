"""Camera rays, box limits and the mesh lattice of the release."""

import pytest
import torch
from golden import Golden, assert_close, goldens

from nerfgan_cli.cameras import Camera
from nerfgan_cli.nn.rays import Rays, auto_limits, box_limits, camera_rays, shape_lattice

TOLERANCE = 1e-5


@pytest.fixture(params=goldens("eg3d_cameras*.npz"))
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def test_rays_also_with_skew_and_shifted_centre(golden: Golden) -> None:
    rays = camera_rays(Camera.from_label(golden["ray_c"]), golden.meta["ray_resolution"])
    assert_close(rays.origins, golden["ray_o"], TOLERANCE)
    assert_close(rays.directions, golden["ray_d"], TOLERANCE)


def test_rays_of_an_even_resolution(golden: Golden) -> None:
    rays = camera_rays(Camera.from_label(golden["ray_c"][:1]), golden.meta["ray4_resolution"])
    assert_close(rays.directions, golden["ray4_d"], TOLERANCE)


def test_box_limits(golden: Golden) -> None:
    rays = Rays(golden["box_o"], golden["box_d"])
    near, far = box_limits(rays, golden.meta["box_side"])
    assert_close(near, golden["box_min"], TOLERANCE)
    assert_close(far, golden["box_max"], TOLERANCE)


def test_rays_that_miss_the_box_get_the_official_limits(golden: Golden) -> None:
    near, far = auto_limits(Rays(golden["box_o"], golden["box_d"]), golden.meta["box_side"])
    hit = golden["box_max"] > golden["box_min"]
    assert_close(near[hit], golden["box_min"][hit], TOLERANCE)
    assert_close(far[hit], golden["box_max"][hit], TOLERANCE)
    entries = golden["box_min"][hit]
    assert_close(near[~hit], entries.min().expand(int((~hit).sum())), TOLERANCE)
    assert_close(far[~hit], entries.max().expand(int((~hit).sum())), TOLERANCE)


def test_shape_lattice(golden: Golden) -> None:
    N, side = golden.meta["shape_N"], golden.meta["shape_cube"]
    points = shape_lattice(torch.arange(N**3), N, side, sheared=True)
    assert_close(points, golden["shape_grid"], TOLERANCE)
    voxel = (points[1] - points[0])[2:]
    assert_close(voxel.double(), golden["shape_voxel_size"], TOLERANCE)
