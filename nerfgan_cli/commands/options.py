"""Options that mean the same in every command, and the one way to print a result.

A command takes them as parameters: `def command(model: Model = None, json: Json = False) -> None`.
Those that go together are fields of one dataclass, see `grouping`.
"""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from nerfgan_cli.checkpoints.zoo import DEFAULT


class DeviceName(str, Enum):
    """Where to compute; `auto` takes CUDA, then Apple's MPS, then the CPU."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class PrecisionName(str, Enum):
    """Numbers inside convolutions; `auto` takes bf16 where the hardware is fast at it."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class Shown(str, Enum):
    """What of a rendering is shown."""

    image = "image"
    raw = "raw"
    depth = "depth"


class BranchName(str, Enum):
    """Ways to draw of a Mimic3D."""

    enlarged = "2d"
    strict = "3d"


class Noise(str, Enum):
    """Noise images of the backbone."""

    const = "const"
    random = "random"
    none = "none"


MODEL_HELP = (
    "A model: its name, a file, a run folder or an inversion's (as ./NAME if a model has that name "
    f"too). Without one, {DEFAULT}."
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and only that.")]
Device = Annotated[DeviceName, typer.Option("--device", help="Where to compute.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help=MODEL_HELP),
]

# Of the commands that draw.
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        "--seed",
        metavar="SEEDS",
        help="Whom to draw: 7 or 0-15 or 0,3,8-11. Else an inversion's own subject, or seed 0.",
    ),
]
LatentFile = Annotated[
    Path | None,
    typer.Option(
        "--latent",
        metavar="FILE",
        help="Whom to draw instead of seeds: a file of a latent, or an inversion's folder.",
    ),
]
Truncation = Annotated[
    float,
    typer.Option(
        "--truncation",
        min=-2,
        max=2,
        metavar="PSI",
        help="0 draws the average, 1 the full variety.",
    ),
]
TruncationCutoff = Annotated[
    int | None,
    typer.Option(
        "--truncation-cutoff", min=0, metavar="N", help="Truncate only the first N layers."
    ),
]
What = Annotated[
    Shown,
    typer.Option(
        "--what",
        help="The picture, the one before super-resolution, or the depth "
        "(near is bright, from the nearest to the farthest point of each picture).",
    ),
]
Resolution = Annotated[
    int | None,
    typer.Option(
        min=1, max=4096, metavar="R", help="Side of the raw picture, in rays; else the model's."
    ),
]
Branch = Annotated[
    BranchName | None,
    typer.Option(
        "--branch",
        help="Of a Mimic3D: 2d enlarges a small rendering, 3d renders every pixel; else the "
        "model's own: 2d, but for inversions tuned with 3d.",
    ),
]
BranchAtResolution = Annotated[
    BranchName | None,
    typer.Option(
        "--branch",
        help="Of a Mimic3D: 2d enlarges a small rendering, 3d renders every pixel, at any "
        "--resolution; else the model's own: 2d, but for inversions tuned with 3d.",
    ),
]
DepthSamples = Annotated[
    float,
    typer.Option(
        "--depth-samples",
        min=0.1,
        max=8,
        metavar="X",
        help="Times as many along a ray, of volumes; 2 takes flicker out of videos.",
    ),
]
CameraFile = Annotated[
    Path | None,
    typer.Option("--camera", metavar="FILE", help="A camera from a file, instead of angles."),
]
NoiseMode = Annotated[Noise, typer.Option("--noise", help="Noise images of the backbone.")]
Precision = Annotated[
    PrecisionName,
    typer.Option("--precision", help="Of convolutions; auto is bf16 where that is fast."),
]
Batch = Annotated[
    str, typer.Option(metavar="N", help="Views drawn at once; auto: as many as fit the memory.")
]
RayChunk = Annotated[
    int, typer.Option(min=1, metavar="N", help="Rays in memory at once; bounds the memory.")
]
Radius = Annotated[
    float | None,
    typer.Option(min=1e-3, metavar="R", help="Distance from the origin; else the model's."),
]
Fov = Annotated[
    float | None,
    typer.Option(
        min=3,
        max=115,
        metavar="D",
        help="Degrees that a side of the picture spans; else the model's.",
    ),
]
Pivot = Annotated[
    str | None, typer.Option(metavar="X,Y,Z", help="What the camera looks at; else the model's.")
]


def counted(count: int, noun: str) -> str:
    """ "1 picture", "2 pictures" """
    return f"{count} {noun}{'s' * (count != 1)}"


def print_result(result: dict[str, Any], text: str, as_json: bool) -> None:
    """The result of a command on standard output: for a program or for a person."""
    shown = json.dumps(result, indent=2) if as_json else text
    typer.echo(shown.encode(errors="backslashreplace").decode())  # names of files may be no text
