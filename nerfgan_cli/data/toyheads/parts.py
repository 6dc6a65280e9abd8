"""Parts of a head: clipped quadrics, the same list of slots for all heads.

A part is the set of points p with local coordinates u = M·(p − c) that satisfy

    k·u² + l·u_y ≤ m      (a convex quadric: ellipsoid, cylinder, paraboloid or nothing),
    low ≤ u ≤ high        (a box, which clips it and bounds it), and
    not in the cut        (the inside of one more quadric, with coordinates of its own).

A part that a head lacks contains no point. The numbers of a part are one row, so that a list of
(head, part) pairs gathers them at once.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

Number = float | Tensor  # one, or [B]


class Quadric(NamedTuple):
    """k_x·x² + k_y·y² + k_z·z² + l·y ≤ m"""

    kx: float
    ky: float
    kz: float
    ly: float
    m: float


ELLIPSOID = Quadric(1, 1, 1, 0, 1)
CYLINDER = Quadric(1, 0, 1, 0, 1)  # along y
PARABOLOID = Quadric(1, 0, 1, 1, 1)  # apex at y = 1, unit circle at y = 0
BOX = Quadric(0, 0, 0, 0, 1)  # everywhere: the box alone is the part
NOWHERE = Quadric(0, 0, 0, 0, -1)
WHOLE = 1.0001  # half a box that clips nothing: beyond the poles of a unit sphere


class Paint(IntEnum):
    """How a surface is coloured."""

    SKIN = 0
    LID = 1
    EYE = 2
    HAIR = 3
    CLOTH = 4
    PLAIN = 5
    BACKDROP = 6


BLOBS = 14  # curls, spikes, buns: what a hair style makes of them

SLOTS: dict[str, Paint] = {
    # one smooth skin: the first SMOOTH slots are shaded as if they flowed into each other
    **dict.fromkeys(
        (
            "skull",
            "jaw",
            "chin",
            "cheek_l",
            "cheek_r",
            "bridge",
            "nose",
            "wing_l",
            "wing_r",
            "neck",
        ),
        Paint.SKIN,
    ),
    "ear_l": Paint.SKIN,
    "ear_r": Paint.SKIN,
    "lid_l": Paint.LID,
    "lid_r": Paint.LID,
    "low_lid_l": Paint.SKIN,
    "low_lid_r": Paint.SKIN,
    "eye_l": Paint.EYE,
    "eye_r": Paint.EYE,
    **dict.fromkeys(("brow_l", "brow_r", "cap", "back", "lock_l", "lock_r", "crest"), Paint.HAIR),
    **{f"blob_{number}": Paint.HAIR for number in range(BLOBS)},
    **dict.fromkeys(("tail", "beard", "goatee", "moustache_l", "moustache_r"), Paint.HAIR),
    **dict.fromkeys(("body", "collar"), Paint.CLOTH),
    **dict.fromkeys(("rim_l", "rim_r", "lens_l", "lens_r", "nose_bar"), Paint.PLAIN),
    **dict.fromkeys(("temple_l", "temple_r", "crown", "band", "visor", "bobble"), Paint.PLAIN),
    "backdrop": Paint.BACKDROP,
}
SMOOTH = 10
NUMBER = {name: number for number, name in enumerate(SLOTS)}


class Cut(NamedTuple):
    """The quadric that is taken away from a part."""

    center: Tensor  # [B, 3]
    radii: Tensor  # [B, 3]
    rotation: Tensor | None = None  # [B, 3, 3], its columns the local axes
    quadric: Quadric = ELLIPSOID


class Geometry(NamedTuple):
    """Rows of parts, taken apart."""

    matrix: Tensor  # [..., 3, 3], world to local
    center: Tensor  # [..., 3]
    quadric: Tensor  # [..., 5]
    low: Tensor  # [..., 3]
    high: Tensor  # [..., 3]
    cut_matrix: Tensor  # [..., 3, 3]
    cut_center: Tensor  # [..., 3]
    cut_quadric: Tensor  # [..., 5]


SIZES = [9, 3, 5, 3, 3, 9, 3, 5]
ROW = sum(SIZES)


def take_apart(rows: Tensor) -> Geometry:  # [..., ROW]
    matrix, center, quadric, low, high, cut_matrix, cut_center, cut_quadric = torch.split(
        rows, SIZES, dim=-1
    )
    square = (*rows.shape[:-1], 3, 3)
    return Geometry(
        matrix.reshape(square), center, quadric, low, high,
        cut_matrix.reshape(square), cut_center, cut_quadric,
    )  # fmt: skip


def vector(x: Number, y: Number, z: Number) -> Tensor:  # [B, 3] or [1, 3]
    values = [torch.as_tensor(value, dtype=torch.float32).reshape(-1) for value in (x, y, z)]
    count = max(len(value) for value in values)
    return torch.stack([value.expand(count) for value in values], dim=1)


def above(x: Number = -WHOLE, y: Number = -WHOLE, z: Number = -WHOLE) -> Tensor:
    """The lower corner of a part's box, in local coordinates."""
    return vector(x, y, z)


