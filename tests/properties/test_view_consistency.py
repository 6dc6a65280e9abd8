"""Pictures carried from camera to camera along depth: known scenes, occlusion, gradients."""

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.losses.view_consistency import view_consistency
from nerfgan_cli.nn.rays import camera_rays
from nerfgan_cli.nn.reprojection import Surface, project, reproject

CAMERA = PRESETS["ffhq"]
TOLERANCE = 0.03


def plane(camera: Camera, side: int, z: float = 0.0) -> tuple[Tensor, Surface]:
    """A wall at a depth of the world, painted with a smooth pattern, as cameras see it."""
    rays = camera_rays(camera, side)
    far = (z - rays.origins[..., 2]) / rays.directions[..., 2]
    points = rays.origins + far[..., None] * rays.directions
    colours = torch.stack([torch.sin(k * points[..., k % 2] * 9 + k) for k in range(1, 4)], dim=1)
    shape = len(camera), -1, side, side
    return colours.view(shape), Surface(camera, far.view(shape))


def head(camera: Camera, side: int) -> tuple[Tensor, Surface]:
    """A head of ToyHeads with its exact depth, from each camera."""
    heads = heads_from_latent(latents(0, np.repeat(3, len(camera))))
    drawn = draw(heads, camera, side)
    return drawn.image, Surface(camera, drawn.depth)


def test_projecting_undoes_rays() -> None:
    camera = Camera.cat([CAMERA.at(0.4, -0.2, 0.3), PRESETS["cars"].at(-1.0, 0.5)])
    camera.intrinsics[:, 0, 1] = 0.05  # skew
    rays = camera_rays(camera, 5)
    far = 1 + torch.rand(2, 25, 1)
    seen = project(camera, rays.origins + far * rays.directions)
    centres = (torch.arange(5) + 0.5) / 5 * 2 - 1
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    expected = torch.stack([columns, rows], dim=-1).flatten(0, 1)
    torch.testing.assert_close(seen.position, expected.expand(2, -1, -1))
    torch.testing.assert_close(seen.distance, far[..., 0])
    assert seen.in_front.all()
    assert not project(camera, rays.origins - rays.directions).in_front.any()


def test_a_view_carried_to_itself_stays() -> None:
    image, surface = plane(CAMERA.at([0.3, -0.2]), 16)
    carried, seen = reproject(image, surface, surface, TOLERANCE)
    assert seen.all()
    torch.testing.assert_close(carried, image, atol=1e-4, rtol=0)
    assert view_consistency(image, image, surface, surface, TOLERANCE).max() < 1e-4


def test_a_wall_looks_as_it_should_from_elsewhere() -> None:
    """Also where the depth is coarser than the picture."""
    (image_a, a), (image_b, b) = plane(CAMERA.at(0.0), 128), plane(CAMERA.at(0.35, 0.1), 128)
    _, coarse_a = plane(CAMERA.at(0.0), 64)
    _, coarse_b = plane(CAMERA.at(0.35, 0.1), 64)
    for first, second, error in ((a, b, 4e-3), (coarse_a, coarse_b, 1e-2)):
        carried, seen = reproject(image_a, first, second, TOLERANCE)
        assert seen.float().mean() > 0.75
        assert (carried - image_b).abs()[seen.expand_as(carried)].max() < error
    assert view_consistency(image_a, image_b, a, b, TOLERANCE) < 2e-3
    assert view_consistency(image_a, image_b.flip(3), a, b, TOLERANCE) > 0.1


def test_a_head_looks_as_it_should_from_elsewhere() -> None:
    cameras = CAMERA.at([-0.3, 0.3])
    images, surfaces = head(cameras, 96)
    a, b = (Surface(cameras[i], surfaces.depth[i : i + 1]) for i in (0, 1))
    carried, seen = reproject(images[:1], a, b, TOLERANCE)
    assert 0.3 < seen.float().mean() < 0.7  # either cheek is hidden from the other side
    wrong = (carried - images[1:]).abs().mean(dim=1, keepdim=True)
    assert wrong[seen].mean() < 0.06
    assert wrong[~seen].mean() > 0.2
    blind, everywhere = reproject(images[:1], a, b, 10.0)
    assert everywhere.float().mean() > seen.float().mean()
    error = (blind - images[1:]).abs().mean(dim=1, keepdim=True)[everywhere].mean()
    assert error > 1.5 * wrong[seen].mean()  # what hides behind something else was compared too


def test_a_wall_hides_what_is_behind_it() -> None:
    camera_a, camera_b = CAMERA.at(0.0), CAMERA.at(0.2)
    image, behind = plane(camera_a, 16)
    _, before = plane(camera_a, 16, z=0.2)
    _, b = plane(camera_b, 16)
    assert reproject(image, behind, b, TOLERANCE).seen.any()
    assert not reproject(image, before, b, TOLERANCE).seen.any()
    half = before.depth.clone()
    half[..., 8:] = behind.depth[..., 8:]
    seen = reproject(image, Surface(camera_a, half), b, TOLERANCE).seen
    assert seen[..., 12:].any()
    assert not seen[..., :4].any()


def test_nothing_is_seen_where_nothing_is() -> None:
    image, surface = plane(CAMERA.at(0.1), 16)
    _, other = plane(CAMERA.at(-0.1), 16)
    for a, b in (
        (Surface(surface.camera, torch.full_like(surface.depth, torch.inf)), other),
        (surface, Surface(other.camera, torch.full_like(other.depth, torch.inf))),
    ):
        assert not reproject(image, a, b, TOLERANCE).seen.any()
        assert view_consistency(image, image, a, b, TOLERANCE).item() == 0
    finer = torch.rand(1, 3, 32, 32, requires_grad=True)  # than the depth, part of which is missing
    depth = surface.depth.clone()
    depth[..., :8] = torch.inf
    loss = view_consistency(finer, finer, Surface(surface.camera, depth), other, TOLERANCE)
    loss.sum().backward()
    assert finer.grad is not None
    assert finer.grad.isfinite().all()
    assert loss > 0


def test_gradients_reach_both_views_where_they_are_compared() -> None:
    (image_a, a), (image_b, b) = plane(CAMERA.at(0.0), 12), plane(CAMERA.at(0.3), 12)
    image_a, image_b = (image.double().requires_grad_() for image in (image_a, 0.5 * image_b))

    def loss(first: Tensor, second: Tensor) -> Tensor:
        to_double = [Surface(camera64(s.camera), s.depth.double()) for s in (a, b)]
        return view_consistency(first, second, *to_double, TOLERANCE)

    assert torch.autograd.gradcheck(loss, (image_a, image_b), nondet_tol=1e-9)
    loss(image_a, image_b).backward()
    seen = reproject(image_a.float(), a, b, TOLERANCE).seen
    assert image_b.grad is not None
    assert (image_b.grad.abs().sum(dim=1, keepdim=True) > 0).equal(seen)


def camera64(camera: Camera) -> Camera:
    return Camera(camera.cam2world.double(), camera.intrinsics.double())
