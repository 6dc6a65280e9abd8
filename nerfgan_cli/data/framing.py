"""Cutting a square picture out of any picture, and what that does to its camera."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nerfgan_cli.cameras import CENTER_RANGE, Camera, angles_from_pose
from nerfgan_cli.data.pictures import Colour
from nerfgan_cli.data.views import Matrix, Units, View

TURNS = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)
CLOCKWISE = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
CENTER_SLACK = 0.01  # inside the bounds that `find_problems` sets


class Framing(NamedTuple):
    """Turn clockwise by quarters, then cut out a square, which may reach beyond the picture."""

    turns: int
    left: float  # of the turned picture, in pixels
    top: float
    side: float

    def apply(self, image: Image.Image, resolution: int, fill: Colour | None) -> Image.Image:
        """The square picture; `fill` is put beyond the edges, None mirrors the picture there."""
        turn = TURNS[self.turns]
        if turn is not None:
            image = image.transpose(turn)
        left, top = self.left, self.top
        margin = -np.floor(
            [left, top, image.width - left - self.side, image.height - top - self.side]
        ).astype(int)
        if (margin > 0).any():
            image = extend(image, margin.clip(min=0).tolist(), fill)
            left, top = left + max(margin[0], 0), top + max(margin[1], 0)
        box = (left, top, left + self.side, top + self.side)
        return image.resize((resolution, resolution), Image.Resampling.LANCZOS, box=box)


def extend(image: Image.Image, margin: list[int], fill: Colour | None) -> Image.Image:
    """A larger picture with this one in it; margins are left, top, right, bottom."""
    left, top, right, bottom = margin
    if fill is None:
        sides = ((top, bottom), (left, right), (0, 0))
        return Image.fromarray(np.pad(np.asarray(image), sides, mode="symmetric"))
    size = (image.width + left + right, image.height + top + bottom)
    larger = Image.new("RGB", size, fill)
    larger.paste(image, (left, top))
    return larger


def frame(view: View, width: int, height: int, upright: bool, crop: bool) -> tuple[Framing, Tensor]:
    """How to cut a square out of a picture, and the label [25] of the result.

    `upright` turns the picture by quarters until the world's up is up. `crop` takes the largest
    square, as near to the world's origin as the picture and its principal point allow; else the
    smallest square around the picture.
    """
    pose = torch.from_numpy(view.cam2world)
    turns = round(float(angles_from_pose(pose[None])[2]) / (np.pi / 2)) % 4 if upright else 0
    intrinsics = None if view.units is Units.final else view.pixel_intrinsics(width, height)
    for _ in range(turns):
        pose = pose @ torch.from_numpy(CLOCKWISE)
        if intrinsics is not None:
            intrinsics = turn_intrinsics(intrinsics, height)
        width, height = height, width
    side = min(width, height) if crop else max(width, height)
    if intrinsics is None:  # of the final picture, whichever part that is
        left, top, final = (width - side) // 2, (height - side) // 2, view.intrinsics
    else:
        aim = project_origin(pose.numpy(), intrinsics) if crop else (width / 2, height / 2)
        left = place(aim[0], intrinsics[0, 2], side, width)
        top = place(aim[1], intrinsics[1, 2], side, height)
        shift = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]])
        final = np.diag([1 / side, 1 / side, 1]) @ shift @ intrinsics
    camera = Camera(pose[None].float(), torch.from_numpy(final)[None].float())
    return Framing(turns, left, top, side), camera.label[0]


def turn_intrinsics(intrinsics: Matrix, height: int) -> Matrix:  # [3, 3], pixels
    """Of a picture of this height after a quarter turn clockwise: x' = height − y, y' = x."""
    turn = np.array([[0.0, -1, height], [1, 0, 0], [0, 0, 1]])
    turned: Matrix = turn @ intrinsics @ CLOCKWISE[:3, :3]
    return turned


def project_origin(cam2world: Matrix, intrinsics: Matrix) -> tuple[float, float]:
    """Where the world's origin appears, in pixels."""
    x, y, depth = intrinsics @ (cam2world[:3, :3].T @ -cam2world[:3, 3])
    return (x / depth, y / depth) if depth > 0 else (intrinsics[0, 2], intrinsics[1, 2])


def place(aim: float, center: float, side: int, length: int) -> int:
    """Start of a stretch of `side` around `aim`; the principal point stays near its middle."""
    if side >= length:
        return -((side - length) // 2)
    least, most = (bound * side for bound in CENTER_RANGE)
    slack = CENTER_SLACK * side
    start = min(max(aim - side / 2, center - most + slack), center - least - slack)
    return round(min(max(start, 0), length - side))
