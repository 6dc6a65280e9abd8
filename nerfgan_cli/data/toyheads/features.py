"""Features painted on parts, as functions of the point alone: [K, 3] -> colours [K, 3].

Edges of what is painted are soft, a few thousandths of the box wide.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nerfgan_cli.data.toyheads import palettes
from nerfgan_cli.data.toyheads.looks import Looks
from nerfgan_cli.data.toyheads.measures import AXIS
from nerfgan_cli.data.toyheads.parts import NUMBER, SMOOTH, take_apart

EDGE = 0.002  # half the width of a painted edge
FRECKLES = (  # right and up from the middle of the cheek
    (0.2, 0.1), (0.5, 0.45), (0.75, 0.0), (0.4, -0.35), (0.95, 0.35), (1.1, -0.1), (0.7, -0.5),
)  # fmt: skip
TEETH, TONGUE = (0.97, 0.95, 0.91), (0.86, 0.42, 0.42)
PUPIL = (0.06, 0.05, 0.07)


def step(x: Tensor, width: float = EDGE) -> Tensor:
    """0 below 0, 1 above, softly."""
    place = (x / (2 * width) + 0.5).clamp(0, 1)
    return place * place * (3 - 2 * place)


def over(
    below: Tensor,  # [K, 3]
    colour: Tensor | tuple[float, ...],  # [K, 3] or one
    cover: Tensor,  # [K] in [0, 1]
) -> Tensor:
    if isinstance(colour, tuple):
        colour = below.new_tensor(colour)
    return below + (colour - below) * cover[:, None]


def is_part(part: Tensor, *slots: str) -> Tensor:  # [K] -> [K]
    found = torch.zeros_like(part, dtype=torch.bool)
    for slot in slots:
        found |= part == NUMBER[slot]
    return found


def skin(at: Looks, base: Tensor, x: Tensor, part: Tensor) -> Tensor:
    front = step(x[:, 2] - AXIS - 0.03, 0.02)
    smooth = (part < SMOOTH).float()
    red = base * base.new_tensor([1.02, 0.70, 0.68])
    to_cheek = torch.cat([x[:, :1].abs(), x[:, 1:]], dim=1) - at.cheek
    blush = torch.exp(-to_cheek.square().sum(dim=1) / 0.042**2) * (0.2 + 0.6 * at.blush)
    colour = over(base, red, blush * front)
    colour = over(colour, red, 0.22 * is_part(part, "nose", "wing_l", "wing_r"))
    colour = over(colour, red, 0.25 * is_part(part, "ear_l", "ear_r"))
    brown = base * base.new_tensor([0.72, 0.58, 0.52])
    colour = over(colour, brown, 0.6 * _freckles(at, x, to_cheek) * front)
    colour = over(colour, torch.lerp(base, at.hair, 0.5), 0.55 * _stubble(at, x) * smooth)
    return _mouth(at, colour, x, smooth * front)


def _freckles(at: Looks, x: Tensor, to_cheek: Tensor) -> Tensor:  # [K]
    cover = torch.zeros_like(x[:, 0])
    for right, up in FRECKLES:
        dx = to_cheek[:, 0] + at.cheek[:, 0] * 0.45 * (1 - right)
        dy = to_cheek[:, 1] - 0.022 * up - 0.008
        cover = cover + torch.exp(-(dx.square() + dy.square()) / 0.0032**2)
    return cover.clamp(0, 1) * at.freckles.sqrt()


def _stubble(at: Looks, x: Tensor) -> Tensor:  # [K]
    """A shadow over jaw and upper lip."""
    up = x[:, 1] - at.mouth_y - 0.026 - 0.5 * (x[:, 0].abs() - 0.05).clamp_min(0)
    return at.stubble * step(-up, 0.012) * step(x[:, 2] - AXIS + 0.02, 0.03)


def _mouth(at: Looks, below: Tensor, x: Tensor, face: Tensor) -> Tensor:
    """Lips about a line that smiles; teeth and tongue where they part."""
    across = (x[:, 0] / at.mouth_width).clamp(-1.3, 1.3)
    y = x[:, 1] - at.mouth_y - smile_height(at, across)
    full = (1 - across.square()).clamp_min(0)
    belly = full.sqrt()
    face = face * step(1 - across.abs(), 0.06)
    upper = 0.35 * at.mouth_open * belly
    lower = -at.mouth_open * belly * (0.6 + 0.4 * full)
    bow = 1 - 0.28 * torch.exp(-((across / 0.16) ** 2))  # Cupid's
    top = upper + 0.72 * at.lip_size * full * bow + 0.0006
    bottom = lower - at.lip_size * full - 0.0006
    colour = over(below, at.lip, step(top - y) * step(y - bottom) * face)
    line = 0.0013 + 0.0008 * belly
    inside = step(upper + line - y) * step(y - lower + line) * face
    colour = over(colour, at.lip * at.lip.new_tensor([0.42, 0.28, 0.30]), inside)
    inside = inside * (at.mouth_open / 0.006).clamp(0, 1)
    teeth = step(y - upper + 0.42 * at.mouth_open * belly) * step(upper - 0.0004 - y)
    colour = over(colour, TEETH, inside * teeth * step(0.86 - across.abs(), 0.05))
    tongue = step(lower + (0.45 - 0.35 * across.square()) * at.mouth_open - y)
    return over(colour, TONGUE, 0.9 * inside * tongue)


def smile_height(at: Looks, across: Tensor | float) -> Tensor:  # [K]
    """Of the line between the lips above the mouth's height; `across` is −1 ... 1."""
    return at.smile * at.mouth_width * 0.42 * (across**2 - 0.45)


