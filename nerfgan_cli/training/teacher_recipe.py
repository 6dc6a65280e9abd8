"""The table [teacher] of a distillation's recipe.

Numbers in brackets are those of stylegan3.md 10.2; what only a teacher with two branches can give
is in mimic3d.md 21. Cameras' angles are radians.
"""

from dataclasses import dataclass

from nerfgan_cli.errors import UsageError
from nerfgan_cli.training.adversarial_recipe import require_probability
from nerfgan_cli.training.recipe import PRECISIONS, require, require_choice

CONDITIONINGS = ("swapped", "same", "frontal")
HYBRID = "hybrid"
BRANCHES = ("2d", "3d", HYBRID)
COARSE, DOWNSAMPLED, RENDERED = "coarse", "downsampled", "rendered"
SMALLEST_PATCH = 16  # pixels of a side, at which VGG16 can look


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """[teacher]: who is imitated, and what is asked of it."""

    model: str  # name, file or run folder of a volumetric model
    discriminator: str | None = None  # file or run; none: that of the run that `model` is
    img_resolution: int | None = None  # that the recipe is made for; none: any
    # Of a Mimic3D (mimic3d.md 21.1, `training/targets.py`): "2d"; "3d", whose picture is strictly
    # consistent; "hybrid", the pictures of both. None: the usual one.
    branch: str | None = None
    # Of the features' first three channels, with "3d" and "hybrid" (21.2): "coarse", the 2D
    # branch's, as the others are; the strict picture, "downsampled" by area; or "rendered" by fewer
    # rays. None: coarse in "hybrid", else downsampled, or rendered where patches are drawn.
    raw_colours: str | None = None
    patch: int | None = None  # pixels of a side of a part of the strict picture; none: all (21.2)
    raw_resolution: int | None = None  # rays per side; none: the teacher's own
    conditioning: str = "swapped"  # camera of the mapping network (1)
    swap_probability: float | None = None  # of another camera; none: what it was trained with
    truncation: float = 1.0  # (6)
    truncation_share: float = 0.0  # of subjects between truncation_least and truncation
    truncation_least: float = 0.5
    jitter: bool = True  # of the samples along rays (18)
    wide_share: float = 0.0  # of cameras from a box around the front instead of the data (19)
    wide_yaw: float = 0.8
    wide_pitch: float = 0.4
    views_per_latent: int = 1  # cameras that one w and its planes serve
    cache_targets: int = 0  # so many samples are drawn once, kept on disk and seen again; 0: none
    cache_folder: str | None = None  # none: in nerfgan's own folder
    precision: str = "auto"  # of convolutions; auto: as released
    statistics: int = 50_000  # codes and cameras that the student's inputs are standardised with
    statistics_images: int = 64  # whose mean features the student starts from

    def __post_init__(self) -> None:
        require_choice("teacher.conditioning", self.conditioning, CONDITIONINGS)
        require_choice("teacher.precision", self.precision, PRECISIONS)
        self._require_strict_keys()
        for name in ("truncation_share", "wide_share"):
            require_probability(f"teacher.{name}", getattr(self, name))
        if self.swap_probability is not None:
            require_probability("teacher.swap_probability", self.swap_probability)
        for name in ("views_per_latent", "statistics", "statistics_images"):
            require(f"teacher.{name}", getattr(self, name), 1)
        for name in ("cache_targets", "wide_yaw", "wide_pitch"):
            require(f"teacher.{name}", getattr(self, name), 0)

    @property
    def is_strict(self) -> bool:
        """Whether a 3D branch teaches."""
        return self.branch in BRANCHES[1:]

    def _require_strict_keys(self) -> None:
        if self.branch is not None:
            require_choice("teacher.branch", self.branch, BRANCHES)
        if self.raw_colours is not None:
            require_choice("teacher.raw_colours", self.raw_colours, (COARSE, DOWNSAMPLED, RENDERED))
        if self.patch is not None:
            require("teacher.patch", self.patch, SMALLEST_PATCH)
        for name in ("raw_colours", "patch"):
            if getattr(self, name) is not None and not self.is_strict:
                raise UsageError(
                    f"teacher.{name} is about the picture of a 3D branch: set teacher.branch to 3d "
                    "or hybrid, or leave it out."
                )
        if self.patch is not None and self.raw_colours == DOWNSAMPLED:
            raise UsageError(
                "a patch is no picture that could be downsampled to raw colours: set "
                "teacher.raw_colours to rendered or coarse, or leave teacher.patch out."
            )
