"""Whether a head is seen from where the camera stands (metrics.md 4).

Angles are yaw, pitch and roll of the viewing direction (`cameras.viewing_angles`), in radians. An
estimator is first corrected by what it says of pictures whose cameras are certain, those that the
teacher draws:

    estimated = gain · true + offset, for each angle, fitted robustly
"""

from dataclasses import dataclass
from math import degrees

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.calibration import ANGLES, fit_line

Array = NDArray[np.float64]

FEWEST = 16  # pictures to calibrate on
MOST_OFFSET, GAINS = 10.0, (0.6, 1.3)  # degrees; beyond, signs or conventions are wrong


@dataclass(frozen=True)
class Correction:
    """Of an estimator; three numbers for yaw, pitch, roll."""

    gain: Array
    offset: Array  # radians
    residual: Array  # radians, root mean square on the pictures it was fitted to, once corrected
    pictures: int

    def __call__(self, estimated: Array) -> Array:  # [N, 3]
        corrected: Array = (estimated - self.offset) / self.gain
        return corrected

    def to_json(self) -> dict[str, object]:
        numbers = {"offset_degrees": self.offset, "residual_degrees": self.residual}
        return {
            "gain": [round(float(gain), 4) for gain in self.gain],
            **{name: [round(degrees(x), 3) for x in row] for name, row in numbers.items()},
            "pictures": self.pictures,
        }


def fit_correction(estimator: str, estimated: Array, true: Array) -> Correction:  # [N, 3] × 2
    """Refuses an estimator that means other angles than the cameras."""
    if len(true) < FEWEST:
        raise InputError(
            f"a face was found in {len(true)} pictures of the teacher, and {FEWEST} are needed to "
            "correct the estimator: draw more, or take another one."
        )
    lines = [fit_line(wanted, found) for found, wanted in zip(estimated.T, true.T, strict=True)]
    for name, (gain, offset) in zip(ANGLES, lines, strict=True):
        if not (abs(degrees(offset)) < MOST_OFFSET and GAINS[0] < gain < GAINS[1]):
            raise InputError(
                f"pose estimator and camera convention disagree: of the {name}, {estimator} sees "
                f"{gain:.2f} times the camera's and {degrees(offset):+.1f} degrees: correct the "
                "description of the network, or take another one."
            )
    gains, offsets = (np.array(column) for column in zip(*lines, strict=True))
    left = (estimated - offsets) / gains - true
    return Correction(gains, offsets, np.sqrt(np.square(left).mean(axis=0)), len(true))


def pose_errors(estimated: Array, true: Array) -> Array:  # [N, 3] × 2 -> [N, 3], rad²
    """Squared differences of each angle; their mean is the papers' pose accuracy."""
    if estimated.shape != true.shape or true.ndim != 2 or len(true) == 0:
        raise InputError(
            f"angles of shape {estimated.shape} cannot be compared with {true.shape}: give yaw, "
            "pitch and roll of the same pictures."
        )
    turns = (estimated - true + np.pi) % (2 * np.pi) - np.pi
    errors: Array = np.square(turns)
    return errors