def below(x: Number = WHOLE, y: Number = WHOLE, z: Number = WHOLE) -> Tensor:
    """The upper corner of a part's box, in local coordinates."""
    return vector(x, y, z)


@dataclass
class PartsList:
    """Collects the parts of B heads, in any order."""

    count: int

    def __post_init__(self) -> None:
        self.rows: dict[str, Tensor] = {}
        self.colours: dict[str, Tensor] = {}

    def put(
        self,
        slot: str,
        center: Tensor,  # [B, 3]
        radii: Tensor,  # [B, 3]
        colour: Tensor,  # [B, 3]
        *,
        rotation: Tensor | None = None,  # [B, 3, 3], its columns the local axes
        quadric: Quadric | Tensor = ELLIPSOID,  # or [B, 5]
        low: Tensor | None = None,  # [B, 3], local: `above`
        high: Tensor | None = None,  # `below`
        cut: Cut | None = None,
        present: Tensor | None = None,  # [B]
    ) -> None:
        nothing = vector(0, 0, 0)
        cut = cut or Cut(nothing, nothing + 1, None, NOWHERE)
        row = torch.cat(
            [
                self._matrix(radii, rotation),
                self._full(center),
                self._full(_numbers(quadric)),
                self._full(above() if low is None else low),
                self._full(below() if high is None else high),
                self._matrix(cut.radii, cut.rotation),
                self._full(cut.center),
                self._full(_numbers(cut.quadric)),
            ],
            dim=1,
        )
        if present is not None:
            row = torch.where(present[:, None], row, self._absent())
        self.rows[slot] = row
        self.colours[slot] = self._full(colour)

    def stack(self) -> tuple[Tensor, Tensor]:  # [B, P, ROW], [B, P, 3]
        absent, black = self._absent(), torch.zeros(self.count, 3)
        rows = [self.rows.get(slot, absent) for slot in SLOTS]
        return torch.stack(rows, dim=1), torch.stack(
            [self.colours.get(slot, black) for slot in SLOTS], dim=1
        )

    def _matrix(self, radii: Tensor, rotation: Tensor | None) -> Tensor:  # [B, 9]
        axes = torch.eye(3) if rotation is None else rotation.mT
        return self._full((axes / self._full(radii)[:, :, None]).flatten(1))

    def _full(self, value: Tensor) -> Tensor:  # [1 or B, n] -> [B, n]
        return value.float().expand(self.count, value.shape[-1])

    def _absent(self) -> Tensor:  # [B, ROW]
        row = torch.zeros(ROW)
        row[[0, 4, 8, 23, 27, 31]] = 1
        row[12:17] = row[35:40] = torch.tensor(NOWHERE)
        return self._full(row[None])


def _numbers(quadric: Quadric | Tensor) -> Tensor:  # [1 or B, 5]
    return quadric if isinstance(quadric, Tensor) else torch.tensor([quadric], dtype=torch.float32)


def rotation(x: Number = 0.0, y: Number = 0.0, z: Number = 0.0) -> Tensor:  # [B, 3, 3]
    """Turns about x, then y, then z (right-handed)."""
    about = []
    for axis, value in enumerate((x, y, z)):
        angle = torch.as_tensor(value, dtype=torch.float32).reshape(-1)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        matrix = torch.eye(3).repeat(len(angle), 1, 1)
        matrix[:, first, first] = matrix[:, second, second] = angle.cos()
        matrix[:, second, first] = angle.sin()
        matrix[:, first, second] = -angle.sin()
        about.append(matrix)
    return about[2] @ about[1] @ about[0]
