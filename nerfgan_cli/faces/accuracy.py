"""How far each way to find a camera is off, as far as that has been measured.

The angle between the directions from which a head is seen and was said to be seen, on 17 renders
of a scanned head whose cameras are known, up to 48 degrees aside and 20 above or below. It is one
head; photographs differ more. `tests/properties/test_faces.py` measures 3DDFA, the packs' fit and
five points again.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Accuracy(NamedTuple):
    """In degrees."""

    median: float
    worst: float
    proxy: str = ""  # what was measured in its place

    def __str__(self) -> str:
        by = f" {self.proxy}" if self.proxy else ""
        return f"{self.median:g} degrees off on a scanned head{by}, {self.worst:g} at worst"


FIVE_POINTS = Accuracy(4.5, 7.3)
# The pose of InsightFace's 1k3d68 is a fit of its mean shape to the landmarks that it finds. The
# network could not be had for measuring, the fit could.
PACK_POSE = Accuracy(1.8, 4.1, "by 3DDFA's landmarks")


def of_mean(ways: Sequence[Accuracy | None]) -> Accuracy | None:
    """The mean of several estimates is hardly farther off than the worst of them."""
    known = [way for way in ways if way is not None]
    return max(known) if known and len(known) == len(ways) else None
