"""Tufts of hair: the same few slots are curls, spikes, buns, a fringe, a sweep or a quiff.

Places on the skull are azimuths from the front and elevations, in radians.
"""

from math import pi, sin
from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads import palettes
from nerfgan_cli.data.toyheads.hair import HATS_OVER_HAIR
from nerfgan_cli.data.toyheads.measures import AXIS, Measures
from nerfgan_cli.data.toyheads.parts import (
    BLOBS,
    ELLIPSOID,
    PARABOLOID,
    Number,
    PartsList,
    above,
    rotation,
    vector,
)
from nerfgan_cli.data.toyheads.traits import Traits

CURLS = (
    (-0.55, 0.92), (0.10, 0.86), (0.70, 0.90), (-1.15, 0.62), (1.20, 0.62), (-1.75, 0.30),
    (1.80, 0.30), (-0.10, 1.35), (-2.3, 0.85), (2.3, 0.85), (pi, 1.0), (-2.45, 0.15), (2.45, 0.15),
    (pi, 0.20),
)  # fmt: skip
SPIKES = (
    (0.0, 0.86), (-0.70, 0.82), (0.70, 0.82), (-1.35, 0.72), (1.35, 0.72), (0.0, 1.45),
    (-2.1, 0.95), (2.1, 0.95), (pi, 0.85), (-2.0, 0.40), (2.0, 0.40), (-2.7, 0.35), (2.7, 0.35),
    (pi, 1.25),
)  # fmt: skip
FOREHEAD = range(2, 11)  # these slots are tufts over the forehead, from side to side
LOW = 0.5  # elevation up to which curls show below a hat


class Tuft(NamedTuple):
    center: Tensor  # [B, 3]
    radii: Tensor  # [B, 3]
    rotation: Tensor  # [B, 3, 3]
    present: Tensor  # [B]


def put_tufts(parts: PartsList, t: Traits, m: Measures, colour: Tensor) -> None:
    hatted = t.chosen("hat", *HATS_OVER_HAIR)
    spiky = t.chosen("hair_style", "spikes")
    quadric = torch.where(spiky[:, None], torch.tensor(PARABOLOID), torch.tensor(ELLIPSOID))
    for number in range(BLOBS):
        kinds = [_curl(t, m, number), _spike(t, m, number)]
        if number in FOREHEAD:
            kinds.append(_forelock(t, m, (number - FOREHEAD[0]) / 4 - 1))
        if number < 2:
            kinds.append(_bunch(t, m, number))
        tuft = _either(kinds)
        below_hat = t.chosen("hair_style", "pigtails") & (t["parting"] <= 0)
        if CURLS[number][1] < LOW:
            below_hat = below_hat | t.chosen("hair_style", "curls")
        parts.put(
            f"blob_{number}", tuft.center, tuft.radii,
            palettes.shade(colour, 0.05 * sin(1.7 * number)), rotation=tuft.rotation,
            quadric=quadric, low=above(y=torch.where(spiky, 0.0, above()[:, 1])),
            present=tuft.present & (~hatted | below_hat),
        )  # fmt: skip


def _curl(t: Traits, m: Measures, number: int) -> Tuft:
    size = 0.036 + 0.55 * t["hair_volume"] + 0.006 * sin(2.4 * number)
    center = _on_skull(m, *CURLS[number], 0.25 * t["hair_volume"])
    present = t.chosen("hair_style", "curls")
    return Tuft(center, vector(size, size, size), rotation(y=torch.zeros_like(size)), present)


def _spike(t: Traits, m: Measures, number: int) -> Tuft:
    azimuth, elevation = SPIKES[number]
    height = 0.062 + t["hair_volume"] + 0.02 * t["hair_length"]
    upright = torch.full_like(height, pi / 2 - elevation)
    return Tuft(
        _on_skull(m, azimuth, elevation, -0.012),
        vector(0.040, height, 0.040),
        rotation(x=upright, y=azimuth),
        t.chosen("hair_style", "spikes"),
    )


def _bunch(t: Traits, m: Measures, number: int) -> Tuft:
    """The bun (number 0), or one of two bunches: high ones, or pigtails by the ears."""
    bun = t.chosen("hair_style", "bun")
    high = t["parting"] > 0
    size = 0.045 + 0.02 * t["hair_length"] + 0.4 * t["hair_volume"]
    top = m.skull[:, 1] + m.skull_radii[:, 1]
    aside = (-1, 1)[number] * torch.where(high, 0.115, m.skull_radii[:, 0] + 0.055)
    back = AXIS - torch.where(high, 0.030, 0.045)
    center = vector(aside, torch.where(high, top - 0.015, -0.02), back)
    on_top = vector(0, top + 0.2 * size + t["hair_volume"], AXIS - 0.035)
    radii = vector(size * 0.8, torch.where(high, size * 0.85, size * 1.45), size * 0.8)
    present = t.chosen("hair_style", "pigtails") | (bun if number == 0 else False)
    return Tuft(
        torch.where(bun[:, None], on_top, center),
        torch.where(bun[:, None], vector(size, size * 0.92, size), radii),
        rotation(y=torch.zeros_like(size)),
        present,
    )


