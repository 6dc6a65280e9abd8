"""Where things are on a head: what its parts, and what it wears, are cut to."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads.parts import vector
from nerfgan_cli.data.toyheads.traits import Traits

AXIS = 0.085  # z of the neck: the cameras' pivot is then within the face, as with FFHQ
TOP = 0.206  # y of the skull's top
SIDES = (("l", -1.0), ("r", 1.0))  # as the viewer of a frontal face sees them


@dataclass(frozen=True)
class Bones:
    """Three ellipsoids: centres and radii, [B, 3]."""

    skull: Tensor
    skull_radii: Tensor
    jaw: Tensor
    jaw_radii: Tensor
    chin: Tensor
    chin_radii: Tensor

    def front(self, x: Tensor, y: Tensor) -> Tensor:  # [B], [B] -> [B]
        """z of their foremost surface; −1 beside them."""
        bones = [
            (self.skull, self.skull_radii),
            (self.jaw, self.jaw_radii),
            (self.chin, self.chin_radii),
        ]
        return torch.stack([_front(*bone, x, y) for bone in bones]).amax(dim=0)

    def side(self, y: Tensor, z: Tensor) -> Tensor:  # [B], [B] -> [B]
        """|x| of the skull."""
        place = ((y - self.skull[:, 1]) / self.skull_radii[:, 1]) ** 2
        place = place + ((z - self.skull[:, 2]) / self.skull_radii[:, 2]) ** 2
        return self.skull_radii[:, 0] * (1 - place).clamp_min(0.05).sqrt()


@dataclass(frozen=True)
class Measures(Bones):
    """And the face: [B], or [B, 3] for points and radii."""

    eye_l: Tensor  # centres
    eye_r: Tensor
    eye_radii: Tensor
    nose: Tensor  # centre of its tip
    nose_radii: Tensor
    mouth: Tensor  # the middle between the lips, on the skin
    brow_y: Tensor
    hairline: Tensor  # y
    chin_y: Tensor


def measure(t: Traits) -> Measures:
    bones = _bones(t)
    nothing, size = torch.zeros_like(t["eye_size"]), t["eye_size"]
    eye_x, eye_y = size * (1.08 + t["eye_gap"] / 2), t["eye_height"]
    eye_radii = vector(size, size * t["eye_aspect"], size * 0.92)
    eye_z = bones.front(eye_x * 1.1, eye_y) - size * 0.42
    brow_y = eye_y + eye_radii[:, 1] + t["brow_height"] + t["brow_weight"] * 0.6
    wide = t["nose_width"]
    nose_radii = vector(wide, wide * 0.88, wide * 1.02 + 0.004)
    nose_y = eye_y - t["nose_length"] - 0.012
    nose_z = bones.front(nothing, nose_y) + t["nose_reach"] - 0.3 * nose_radii[:, 2]
    chin_y = -t["jaw_drop"]
    mouth_y = torch.lerp(nose_y - nose_radii[:, 1], chin_y, t["mouth_height"])
    return Measures(
        **vars(bones),
        eye_l=vector(-eye_x, eye_y, eye_z),
        eye_r=vector(eye_x, eye_y, eye_z),
        eye_radii=eye_radii,
        nose=vector(nothing, nose_y, nose_z),
        nose_radii=nose_radii,
        mouth=vector(nothing, mouth_y, bones.front(nothing, mouth_y)),
        brow_y=brow_y,
        hairline=torch.maximum(0.098 + t["hairline"], brow_y + 0.022),
        chin_y=chin_y,
    )


def _bones(t: Traits) -> Bones:
    width, height, chin_y = t["head_width"], t["head_height"], -t["jaw_drop"]
    jaw_width = width * t["jaw_width"]
    return Bones(
        skull=vector(0, TOP - height, AXIS - 0.012).expand(len(width), 3),
        skull_radii=vector(width, height, t["head_depth"]),
        jaw=vector(0, chin_y + 0.112, AXIS + 0.020),
        jaw_radii=vector(jaw_width, 0.105, 0.122),
        chin=vector(0, chin_y + 0.042, AXIS + 0.072),
        chin_radii=vector(jaw_width * t["chin"], 0.042, 0.050),
    )


def _front(center: Tensor, radii: Tensor, x: Tensor, y: Tensor) -> Tensor:  # [B]
    place = ((x - center[:, 0]) / radii[:, 0]) ** 2 + ((y - center[:, 1]) / radii[:, 1]) ** 2
    z = center[:, 2] + radii[:, 2] * (1 - place).clamp_min(0).sqrt()
    return torch.where(place < 1, z, -1.0)
