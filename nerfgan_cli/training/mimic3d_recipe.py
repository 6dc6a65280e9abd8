"""The recipe of a training of Mimic3D in either phase: EG3D's with more (mimic3d.md 8 to 11).

The 2D phase trains a generator without residual planes as EG3D is trained. In the 3D phase patches
of the 3D branch imitate the 2D branch, and have a discriminator of their own.
"""

from dataclasses import dataclass, field, replace

from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.mimic3d_config import PATCH, PATCH_DISCRIMINATOR, Mimic3DConfig
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.training import eg3d_recipe
from nerfgan_cli.training.distances import PERCEPTUALS
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe, EG3DTrain
from nerfgan_cli.training.mimic3d_rates import PartRates
from nerfgan_cli.training.recipe import require, require_choice


@dataclass(frozen=True, kw_only=True)
class PatchDiscriminator:
    """[model.patch_discriminator]; it sees pictures of 64² and no camera."""

    channel_base: int = PATCH_DISCRIMINATOR.channel_base
    channel_max: int = PATCH_DISCRIMINATOR.channel_max
    conv_clamp: float | None = PATCH_DISCRIMINATOR.conv_clamp
    mbstd_group_size: int = PATCH_DISCRIMINATOR.mbstd_group_size

    def __post_init__(self) -> None:
        for name in ("channel_base", "channel_max", "mbstd_group_size"):
            require(f"model.patch_discriminator.{name}", getattr(self, name), 1)


@dataclass(frozen=True, kw_only=True)
class Model(eg3d_recipe.Model):
    """[model]: `generator.residual` says whether there are residual planes."""

    generator: Mimic3DConfig
    patch_discriminator: PatchDiscriminator = field(default_factory=PatchDiscriminator)
    # Of the residual planes, at first; 0: the 3D branch begins as the coarse planes alone, which a
    # short training wants.
    residual_gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require("model.generator.img_resolution", self.generator.img_resolution, PATCH)
        require("model.residual_gain", self.residual_gain, 0)


@dataclass(frozen=True, kw_only=True)
class Loss(eg3d_recipe.Loss):
    """[loss]: what the 3D phase adds. Without imitation and patch_adversarial: the 2D phase."""

    imitation: float = 0.0
    perceptual: str = "lpips-vgg"  # the distance by which the 3D branch imitates
    perceptual_weights: str | None = None  # file of its network; none: found or fetched
    perceptual_discriminator: str | None = None  # name or file; whose features "discriminator" has
    patch_adversarial: float = 0.0  # the patch discriminator's part of the generator's loss
    patch_truth: float = 0.0  # as `truth`, of the 3D branch's patches; not in the paper

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("loss.perceptual", self.perceptual, PERCEPTUALS)
        for name in ("imitation", "patch_adversarial", "patch_truth"):
            require(f"loss.{name}", getattr(self, name), 0)
        if self.patch_truth and not (self.truth and self.has_patches):
            raise UsageError(
                "loss.patch_truth goes with loss.truth and patches that are drawn: give "
                "loss.truth, and loss.imitation or loss.patch_adversarial, a weight."
            )
        named = self.perceptual_discriminator is not None
        if self.imitation and named != (self.perceptual == "discriminator"):
            raise UsageError(
                'loss.perceptual_discriminator goes with loss.perceptual = "discriminator": give '
                "both, or neither."
            )

    @property
    def has_patches(self) -> bool:
        return self.imitation > 0 or self.patch_adversarial > 0


@dataclass(frozen=True, kw_only=True)
class Optim(eg3d_recipe.Optim, PartRates):
    """[optim]"""

    def __post_init__(self) -> None:
        eg3d_recipe.Optim.__post_init__(self)
        PartRates.__post_init__(self)


@dataclass(frozen=True, kw_only=True)
class Mimic3DTrain(EG3DTrain):
    """[train]"""

    # The same of patches: as nerfgan convert --network D_patch writes them.
    init_patch_discriminator: str | None = None


@dataclass(frozen=True, kw_only=True)
class Mimic3DRecipe(EG3DRecipe):
    model: Model
    loss: Loss
    optim: Optim = field(default_factory=Optim)
    train: Mimic3DTrain

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train.init_patch_discriminator is not None and not self.loss.patch_adversarial:
            raise UsageError(
                "train.init_patch_discriminator names one that nothing asks: give "
                "loss.patch_adversarial a weight, or leave it out."
            )
        if self.model.generator.residual and not self.loss.has_patches:
            raise UsageError(
                "nothing of [loss] teaches the residual planes: give loss.imitation and "
                "loss.patch_adversarial weights, or set model.generator.residual to false for the "
                "2D phase."
            )

    def patch_discriminator_config(self) -> DiscriminatorConfig:
        table = self.model.patch_discriminator
        return replace(
            PATCH_DISCRIMINATOR,
            channel_base=table.channel_base,
            channel_max=table.channel_max,
            conv_clamp=table.conv_clamp,
            mbstd_group_size=table.mbstd_group_size,
        )