def _forelock(t: Traits, m: Measures, place: float) -> Tuft:  # −1 ... 1 across the forehead
    """It hangs in a fringe, sweeps from the parting to the other side, or rises in a quiff."""
    parting, volume = t["parting"], t["hair_volume"]
    hang = t.chosen("hair_style", "bob", "long", "pigtails", "short") & (parting.abs() < 0.6)
    quiff = t.chosen("hair_style", "quiff")
    sweep = t.chosen("hair_style", "side_part", "bob", "long", "short", "ponytail") & ~hang
    lean = torch.where(parting < 0, -1.0, 1.0)
    along = torch.where(sweep, place * lean, place)
    fan = (along + 1) / 2  # of a sweep, from the parting's side to the other
    wave = 0.04 * sin(2.2 * (4 * place + 6))
    edge, hem = (
        ((y - m.skull[:, 1]) / m.skull_radii[:, 1]).clamp(-0.2, 0.9).asin()
        for y in (m.hairline, m.brow_y + 0.004)
    )
    fall = torch.where(t.chosen("hair_style", "short"), 0.45 * hem + 0.55 * edge, hem)
    hanging = (0.75 * along, edge + 0.40, 0.95 * along, fall + 0.7 * wave + 0.05 * place**2)
    sweeping = (
        lean * (0.62 - 0.30 * fan), edge + 0.42 - 0.04 * fan,
        lean * (0.85 - 1.85 * fan), edge - 0.06 - 0.20 * fan.square() + wave,
    )  # fmt: skip
    rising = (
        0.58 * along, edge + 0.06 + wave, 0.70 * along + 0.30 * lean, edge + 0.50 - 3 * wave,
    )  # fmt: skip
    azimuth, elevation, tip_azimuth, tip_elevation = (
        torch.where(quiff, a, torch.where(sweep, b, c))
        for a, b, c in zip(rising, sweeping, hanging, strict=True)
    )
    root = _on_skull(m, azimuth, elevation, 0.35 * volume)
    tip = _on_skull(m, tip_azimuth, tip_elevation, torch.where(quiff, 0.014 + 0.8 * volume, 0.004))
    return Tuft(*_between(m, root, tip, volume, quiff, sweep), hang | quiff | sweep)


def _between(
    m: Measures, root: Tensor, tip: Tensor, volume: Tensor, quiff: Tensor, sweep: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Centre, radii and axes of a tuft that lies on the skull between two points of it."""
    middle, way = (root + tip) / 2, tip - root
    half = way.norm(dim=1) / 2
    y = torch.nn.functional.normalize(way, dim=1)
    out = torch.nn.functional.normalize((middle - m.skull) / m.skull_radii.square(), dim=1)
    x = torch.nn.functional.normalize(torch.linalg.cross(y, out), dim=1)
    bulge = half * torch.where(quiff, 0.24, 0.14)
    width = torch.where(quiff, 0.034, torch.where(sweep, 0.029, 0.024))
    return (
        middle + out * bulge[:, None],
        vector(width, half * 1.16 + 0.004, 0.012 + 0.4 * volume + 0.012 * quiff),
        torch.stack([x, y, torch.linalg.cross(x, y)], dim=2),
    )


def _either(kinds: list[Tuft]) -> Tuft:
    """Of each head the one that is present."""
    chosen = kinds[0]
    for kind in kinds[1:]:
        here = kind.present
        chosen = Tuft(
            torch.where(here[:, None], kind.center, chosen.center),
            torch.where(here[:, None], kind.radii, chosen.radii),
            torch.where(here[:, None, None], kind.rotation, chosen.rotation),
            here | chosen.present,
        )
    return chosen


def _on_skull(m: Measures, azimuth: Number, elevation: Number, lift: Number) -> Tensor:  # [B, 3]
    azimuth, elevation = torch.as_tensor(azimuth), torch.as_tensor(elevation)
    flat = elevation.cos()
    direction = vector(azimuth.sin() * flat, elevation.sin(), azimuth.cos() * flat)
    lifted = m.skull_radii + torch.as_tensor(lift).reshape(-1, 1)
    return m.skull + vector(0, 0.005, -0.006) + direction * lifted
