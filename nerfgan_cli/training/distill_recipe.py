"""The recipe of a distillation: its own tables (NeRF-GAN Distillation, section 3.3).

Defaults are the paper's and, where it leaves something open, the recommendations of stylegan3.md
10.2, whose numbers stand in brackets. Cameras' angles are radians.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nerfgan_cli.camera_presets import NUMBERS
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.student_config import PRESETS, StudentConfig, student_config
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.training.adversarial_recipe import (
    AdversarialLoss,
    Discriminator,
    require_betas,
    require_probability,
)
from nerfgan_cli.training.distances import PERCEPTUALS
from nerfgan_cli.training.recipe import (
    DATA_KINDS,
    Data,
    Recipe,
    Train,
    require,
    require_choice,
)
from nerfgan_cli.training.teacher_recipe import HYBRID, Teacher

CAMERAS_ALONE = "spread"
REALS = ("data", "teacher", "half")
STARTS = ("teacher", "scratch")
PREDICTOR_STARTS = ("scratch", "planes")


# Keys of [model] by their place in a StudentConfig.
PREDICTOR = (
    *("network", "channel_base", "channel_max", "num_layers", "margin_size", "head"),
    *("output_scale", "magnitude_ema_beta"),
)
STUDENT = (
    *("camera_preset", "superresolution", "code_input", "camera_encoding", "ray_map"),
    *("mapping_layers", "mapping_lr_multiplier", "code_output", "sr_styles"),
)


@dataclass(frozen=True, kw_only=True)
class DistillData(Data):
    """[data]: gives cameras, and pictures to the discriminator.

    The kind "spread" has cameras alone: stage 1 needs no picture.
    """

    # Of "spread": standard deviations, or half the widths of uniform angles; none: as the teacher's
    # domain usually has it (`viewpoints.usual_spread`).
    yaw_spread: float | None = None
    pitch_spread: float | None = None
    uniform: bool | None = None

    kinds: ClassVar[tuple[str, ...]] = (*DATA_KINDS, CAMERAS_ALONE)
    owners: ClassVar[Mapping[str, str]] = {
        **Data.owners,
        **dict.fromkeys(("yaw_spread", "pitch_spread", "uniform"), CAMERAS_ALONE),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("yaw_spread", "pitch_spread"):
            if getattr(self, name) is not None:
                require(f"data.{name}", getattr(self, name), 0)

    def refuse_idle_keys(self) -> None:
        """Cameras alone may stand in for the pictures that any recipe names: its keys can stay."""
        if self.kind != CAMERAS_ALONE:
            super().refuse_idle_keys()


@dataclass(frozen=True, kw_only=True)
class Model:
    """[model]: the student. What is none is the preset's, or the teacher's."""

    preset: str = "paper"
    camera_preset: str | None = None  # cameras of the domain, as it is trained with them
    network: str | None = None  # (7)
    channel_base: int | None = None
    channel_max: int | None = None
    num_layers: int | None = None
    margin_size: int | None = None
    magnitude_ema_beta: float | None = None  # of StyleGAN3's layers in a step (12)
    head: str | None = None  # (8)
    output_scale: float | None = None
    superresolution: str | None = None
    code_input: str | None = None  # (2)
    camera_encoding: str | None = None  # (3)
    ray_map: bool | None = None  # (3 c)
    mapping_layers: int | None = None  # (4)
    mapping_lr_multiplier: float | None = None
    code_output: str | None = None  # (5)
    sr_styles: str | None = None  # (9)
    # "planes": a StyleGAN2 that starts as the network of the teacher's tri-planes; not in the paper
    predictor_start: str = "scratch"
    discriminator: Discriminator = field(default_factory=Discriminator)  # from scratch

    def __post_init__(self) -> None:
        require_choice("model.preset", self.preset, tuple(PRESETS))
        require_choice("model.predictor_start", self.predictor_start, PREDICTOR_STARTS)
        if self.camera_preset is not None:
            require_choice("model.camera_preset", self.camera_preset, tuple(NUMBERS))
        if self.magnitude_ema_beta is not None:
            require_probability("model.magnitude_ema_beta", self.magnitude_ema_beta)

    def config(self, teacher: VolumetricGenerator, raw_resolution: int | None) -> StudentConfig:
        """The student of a teacher."""
        base = student_config(self.preset, teacher, raw_resolution, self.superresolution)
        predictor = replace(base.predictor, **self._stated(PREDICTOR))
        return replace(base, predictor=predictor, **self._stated(STUDENT))

    def _stated(self, names: tuple[str, ...]) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Loss(AdversarialLoss):
    """[loss]: weights of eq. 1 to 3, what the distances are, and the discriminator."""

    features: float = 1.0  # smooth L1
    raw: float = 1.0  # perceptual
    image: float = 1.0  # perceptual
    adversarial: float = 0.1
    pixels: float = 0.0  # mean |difference| of the image; the paper has none, against blur
    consistency: float = 0.0  # between views (`losses/view_consistency.py`); not in the paper
    # Of the 2D branch in the loss of the picture, where the 3D branch has the rest: α of "hybrid"
    # (mimic3d.md 21.2).
    hybrid_share: float = 0.5
    features_beta: float = 1.0  # (17)
    features_rgb: float = 1.0  # weight of a channel of the picture beside another's
    perceptual: str = "lpips-vgg"  # (16)
    perceptual_weights: str | None = None  # file of its network; none: found or fetched
    perceptual_size: int | None = None  # to which larger pictures are reduced
    consistency_tolerance: float = 0.03  # world units by which depths may disagree
    freeze_superresolution: bool = False  # it stays the teacher's
    r1_gamma: float = 1.0  # (13)
    # p of "ada" at the start; none: where the training of the teacher ended, if its discriminator
    # goes on (13)
    ada_start: float | None = None
    reals: str = "data"  # what the discriminator takes for real (15)
    discriminator_start: str = "teacher"  # (14)
    discriminator_alone_kimg: float = 50.0  # in which it gets used to the student's pictures

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("loss.perceptual", self.perceptual, PERCEPTUALS)
        require_choice("loss.reals", self.reals, REALS)
        require_choice("loss.discriminator_start", self.discriminator_start, STARTS)
        require_probability("loss.hybrid_share", self.hybrid_share)
        if self.ada_start is not None:
            require_probability("loss.ada_start", self.ada_start)
        for name in ("features", "raw", "image", "adversarial", "pixels", "consistency"):
            require(f"loss.{name}", getattr(self, name), 0)
        for name in ("features_beta", "features_rgb", "discriminator_alone_kimg"):
            require(f"loss.{name}", getattr(self, name), 0)
        if not (self.features or self.raw or self.image or self.pixels):
            raise UsageError("nothing of [loss] imitates the teacher: give features a weight.")

    @property
    def is_perceptual(self) -> bool:
        return self.raw > 0 or self.image > 0


@dataclass(frozen=True, kw_only=True)
class Optim:
    """[optim]: Adam (10), Muon if `matrix_lr` says so, and the averaging of the student (12)."""

    lr: float = 0.0025  # of what is new in the student
    sr_lr: float = 0.001  # of the super-resolution where it starts as the teacher's
    # Of new matrices and convolutions, by `training/muon.py`; none: as the rest. It changes what is
    # stored: give it with a model.mapping_lr_multiplier of 1.
    matrix_lr: float | None = None
    betas: tuple[float, float] = (0.0, 0.99)
    first_lr: float | None = None  # the same in stage 1; none: as in stage 2
    first_sr_lr: float | None = None
    first_matrix_lr: float | None = None
    first_betas: tuple[float, float] | None = None
    discriminator_lr: float = 0.002
    eps: float = 1e-8
    warmup_kimg: float = 0.0  # in which the student's rates rise
    decay_kimg: float = 0.0  # in which they then fall along a cosine
    last_lr: float = 1.0  # to this fraction, which stays
    ema_kimg: float = 5.0  # half-life of the average: 10 · batch / 32
    ema_rampup: float | None = 0.05  # early on, as a fraction of the images seen

    def __post_init__(self) -> None:
        require_betas("optim.betas", self.betas)
        if self.first_betas is not None:
            require_betas("optim.first_betas", self.first_betas)
        for name in (
            *("lr", "sr_lr", "matrix_lr", "first_lr", "first_sr_lr", "first_matrix_lr"),
            *("discriminator_lr", "eps", "warmup_kimg", "decay_kimg", "last_lr", "ema_kimg"),
            "ema_rampup",
        ):
            if getattr(self, name) is not None:
                require(f"optim.{name}", getattr(self, name), 0)
        if self.first_matrix_lr is not None and self.matrix_lr is None:
            raise UsageError(
                "optim.first_matrix_lr is for Muon, which both stages have or none: "
                "set optim.matrix_lr too."
            )

    def at(self, stage: int) -> "Optim":
        """Itself, with the rates and betas of this stage in place of stage 2's."""
        if stage == 2:
            return self
        names = ("lr", "sr_lr", "matrix_lr", "betas")
        first = {name: getattr(self, f"first_{name}") for name in names}
        return replace(self, **{name: value for name, value in first.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class DistillTrain(Train):
    """[train]: stage 1 imitates, stage 2 also convinces the discriminator (11)."""

    stage: int | None = None  # 1 or 2 alone; none: one after the other
    switch_kimg: float = 2400.0  # when stage 2 begins, at the latest
    plateau: float = 0.02  # begins it when an interval's reconstruction is no better by this; 0: no
    plateau_kimg: float = 200.0  # that interval
    heldout: int = 256  # pictures of the teacher that the log compares with; 0: none
    heldout_kimg: float | None = None  # between comparisons; none: with each snapshot

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage not in (None, 1, 2):
            raise UsageError(f"train.stage cannot be {self.stage}: use 1, 2 or none.")
        require("train.heldout", self.heldout, 0)
        for name in ("switch_kimg", "plateau"):
            require(f"train.{name}", getattr(self, name), 0)
        for name in ("plateau_kimg", "heldout_kimg"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise UsageError(f"train.{name} of {getattr(self, name):g} is impossible: use > 0.")


@dataclass(frozen=True, kw_only=True)
class DistillRecipe(Recipe):
    data: DistillData
    teacher: Teacher
    model: Model = field(default_factory=Model)
    loss: Loss = field(default_factory=Loss)
    optim: Optim = field(default_factory=Optim)
    train: DistillTrain

    def __post_init__(self) -> None:
        if self.is_adversarial and self.data.kind == CAMERAS_ALONE and self.loss.reals != "teacher":
            raise UsageError(
                f'[data] of kind "{CAMERAS_ALONE}" has no pictures for the discriminator: set '
                "train.stage to 1, loss.reals to teacher, or name pictures."
            )
        if self.loss.consistency and self.teacher.views_per_latent < 2:
            raise UsageError(
                "loss.consistency compares views of one subject: "
                "set teacher.views_per_latent to 2 or more."
            )
        partial = self.teacher.patch is not None and self.teacher.branch != HYBRID
        if self.is_adversarial and partial and self.loss.reals != "data":
            raise UsageError(
                "a patch of the teacher is no picture for the discriminator: set loss.reals to "
                "data, train.stage to 1, or leave teacher.patch out."
            )

    @property
    def is_adversarial(self) -> bool:
        """Whether there is a stage 2."""
        return self.train.stage != 1

    @property
    def draws_images(self) -> bool:
        """Whether training needs more than raw pictures."""
        return self.is_adversarial or self.draws_images_in(stage=1)

    def draws_images_in(self, stage: int) -> bool:
        loss = self.loss
        return bool(stage == 2 or loss.image or loss.pixels or loss.consistency)
