"""Beards and moustaches; stubble is painted (`features.py`)."""

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads.measures import AXIS, SIDES, Measures
from nerfgan_cli.data.toyheads.parts import Cut, PartsList, above, below, rotation, vector
from nerfgan_cli.data.toyheads.traits import Traits


def put_beard(parts: PartsList, t: Traits, m: Measures, colour: Tensor) -> None:
    size, mouth_y = t["beard_size"], m.mouth[:, 1]
    thick = 0.010 + 0.020 * size
    wide = (m.jaw_radii[:, 0] + 0.6 * thick) * 1.03
    bottom, top = m.chin_y - thick - 0.03 * size, mouth_y + 0.055
    parts.put(
        "beard", vector(0, (top + bottom) / 2, AXIS + 0.022),
        vector(wide, (top - bottom) * 0.54, 0.128 + 0.9 * thick),
        colour, low=above(z=-0.15), high=below(y=0.72), present=t.chosen("beard", "full"),
        cut=Cut(vector(0, mouth_y + 0.052, m.mouth[:, 2] + 0.02), vector(0.088, 0.072, 0.10)),
    )  # fmt: skip
    at_chin = m.front(torch.zeros_like(size), m.chin_y + 0.02) - 0.012
    parts.put(
        "goatee", vector(0, m.chin_y + 0.012 - 0.012 * size, at_chin),
        vector(0.026 + 0.010 * size, 0.026 + 0.022 * size, 0.026), colour,
        present=t.chosen("beard", "goatee", "both"),
    )  # fmt: skip
    wide = 0.026 + 0.014 * size
    y = (m.nose[:, 1] - m.nose_radii[:, 1] + mouth_y + t["lips"]) / 2 + 0.001
    for side, sign in SIDES:
        parts.put(
            f"moustache_{side}", vector(sign * wide * 0.86, y, m.front(wide * 0.8, y) - 0.001),
            vector(wide, 0.0095 + 0.004 * size, 0.012), colour,
            rotation=rotation(y=sign * 0.35, z=-sign * (0.28 + 0.15 * size)),
            present=t.chosen("beard", "moustache", "both", "full"),
        )  # fmt: skip
