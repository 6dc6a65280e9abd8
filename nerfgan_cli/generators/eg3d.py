"""The teacher: EG3D's tri-plane generator (Chan et al. 2022, section 4; eg3d.md section 3).

    z, conditioning camera → mapping → ws → synthesis → planes ─┐ once per subject
    camera → rays ──────────────────────────────────────────────┴→ features → super-resolution

Names, shapes and order of the tensors are those of the released checkpoints.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import InputError
from nerfgan_cli.generators.contract import (
    DEFAULT_OPTIONS,
    DrawOptions,
    Rendering,
    StyleMap,
    Subject,
)
from nerfgan_cli.generators.eg3d_config import PRESETS, EG3DConfig
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.nn.decoder import Decoded, Decoder
from nerfgan_cli.nn.depths import RayDraws
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.nn.rays import Rays, camera_rays
from nerfgan_cli.nn.stylegan2 import SynthesisNetwork
from nerfgan_cli.nn.superresolution import SuperResolution, SuperResolved, build_superresolution
from nerfgan_cli.nn.volume import Rendered, draw_samples, ray_limits, render, sample_points

__all__ = ["EG3D", "PRESETS", "EG3DConfig"]

FEATURE_CHANNELS = 32  # of the rendering; the first three are its RGB


class Backbone(nn.Module):
    """The StyleGAN2 generator of the planes, with the release's order of tensors."""

    def __init__(self, config: EG3DConfig, synthesis: SynthesisNetwork) -> None:
        super().__init__()
        self.synthesis = synthesis
        self.mapping = MappingNetwork(
            config.z_dim, config.c_dim, config.w_dim, synthesis.num_ws, config.mapping_layers
        )


class EG3D(VolumetricGenerator):
    """See the module. Tensors: `backbone`, `superresolution`, `decoder`."""

    kind = "eg3d"
    any_resolution = True
    has_density = True
    superresolution: SuperResolution

    def __init__(self, config: EG3DConfig) -> None:
        super().__init__()
        self.eg3d_config = config
        self.z_dim, self.w_dim = config.z_dim, config.w_dim
        self.img_resolution = config.img_resolution
        self.raw_resolution = config.raw_resolution
        self.camera_preset = config.camera_preset
        self.density_side = config.volume.box_warp
        self.plane_axes = config.volume.plane_axes
        self.conditioning_scale = config.conditioning_scale
        self.swap_probability = config.training.gpc_reg_prob or 0.0
        self.backbone = Backbone(config, self.build_synthesis(config))
        self.num_ws = self.backbone.synthesis.num_ws
        self.superresolution = build_superresolution(
            config.superresolution,
            FEATURE_CHANNELS,
            config.superresolution_clamp,
            config.superresolution_antialias,
            config.w_dim,
        )
        self.decoder = Decoder(
            config.plane_channels, FEATURE_CHANNELS, config.decoder_lr_multiplier
        )
        if self.superresolution.preset.resolution != config.img_resolution:
            raise InputError(
                f"{config.superresolution} makes images of "
                f"{self.superresolution.preset.resolution}², not of {config.img_resolution}²: "
                "choose another super-resolution or resolution."
            )

    @staticmethod
    def build_synthesis(config: EG3DConfig) -> SynthesisNetwork:
        """The network of the planes."""
        return SynthesisNetwork(
            config.w_dim,
            config.plane_resolution,
            3 * config.plane_channels,
            config.channel_base,
            config.channel_max,
            config.conv_clamp,
        )

    def config(self) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self.eg3d_config)))
        return plain

    def scale_samples(self, multiplier: float) -> None:
        volume = self.eg3d_config.volume.scaled(multiplier)
        self.eg3d_config = replace(self.eg3d_config, volume=volume)

    def latent_space(self) -> MappingNetwork:
        return self.backbone.mapping

    def planes_network(self) -> SynthesisNetwork:
        return self.backbone.synthesis

    def style_maps(self) -> list[StyleMap]:
        return [StyleMap(row, affine.matrix) for row, affine in self.backbone.synthesis.affines()]

    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Subject:
        """The planes, with each texel's features side by side in memory, as the renderer wants."""
        image = self.backbone.synthesis(ws, options.noise_mode, options.generator)
        return Subject(ws, arrange(image.reshape(len(ws), 3, -1, *image.shape[2:])))

    def draw(
        self,
        subject: Subject,
        camera: Camera,
        options: DrawOptions = DEFAULT_OPTIONS,
    ) -> Rendering:
        return self.finish(subject, self.render(subject, camera, options), options)

    def render(
        self,
        subject: Subject,  # of B subjects, or of one for all cameras
        camera: Camera,  # B cameras
        options: DrawOptions = DEFAULT_OPTIONS,
        draws: Iterable[RayDraws] | None = None,  # one per image; None: of the options' generator
    ) -> Rendered:  # [B, R, ...], R = h·w
        """The volume rendering alone."""
        count = len(planes_of(subject))
        if count > 1:
            camera = camera.expand(count)
        rays = camera_rays(camera, self.rays_per_side(options))
        return self.render_rays(subject, rays, options, draws)

    def render_rays(
        self,
        subject: Subject,  # of B subjects, or of one for all cameras
        rays: Rays,  # [B, R, 3]
        options: DrawOptions = DEFAULT_OPTIONS,
        draws: Iterable[RayDraws] | None = None,  # one per image; None: of the options' generator
    ) -> Rendered:  # [B, R, ...]
        """The volume as any rays see it."""
        volume = self.eg3d_config.volume.scaled(options.depth_multiplier)
        planes = planes_of(subject)
        if draws is None:
            draws = draw_samples(volume, rays.origins.shape[1], planes.device, options.generator)
        limits = ray_limits(rays, volume)
        chunk, again = options.ray_chunk, options.recompute
        return render(planes, self.decoder, rays, limits, volume, draws, chunk, again)

    def finish(
        self,
        subject: Subject,
        rendered: Rendered,
        options: DrawOptions = DEFAULT_OPTIONS,
    ) -> Rendering:
        """Super-resolution of a volume rendering, unless the options want none."""
        B, R = rendered.depth.shape
        size = round(R**0.5)
        features = rendered.features.mT.reshape(B, -1, size, size)
        rgb = features[:, :3]
        depth = rendered.depth.view(B, 1, size, size)
        if options.raw_only:
            return Rendering(rgb, rgb, features, depth)
        ws = subject.ws.expand(B, -1, -1)
        out: SuperResolved = self.superresolution(
            rgb,
            features,
            ws,
            self.eg3d_config.superresolution_noise,
            options.generator,
            options.recompute,
        )
        if options.official_raw and self.superresolution.official_changes_rgb(size):
            rgb = out.first_rgb
        return Rendering(out.image, rgb, features, depth)

    def sample(self, subject: Subject, points: Tensor) -> Decoded:
        """Density and colours at points in world units: [B, N, 3] -> [B, N, 1], [B, N, 32]."""
        volume, residual = self.eg3d_config.volume, subject.residual
        return sample_points(planes_of(subject), self.decoder, points, volume, residual)

    def density(self, subject: Subject, points: Tensor) -> Tensor:
        """Density before its activation: [B, N, 3] -> [B, N, 1]."""
        return self.sample(subject, points).sigma


def arrange(planes: Tensor) -> Tensor:  # [B, 3, C, H, H]
    """The same planes with each texel's features side by side in memory."""
    return planes.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


def planes_of(subject: Subject) -> Tensor:  # [B, 3, C, H, H]
    if subject.planes is None:
        raise TypeError("this subject was not prepared by an EG3D generator")
    return subject.planes
