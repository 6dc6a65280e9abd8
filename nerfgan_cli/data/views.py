"""Pictures with cameras as they come from elsewhere, before they are framed and labelled."""

import posixpath
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.data.pictures import BadPictureError

Matrix = NDArray[np.float64]


class Units(Enum):
    """What the numbers of an intrinsics matrix count."""

    pixels = "pixels"  # of the picture, or of one of another size
    sides = "sides"  # x in widths, y in heights of the picture
    widths = "widths"  # both focal lengths in widths, the centre in sides
    final = "final"  # sides of the finished square picture, however it is cut out


class View(NamedTuple):
    """One picture's camera. Axes are OpenCV's; the world is whatever the source has."""

    name: str  # as its camera file calls the picture
    cam2world: Matrix  # [4, 4]
    intrinsics: Matrix  # [3, 3]
    units: Units
    size: tuple[int, int] | None = None  # width and height that `pixels` are for, if stated

    def pixel_intrinsics(self, width: int, height: int) -> Matrix:  # [3, 3]
        """Intrinsics in pixels of the picture as it is."""
        if self.units is Units.sides:
            return np.diag([width, height, 1.0]) @ self.intrinsics
        if self.units is Units.widths:
            pixels = np.diag([width, height, 1.0]) @ self.intrinsics
            pixels[1, 1] = width * self.intrinsics[1, 1]
            return pixels
        if self.size is None or self.size == (width, height):
            return self.intrinsics
        across, down = width / self.size[0], height / self.size[1]
        if abs(across / down - 1) > 0.01:
            raise BadPictureError(
                f"it is {width}×{height}, but its camera is for {self.size[0]}×{self.size[1]}: "
                "turn, crop or resize it back"
            )
        return np.diag([across, down, 1.0]) @ self.intrinsics


class PictureIndex:
    """Finds pictures by what camera files call them: other folders, no ending, back slashes.

    Only pictures of the listing are ever found, wherever a name may point.
    """

    def __init__(self, pictures: list[str]) -> None:
        self._exact = set(pictures)
        self._loose: dict[str, str | None] = {}  # None: several are called so
        for picture in pictures:
            stem = posixpath.splitext(picture)[0]
            for key in {*_endings(picture), *_endings(stem)}:
                self._loose[key] = None if key in self._loose else picture

    def find(self, name: str) -> str | None:
        """The one picture that is called so."""
        for exact in (name, name := posixpath.normpath(name.replace("\\", "/"))):
            if exact in self._exact:
                return exact
        for key in [*_endings(name), *_endings(posixpath.splitext(name)[0])]:
            if key in self._loose:
                return self._loose[key]
        return None


def _endings(path: str) -> list[str]:
    """a/b/c, b/c, c"""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]
