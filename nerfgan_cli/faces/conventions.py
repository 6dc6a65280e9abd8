"""How published ONNX networks want a face, and what their outputs mean.

A network is known by the beginning of its file's name; for another one, a NAME.json beside
NAME.onnx says the same as an entry of `KNOWN`:

    {"size": 120, "channels": "bgr", "mean": 0, "scale": 1,
     "crop": {"side": 1.58, "of": "mean", "down": 0.14},
     "landmarks": {"output": "lm_raw", "layout": "xxyy", "range": [-1, 1]},
     "pose": {"output": "params", "form": "affine"}}
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nerfgan_cli.errors import WeightsError


@dataclass(frozen=True)
class CropRule:
    """The square that a network sees, from the detector's box of the face."""

    side: float  # in lengths of the box
    of: str = "longer"  # side of the box: the longer, or the mean of both
    down: float = 0.0  # its centre is below that of the box, in lengths of the box


@dataclass(frozen=True)
class LandmarkOutput:
    """68 points in iBUG's order."""

    output: str
    layout: str = "xyxy"  # x0, y0, x1, y1, …; or all x, then all y: xxyy
    range: tuple[float, float] = (0.0, 1.0)  # its values at the left and right edge of the square


@dataclass(frozen=True)
class PoseOutput:
    """The head's rotation.

    `angles` are yaw, pitch, roll in degrees, and signs turn them into those of our camera.
    `affine` begins with a 3×4 matrix whose first two rows are, up to their lengths, those of the
    rotation from the head to the picture, both with x right, y up, z towards the viewer.
    """

    output: str
    form: str = "angles"
    signs: tuple[float, float, float] = (1.0, 1.0, 1.0)


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
        landmarks=LandmarkOutput("lm_raw", "xxyy", (-1.0, 1.0)),
        pose=PoseOutput("params", "affine"),
    ),
    # face-api.js; coarser.
    "face_landmark_68": Convention(CropRule(1.05), landmarks=LandmarkOutput("landmarks")),
    # FSA-Net; its two variants are meant to be averaged.
    "fsanet": Convention(
        CropRule(1.0),
        channels="bgr",
        mean=127.5,
        scale=128.0,
        pose=PoseOutput("", "angles", (1.0, -1.0, -1.0)),
    ),
}
WORDS = {
    "channels": ("rgb", "bgr"),
    "of": ("longer", "mean"),
    "layout": ("xyxy", "xxyy"),
    "form": ("angles", "affine"),
}
PARTS: dict[str, type] = {"crop": CropRule, "landmarks": LandmarkOutput, "pose": PoseOutput}


def convention_of(network: Path) -> Convention:
    """From the file beside a network, or by its name."""
    beside = network.with_suffix(".json")
    if beside.is_file():
        return read_convention(beside)
    for beginning, convention in KNOWN.items():
        if network.name.startswith(beginning):
            return convention
    raise WeightsError(
        f"{network} is not known (known are {', '.join(f'{name}*' for name in KNOWN)}): write "
        f'{beside.name} beside it, as {{"size": 120, "crop": {{"side": 1.2}}, "landmarks": '
        '{"output": "points"}}.'
    )


def read_convention(path: Path) -> Convention:
    try:
        convention: Convention = build(Convention, json.loads(path.read_text()))
    except OSError as error:
        raise WeightsError(f"cannot read {path} ({error.strerror}): check it.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} describes no network ({error}): mend it.") from error
    return convention


def build(kind: Any, values: Any) -> Any:
    """A dataclass from JSON; ValueError or TypeError about what does not fit."""
    if not isinstance(values, dict):
        raise ValueError(f"{values!r} is no object")
    known = {field.name: field for field in fields(kind)}
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{key!r} is none of {', '.join(known)}")
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
