"""What is painted on heads: colours, and where features are."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads import palettes
from nerfgan_cli.data.toyheads.measures import SIDES, Measures
from nerfgan_cli.data.toyheads.parts import rotation, vector
from nerfgan_cli.data.toyheads.traits import Traits

SQUINT = 0.09  # the eyes look apart: their visible parts face outwards
OPENING = 0.022  # of the widest mouth


@dataclass(frozen=True, eq=False)
class Looks:
    """Of B heads: [B], or [B, 3] for colours in [0, 1], points and directions."""

    skin: Tensor
    hair: Tensor
    cloth: Tensor
    cloth_second: Tensor
    stripes: Tensor  # 0 or 1, as the yoke
    yoke: Tensor
    backdrop: Tensor
    light: Tensor  # unit, towards the light
    skull: Tensor  # centre
    cheek: Tensor  # centre of the blush, right
    blush: Tensor
    freckles: Tensor
    stubble: Tensor  # 0 or 1
    eye_l: Tensor  # centre
    eye_r: Tensor
    eye_radii: Tensor
    gaze_l: Tensor  # unit
    gaze_r: Tensor
    iris: Tensor
    iris_size: Tensor  # radians, as the pupil's
    pupil_size: Tensor
    lashes: Tensor
    lip: Tensor
    lip_size: Tensor
    mouth_y: Tensor
    mouth_width: Tensor  # half
    smile: Tensor
    mouth_open: Tensor  # height of the opening

    def to(self, device: torch.device) -> "Looks":
        return Looks(*(getattr(self, field.name).to(device) for field in fields(self)))

    def at(self, head: Tensor) -> "Looks":  # [K], indices of heads
        """One for each of a list."""
        values = [getattr(self, field.name) for field in fields(self)]
        flat = [value.reshape(len(value), -1) for value in values]
        gathered = torch.cat(flat, dim=1).index_select(0, head)
        pieces = torch.split(gathered, [value.shape[1] for value in flat], dim=1)
        return Looks(
            *(
                piece.reshape(len(head), *value.shape[1:])
                for piece, value in zip(pieces, values, strict=True)
            )
        )


def looks_of(t: Traits, m: Measures) -> Looks:
    skin = palettes.path(palettes.SKIN, t["skin"])
    skin = (skin * (1 + t["skin_warmth"][:, None] * vector(0.03, -0.005, -0.05))).clamp(0, 1)
    hair = palettes.pick(palettes.HAIR, t["hair_colour"])
    backdrop = palettes.path(palettes.BACKDROP, t["backdrop_colour"])
    lip = palettes.pick(palettes.LIPS, t["lip_colour"]) * (0.55 + 0.45 * skin[:, :1])
    gaze_l, gaze_r = (
        rotation(x=-t["gaze_y"], y=t["gaze_x"] + sign * SQUINT)[:, :, 2] for _, sign in SIDES
    )
    cheek_x, cheek_y = m.jaw_radii[:, 0] * 0.68, m.nose[:, 1] - 0.012
    return Looks(
        skin=skin,
        hair=palettes.shade(hair, 0.10 * t["hair_shade"][:, None]),
        cloth=palettes.path(palettes.CLOTH, t["cloth_colour"]),
        cloth_second=palettes.path(palettes.CLOTH_SECOND, t["cloth_colour"]),
        stripes=t.chosen("cloth_pattern", "stripes").float(),
        yoke=t.chosen("cloth_pattern", "yoke").float(),
        backdrop=palettes.shade(backdrop, 0.12 * t["backdrop_shade"][:, None] - 0.06),
        light=torch.nn.functional.normalize(vector(0.9 * t["light_x"], t["light_y"], 0.85), dim=1),
        skull=m.skull,
        cheek=vector(cheek_x, cheek_y, m.front(cheek_x * 0.9, cheek_y)),
        blush=t["blush"],
        freckles=t["freckles"].clamp_min(0),
        stubble=t.chosen("beard", "stubble").float(),
        eye_l=m.eye_l,
        eye_r=m.eye_r,
        eye_radii=m.eye_radii,
        gaze_l=gaze_l,
        gaze_r=gaze_r,
        iris=palettes.path(palettes.EYES, t["eye_colour"]),
        iris_size=t["iris_size"],
        pupil_size=t["iris_size"] * t["pupil_size"],
        lashes=t["lashes"],
        lip=torch.lerp(skin * vector(0.80, 0.52, 0.50), lip, 0.55),
        lip_size=t["lips"],
        mouth_y=m.mouth[:, 1],
        mouth_width=t["mouth_width"],
        smile=t["smile"],
        mouth_open=OPENING * t["mouth_open"].clamp_min(0) * (0.6 + 0.4 * t["smile"].clamp_min(0)),
    )
