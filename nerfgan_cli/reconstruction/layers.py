"""A compact radiance field for views from about one side: layers, seen through one another.

The layers are perpendicular to the mean direction of view and span what the cameras see. Their
colours are interpolated between fewer, finer ones, their densities between coarser texels: a field
that can hold a scene, but not a picture of its own for each camera. No colour depends on the
direction of view. The last layer is opaque: the background. What lies between two layers is
looked up in one of them, so a ray costs four texels per layer.
"""

from math import ceil
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.nn.rays import camera_rays

TEXELS = 1.6  # of colour per pixel, in the middle layer
COARSER = 0.5  # texels of density per texel of colour
SHARPNESS = 100.0  # density of a layer that is opaque, per world unit and unit of its parameter
FAINT = -3.0  # parameter of density at the start


class Bundle(NamedTuple):
    """Rays in the frame of the layers: x right, y down, z along the mean direction of view."""

    origins: Tensor  # [R, 3]
    directions: Tensor  # [R, 3], unit length

    def rows(self, index: Tensor | slice) -> "Bundle":
        return Bundle(self.origins[index], self.directions[index])


class Seen(NamedTuple):
    colours: Tensor  # [R, 3] in [0, 1]
    weights: Tensor  # [layers, R], how much of each layer a ray sees; they add up to 1


class Frame(NamedTuple):
    """Where the layers are, and how the rays of the pictures meet them."""

    depths: Tensor  # [layers], from near to far
    low: Tensor  # [2], corner of the rectangle that each layer covers
    high: Tensor  # [2]
    pixel: Tensor  # [2], size of a pixel in the middle layer
    rays: Bundle  # of all pictures, row-major


def frame_of(
    cameras: Camera,
    side: int,  # of the pictures
    layers: int,
    half_depth: float,  # of the scene before and behind the origin, world units
) -> Frame:
    rays = camera_rays(cameras, side)
    axes = _axes(cameras)
    origins = rays.origins.flatten(0, 1) @ axes
    bundle = Bundle(origins, rays.directions.flatten(0, 1) @ axes)
    depths = torch.linspace(-half_depth, half_depth, layers).to(origins)
    corners = []
    for depth in depths[[0, layers // 2, -1]]:
        met = _meet(bundle, depth[None])[0]
        corners.append(torch.stack(met.aminmax(dim=0)))
    low, high = (torch.stack([corner[end] for corner in corners]) for end in (0, 1))
    pixel = (high[1] - low[1]) / side
    return Frame(depths, low.amin(dim=0), high.amax(dim=0), pixel, bundle)


class Layers(nn.Module):
    """The field; its parameters are the only state of a reconstruction."""

    between: Tensor  # [layers, colour_layers]

    def __init__(self, frame: Frame, colour_layers: int, mean: Tensor) -> None:  # mean: [3]
        super().__init__()
        self.frame = frame
        columns, rows = (ceil(float(n) * TEXELS) for n in (frame.high - frame.low) / frame.pixel)
        self.size = rows, columns
        start = torch.logit(mean.clamp(0.02, 0.98))[None, :, None, None]
        self.colour = nn.Parameter(start.repeat(colour_layers, 1, rows, columns))
        coarse = round(rows * COARSER), round(columns * COARSER)
        self.density = nn.Parameter(mean.new_full((len(frame.depths), 1, *coarse), FAINT))
        between = F.interpolate(
            torch.eye(colour_layers)[None], len(frame.depths), mode="linear", align_corners=True
        )
        self.register_buffer("between", between[0].t().to(mean))

    def texels(self) -> Tensor:  # [layers, 4, rows, columns]
        """Colours and densities before their activation."""
        colour = (self.between @ self.colour.flatten(1)).view(-1, 3, *self.size)
        density = F.interpolate(self.density, self.size, mode="bilinear", align_corners=True)
        return torch.cat([colour, density], dim=1)

    def forward(self, texels: Tensor, rays: Bundle) -> Seen:
        """What rays see."""
        low, high, depths = self.frame.low, self.frame.high, self.frame.depths
        grid = 2 * (_meet(rays, depths) - low) / (high - low) - 1
        found = F.grid_sample(texels, grid[:, None], padding_mode="border", align_corners=True)
        colours, density = found[:, :3, 0].sigmoid(), found[:-1, 3, 0]
        length = (depths[1] - depths[0]) / rays.directions[:, 2]
        optical = (F.softplus(density) * SHARPNESS * length).cumsum(dim=0)
        left = F.pad(torch.exp(-optical), (0, 0, 1, 1), value=1.0)
        left = torch.cat([left[:-1], torch.zeros_like(left[-1:])])  # nothing passes the last layer
        weights = left[:-1] - left[1:]
        return Seen((weights[:, None] * colours).sum(dim=0).t(), weights)


def spread_along_rays(weights: Tensor) -> Tensor:  # [layers, R] -> []
    """Mean distance of two things that a ray sees, of the whole depth: 0 where that is one surface.

    Mip-NeRF 360's distortion, of samples without width.
    """
    place = torch.linspace(0, 1, len(weights)).to(weights)[:, None]
    before = weights.cumsum(dim=0)[:-1]
    mass = (weights * place).cumsum(dim=0)[:-1]
    pairs = weights[1:] * (place[1:] * before - mass)
    return 2 * pairs.sum(dim=0).mean()


def _meet(rays: Bundle, depths: Tensor) -> Tensor:  # [D] -> [D, R, 2]
    """Where rays cross layers."""
    distance = (depths[:, None] - rays.origins[:, 2]) / rays.directions[:, 2]
    return rays.origins[:, :2] + distance[..., None] * rays.directions[:, :2]


def _axes(cameras: Camera) -> Tensor:  # [3, 3], columns are right, down, forward
    forward = F.normalize(cameras.forward.mean(dim=0), dim=0)
    down = cameras.cam2world[:, :3, 1].mean(dim=0)
    down = F.normalize(down - (down @ forward) * forward, dim=0)
    return torch.stack([torch.linalg.cross(down, forward), down, forward], dim=1)
