"""The teacher with volume rendering as one would first write it (`tests/oracles/volume.py`).

All rays of all pictures at once, features concatenated, sorted and gathered: what the official
program does too. Everything else is the library's.
"""

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from oracles import volume

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Subject
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.nn.decoder import Decoder
from nerfgan_cli.nn.depths import Draws
from nerfgan_cli.nn.rays import Rays, camera_rays
from nerfgan_cli.nn.volume import Rendered, draw_samples, ray_limits
from nerfgan_cli.nn.volume_config import VolumeConfig
from nerfgan_cli.ops.plane_axes import PLANE_AXES


class PlainEG3D(EG3D):
    def render(
        self,
        subject: Subject,
        camera: Camera,
        options: DrawOptions = DEFAULT_OPTIONS,
        draws: Iterable[Draws] | None = None,
    ) -> Rendered:
        config = self.eg3d_config.volume
        rays = camera_rays(camera, options.resolution or self.raw_resolution)
        B, R, _ = rays.origins.shape
        if draws is None:
            draws = draw_samples(config, R, rays.origins.device, options.generator)
        assert subject.planes is not None
        planes = subject.planes.expand(B, -1, -1, -1, -1)
        limits = ray_limits(rays, config)
        return plain_render(planes, self.decoder, rays, limits, config, list(islice(draws, B)))


def make_plain(teacher: EG3D) -> EG3D:
    """The same network, which renders plainly from now on."""
    teacher.__class__ = PlainEG3D
    return teacher


def plain_render(
    planes: Tensor,  # [B, 3, C, H, H]
    decoder: Decoder,
    rays: Rays,  # [B, R, 3]
    limits: tuple[Tensor, Tensor],  # [B, R, 1] each
    config: VolumeConfig,
    draws: list[Draws],  # B
) -> Rendered:
    """As `nerfgan_cli.nn.volume.render`."""
    layers = []
    for layer in (decoder.net[0], decoder.net[2]):
        layers += [layer.weight * layer.weight_gain, layer.bias * layer.bias_gain]
    with planes.device:
        out = volume.render(
            planes,
            layers,
            *rays,
            *limits,
            torch.stack([each.jitter for each in draws])[..., None],
            torch.stack([each.u for each in draws]),
            box_warp=config.box_warp,
            axes=PLANE_AXES[config.plane_axes],
            disparity=config.disparity_space_sampling,
            white_back=config.white_back,
        )
    return Rendered(out.features, out.depth[..., 0], out.weight[..., 0])
