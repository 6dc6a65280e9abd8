"""Where the ray of each pixel runs, as features (stylegan3.md 10.2, point 3 c).

The style codes alone would have to tell every feature where to move as the camera turns. Here each
pixel is told which points its ray passes, in the frame of the subject: near its centre, one after
the other from front to back, in sines and cosines of octave frequencies.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.nn.layers import FullyConnectedLayer
from nerfgan_cli.nn.rays import camera_rays

OFFSETS = (-0.3, -0.15, 0.0, 0.15, 0.3)  # world units, from the point nearest to the centre
BANDS = 4  # periods of 2, 1, 1/2 and 1/4 world units
SIZE = len(OFFSETS) * 3 * (2 * BANDS)


def ray_code(camera: Camera, resolution: int, margin: int) -> Tensor:  # [B, S, S, SIZE]
    """S = resolution + 2 · margin, see `camera_rays`."""
    origins, directions = camera_rays(camera, resolution, margin)
    nearest = -(origins * directions).sum(dim=-1, keepdim=True)  # depth
    depths = nearest + directions.new_tensor(OFFSETS)
    points = origins[:, :, None] + depths[..., None] * directions[:, :, None]
    octaves = torch.pi * 2.0 ** torch.arange(BANDS, device=points.device)
    phases = (points.flatten(2)[..., None] * octaves).flatten(2)
    side = resolution + 2 * margin
    return torch.cat([phases.sin(), phases.cos()], dim=2).view(-1, side, side, SIZE)


class RayMap(nn.Module):
    """Camera → features of unit variance for each grid of a synthesis network."""

    def __init__(
        self,
        grids: Mapping[int, int],  # channels by resolution
        margin: int = 0,  # of every grid, pixels
    ) -> None:
        super().__init__()
        self.margin = margin
        self.resolutions = list(grids)
        for resolution, channels in grids.items():
            self.add_module(f"r{resolution}", FullyConnectedLayer(SIZE, channels))

    def forward(self, camera: Camera) -> dict[int, Tensor]:  # [B, channels, S, S], channels-last
        maps = {}
        for resolution in self.resolutions:
            code = ray_code(camera, resolution, self.margin) * 2**0.5
            maps[resolution] = self.get_submodule(f"r{resolution}")(code).permute(0, 3, 1, 2)
        return maps
