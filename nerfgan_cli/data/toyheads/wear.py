"""Clothes, glasses, hats, and the backdrop."""

from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads import palettes
from nerfgan_cli.data.toyheads.measures import AXIS, SIDES, Measures
from nerfgan_cli.data.toyheads.parts import (
    BOX,
    CYLINDER,
    Cut,
    PartsList,
    above,
    below,
    rotation,
    vector,
)
from nerfgan_cli.data.toyheads.traits import Traits

# A niche: the rear of the box less an ellipsoid. It fills the picture of every camera within
# 0.67 of yaw and 0.35 of pitch, and hides the head from none of these.
BACKDROP_FRONT = 0.26  # the z at which it ends
BACKDROP_RADII = (0.50, 0.58, 0.70)
HATS = ("beanie", "cap", "brim", "headband")
DARK_GLASS = (0.10, 0.11, 0.15)


def put_clothes(parts: PartsList, t: Traits, cloth: Tensor) -> None:
    parts.put(
        "body", vector(0, -0.405, AXIS - 0.035), vector(t["shoulders"], 0.165, 0.13), cloth,
        low=above(y=-0.55),
    )  # fmt: skip
    neck = t["neck_width"]
    parts.put(
        "collar", vector(0, -0.246, AXIS - 0.030), vector(neck + 0.018, 0.026, neck + 0.014),
        palettes.shade(cloth, -0.18), present=~t.chosen("cloth_pattern", "plain"),
    )  # fmt: skip


def put_glasses(parts: PartsList, t: Traits, m: Measures) -> None:
    worn, sun = ~t.chosen("glasses", "none"), t.chosen("glasses", "sun")
    colour = palettes.pick(palettes.GLASSES, t["glasses_colour"])
    radius = t["glasses_size"] * m.eye_r[:, 0]
    tall = radius * torch.where(t.chosen("glasses", "square"), 0.80, 1.0)
    x, y = m.eye_r[:, 0] * 1.02, m.eye_r[:, 1] - 0.002
    z = torch.maximum(m.eye_r[:, 2] + m.eye_radii[:, 2] * 1.12, m.nose[:, 2] - 0.004)
    ear_x = m.side(y, torch.full_like(y, AXIS - 0.02)) + 0.006
    for side, sign in SIDES:
        turn = rotation(y=sign * 0.14) @ rotation(x=torch.pi / 2)  # a cylinder along z
        center = vector(sign * x, y, z)
        parts.put(
            f"rim_{side}", center, vector(radius, 0.0055, tall), colour,
            rotation=turn, quadric=CYLINDER, present=worn,
            cut=Cut(center, vector(radius - 0.0065, 1, tall - 0.0065), turn, CYLINDER),
        )  # fmt: skip
        parts.put(
            f"lens_{side}", center, vector(radius - 0.004, 0.003, tall - 0.004),
            vector(*DARK_GLASS), rotation=turn, quadric=CYLINDER, present=sun,
        )  # fmt: skip
        hinge = vector(sign * (x + radius * 0.97), y + 0.008, z - 0.006)
        ear = vector(sign * ear_x, y + 0.010, AXIS - 0.02)
        along = ear - hinge
        parts.put(
            f"temple_{side}", (hinge + ear) / 2, vector(0.0045, 0.0045, along.norm(dim=1) / 2),
            colour, rotation=rotation(y=torch.atan2(along[:, 0], along[:, 2])), quadric=BOX,
            present=worn,
        )  # fmt: skip
    parts.put(
        "nose_bar", vector(0, y + 0.008, z + 0.003), vector(x - radius + 0.004, 0.0042, 0.0045),
        colour, quadric=BOX, present=worn,
    )  # fmt: skip


class Hat(NamedTuple):
    edge: Tensor  # [B], y
    center: Tensor  # [B, 3], of the crown
    radii: Tensor  # [B, 3]
    trim: Tensor  # [B, 3], colour


def put_hat(parts: PartsList, t: Traits, m: Measures) -> None:
    beanie, cap, brim, headband = (t.chosen("hat", hat) for hat in HATS)
    colour, size = palettes.path(palettes.HATS, t["hat_colour"]), t["hat_size"]
    trim = palettes.shade(colour, -0.28)
    edge = torch.maximum(m.hairline - 0.006, m.brow_y + 0.012)  # y
    high = torch.where(beanie, 0.030 + 0.045 * size, torch.where(brim, 0.045 + 0.02 * size, 0.026))
    center, radii = m.skull + vector(0, 0.012, -0.006), m.skull_radii + vector(0.022, high, 0.022)
    at_edge = (edge - center[:, 1]) / radii[:, 1]
    parts.put(
        "crown", center, radii, colour, low=above(y=at_edge),
        high=below(y=torch.where(brim, 0.86, below()[:, 1])), present=beanie | cap | brim,
    )  # fmt: skip
    parts.put(
        "bobble", vector(0, center[:, 1] + radii[:, 1] + 0.008, center[:, 2]),
        vector(1, 1, 1) * torch.where(beanie, 0.032, 0.010)[:, None], palettes.shade(colour, 0.45),
        present=(beanie & (size > 0.4)) | cap,
    )  # fmt: skip
    wide, deep = ((1 - at_edge.square()).sqrt() * radii[:, axis] for axis in (0, 2))
    disc = vector(radii[:, 0] + 0.065 + 0.03 * size, 0.010, radii[:, 2] + 0.055 + 0.03 * size)
    peak = vector(wide * 0.88, 0.008, deep * 0.38 + 0.085 + 0.02 * size)
    parts.put(
        "visor", vector(0, edge + 0.005, center[:, 2] + cap * deep * 0.62),
        torch.where(cap[:, None], peak, disc), torch.where(cap[:, None], trim, colour),
        rotation=rotation(x=torch.where(cap, 0.10, 0.0)), present=cap | brim,
    )  # fmt: skip
    _put_band(parts, t, m, Hat(edge, center, radii, torch.where(headband[:, None], colour, trim)))


def _put_band(parts: PartsList, t: Traits, m: Measures, hat: Hat) -> None:
    """Around a hat above its edge, or around the hair."""
    beanie, headband = t.chosen("hat", "beanie"), t.chosen("hat", "headband")
    center = hat.center
    bare = t.chosen("hair_style", "bald", "buzz", "mohawk")
    hair = m.skull_radii + torch.where(bare, 0.006, 0.006 + 0.85 * t["hair_volume"])[:, None]
    radii = torch.where(headband[:, None], hair, hat.radii)
    y = torch.where(headband, m.hairline + 0.030, hat.edge + 0.017)
    ring = (1 - ((y - center[:, 1]) / radii[:, 1]).clamp(-0.95, 0.95).square()).sqrt()
    thick = torch.where(beanie, 0.010, 0.004)
    tall = torch.where(beanie, 0.024, torch.where(headband, 0.011, 0.014))
    parts.put(
        "band", vector(0, y, center[:, 2]),
        vector(radii[:, 0] * ring + thick, tall, radii[:, 2] * ring + thick), hat.trim,
        quadric=CYLINDER, present=t.chosen("hat", "beanie", "brim", "headband"),
    )  # fmt: skip


def put_backdrop(parts: PartsList, colour: Tensor) -> None:
    parts.put(
        "backdrop", vector(0, 0, 0), vector(0.5, 0.5, 0.5), colour, quadric=BOX,
        low=vector(-1, -1, -1), high=vector(1, 1, 2 * BACKDROP_FRONT),
        cut=Cut(vector(0, 0, BACKDROP_FRONT), vector(*BACKDROP_RADII)),
    )  # fmt: skip
