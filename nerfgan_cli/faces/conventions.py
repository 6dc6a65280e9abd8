"""How published ONNX networks want a face, and what their outputs mean.

A network is known by the beginning of its file's name; for another one, a NAME.json beside
NAME.onnx says the same as an entry of `KNOWN`:

    {"size": 120, "channels": "bgr", "mean": 0, "scale": 1,
     "crop": {"side": 1.58, "of": "mean", "down": 0.14},
     "landmarks": {"output": "lm_raw", "layout": "xxyy", "range": [-1, 1]},
     "pose": {"output": "params", "form": "affine"}}
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from nerfgan_cli.errors import WeightsError
from nerfgan_cli.faces.accuracy import Accuracy

T = TypeVar("T")


@dataclass(frozen=True)
class CropRule:
    """The square that a network sees, from the detector's box of the face or from the picture."""

    side: float  # in lengths of what is named next
    of: str = "longer"  # side of the box, or the mean of both, or the whole picture's side
    down: float = 0.0  # its centre is below that of the box or picture, in such lengths


@dataclass(frozen=True)
class LandmarkOutput:
    """68 points in iBUG's order."""

    output: str
    layout: str = "xyxy"  # x0, y0, x1, y1, …; or all x, then all y: xxyy
    range: tuple[float, float] = (0.0, 1.0)  # its values at the left and right edge of the square
    measured: Accuracy | None = None  # of PnP on them with InsightFace's mean shape


@dataclass(frozen=True)
class PoseOutput:
    """The head's rotation.

    `angles` are yaw, pitch, roll in degrees, and signs turn them into those of our camera.
    `affine` begins with a 3×4 matrix whose first two rows are, up to their lengths, those of the
    rotation from the head to the picture, both with x right, y up, z towards the viewer.
    `reconstruction` is the vector of Deep3DFaceRecon, by which EG3D's labels were made: numbers 224
    to 226 turn the head about x, y, z in radians, 254 to 256 shift it before a camera at 10.
    """

    output: str
    form: str = "angles"
    signs: tuple[float, float, float] = (1.0, 1.0, 1.0)
    measured: Accuracy | None = None


@dataclass(frozen=True)
class Convention:
    """All of one network. Pixels are fed as (value − mean) / scale."""

    crop: CropRule
    size: int | None = None  # of its input; None: as the network says
    channels: str = "rgb"
    mean: float = 0.0
    scale: float = 1.0
    landmarks: LandmarkOutput | None = None
    pose: PoseOutput | None = None


KNOWN = {
    # 3DDFA V2, a regression of 62 numbers of a face model; also its pose is worth having.
    "tddfa_v2": Convention(
        CropRule(1.58, "mean", 0.14),
        channels="bgr",
        landmarks=LandmarkOutput("lm_raw", "xxyy", (-1.0, 1.0), Accuracy(2.7, 5.3)),
        pose=PoseOutput("params", "affine", measured=Accuracy(1.6, 3.4)),
    ),
    # face-api.js; coarser.
    "face_landmark_68": Convention(
        CropRule(1.05), landmarks=LandmarkOutput("landmarks", measured=Accuracy(3.2, 8.4))
    ),
    # Deep3DFaceRecon, exported by its user. Of its square of 224 pixels a face unit has 102, of the
    # final picture 300/700.
    "deep3d": Convention(
        CropRule(224 / 102 * 300 / 700, "picture"),
        scale=255.0,
        pose=PoseOutput("", "reconstruction"),
    ),
    # FSA-Net; its two variants are meant to be averaged.
    "fsanet": Convention(
        CropRule(1.0),
        channels="bgr",
        mean=127.5,
        scale=128.0,
        pose=PoseOutput("", "angles", (1.0, -1.0, -1.0), Accuracy(3.0, 8.9)),
    ),
}
EXAMPLE = '{"size": 120, "crop": {"side": 1.2}, "landmarks": {"output": "points"}}'
WORDS = {
    "channels": ("rgb", "bgr"),
    "of": ("longer", "mean", "picture"),
    "layout": ("xyxy", "xxyy"),
    "form": ("angles", "affine", "reconstruction"),
}
PARTS: dict[str, type] = {"crop": CropRule, "landmarks": LandmarkOutput, "pose": PoseOutput}


def convention_of(network: Path) -> Convention:
    return find_convention(network, KNOWN, lambda told: build(Convention, told), EXAMPLE)


def find_convention(
    network: Path,
    known: Mapping[str, T],  # by the beginning of a file's name
    make: Callable[[Any], T],  # from JSON; ValueError or TypeError about what does not fit
    example: str,  # of that JSON
) -> T:
    """How a network is to be fed: from the file beside it, or by its name."""
    beside = network.with_suffix(".json")
    if beside.is_file():
        try:
            return make(json.loads(beside.read_text()))
        except OSError as error:
            raise WeightsError(f"cannot read {beside} ({error.strerror}): check it.") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise WeightsError(f"{beside} describes no network ({error}): mend it.") from error
    for beginning, convention in known.items():
        if network.name.startswith(beginning):
            return convention
    raise WeightsError(
        f"{network} is not known (known are {', '.join(f'{name}*' for name in known)}): write "
        f"{beside.name} beside it, as {example}."
    )


def build(kind: Any, values: Any) -> Any:
    """A dataclass from JSON; ValueError or TypeError about what does not fit."""
    if not isinstance(values, dict):
        raise ValueError(f"{values!r} is no object")
    known = {field.name for field in fields(kind)} - {"measured"}
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{key!r} is none of {', '.join(sorted(known))}")
        if key in PARTS:
            made[key] = build(PARTS[key], value)
        elif key in WORDS:
            if value not in WORDS[key]:
                raise ValueError(f"{key} is none of {', '.join(WORDS[key])}")
            made[key] = value
        elif isinstance(value, list):
            made[key] = tuple(float(number) for number in value)
        elif key == "output":
            made[key] = str(value)
        else:
            made[key] = int(value) if key == "size" else float(value)
    if kind is Convention and not ("landmarks" in made or "pose" in made):
        raise ValueError("it gives neither landmarks nor a pose")
    return kind(**made)
