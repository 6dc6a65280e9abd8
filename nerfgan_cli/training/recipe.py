"""A recipe: what a training run is, as frozen dataclasses, a class per table of its TOML file.

Tables that all kinds of training have are here; a kind adds its own (`eg3d_recipe.py`) to a
subclass of `Recipe`. Reading, with every key and type checked, is in `recipe_reader.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

from nerfgan_cli import __version__
from nerfgan_cli.errors import UsageError

DATA_KINDS = ("toyheads", "archive")
LARGEST_SEED = 2**32 - 1  # of numpy's RandomState, which orders the pictures
PRECISIONS = ("auto", "fp32", "fp16", "bf16")

# Keys that change how a run is followed but not what it learns: an existing run takes them over.
# A data set that has moved is known by its fingerprint, and so is a teacher.
FREE_KEYS = (
    *("about", "nerfgan", "train.kimg", "train.snapshot_kimg", "train.log_kimg", "train.keep"),
    *("train.video_frames", "data.path", "data.workers", "train.heldout", "train.heldout_kimg"),
    *("teacher.model", "teacher.discriminator", "teacher.cache_folder", "loss.perceptual_weights"),
)


@dataclass(frozen=True, kw_only=True)
class Data:
    """[data]: where pictures come from."""

    kind: str  # toyheads: drawn as they are needed; archive: a zip or folder with dataset.json
    path: str | None = None  # of an archive
    mirror: bool = False  # of an archive: adds each picture's mirror image, its camera mirrored
    rebalance: str | None = None  # of an archive: "yaw", or a file of replica counts
    max_images: int | None = None  # of an archive: a random subset
    length: int = 100_000  # toyheads: pictures before they repeat
    seed: int = 0  # toyheads: which family of heads; archive: which subset
    workers: int = 2  # processes that read or draw pictures ahead; 0: none

    kinds: ClassVar[tuple[str, ...]] = DATA_KINDS
    owners: ClassVar[Mapping[str, str]] = {  # the one kind that heeds a key
        **dict.fromkeys(("path", "mirror", "rebalance", "max_images"), "archive"),
        "length": "toyheads",
    }

    def __post_init__(self) -> None:
        require_choice("data.kind", self.kind, self.kinds)
        if self.kind == "archive" and not self.path:
            raise UsageError("data.path is missing: name the zip or folder of the pictures.")
        require("data.length", self.length, 1)
        if self.max_images is not None:
            require("data.max_images", self.max_images, 1)
        require_seed("data.seed", self.seed)
        require("data.workers", self.workers, 0)

    def refuse_idle_keys(self) -> None:
        """Whoever sets a key of another kind believes that it has an effect."""
        for item in fields(self):
            owner = self.owners.get(item.name, self.kind)
            if owner != self.kind and getattr(self, item.name) != item.default:
                usual = "none" if item.default is None else str(item.default).lower()
                raise UsageError(
                    f"data.{item.name} has no effect on data of kind {self.kind!r}: "
                    f"leave it at {usual}, or set data.kind to {owner}."
                )


@dataclass(frozen=True, kw_only=True)
class Train:
    """[train]: how long, how often, how large. 1 kimg is 1,000 training images."""

    kimg: float
    batch: int  # images per step, over all processes
    # Images a process has in memory at once; none: its whole share. Statistics and draws are those
    # of such a slice: only where it is set do N processes have the gradients of one.
    batch_gpu: int | None = None
    snapshot_kimg: float  # between checkpoints, with pictures and a video
    log_kimg: float  # between lines of the log
    keep: int = 3  # newest checkpoints that are kept
    video_frames: int = 24  # of the video of a snapshot; 0: none
    seed: int = 0
    precision: str = "auto"  # of convolutions where the method allows it; auto: half on CUDA
    # Weights to start from: a model's name, a file or a run folder, whose newest checkpoint counts;
    # another one of a run is named by its file RUN/checkpoints/….state.
    init: str | None = None

    def __post_init__(self) -> None:
        for name in ("kimg", "snapshot_kimg", "log_kimg"):
            if not getattr(self, name) > 0:
                raise UsageError(f"train.{name} of {getattr(self, name):g} is impossible: use > 0.")
        require("train.batch", self.batch, 1)
        require("train.keep", self.keep, 1)
        require("train.video_frames", self.video_frames, 0)
        require_seed("train.seed", self.seed)
        if self.batch_gpu is not None:
            require("train.batch_gpu", self.batch_gpu, 1)
        require_choice("train.precision", self.precision, PRECISIONS)

    @property
    def steps(self) -> int:
        """Of the whole run; the last may go a little beyond `kimg`."""
        return -int(-self.kimg * 1000 // self.batch)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all recipes have."""

    kind: str  # a key of `kinds.KINDS`
    about: str = ""  # one line for `nerfgan train --list`
    nerfgan: str = __version__  # version that resolved it
    data: Data
    train: Train


def require_seed(key: str, value: int) -> None:
    if not 0 <= value <= LARGEST_SEED:
        raise UsageError(f"{key} of {value} is impossible: use 0 to {LARGEST_SEED}.")


def require(key: str, value: float, least: float) -> None:
    """A number that may not be smaller."""
    if not value >= least:
        raise UsageError(f"{key} of {value} is impossible: use {least} or more.")


def require_choice(key: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{key} cannot be {value!r}: use one of {', '.join(choices)}.")
