"""The recipe of an adversarial training of EG3D: its own tables (eg3d.md 9, 10).

Defaults are those of the release, so that a bundled recipe states what is particular to it.
"""

from dataclasses import dataclass, field, replace

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.eg3d_config import EG3DConfig, TrainingNotes
from nerfgan_cli.losses.density import REGULARIZERS
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.training.adversarial_recipe import (
    AdversarialLoss,
    Discriminator,
    require_betas,
    require_probability,
)
from nerfgan_cli.training.recipe import Recipe, Train, require, require_choice

SIZES = (
    *("z_dim", "w_dim", "raw_resolution", "mapping_layers"),
    *("plane_channels", "channel_base", "channel_max"),
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """[model]: `raw_resolution` of the generator is the one at the end of the training."""

    generator: EG3DConfig
    discriminator: Discriminator = field(default_factory=Discriminator)

    def __post_init__(self) -> None:
        require_sizes(self.generator)


@dataclass(frozen=True, kw_only=True)
class Loss(AdversarialLoss):
    """[loss]: non-saturating logistic loss, its regularisers, what the discriminator is shown."""

    density_reg: float = 0.25  # 0: none
    density_interval: int = 4  # steps
    # "l1", or EG3D's experiments "monotonic-detach" and "monotonic-fixed", whose pairs lie 1/256 of
    # the box apart instead of `density_distance`. No released model uses them.
    density_regularizer: str = "l1"
    density_distance: float = 0.004  # standard deviation between paired points, world units
    density_points: int = 1000
    swap_probability: float = 0.5  # of the conditioning cameras, at the end of the fade
    swap_fade_kimg: float = 1000  # from 1
    style_mixing: float = 0.0  # probability for a slice
    blur_sigma: float = 10.0  # at the start, pixels
    blur_fade_kimg: float = 200
    # Of the mean |difference| from the heads that the latents stand for; ToyHeads alone knows them.
    truth: float = 0.0
    first_resolution: int = 64  # rays per side at the start
    resolution_fade_kimg: float = 1000  # to the generator's raw_resolution

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("density_interval", "density_points", "first_resolution"):
            require(f"loss.{name}", getattr(self, name), 1)
        for name in ("density_reg", "density_distance", "blur_sigma", "truth"):
            require(f"loss.{name}", getattr(self, name), 0)
        for name in ("swap_probability", "style_mixing"):
            require_probability(f"loss.{name}", getattr(self, name))
        require_choice("loss.density_regularizer", self.density_regularizer, REGULARIZERS)
        if self.is_monotonic and not self.density_reg:
            raise UsageError(
                f'loss.density_regularizer = "{self.density_regularizer}" does nothing while '
                "loss.density_reg is 0: give it a weight."
            )

    @property
    def is_monotonic(self) -> bool:
        return self.density_regularizer != "l1"


@dataclass(frozen=True, kw_only=True)
class Optim:
    """[optim]: Adam for both networks, and the averaging of the generator."""

    generator_lr: float = 0.0025
    discriminator_lr: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)
    eps: float = 1e-8
    ema_kimg: float | None = None  # half-life of the average; none: 10 · batch / 32
    ema_rampup: float | None = 0.05  # early on, as a fraction of the images seen

    def __post_init__(self) -> None:
        for name in ("generator_lr", "discriminator_lr", "eps"):
            require(f"optim.{name}", getattr(self, name), 0)
        for name in ("ema_kimg", "ema_rampup"):
            if getattr(self, name) is not None:
                require(f"optim.{name}", getattr(self, name), 0)
        require_betas("optim.betas", self.betas)


@dataclass(frozen=True, kw_only=True)
class EG3DTrain(Train):
    """[train]"""

    # File of a discriminator to start from; that of a run comes with `init`.
    init_discriminator: str | None = None


@dataclass(frozen=True, kw_only=True)
class EG3DRecipe(Recipe):
    model: Model
    loss: Loss
    optim: Optim = field(default_factory=Optim)
    train: EG3DTrain

    def __post_init__(self) -> None:
        if self.loss.truth and self.data.kind != "toyheads":
            raise UsageError(
                f"loss.truth needs latents that stand for something, which those of data of kind "
                f'"{self.data.kind}" do not: set it to 0, or data.kind to toyheads.'
            )
        if self.loss.truth and self.loss.style_mixing:
            raise UsageError(
                "loss.truth knows no heads of mixed styles: set it or loss.style_mixing to 0."
            )
        first, last = self.loss.first_resolution, self.model.generator.raw_resolution
        if first > last:
            raise UsageError(
                f"loss.first_resolution of {first} is more than model.generator.raw_resolution, "
                f"the {last} to which it grows: make it smaller."
            )

    def generator_config(self) -> EG3DConfig:
        """The generator's, with notes on how it is trained."""
        config = self.model.generator
        preset = PRESETS[config.camera_preset]
        notes = TrainingNotes(
            density_reg=self.loss.density_reg,
            density_reg_p_dist=self.loss.density_distance,
            reg_type=self.loss.density_regularizer,
            gpc_reg_prob=self.loss.swap_probability if config.conditioning_scale else None,
            avg_camera_radius=preset.radius,
            avg_camera_pivot=preset.pivot,
        )
        return replace(config, training=notes)

    def discriminator_config(self) -> DiscriminatorConfig:
        table = self.model.discriminator
        return DiscriminatorConfig(
            img_resolution=self.model.generator.img_resolution,
            channel_base=table.channel_base,
            channel_max=table.channel_max,
            conv_clamp=table.conv_clamp,
            mbstd_group_size=table.mbstd_group_size,
            disc_c_noise=table.disc_c_noise,
            freeze_layers=table.freeze_layers,
        )


def require_sizes(config: EG3DConfig) -> None:
    """Numbers without which there is no generator."""
    for name in SIZES:
        require(f"model.generator.{name}", getattr(config, name), 1)
