"""Photographs as an inverter needs them: square, of the size of the model's pictures."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.points import read_points
from nerfgan_cli.faces.shapes import five_of
from nerfgan_cli.media import Picture
from nerfgan_cli.photos import read_photo

SMALLEST = 1 / 4  # of the side of the model's pictures; less shows hardly anybody
# The ellipse of a face, from hairline to chin, in distances from the eyes to the mouth: of the mean
# face (section 3.2 of the reference) these are 0.67 units apart, and it is 1.5 units wide.
FACE_HALF_WIDTH, FACE_HALF_HEIGHT = 1.1, 1.4
FACE_CENTER = 0.43  # of the way from the eyes to the mouth
FACE_EDGE = 0.15  # over which the mask falls to 0, in radii


class View(NamedTuple):
    """A photograph, and where it was taken from."""

    target: Tensor  # [1, 3, H, H] in [-1, 1]
    camera: Camera  # one
    mask: Tensor | None = None  # [1, 1, H, H] in [0, 1], how much each pixel counts
    known: bool = True  # False: the camera is the frontal one, as nobody told it

    def to(self, device: torch.device) -> "View":
        mask = None if self.mask is None else self.mask.to(device)
        return View(self.target.to(device), self.camera.to(device), mask, self.known)


def read_square(path: Path, resolution: int) -> Picture:  # [H, H, 3]
    """A photograph that was cut to what a model draws."""
    pixels = read_photo(path)
    height, width, _ = pixels.shape
    if height != width:
        raise InputError(
            f"{path} is {width}×{height}, not square: nerfgan align cuts the head out of a "
            "photograph and finds its camera."
        )
    if height < SMALLEST * resolution:
        raise InputError(
            f"{path} is {width}×{height}, and this model draws {resolution}²: give a photograph "
            f"of at least {round(SMALLEST * resolution)} pixels a side."
        )
    if height == resolution:
        return pixels
    size = (resolution, resolution)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def read_mask(path: Path, resolution: int) -> Tensor:  # [1, 1, H, H] in [0, 1]
    """White counts, black does not."""
    grey = read_square(path, resolution).mean(axis=2, dtype=np.float32) / 255
    mask = torch.from_numpy(grey)[None, None]
    if not bool(mask.any()):
        raise InputError(f"{path} is black, so that no pixel would count: paint the head white.")
    return mask


def face_mask(record: Path, photo: Path, resolution: int) -> Tensor:  # [1, 1, H, H] in [0, 1]
    """An ellipse around the face, by the five points or landmarks that a JSON has of the photo."""
    points, world = read_points(record, photo.name)
    if world is not None:
        raise InputError(f"the points in {record} are not those of a face: give a mask instead.")
    left, right, _, mouth_left, mouth_right = five_of(points) if len(points) > 5 else points
    scale = resolution / len(read_photo(photo))
    eyes, mouth = (left + right) / 2 * scale, (mouth_left + mouth_right) / 2 * scale
    size = np.linalg.norm(mouth - eyes)
    down = (mouth - eyes) / max(size, 1e-6)
    rows, columns = np.indices((resolution, resolution)) + 0.5
    pixels = np.stack([columns, rows], axis=-1)
    place = (pixels - (eyes + FACE_CENTER * (mouth - eyes))) / max(size, 1e-6)
    along, across = place @ down, place @ np.array([-down[1], down[0]])
    radius = np.hypot(along / FACE_HALF_HEIGHT, across / FACE_HALF_WIDTH)
    mask = np.clip((1 + FACE_EDGE - radius) / FACE_EDGE, 0, 1).astype(np.float32)
    return torch.from_numpy(mask)[None, None]


def to_target(picture: Picture) -> Tensor:  # [H, H, 3] -> [1, 3, H, H] in [-1, 1]
    """The middle of what `media.to_pixels` turns into each value."""
    pixels = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    return (pixels - 127.5) / 127.5
