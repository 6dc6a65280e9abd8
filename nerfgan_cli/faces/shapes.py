"""Points of a mean face: five that detectors find, and the 68 of iBUG's landmarks.

Face units: x right, y up, z towards the viewer, one is 10 cm. EG3D's preparation of FFHQ places
them in the world as 0.27·X + (0, 0.006, 0.161).
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.checkpoints.unpickle.arrays import Array
from nerfgan_cli.checkpoints.unpickle.vocabulary import read_pickle
from nerfgan_cli.data.ffhq_crop import STANDARD
from nerfgan_cli.data.ffhq_pose import FACE_OFFSET, FACE_UNIT
from nerfgan_cli.errors import InputError, WeightsError

Points = NDArray[np.float64]

LANDMARKS = 68
# Nose and eyes. The jaw's contour slides over a face that turns, brows and mouth move: with these
# 21 of 3DDFA's landmarks PnP was 2.7 degrees off on 17 renders of a head (worst 5.3), with all but
# the jaw 4.0 (11.4).
RIGID = slice(27, 48)
CENTER = np.array(FACE_OFFSET)  # of the face, in the world

# Which landmark takes the place of which in the mirrored picture.
MIRRORED = [
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),  # mouth
]


def to_world(points: Points) -> Points:  # [N, 3] in face units
    placed: Points = FACE_UNIT * points + CENTER
    return placed


def five_of(landmarks: Points) -> Points:  # [68, D] -> [5, D]
    """Eyes, nose tip and mouth corners from left to right of the picture."""
    left_eye, right_eye = landmarks[[36, 39]].mean(axis=0), landmarks[[42, 45]].mean(axis=0)
    return np.stack([left_eye, right_eye, landmarks[30], landmarks[48], landmarks[54]])


FIVE = to_world(STANDARD)  # [5, 3], in the world


class MeanShape(NamedTuple):
    """68 landmarks of a mean face."""

    points: Points  # [68, 3], in face units
    name: str
    biased: bool = False  # the pitch that PnP finds with it is known to be off


def insightface_shape() -> MeanShape:
    """The mean shape that comes with the insightface package, read without unpickling it.

    It is tilted and flatter than the faces behind EG3D's labels, whose five points are known: the
    affine map that takes its own five points to those takes 7.8 degrees of error to 2.7 (median,
    17 renders of a head with known cameras).
    """
    package = find_spec("insightface")
    if package is None or package.origin is None:
        raise WeightsError("the insightface package is not installed: pip install insightface.")
    path = Path(package.origin).parent / "data" / "objects" / "meanshape_68.pkl"
    if not path.is_file():
        raise WeightsError(f"{path} is missing: install insightface again, or give a mean shape.")
    value = read_pickle(memoryview(path.read_bytes()), path.name)
    if not isinstance(value, Array) or value.array.shape != (LANDMARKS, 3):
        raise WeightsError(f"{path} holds no 68 points: install insightface again.")
    design = np.concatenate([value.array.astype(np.float64), np.ones((LANDMARKS, 1))], axis=1)
    to_face_units = np.linalg.lstsq(five_of(design), STANDARD, rcond=None)[0]  # its y is down
    return MeanShape(design @ to_face_units, "InsightFace's shape", True)


def read_shape(path: Path) -> MeanShape:
    """A mean shape in JSON: 68 rows of x, y, z, or {"points": rows}."""
    try:
        content = json.loads(path.read_text())
        rows = content.get("points") if isinstance(content, dict) else content
        shape = np.array(rows, dtype=np.float64)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check the path.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no list of points ({error}): give 68 rows.") from error
    if shape.shape != (LANDMARKS, 3) or not np.isfinite(shape).all():
        raise InputError(f"{path} holds points of shape {shape.shape}: give 68 rows of x, y, z.")
    if shape[30, 2] < shape[[36, 45], 2].mean() or shape[8, 1] > shape[27, 1]:
        raise InputError(f"{path} has its face the other way: give y up, z towards the viewer.")
    return MeanShape(shape, path.stem)
