"""Which world axes the three feature planes of a tri-plane span; needs no torch."""

from typing import TypeAlias

Axes: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

# The world axes along each plane's width and height. The choice is not recorded in checkpoints.
PLANE_AXES: dict[str, Axes] = {
    "released": ((0, 1), (0, 2), (2, 0)),  # xy, xz, zx: all published models (a known slip)
    "fixed": ((0, 1), (1, 2), (2, 0)),  # xy, yz, zx: the official `fixed_triplanes` branch
    "zy": ((0, 1), (0, 2), (2, 1)),  # xy, xz, zy: suggested by EG3D's authors, used by follow-ups
}
