"""What is known of an estimator's errors: a gain and an offset per angle.

true = gain · estimated + offset, fitted robustly (Huber) on pictures whose cameras are known, for
the viewing direction. It belongs to one estimator and is refused by any other.
"""

import json
from dataclasses import asdict, dataclass
from math import degrees, radians
from pathlib import Path

import numpy as np

from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.shapes import Points
from nerfgan_cli.files import replacing

ANGLES = ("yaw", "pitch", "roll")
FEWEST = 8  # pictures
VARIED = 3.0  # degrees of standard deviation from which a gain can be told from an offset
PASSES = 10  # of reweighting
HUBER = 1.345  # times the spread: 95 % as good as least squares where errors are Gaussian
MOST_OFFSET, GAINS = 20.0, (0.6, 1.67)  # beyond, signs or conventions are wrong


@dataclass(frozen=True)
class Calibration:
    """In degrees; one number for each of yaw, pitch, roll."""

    estimator: str
    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    residual: tuple[float, float, float]  # root mean square, on the pictures it was fitted to
    pictures: int

    def __str__(self) -> str:
        yaw, pitch, roll = self.residual
        return (
            f"{yaw:.1f} degrees off in yaw, {pitch:.1f} in pitch, {roll:.1f} in roll (root mean "
            f"square) on the {self.pictures} pictures of its calibration"
        )

    def correct(self, angles: Points) -> Points:  # [..., 3], radians
        offset = [radians(value) for value in self.offset]
        return np.asarray(angles * self.gain + offset)


def fit_calibration(
    estimator: str,
    estimated: Points,  # [N, 3], radians
    true: Points,  # [N, 3], radians
) -> Calibration:
    if len(true) < FEWEST:
        raise InputError(
            f"{len(true)} pictures are too few for a calibration: give at least {FEWEST}."
        )
    gains, offsets, residuals = [], [], []
    for name, found, wanted in zip(ANGLES, estimated.T, true.T, strict=True):
        gain, offset = fit_line(found, wanted)
        if not (abs(degrees(offset)) <= MOST_OFFSET and GAINS[0] <= gain <= GAINS[1]):
            raise InputError(
                f"the {name} of {estimator} needs a gain of {gain:.2f} and an offset of "
                f"{degrees(offset):.1f} degrees: the labels and the estimator do not mean the same "
                "angles, correct the labels or the description of the network."
            )
        gains.append(round(gain, 4))
        offsets.append(round(degrees(offset), 3))
        left = gain * found + offset - wanted
        residuals.append(round(degrees(float(np.sqrt((left**2).mean()))), 3))
    return Calibration(estimator, _three(gains), _three(offsets), _three(residuals), len(true))


def fit_line(found: Points, wanted: Points) -> tuple[float, float]:  # [N], [N]
    """Gain and offset by reweighted least squares; the gain is 1 where nothing varies."""
    varied = min(found.std(), wanted.std()) > radians(VARIED)
    weights = np.ones(len(found))
    gain, offset = 1.0, 0.0
    for _ in range(PASSES):
        mean_found, mean_wanted = (np.average(x, weights=weights) for x in (found, wanted))
        if varied:
            apart = found - mean_found
            gain = float((weights * apart * wanted).sum() / (weights * apart * apart).sum())
        offset = float(mean_wanted - gain * mean_found)
        error = np.abs(gain * found + offset - wanted)
        spread = 1.4826 * np.median(error) + 1e-9  # of a Gaussian
        weights = np.minimum(1, HUBER * spread / np.maximum(error, 1e-12))
    return gain, offset


def write_calibration(calibration: Calibration, path: Path) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(asdict(calibration), indent=1) + "\n")


def read_calibration(path: Path) -> Calibration:
    try:
        content = json.loads(path.read_text())
        numbers = (content[key] for key in ("gain", "offset", "residual"))
        gain, offset, residual = (_three([float(value) for value in row]) for row in numbers)
        found = Calibration(
            str(content["estimator"]), gain, offset, residual, int(content["pictures"])
        )
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check the path.") from error
    except KeyError as error:
        raise InputError(f"{path} is no calibration (it has no {error}): fit it anew.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no calibration ({error}): fit it anew.") from error
    if not np.isfinite([*gain, *offset]).all():
        raise InputError(f"{path} holds numbers that are not finite: fit it anew.")
    return found


def _three(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
