"""Losses of a supervised warm start: a volume is told what ToyHeads knows exactly.

Along each ray of a view, points before the surface are empty and points just behind it are solid;
near it they have its colour. Later the ray is rendered as well and compared in colour and distance,
and at last the super-resolution learns from what is rendered. Where residual planes add to the
coarse ones, the points are of both, and both are rendered at the scale of the final picture too.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DrawOptions, Subject
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.losses.occupancy import occupancy_loss
from nerfgan_cli.nn.rays import Rays, camera_rays
from nerfgan_cli.nn.volume import ray_limits
from nerfgan_cli.training.warm_recipe import Loss
from nerfgan_cli.training.warm_truth import Truth

EDGE = 4  # pixels of a part's picture whose surroundings the super-resolution cannot see


class RayTruth(NamedTuple):
    """Rays of B views, and where they end."""

    rays: Rays  # [B, R, 3]
    near: Tensor  # [B, R, 1]
    end: Tensor  # [B, R, 1], the surface; the far limit where there is none
    seen: Tensor  # [B, R, 1], whether there is one
    colour: Tensor  # [B, R, 3] in [−1, 1]


def trace(generator: EG3D, truth: Truth) -> RayTruth:
    resolution = truth["raw"].shape[-1]
    rays = camera_rays(Camera.from_label(truth["label"]), resolution)
    near, far = ray_limits(rays, generator.eg3d_config.volume)
    depth = truth["depth"].flatten(1)[..., None]
    return RayTruth(rays, near, depth.minimum(far), depth < far, truth["raw"].flatten(2).mT)


def point_losses(
    generator: EG3D, subject: Subject, truth: RayTruth, loss: Loss, draws: torch.Generator | None
) -> dict[str, Tensor]:
    """ "occupancy" and "colour", [] each."""
    depths = draw_depths(truth, loss, draws)  # [B, R, P]
    rays = truth.rays
    points = rays.origins[:, :, None] + rays.directions[:, :, None] * depths[..., None]
    decoded = generator.sample(subject, points.flatten(1, 2))
    behind = depths - truth.end  # [B, R, P]
    known = truth.seen & (behind < loss.shell) | (behind < 0)
    sigmas = decoded.sigma.view_as(depths)
    occupancy = occupancy_loss(sigmas, behind > 0, loss.thickness)
    shell = truth.seen & (behind.abs() < loss.shell)
    colours = 2 * decoded.colors[..., :3].view(*depths.shape, 3) - 1
    error = (colours - truth.colour[:, :, None]).abs().mean(dim=-1)
    return {"occupancy": masked_mean(occupancy, known), "colour": masked_mean(error, shell)}


def draw_depths(truth: RayTruth, loss: Loss, draws: torch.Generator | None) -> Tensor:  # [B, R, P]
    """Half anywhere before the surface, half about it."""
    shape = (*truth.end.shape[:2], loss.points_per_ray // 2)
    device = truth.end.device
    free = torch.rand(shape, generator=draws, device=device)
    near = torch.randn(shape, generator=draws, device=device)
    before = truth.near + free * (truth.end - truth.near)
    return torch.cat([before, truth.end + loss.spread * near], dim=2)


def view_losses(
    generator: EG3D, subject: Subject, truth: Truth, traced: RayTruth, draws: torch.Generator | None
) -> dict[str, Tensor]:
    """ "raw" and "depth", "image" of parts, and "strict" of both sets of planes, [] each."""
    rays = truth["raw"].shape[-1]
    options = DrawOptions(resolution=rays, ray_chunk=rays**2, generator=draws)
    rendered = generator.render(subject, Camera.from_label(truth["label"]), options)
    features = rendered.features.mT.reshape(len(rendered.features), -1, rays, rays)
    raw = features[:, :3]
    far = (rendered.depth[..., None] - traced.end).abs()
    losses = {
        "raw": (raw - truth["raw"]).abs().mean(),
        "depth": masked_mean(far, traced.seen),
    }
    if "image" in truth:
        image = generator.superresolution.enlarge(raw, features, subject.ws).image
        inner = slice(EDGE, -EDGE)
        losses["image"] = (image - truth["image"])[:, :, inner, inner].abs().mean()
    if subject.residual is not None:
        losses["strict"] = strict_loss(generator, subject, truth, draws)
    return losses


def strict_loss(
    generator: EG3D, subject: Subject, truth: Truth, draws: torch.Generator | None
) -> Tensor:  # []
    """Of the 3D branch's picture: of all rays of a view, of the middle of a part."""
    camera, exact = Camera.from_label(truth["label"]), truth["raw"]
    if "image" in truth:
        quarter = truth["image"].shape[-1] // 4
        exact = truth["image"][:, :, quarter:-quarter, quarter:-quarter]
        corner = torch.full([len(exact)], quarter / truth["image"].shape[-1], device=exact.device)
        camera = camera.cropped(corner, corner, exact.shape[-1] / truth["image"].shape[-1])
    rays, branch = exact.shape[-1], generator.finest_branch
    options = DrawOptions(resolution=rays, ray_chunk=rays**2, generator=draws, branch=branch)
    return (generator.draw(subject, camera, options).image - exact).abs().mean()


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean where the mask is true, 0 if it is nowhere."""
    mean: Tensor = torch.where(mask, x, 0).sum() / mask.sum().clamp(min=1)
    return mean
