"""The recipe of a supervised warm start from the truth of ToyHeads: its own tables."""

from dataclasses import dataclass, field

from nerfgan_cli.data.toyheads.traits import LATENT_SIZE
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.mimic3d_config import Mimic3DConfig
from nerfgan_cli.nn.superresolution_presets import PRESETS
from nerfgan_cli.training.adversarial_recipe import require_betas
from nerfgan_cli.training.eg3d_recipe import require_sizes
from nerfgan_cli.training.mimic3d_rates import PartRates
from nerfgan_cli.training.recipe import Recipe, Train, require

STAGES = ("traits", "points", "views", "parts")


@dataclass(frozen=True, kw_only=True)
class Model:
    """[model]: what an adversarial recipe will carry on with."""

    generator: EG3DConfig

    def __post_init__(self) -> None:
        require_sizes(self.generator)


@dataclass(frozen=True, kw_only=True)
class Mimic3DModel(Model):
    """[model]: of either phase, as `generator.residual` says."""

    generator: Mimic3DConfig


@dataclass(frozen=True, kw_only=True)
class Loss:
    """[loss]: weights and where they apply. Colours are in [−1, 1], lengths in world units."""

    traits_kimg: float = 64  # so long the mapping network alone
    points_kimg: float = 6  # then so long points alone
    views_kimg: float = 60  # then whole views too, coarsely; then parts of views, also enlarged
    parts_kimg: float = 8  # in which the super-resolution's rates fall, along a cosine of its own
    traits_batch: int = 512  # heads per slice that the mapping network learns from
    looks: float = 1.0  # what follows from the traits, beside them
    occupancy: float = 1.0
    colour: float = 1.0  # of points in the shell
    raw: float = 4.0  # mean |difference| of the volume's picture
    depth: float = 4.0
    image: float = 2.0  # of the super-resolved picture
    strict: float = 4.0  # of the 3D branch's picture, where there is one
    points_weight: float = 0.3  # of the points' losses beside those of views
    thickness: float = 0.05  # of the layer whose opacity says "solid"
    spread: float = 0.02  # standard deviation of points about the surface
    shell: float = 0.03  # to either side of the surface; deeper is unknown
    points_per_ray: int = 4  # half of them free, half about the surface
    rays: int = 16  # per side, spread over a whole view
    crop: int = 24  # rays per side of a part

    def __post_init__(self) -> None:
        require("loss.traits_batch", self.traits_batch, 1)
        for name in ("traits_kimg", "points_kimg", "views_kimg", "parts_kimg"):
            require(f"loss.{name}", getattr(self, name), 0)
        for name in ("occupancy", "colour", "raw", "depth", "image", "strict"):
            require(f"loss.{name}", getattr(self, name), 0)
        for name in ("thickness", "spread", "shell"):
            if not getattr(self, name) > 0:
                raise UsageError(f"loss.{name} of {getattr(self, name):g} is impossible: use > 0.")
        require("loss.points_per_ray", self.points_per_ray, 2)
        require("loss.rays", self.rays, 4)
        require("loss.crop", self.crop, 8)


@dataclass(frozen=True, kw_only=True)
class Optim(PartRates):
    """[optim]: rates are warmed up, then lowered along a cosine: for traits, for all, for parts.

    The mapping network's own multiplier of 0.01 makes it slow: its rates are higher.
    """

    lr: float = 0.001  # Adam's
    matrix_lr: float = 0.02  # of convolutions: those are stepped by Muon (`training/muon.py`)
    mapping_lr: float = 0.02
    traits_lr: float = 6.0  # of the mapping network while it learns alone, by Muon
    readout_lr: float = 0.05  # of the linear map that it learns with
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-8
    warmup_kimg: float = 1.0
    decay_kimg: float = 100.0  # after the traits, where the cosine ends
    last_lr: float = 0.03  # as a fraction of lr, from there on
    ema_kimg: float = 5.0  # half-life
    ema_rampup: float | None = 0.05  # early on, as a fraction of the images seen

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (
            *("lr", "matrix_lr", "mapping_lr", "traits_lr", "readout_lr", "eps", "last_lr"),
            *("ema_kimg", "ema_rampup"),
        ):
            if getattr(self, name) is not None:
                require(f"optim.{name}", getattr(self, name), 0)
        require_betas("optim.betas", self.betas)


@dataclass(frozen=True, kw_only=True)
class WarmRecipe(Recipe):
    model: Model
    loss: Loss = field(default_factory=Loss)
    optim: Optim = field(default_factory=Optim)
    train: Train

    @property
    def first_drawn(self) -> int:
        """The first step after those of the traits."""
        return -int(-self.loss.traits_kimg * 1000 // self.train.batch)

    @property
    def first_enlarged(self) -> int:
        """The first step of the last stage."""
        loss = self.loss
        before = loss.traits_kimg + loss.points_kimg + loss.views_kimg
        return -int(-before * 1000 // self.train.batch)

    def stage_at(self, step: int) -> str:
        images = step * self.train.batch
        for stage in STAGES[:-1]:
            images -= getattr(self.loss, f"{stage}_kimg") * 1000
            if images < 0:
                return stage
        return STAGES[-1]

    def __post_init__(self) -> None:
        config = self.model.generator
        if self.data.kind != "toyheads":
            raise UsageError("a warm start needs the truth of ToyHeads: set data.kind to toyheads.")
        if config.z_dim != LATENT_SIZE:
            raise UsageError(
                f"a head of ToyHeads is {LATENT_SIZE} numbers, not {config.z_dim}: "
                f"set model.generator.z_dim to {LATENT_SIZE}."
            )
        preset = PRESETS.get(config.superresolution)  # an unknown one is refused when it is built
        if preset is not None and config.raw_resolution != preset.input_resolution:
            raise UsageError(
                f"{config.superresolution} starts from {config.raw_resolution}² only by resizing, "
                "which parts of a picture do not allow: set model.generator.raw_resolution to "
                f"{preset.input_resolution}."
            )
        if self.loss.crop > config.raw_resolution:
            raise UsageError(
                f"loss.crop of {self.loss.crop} is more than a picture of "
                f"{config.raw_resolution}²: make it smaller."
            )


@dataclass(frozen=True, kw_only=True)
class Mimic3DWarmRecipe(WarmRecipe):
    """The same of a Mimic3D: what its 3D branch shows is known exactly too."""

    model: Mimic3DModel