def lid(at: Looks, base: Tensor, x: Tensor, rows: Tensor) -> Tensor:  # rows [K, ROW]
    """Skin with the lashes' line along its edge."""
    part = take_apart(rows)
    height = (part.matrix[:, 1] * (x - part.center)).sum(dim=1) - part.low[:, 1]
    line = step(0.05 + 0.16 * at.lashes - height, 0.05)
    shadow = base * base.new_tensor([0.93, 0.84, 0.82])
    return over(shadow, at.hair * 0.22 + 0.05, line * (0.35 + 0.65 * at.lashes))


def eye(at: Looks, base: Tensor, x: Tensor, part: Tensor) -> Tensor:
    """Iris and pupil about the gaze, with two lights that are painted too."""
    right = is_part(part, "eye_r")[:, None]
    center, gaze = torch.where(right, at.eye_r, at.eye_l), torch.where(right, at.gaze_r, at.gaze_l)
    out = normalize((x - center) / at.eye_radii, dim=1)
    angle = torch.arccos((out * gaze).sum(dim=1).clamp(-0.99999, 0.99999))
    up = ((out - gaze)[:, 1] / at.iris_size).clamp(-1, 1)
    colour = base * (1 - 0.16 * step(out[:, 1:2] - 0.35, 0.35))  # in the shade of the lid
    colour = over(colour, at.iris * 0.42, step(at.iris_size - angle, 0.035))
    bright = palettes.shade(at.iris, (0.10 - 0.42 * up)[:, None])
    colour = over(colour, bright, step(at.iris_size * 0.86 - angle, 0.06))
    colour = over(colour, PUPIL, step(at.pupil_size - angle, 0.04))
    for aside, above, size, strength in ((-0.20, 0.26, 0.15, 1.0), (0.20, -0.24, 0.07, 0.7)):
        spot = normalize(gaze + gaze.new_tensor([aside, above, 0]), dim=1)
        colour = over(
            colour, (1.0, 1.0, 1.0), strength * step(size - (out - spot).norm(dim=1), 0.04)
        )
    return colour


def hair(at: Looks, base: Tensor, x: Tensor, normal: Tensor) -> Tensor:
    """Broad locks about the crown, a sheen around it, deeper towards the neck."""
    around = torch.atan2(x[:, 0], x[:, 2] - at.skull[:, 2])
    off_crown = torch.hypot(x[:, 0], x[:, 2] - at.skull[:, 2])
    locks = torch.sin(15 * around + 40 * x[:, 1]) * (off_crown / 0.08).clamp(0, 1) * 0.045
    sheen = 0.12 * torch.exp(-(((normal[:, 1] - 0.62) / 0.16) ** 2))
    deep = 0.20 * step(at.skull[:, 1] - 0.02 - x[:, 1], 0.12)
    return palettes.shade(base, (sheen - deep + locks)[:, None])


def cloth(at: Looks, base: Tensor, x: Tensor, part: Tensor) -> Tensor:
    stripes = at.stripes * step(torch.sin(x[:, 1] * 2 * torch.pi / 0.042) * 0.006)
    yoke = at.yoke * step(0.125 - torch.hypot(x[:, 0], x[:, 2] - AXIS + 0.035), 0.003)
    return over(base, at.cloth_second, (stripes + yoke) * is_part(part, "body"))


def backdrop(base: Tensor, x: Tensor) -> Tensor:
    """Lighter behind the head, deeper towards the rim."""
    glow = torch.exp(-(x[:, 0].square() + (x[:, 1] - 0.05).square()) / 0.30**2)
    return palettes.shade(base, (0.30 * glow - 0.10)[:, None])
