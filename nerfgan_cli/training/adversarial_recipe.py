"""What recipes with a discriminator have in common in [loss] (eg3d.md 9, 10)."""

from dataclasses import dataclass

from nerfgan_cli.errors import UsageError
from nerfgan_cli.nn.channels import CHANNEL_BASE, CHANNEL_MAX
from nerfgan_cli.training.recipe import require, require_choice

AUGMENTATIONS = ("none", "fixed", "ada")
# Not the dummy dual one: what it shows depends on its calls so far, which no checkpoint holds, so
# that a run could not go on where it stopped.
TRAINABLE = ("SingleDiscriminator", "DualDiscriminator")


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

    def __post_init__(self) -> None:
        require_choice("model.discriminator.class_name", self.class_name, TRAINABLE)
        for name in ("channel_base", "channel_max", "mbstd_group_size"):
            require(f"model.discriminator.{name}", getattr(self, name), 1)
        for name in ("disc_c_noise", "freeze_layers"):
            require(f"model.discriminator.{name}", getattr(self, name), 0)


@dataclass(frozen=True, kw_only=True)
class AdversarialLoss:
    """Part of [loss]: the discriminator's regulariser, and what it is shown."""

    r1_gamma: float
    r1_interval: int = 16  # steps
    augment: str = "none"
    augment_p: float = 0.2  # of "fixed"
    ada_target: float = 0.6  # of "ada": E[sign D(real)]
    ada_interval: int = 4  # steps
    ada_kimg: float = 500  # in which p can go from 0 to 1
    # Raw pictures as the releases return them: with the first toRGB of the super-resolution added
    # where that keeps the size of the rendering, as of cars (eg3d.md 3). false: the rendering
    # itself, as is recommended for new trainings (mimic3d.md 6).
    official_raw: bool = True

    def __post_init__(self) -> None:
        require_choice("loss.augment", self.augment, AUGMENTATIONS)
        require("loss.r1_gamma", self.r1_gamma, 0)
        for name in ("r1_interval", "ada_interval"):
            require(f"loss.{name}", getattr(self, name), 1)
        require_probability("loss.augment_p", self.augment_p)
        if not self.ada_kimg > 0:
            raise UsageError(f"loss.ada_kimg of {self.ada_kimg:g} is impossible: use > 0.")

    @property
    def first_p(self) -> float:
        """Of the augmentations, before "ada" adapts it."""
        return self.augment_p if self.augment == "fixed" else 0.0


def require_probability(key: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{key} of {value:g} is no probability: use 0 to 1.")


def require_betas(key: str, betas: tuple[float, float]) -> None:
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise UsageError(f"{key} cannot be {betas}: use two numbers below 1.")
