"""The square that is cut out of a photograph (EG3D's preparation of FFHQ).

The photograph is resized so that a face unit has 300 pixels, 700 of them are kept around the face,
and these become the final picture: one face unit covers 300/700 of its side, whatever the photo.
The release fills what lies beyond the photograph with black, which ends up in an inversion as a
wedge; mirroring and blurring the picture there does not.
"""

from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nerfgan_cli.cameras import CameraPreset
from nerfgan_cli.data.ffhq_crop import CROP, LEAST_SCALE, TARGET, layout_of_points
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.shapes import Points

SIDE = 512  # of the final picture
BLUR = 0.06  # of the side: how far mirrored pixels are smeared; with less, eyes look back
FADE = 0.04  # of the side: where they are entirely blurred

Pixels = NDArray[np.uint8]


class Border(str, Enum):
    """What stands where the photograph ends."""

    reflect = "reflect"
    black = "black"


class Crop(NamedTuple):
    """A square of the resized photograph."""

    zoom: tuple[float, float]  # of the photograph's width and height
    left_top: tuple[int, int]  # in the resized photograph
    side: int
    scale: float | None = None  # pixels of the photograph per face unit, if five points gave it

    def to_crop(self, points: Points) -> Points:  # [..., 2]
        """From the photograph to the final picture, both in pixels from the top left corner."""
        moved: Points = (points * self.zoom - self.left_top) * (SIDE / self.side)
        return moved

    def to_photo(self, points: Points) -> Points:  # [..., 2]
        moved: Points = (points * (self.side / SIDE) + self.left_top) / self.zoom
        return moved

    def cut(self, photo: Pixels, border: Border) -> Pixels:  # [H, W, 3] -> [SIDE, SIDE, 3]
        """Bicubic to the resized photograph, Lanczos to the final picture, as the release does."""
        size = np.array([photo.shape[1], photo.shape[0]])
        limit = np.floor(size * self.zoom + 1e-6).astype(int)
        corner = np.array(self.left_top)
        start, end = corner.clip(min=0), (corner + self.side).clip(max=limit)
        if (end - start < 1).any():
            raise InputError("its points put the face outside the picture: correct them.")
        box = np.concatenate([start / self.zoom, np.minimum(end / self.zoom, size)]).tolist()
        image = Image.fromarray(photo)
        width, height = (end - start).tolist()
        seen = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=box))
        before, after = start - corner, corner + self.side - end
        margin = ((before[1], after[1]), (before[0], after[0]), (0, 0))
        square = fill(seen, margin, border) if (before > 0).any() or (after > 0).any() else seen
        final = Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return np.asarray(final)

    def to_json(self) -> dict[str, Any]:
        """Enough to paste a result back: photo = scale · crop + offset."""
        return {
            "side": SIDE,
            "resized_by": list(self.zoom),
            "left_top": list(self.left_top),
            "kept": self.side,
            "pixels_per_face_unit": self.scale,
            "to_photo": {
                "scale": [self.side / SIDE / zoom for zoom in self.zoom],
                "offset": self.to_photo(np.zeros(2)).tolist(),
            },
        }


def fill(seen: Pixels, margin: tuple[tuple[int, int], ...], border: Border) -> Pixels:
    """The picture with margins around it."""
    if border is Border.black:
        return np.pad(seen, margin)
    whole = np.pad(seen, margin, mode="symmetric")
    side = len(whole)
    rows, columns = (
        np.maximum(np.arange(side) - (low + length - 1), low - np.arange(side)).clip(min=0)
        for (low, _), length in zip(margin, seen.shape[:2], strict=False)
    )
    beyond = np.maximum(rows[:, None], columns)[:, :, None]  # pixels to the photograph
    weight = np.minimum(beyond / (FADE * side), 1)
    blurred = Image.fromarray(whole).filter(ImageFilter.GaussianBlur(BLUR * side))
    mixed = whole + weight * (np.asarray(blurred) - whole.astype(float))
    square: Pixels = mixed.round().astype(np.uint8)
    return square


def crop_of_five(points: Points, width: int, height: int) -> Crop:  # [5, 2]
    """EG3D's crop."""
    layout = layout_of_points(points, width, height)
    inset = (TARGET - CROP) // 2
    left, top = layout.left_top
    zoom = layout.resized[0] / width, layout.resized[1] / height
    return Crop(zoom, (left + inset, top + inset), CROP, layout.fit.scale)


def crop_of_world(points: Points, world: Points, preset: CameraPreset) -> Crop:  # [N, 2], [N, 3]
    """The square in which the preset's camera shows these points of the world so large.

    At the preset's distance, one unit of the world covers focal/radius of the side.
    """
    design = np.concatenate([world, np.ones((len(world), 1))], axis=1)
    if np.linalg.matrix_rank(design, tol=1e-3) < 4:
        raise InputError("its points lie in one plane of the world: give some off it.")
    solution = np.linalg.lstsq(design, points, rcond=None)[0]  # [4, 2]: weak perspective
    scale = float(np.linalg.norm(solution[:3], axis=0).mean())
    if not scale > LEAST_SCALE:
        raise InputError("its points are all one point: find them anew.")
    zoom = CROP / (scale * preset.radius / preset.focal)
    left, top = (solution[3] * zoom - CROP / 2).tolist()
    return Crop((zoom, zoom), (round(left), round(top)), CROP)


def central_crop(width: int, height: int) -> Crop:
    """The largest square in the middle."""
    side = min(width, height)
    return Crop((1.0, 1.0), ((width - side) // 2, (height - side) // 2), side)
