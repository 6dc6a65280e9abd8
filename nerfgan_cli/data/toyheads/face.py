"""The face: skull, jaw, nose, ears, eyes and brows, and the neck."""

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads import palettes
from nerfgan_cli.data.toyheads.measures import AXIS, SIDES, Measures
from nerfgan_cli.data.toyheads.parts import CYLINDER, Cut, PartsList, above, below, rotation, vector
from nerfgan_cli.data.toyheads.traits import Traits

COVERS_EARS = ("bob", "long")  # styles of hair
EYE_WHITE = (0.98, 0.975, 0.965)


def put_face(parts: PartsList, t: Traits, m: Measures, skin: Tensor, hair: Tensor) -> None:
    parts.put("skull", m.skull, m.skull_radii, skin)
    parts.put("jaw", m.jaw, m.jaw_radii, skin)
    parts.put("chin", m.chin, m.chin_radii, skin)
    cheek = t["cheeks"]
    cheek_x, cheek_y = 0.50 * m.jaw_radii[:, 0], 0.75 * m.nose[:, 1] + 0.25 * m.mouth[:, 1]
    cheek_z = m.front(cheek_x, cheek_y) - cheek * 0.88
    for side, sign in SIDES:
        parts.put(
            f"cheek_{side}",
            vector(sign * cheek_x, cheek_y, cheek_z),
            vector(cheek, cheek, cheek),
            skin,
        )
    parts.put(
        "neck", vector(0, -0.24, AXIS - 0.030),
        vector(t["neck_width"], 0.12, t["neck_width"] * 0.95), skin,
        quadric=CYLINDER,
    )  # fmt: skip
    _put_nose(parts, t, m, skin)
    _put_ears(parts, t, m, skin)
    _put_eyes(parts, t, m, skin)
    _put_brows(parts, t, m, palettes.shade(hair, -0.25))


def _put_nose(parts: PartsList, t: Traits, m: Measures, skin: Tensor) -> None:
    width, tip = m.nose_radii[:, 0], m.nose
    top_y = m.eye_l[:, 1] + 0.006
    top_z = m.front(torch.zeros_like(top_y), top_y) - 0.004
    # a ridge from between the eyes to the tip
    rise, run = tip[:, 2] - top_z, top_y - tip[:, 1]
    length = torch.hypot(rise, run)
    parts.put(
        "bridge",
        vector(0, (top_y + tip[:, 1]) / 2, (top_z + tip[:, 2]) / 2 - 0.003),
        vector(width * 0.62, length * 0.72, 0.017), skin,
        rotation=rotation(x=-torch.atan2(rise, run)),
    )  # fmt: skip
    parts.put("nose", tip, m.nose_radii, skin, rotation=rotation(x=-t["nose_tip"]))
    for side, sign in SIDES:
        parts.put(
            f"wing_{side}",
            tip + vector(sign * width * 0.82, -0.003 - 0.006 * t["nose_tip"], -0.45 * width),
            vector(width * 0.50, width * 0.46, width * 0.62), skin,
        )  # fmt: skip


def _put_ears(parts: PartsList, t: Traits, m: Measures, skin: Tensor) -> None:
    size, angle = t["ear_size"], t["ear_angle"]
    y, z = m.eye_l[:, 1] - 0.018, torch.full_like(size, AXIS - 0.004)
    tucked = t.chosen("hair_style", *COVERS_EARS)
    x = m.side(y, z) + size * torch.where(tucked, 0.0, 0.22 + 0.30 * angle)
    for side, sign in SIDES:
        turn = rotation(y=sign * (1.45 - 0.5 * angle), z=-sign * 0.12)
        center = vector(sign * x, y, z)
        out = turn[:, :, 2]  # away from the head, forward
        parts.put(
            f"ear_{side}", center, vector(size * 0.66, size, size * 0.30), skin,
            rotation=turn,
            cut=Cut(
                center + out * (size * 0.34)[:, None],
                vector(size * 0.42, size * 0.68, size * 0.22), turn,
            ),
        )  # fmt: skip


def _put_eyes(parts: PartsList, t: Traits, m: Measures, skin: Tensor) -> None:
    for side, sign in SIDES:
        center = m.eye_l if side == "l" else m.eye_r
        turn, upper, lower = (
            rotation(x=nod, y=0.16 * sign, z=sign * t["eye_slant"]) for nod in (0.0, 0.28, -0.12)
        )
        parts.put(f"eye_{side}", center, m.eye_radii, vector(*EYE_WHITE), rotation=turn)
        parts.put(
            f"lid_{side}", center, m.eye_radii * 1.085, skin, rotation=upper,
            low=above(y=0.86 - t["upper_lid"]),
        )  # fmt: skip
        parts.put(
            f"low_lid_{side}", center, m.eye_radii * 1.06, skin, rotation=lower,
            high=below(y=-t["lower_lid"]),
        )  # fmt: skip


def _put_brows(parts: PartsList, t: Traits, m: Measures, hair: Tensor) -> None:
    """Crescents: an ellipsoid less one that hangs below it."""
    length, weight, arch = t["brow_length"] * t["eye_size"], t["brow_weight"], t["brow_arch"]
    x = m.eye_r[:, 0] * 1.06
    inner, outer = (m.front(x + step * length, m.brow_y) for step in (-0.7, 0.7))
    slope = torch.atan2(inner - outer, 1.4 * length)
    z = torch.maximum((inner + outer) / 2, m.front(x, m.brow_y)) - 0.2 * weight
    for side, sign in SIDES:
        center = vector(sign * x, m.brow_y, z)
        turn = rotation(x=-0.2, y=sign * slope, z=sign * t["brow_tilt"])
        hanging = center - turn[:, :, 1] * (weight * (1.9 - 0.8 * arch))[:, None]
        parts.put(
            f"brow_{side}", center, vector(length, weight, 0.013), hair, rotation=turn,
            cut=Cut(hanging, vector(length * 1.02, weight * (1.35 - 0.25 * arch), 0.06), turn),
        )  # fmt: skip
