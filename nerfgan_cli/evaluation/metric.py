"""What a metric is given and what it answers: the joint between `nerfgan eval` and each metric.

A metric of `table.METRICS` is asked first whether it can be computed here, then to measure. It
draws its pictures with `samples.py`, which makes them depend on (seed, index) alone; so batch size,
order and number of processes change nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import torch

from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.errors import NerfganError
from nerfgan_cli.evaluation.looks import Array, standard_error
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.training.distributed import World

Progress: TypeAlias = Callable[[str, int, int], None]  # what, how many done, of how many

LOWER, HIGHER = "lower", "higher"


class Value(NamedTuple):
    """One number, and all that it depends on."""

    name: str  # with its N and network: "fid2k:discriminator", "pose:toyheads", "psnr_raw"
    value: float
    error: float | None  # standard error, where there is one
    unit: str  # "dB", "rad²", "" …
    better: str  # LOWER or HIGHER
    protocol: dict[str, object]  # plain data: N, cameras, extractor and its checksum, faces found …


def mean_value(
    name: str, numbers: Array, unit: str, better: str, protocol: dict[str, object]
) -> Value:
    """Of one number for each picture."""
    return Value(name, float(numbers.mean()), standard_error(numbers), unit, better, protocol)


def teacher_facts(teacher: Generator, options: DrawOptions = DEFAULT_OPTIONS) -> dict[str, object]:
    """For the protocol of what is measured beside its pictures or along its depth."""
    branch = options.branch or teacher.branch
    told = {} if branch is None else {"teacher_branch": branch}
    return {"teacher": f"{weights_checksum(teacher):08x}", **told}


@dataclass(frozen=True)
class Networks:
    """Trained networks that look at pictures, as the user chose them; None: what is at hand."""

    extractors: tuple[str, ...] | None = None  # of FID and KID: keys of `extractors.EXTRACTORS`
    inception: Path | None = None  # file of the Inception of 2015
    discriminator: str | None = None  # a model whose features serve as an extractor
    squeezenet: Path | None = None  # file of its weights, as an extractor
    lpips: str | None = None  # network below LPIPS: alex, vgg or squeeze
    lpips_weights: Path | None = None  # file of that network
    pack: str | None = None  # of InsightFace, a name or a folder
    pose: Path | None = None  # ONNX
    identity: Path | None = None  # ONNX
    landmarks: Path | None = None  # ONNX


class Origin(NamedTuple):
    """Where the generator comes from, for a process that opens it anew."""

    path: Path
    precision: str


@dataclass(frozen=True)
class Setting:
    """Who is judged, against what, and how."""

    name: str  # of who is judged
    generator: Generator | None  # None: the pictures of `images`, made elsewhere, are judged
    images: ImageSet | None  # cameras may be missing: their labels are then NaN
    teacher: Generator | None
    data: ImageSet | None  # real pictures with cameras
    number: int | None  # of pictures, as asked for; None: the metric's own for a bare `eval`
    seed: int
    batch: int | None  # None: what fits
    world: World  # device and processes
    cache: Path  # folder of what can be used again
    progress: Progress
    networks: Networks = field(default_factory=Networks)
    options: DrawOptions = DEFAULT_OPTIONS  # of `generator`: its branch, and whether raw pictures
    origin: Origin | None = None  # of `generator`
    named: frozenset[str] = frozenset()  # metrics asked for one by one: what they lack is fetched
    # Heads that turn: the mapping network sees each view's camera, not the frontal one for all.
    condition_on_view: bool = False

    @property
    def device(self) -> torch.device:
        return self.world.device

    @property
    def side(self) -> int:
        """Pixels of a side of the pictures that are judged."""
        if self.generator is not None:
            return side_of(self.generator, self.options)
        assert self.images is not None
        return self.images.resolution

    @property
    def shown(self) -> str:
        """For the names of numbers of raw pictures, which no other can be compared with."""
        return f"_raw{self.side}" if self.options.raw_only else ""


def side_of(generator: Generator, options: DrawOptions) -> int:
    """Pixels of a side of its pictures."""
    if options.raw_only:
        return generator.rays_per_side(options)
    return generator.img_resolution


class MissingWeights(str):
    """An obstacle that is a file of weights that is not here."""

    __slots__ = ()


class PartlyMeasuredError(NerfganError):
    """Some of a metric's numbers are there, others are not."""

    def __init__(self, values: list[Value], failures: Mapping[str, NerfganError]) -> None:
        super().__init__("; ".join(str(error).rstrip(".") for error in failures.values()) + ".")
        self.values = values
        self.failures = failures  # by the network that could not be had


class Metric(Protocol):
    """One entry of `table.METRICS`. `name` is what `--metrics` calls it."""

    @property
    def name(self) -> str: ...

    def obstacle(self, setting: Setting) -> str | None:
        """Why it cannot be computed here, ending with what enables it; None: it can."""

    def measure(self, setting: Setting) -> list[Value]:
        """In all processes at once; each gives the same values.

        PartlyMeasuredError: some of them.
        """
