"""What an inversion does, as numbers (inversion_and_editing.md 4 and 5); needs no torch."""

from dataclasses import dataclass, field, replace
from math import inf, isnan

from nerfgan_cli.errors import UsageError

SPACES = ("w", "w+")
PRESETS = {"full": (500, 350), "fast": (100, 50)}  # steps of both stages


@dataclass(frozen=True)
class PivotSettings:
    """Stage 1, the search for the latent (4.1)."""

    steps: int = 500
    space: str = "w"  # one code for all layers, or "w+": one for each
    layer_penalty: float = 0.0  # of W+, pulls the codes of the layers together
    optimise_noise: bool = True  # the noise images too, of generators that have some

    def __post_init__(self) -> None:
        refuse_no_steps("pivot", self.steps)
        if self.space not in SPACES:
            raise UsageError(f"unknown space {self.space!r}: use one of {', '.join(SPACES)}.")
        if self.layer_penalty and self.space == "w":
            raise UsageError("in W all layers have one code: use a layer penalty in w+ only.")
        refuse_weight("layer penalty", self.layer_penalty)


@dataclass(frozen=True)
class CameraSettings:
    """Search for the camera, along with the latent (4.5)."""

    start: float = 0.2  # share of the pivot's steps in which only the latent moves
    rate: float = 5e-3  # of angles in radians, and of shifts in sides of the picture
    # Of the second moments of Adam's. Gradients shrink a hundredfold while the codes settle, and a
    # longer memory would hold the camera where it stood then.
    memory: float = 0.95
    # Weight of the offsets' squares, each in its own usual error. Codes make up for a turn, nearly:
    # of the bundled student only 0.0002 of distance are left of 2 degrees, once they have settled.
    prior: float = 2e-4
    known: bool = True  # those that were told as well; else only the unknown ones


@dataclass(frozen=True)
class FrameSettings:
    """The photographs are frames of a video, in their order (4.5)."""

    smoothness: float = 1.0  # weight of the offsets' steps from frame to frame, in w_std squared
    per_step: int = 4  # frames that a step sees, so that a long video takes no longer

    def __post_init__(self) -> None:
        refuse_weight("smoothness", self.smoothness)


@dataclass(frozen=True)
class TuningSettings:
    """Stage 2, the tuning of the generator (4.2, 5)."""

    steps: int = 350
    rate: float = 3e-4
    stop: float | None = None  # perceptual distance at which it is good; None: as the network says
    locality: float = 0.0  # of both of its terms; PTI's paper has 0.1
    consistency: float = 0.0  # of what stays alike from other sides
    shape: float = 0.0  # of the depth that stays from other sides, of volumes; SPI's

    def __post_init__(self) -> None:
        refuse_no_steps("tuning", self.steps)
        refuse_weight("locality", self.locality)
        refuse_weight("consistency", self.consistency)
        refuse_weight("shape", self.shape)
        if self.stop is not None and isnan(self.stop):
            raise UsageError("tuning cannot stop at a distance of nan: use a number.")


@dataclass(frozen=True)
class Settings:
    pivot: PivotSettings = field(default_factory=PivotSettings)
    tuning: TuningSettings = field(default_factory=TuningSettings)
    camera: CameraSettings | None = None  # None: the cameras are known
    frames: FrameSettings | None = None  # None: all photographs show the same
    mirror: bool = False  # mirrored photographs tell of the sides that they do not show
    branch: str | None = None  # with which it is inverted, of generators that have some
    depth_multiplier: float = 2.0  # samples along rays, of volumetric generators
    recompute: bool = False  # rays or features once more for their gradients, to save memory
    seed: int = 0

    def with_steps(self, preset: str, pivot: int | None, tuning: int | None) -> "Settings":
        """Steps of a preset, but for those that are given."""
        first, second = PRESETS[preset]
        first = first if pivot is None else pivot
        second = second if tuning is None else tuning
        return replace(
            self,
            pivot=replace(self.pivot, steps=first),
            tuning=replace(self.tuning, steps=second),
        )


def refuse_no_steps(stage: str, steps: int) -> None:
    if steps < 1:
        raise UsageError(f"{steps} {stage} steps are impossible: use 1 or more.")


def refuse_weight(name: str, weight: float) -> None:
    if not 0 <= weight < inf:  # nor if it is NaN
        raise UsageError(f"a {name} of {weight:g} is impossible: use 0 or more.")
