"""Hair styles, but for their tufts (`tufts.py`): what covers the skull and what falls from it."""

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads import palettes
from nerfgan_cli.data.toyheads.face import COVERS_EARS
from nerfgan_cli.data.toyheads.measures import AXIS, SIDES, Measures
from nerfgan_cli.data.toyheads.parts import Cut, PartsList, above, below, rotation, vector
from nerfgan_cli.data.toyheads.traits import Traits

HATS_OVER_HAIR = ("beanie", "cap", "brim")


def put_hair(parts: PartsList, t: Traits, m: Measures, colour: Tensor) -> None:
    _put_cap(parts, t, m, colour)
    _put_fall(parts, t, m, colour)
    hatted = t.chosen("hat", *HATS_OVER_HAIR)
    volume, length = t["hair_volume"], t["hair_length"]
    grown = vector(0.012, 0.034 + 0.5 * volume, 0.030 + 0.3 * volume)
    parts.put(
        "crest", m.skull + vector(0, 0.022, -0.004), m.skull_radii * vector(0.16, 1, 1) + grown,
        colour, low=above(y=-0.25), high=below(z=0.80),
        present=t.chosen("hair_style", "mohawk") & ~hatted,
    )  # fmt: skip
    behind = m.skull[:, 2] - m.skull_radii[:, 2] - 0.039
    parts.put(
        "tail", vector(0, m.skull[:, 1] + m.skull_radii[:, 1] - 0.115 - 0.05 * length, behind),
        vector(0.045 + 0.5 * volume, 0.10 + 0.06 * length, 0.045), colour,
        rotation=rotation(x=0.22), present=t.chosen("hair_style", "ponytail"),
    )  # fmt: skip


def _put_cap(parts: PartsList, t: Traits, m: Measures, colour: Tensor) -> None:
    """What covers the skull, less what leaves the face free."""
    afro, side_part = (t.chosen("hair_style", style) for style in ("afro", "side_part"))
    framing, volume = t.chosen("hair_style", *COVERS_EARS), t["hair_volume"]
    thick = torch.where(t.chosen("hair_style", "buzz", "mohawk"), 0.006, volume)
    thick = torch.where(afro, 0.05 + 1.6 * volume, thick)
    thick = torch.where(t.chosen("hat", *HATS_OVER_HAIR), thick.clamp_max(0.013), thick)
    center = m.skull + vector(0, thick * 0.30, -thick * 0.35 - 0.004)
    radii = m.skull_radii + thick[:, None] * vector(0.80, 0.82, 0.75) + 0.004
    # the opening is round in hair that frames the face, else it goes right across the head
    opening = torch.where(
        framing[:, None],
        vector(m.skull_radii[:, 0] * 0.90, 0.175, 0.30),
        vector(0.5, 0.185, 0.232),
    )
    slant = t["parting"] * torch.where(side_part, 0.175, 0.042)
    middle = vector(0, m.hairline - opening[:, 1], AXIS + 0.20)
    end = (-0.088 - 0.02 * t["hair_length"] - center[:, 1]) / radii[:, 1]
    parts.put(
        "cap", center, radii, colour, cut=Cut(middle, opening, rotation(z=slant)),
        low=above(y=end - 0.25 * afro), present=~t.chosen("hair_style", "bald"),
    )  # fmt: skip


def _put_fall(parts: PartsList, t: Traits, m: Measures, colour: Tensor) -> None:
    """Hair that falls behind the face, and a lock at either side of it."""
    bob, falls = t.chosen("hair_style", "bob"), t.chosen("hair_style", *COVERS_EARS)
    volume, length = t["hair_volume"], t["hair_length"]
    end = torch.where(bob, -0.125 - 0.06 * length, -0.26 - 0.10 * length)
    top = m.skull[:, 1] + m.skull_radii[:, 1] + 0.7 * volume
    half = (top - end) / 1.72
    wide = m.skull_radii[:, 0] + volume * 0.85 + torch.where(bob, 0.010, 0.004)
    parts.put(
        "back", vector(0, top - half, AXIS - 0.050),
        vector(wide, half, m.skull_radii[:, 2] * 0.88 + volume * 0.5),
        palettes.shade(colour, -0.06), low=above(y=-0.72), high=below(z=0.55), present=falls,
        cut=Cut(vector(0, -0.14, AXIS + 0.145), vector(m.jaw_radii[:, 0] * 0.98, 0.24, 0.20)),
    )  # fmt: skip
    root = m.hairline - 0.03
    tip = torch.where(bob, end + 0.03, -0.17 - 0.08 * length)
    aside = m.skull_radii[:, 0] * 0.93 + 0.3 * volume
    for side, sign in SIDES:
        parts.put(
            f"lock_{side}", vector(sign * aside, (root + tip) / 2, AXIS + 0.025),
            vector(0.020 + 0.4 * volume, (root - tip) / 2 + 0.02, 0.052), colour,
            rotation=rotation(z=sign * 0.05), present=falls,
        )  # fmt: skip
