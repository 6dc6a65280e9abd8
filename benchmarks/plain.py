"""The teacher with volume rendering as one would first write it (`tests/oracles/volume.py`).

All rays of all pictures at once, features concatenated, sorted and gathered: what the official
programs do too. Of Mimic3D's 3D branch, whose pictures are large, as many rays at once as its
program takes. Everything else is the library's.
"""

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from oracles import volume

from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Subject
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.mimic3d import BRANCH_3D, Mimic3D
from nerfgan_cli.nn.decoder import Decoder
from nerfgan_cli.nn.depths import Draws
from nerfgan_cli.nn.rays import Rays
from nerfgan_cli.nn.superresolution_presets import RGB
from nerfgan_cli.nn.volume import Rendered, draw_samples, ray_limits
from nerfgan_cli.nn.volume_config import VolumeConfig
from nerfgan_cli.ops.plane_axes import PLANE_AXES

MIMIC3D_RAYS = 500_000 // 32  # of the program's configuration (mimic3d.md 12)


class PlainEG3D(EG3D):
    def render_rays(
        self,
        subject: Subject,
        rays: Rays,
        options: DrawOptions = DEFAULT_OPTIONS,
        draws: Iterable[Draws] | None = None,
    ) -> Rendered:
        config = self.eg3d_config.volume
        B, R, _ = rays.origins.shape
        if draws is None:
            draws = draw_samples(config, R, rays.origins.device, options.generator)
        some = list(islice(draws, B))
        assert subject.planes is not None
        planes = subject.planes.expand(B, -1, -1, -1, -1)
        limits = ray_limits(rays, config)
        at_once = R if subject.residual is None else MIMIC3D_RAYS
        parts = []
        for start in range(0, R, at_once):
            chunk = slice(start, start + at_once)
            found = plain_render(
                planes,
                self.decoder,
                Rays(*(x[:, chunk] for x in rays)),
                (limits[0][:, chunk], limits[1][:, chunk]),
                config,
                [draw.rows(chunk) for draw in some],
                subject.residual,
            )
            parts.append(found)
        return Rendered(*(torch.cat(x, dim=1) for x in zip(*parts, strict=True)))


class PlainMimic3D(PlainEG3D, Mimic3D):
    def render_rays(
        self,
        subject: Subject,
        rays: Rays,
        options: DrawOptions = DEFAULT_OPTIONS,
        draws: Iterable[Draws] | None = None,
    ) -> Rendered:
        if self.choose_branch(options) != BRANCH_3D:
            return super().render_rays(subject._replace(residual=None), rays, options, draws)
        rendered = super().render_rays(subject, rays, options, draws)
        return rendered._replace(features=rendered.features[..., :RGB])


def make_plain(teacher: EG3D) -> EG3D:
    """The same network, which renders plainly from now on."""
    teacher.__class__ = PlainMimic3D if isinstance(teacher, Mimic3D) else PlainEG3D
    return teacher


def plain_render(
    planes: Tensor,  # [B, 3, C, H, H]
    decoder: Decoder,
    rays: Rays,  # [B, R, 3]
    limits: tuple[Tensor, Tensor],  # [B, R, 1] each
    config: VolumeConfig,
    draws: list[Draws],  # B
    residual: Tensor | None = None,  # [B, 3, C, H', H'], added to the planes
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
            residual=residual,
        )
    return Rendered(out.features, out.depth[..., 0], out.weight[..., 0])
