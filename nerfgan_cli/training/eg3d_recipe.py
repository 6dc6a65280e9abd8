"""The recipe of an adversarial training of EG3D: its own tables (eg3d.md 9, 10).

Defaults are those of the release, so that a bundled recipe states what is particular to it.
"""

from dataclasses import dataclass, field, replace

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.eg3d_config import EG3DConfig, TrainingNotes
from nerfgan_cli.nn.channels import CHANNEL_BASE, CHANNEL_MAX
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.training.recipe import Recipe, Train, require

AUGMENTATIONS = ("none", "fixed", "ada")


@dataclass(frozen=True, kw_only=True)
class Discriminator:
    """[model.discriminator]; its resolution is the generator's."""

    class_name: str = "DualDiscriminator"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    conv_clamp: float | None = 256
    mbstd_group_size: int = 4
    disc_c_noise: float = 0  # on the camera label, in standard deviations of the slice
    freeze_layers: int = 0


@dataclass(frozen=True, kw_only=True)
class Model:
    """[model]: `raw_resolution` of the generator is the one at the end of the training."""

    generator: EG3DConfig
    discriminator: Discriminator = field(default_factory=Discriminator)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """[loss]: non-saturating logistic loss, its regularisers, what the discriminator is shown."""

    r1_gamma: float
    r1_interval: int = 16  # steps
    density_reg: float = 0.25  # 0: none
    density_interval: int = 4  # steps
    density_distance: float = 0.004  # standard deviation between paired points, world units
    density_points: int = 1000
    swap_probability: float = 0.5  # of the conditioning cameras, at the end of the fade
    swap_fade_kimg: float = 1000  # from 1
    style_mixing: float = 0.0  # probability for a slice
    blur_sigma: float = 10.0  # at the start, pixels
    blur_fade_kimg: float = 200
    first_resolution: int = 64  # rays per side at the start
    resolution_fade_kimg: float = 1000  # to the generator's raw_resolution
    augment: str = "none"
    augment_p: float = 0.2  # of "fixed"
    ada_target: float = 0.6  # of "ada": E[sign D(real)]
    ada_interval: int = 4  # steps
    ada_kimg: float = 500  # in which p can go from 0 to 1

    def __post_init__(self) -> None:
        if self.augment not in AUGMENTATIONS:
            raise UsageError(
                f"loss.augment cannot be {self.augment!r}: use one of {', '.join(AUGMENTATIONS)}."
            )
        for name in ("r1_interval", "density_interval", "density_points", "first_resolution"):
            require(f"loss.{name}", getattr(self, name), 1)
        require("loss.ada_interval", self.ada_interval, 1)
        for name in ("r1_gamma", "density_reg", "density_distance", "blur_sigma"):
            require(f"loss.{name}", getattr(self, name), 0)
        for name in ("swap_probability", "style_mixing", "augment_p"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(
                    f"loss.{name} of {getattr(self, name):g} is no probability: use 0 to 1."
                )
        if not self.ada_kimg > 0:
            raise UsageError(f"loss.ada_kimg of {self.ada_kimg:g} is impossible: use > 0.")


@dataclass(frozen=True, kw_only=True)
class Optim:
    """[optim]: Adam for both networks, and the averaging of the generator."""

    generator_lr: float = 0.0025
    discriminator_lr: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)
    eps: float = 1e-8
    ema_rampup: float | None = 0.05  # half-life as a fraction of the images seen, early on

    def __post_init__(self) -> None:
        for name in ("generator_lr", "discriminator_lr", "eps"):
            require(f"optim.{name}", getattr(self, name), 0)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UsageError(f"optim.betas cannot be {self.betas}: use two numbers below 1.")


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

    def generator_config(self) -> EG3DConfig:
        """The generator's, with notes on how it is trained."""
        config = self.model.generator
        preset = PRESETS[config.camera_preset]
        notes = TrainingNotes(
            density_reg=self.loss.density_reg,
            density_reg_p_dist=self.loss.density_distance,
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
