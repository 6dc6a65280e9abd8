"""Hard side views: a photograph, mirrored, tells of the side that it does not show (SPI; 4.5).

Heads, cats and cars are nearly the same on both sides. The mirrored photograph is a second one from
the mirrored camera, as far as it can be trusted: where its camera looks straighter at the surface
than the photograph's own. For that the subject is a ball about the domain's pivot. From the front
both cameras see the same, and the mirrored photograph counts for nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.inversion.photos import View
from nerfgan_cli.nn.rays import camera_rays

BALL = 0.7  # its radius, in half the width of what the domain's cameras see


def with_mirrored(views: Sequence[View], preset: CameraPreset) -> list[View]:
    """The photographs, and behind them what they are mirrored."""
    return [*views, *(mirrored(view, preset) for view in views)]


def mirrored(view: View, preset: CameraPreset) -> View:
    camera = view.camera.mirrored()
    side = view.target.shape[-1]
    mask = confidence(camera, view.camera, preset, side)
    if view.mask is not None:
        mask = mask * view.mask.flip(3)
    return View(view.target.flip(3), camera, mask, view.known)


def confidence(
    camera: Camera,  # one, of the mirrored photograph
    photo: Camera,  # that of the photograph
    preset: CameraPreset,
    side: int,
) -> Tensor:  # [1, 1, side, side] in [0, 1]
    """How much better the one camera sees what is in each of its pixels than the other one."""
    centre = camera.position.new_tensor(preset.pivot)
    distance = (camera.position.new_tensor([0, 0, preset.radius]) - centre).norm()
    radius = BALL * distance / (2 * preset.focal)
    rays = camera_rays(camera, side)
    origin, along = rays.origins - centre, rays.directions  # [1, R, 3]
    nearest = -(origin * along).sum(dim=2, keepdim=True)
    squared = radius**2 - (origin + nearest * along).square().sum(dim=2, keepdim=True)
    normal = (origin + (nearest - squared.clamp(min=0).sqrt()) * along) / radius
    point = centre + radius * normal
    own, its = (
        (normal * torch.nn.functional.normalize(one.position[:, None] - point, dim=2)).sum(dim=2)
        for one in (camera, photo)
    )
    better: Tensor = (own - its.clamp(min=0)).clamp(0, 1) * (squared[..., 0] > 0)
    return better.view(1, 1, side, side)
