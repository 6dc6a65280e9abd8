"""What is seen of heads in pictures: pose, points in 3D, and a code that tells people apart."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
POSE, IDENTITY, LANDMARKS = "pose", "identity", "landmarks"
INSIGHTFACE = f"insightface {version('insightface')}"  # asks the networks of its packs


class Source(NamedTuple):
    """A network."""

    name: str
    sha256: str  # of its file
    description: str = ""  # of how it is asked, if its file is not all that says so

    def told(self, role: str) -> dict[str, object]:
        """For a protocol, where its entries begin with its role."""
        return {
            role: self.name,
            f"{role}_sha256": self.sha256,
            f"{role}_description": self.description,
        }


class Looks(NamedTuple):
    """Of B pictures; rows of a picture in which no face was found are zeros."""

    found: NDArray[np.bool_]  # [B]
    angles: Array  # [B, 3]: yaw, pitch, roll of the viewing direction, radians
    points: Array  # [B, K, 3], x right and y down, in any unit
    codes: Array  # [B, D], of any length

    def of(self, chosen: NDArray[np.bool_]) -> "Looks":  # [B]
        found, angles, points, codes = self
        return Looks(found[chosen], angles[chosen], points[chosen], codes[chosen])


class FaceReader(Protocol):
    """Networks that look at heads."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """By POSE, IDENTITY, LANDMARKS; what none of them tells has no entry."""

    @property
    def detector(self) -> Source | None:
        """None: every picture is taken for a head."""

    @property
    def points(self) -> int:
        """K"""

    @property
    def code_size(self) -> int:
        """D"""

    @property
    def eyes(self) -> tuple[Sequence[int], Sequence[int]]:
        """Points whose mean is an eye."""

    def only(self, what: str) -> "FaceReader":
        """One that need not tell anything but this, and so may be faster."""

    def look(self, pictures: NDArray[np.uint8]) -> Looks:  # [B, H, W, 3]
        ...


def distance_of_eyes(reader: FaceReader, points: Array) -> Array:  # [B, K, 3] -> [B]
    left, right = (points[:, list(eye)].mean(axis=1) for eye in reader.eyes)
    found: Array = np.linalg.norm(left - right, axis=1)
    return found


def to_rows(looks: Looks) -> NDArray[np.float32]:  # [B, 1 + 3 + 3K + D]
    parts = (looks.found[:, None], looks.angles, looks.points.reshape(len(looks.found), -1))
    return np.concatenate([*parts, looks.codes], axis=1).astype(np.float32)


def from_rows(rows: NDArray[np.floating], points: int, code_size: int) -> Looks:
    rows = rows.astype(np.float64)
    found, angles, flat, codes = np.split(rows, np.cumsum([1, 3, 3 * points]), axis=1)
    assert codes.shape[1] == code_size
    return Looks(found[:, 0] > 0, angles, flat.reshape(len(rows), points, 3), codes)


def standard_error(values: Array) -> float | None:  # [N]
    """Of their mean; nobody knows it from one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
