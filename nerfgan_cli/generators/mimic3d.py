"""The strictly consistent teacher: Mimic3D (Chen et al. 2023, section 3; mimic3d.md).

    z, conditioning camera → mapping → ws → synthesis → coarse planes Pᶜ → S³ᴰ → residual planes Pʳ

    2D branch   rays through Pᶜ       → features → super-resolution, as EG3D
    3D branch   rays through Pᶜ + Pʳ  → image, of any resolution, with nothing in between

Both share latent space, coarse planes and decoder. The 2D branch is what every user of a generator
understands, and the usual one; the 3D branch has to be asked for, from `prepare` on. A patch of an
image is what a cropped camera sees. Tensors have the names and shapes of the released snapshots.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Rendering, Subject
from nerfgan_cli.generators.eg3d import EG3D, arrange, planes_of
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.mimic3d_config import PRESETS, Mimic3DConfig
from nerfgan_cli.nn.aware import AwareSynthesis
from nerfgan_cli.nn.depths import RayDraws
from nerfgan_cli.nn.rays import Rays
from nerfgan_cli.nn.skipping import Planes, find_solid, render_seen
from nerfgan_cli.nn.superresolution_presets import RGB
from nerfgan_cli.nn.volume import Rendered, draw_samples, ray_limits, render

__all__ = ["PRESETS", "Mimic3D", "Mimic3DConfig"]

BRANCH_2D, BRANCH_3D = "2d", "3d"


class Mimic3D(EG3D):
    """See the module. Tensors: as EG3D's, with the 3D-aware stream and S³ᴰ in the backbone."""

    kind = "mimic3d"

    def __init__(self, config: Mimic3DConfig) -> None:
        super().__init__(config)
        self.branches = (BRANCH_2D, BRANCH_3D) if config.residual else (BRANCH_2D,)
        self.finest_branch = self.branches[-1]

    @staticmethod
    def build_synthesis(config: EG3DConfig) -> AwareSynthesis:
        assert isinstance(config, Mimic3DConfig)
        return AwareSynthesis(
            config.w_dim,
            config.plane_resolution,
            config.plane_channels,
            config.channel_base,
            config.channel_max,
            config.conv_clamp,
            config.residual,
            config.aware,
        )

    def planes_network(self) -> AwareSynthesis:
        synthesis = self.backbone.synthesis
        assert isinstance(synthesis, AwareSynthesis)
        return synthesis

    def choose_branch(self, options: DrawOptions) -> str:
        """The one that the options mean."""
        chosen = options.branch or self.branches[0]
        if chosen not in self.branches:
            raise UsageError(
                f"this Mimic3D has no branch {chosen!r}, only {', '.join(self.branches)}: choose "
                "that one, or use a model of the 3D phase, which has residual planes."
            )
        return chosen

    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Subject:
        """Both sets of planes and where they have something; for the 2D branch the coarse one."""
        subject = super().prepare(ws, options)
        if self.choose_branch(options) == BRANCH_2D:
            return subject
        planes = planes_of(subject)
        residual = self.planes_network().residual(planes, ws, options.noise_mode, options.generator)
        subject = subject._replace(residual=arrange(residual))
        if torch.is_grad_enabled() or not options.skipping:
            return subject
        volume, size = self.eg3d_config.volume, self.img_resolution
        return subject._replace(solid=find_solid(planes, residual, self.decoder, volume, size))

    def rays_per_side(self, options: DrawOptions = DEFAULT_OPTIONS) -> int:
        strict = self.choose_branch(options) == BRANCH_3D
        return options.resolution or (self.img_resolution if strict else self.raw_resolution)

    def draw(
        self,
        subject: Subject,
        camera: Camera,
        options: DrawOptions = DEFAULT_OPTIONS,
    ) -> Rendering:
        if self.choose_branch(options) == BRANCH_3D:
            return super().draw(subject, camera, replace(options, raw_only=True))
        largest = self.superresolution.preset.input_resolution
        asked = self.rays_per_side(options)
        if not options.raw_only and asked > largest:
            raise UsageError(
                f"the 2D branch cannot enlarge a rendering of {asked}²: ask for "
                f"{largest}² or less, for the raw picture alone, or for the 3D branch."
            )
        return super().draw(subject, camera, options)

    def render_rays(
        self,
        subject: Subject,
        rays: Rays,
        options: DrawOptions = DEFAULT_OPTIONS,
        draws: Iterable[RayDraws] | None = None,
    ) -> Rendered:
        """In the 3D branch with the colours alone; its other features mean nothing."""
        if self.choose_branch(options) == BRANCH_2D:
            return super().render_rays(subject, rays, options, draws)
        if subject.residual is None:
            raise TypeError("this subject was prepared for the 2D branch")
        volume = self.eg3d_config.volume.scaled(options.depth_multiplier)
        planes = planes_of(subject)
        if draws is None:
            draws = draw_samples(volume, rays.origins.shape[1], planes.device, options.generator)
        limits = ray_limits(rays, volume)
        colors, chunk = partial(self.decoder, channels=RGB), options.ray_chunk
        exact = torch.is_grad_enabled() or not options.skipping or volume.density_noise > 0
        if subject.solid is None or exact:
            again, residual = options.recompute, subject.residual
            return render(planes, colors, rays, limits, volume, draws, chunk, again, residual)
        sets = Planes(planes, subject.residual, subject.solid)
        return render_seen(sets, colors, rays, limits, volume, draws, chunk)
