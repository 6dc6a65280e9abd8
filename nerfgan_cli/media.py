"""Pictures: from a rendering to pixels, grids with captions, PNG files.

A picture is a uint8 array [H, W, 3]. Videos are in `encoder.py`.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import Rendering

Picture: TypeAlias = NDArray[np.uint8]

SHOWN = ("image", "raw", "depth")  # what of a rendering can be shown
GAP = 2  # pixels between the pictures of a grid
PAPER, INK = (255, 255, 255), (0, 0, 0)
LARGEST_FONT = 24


def to_pixels(image: Tensor) -> NDArray[np.uint8]:  # [B, 3, H, W] in [-1, 1] -> [B, H, W, 3]
    """As the EG3D release writes its pictures."""
    refuse_unfinite(bool(image.isfinite().all()))
    return to_bytes(image).cpu().numpy()


def to_bytes(image: Tensor) -> Tensor:  # [B, 3, H, W] in [-1, 1] -> [B, H, W, 3], uint8
    """127.5·x + 128, clamped and cut off to integers; where the image is, and nobody waits."""
    pixels = (image.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1)


def refuse_unfinite(finite: bool) -> None:
    if not finite:
        raise WeightsError(
            "this model drew values that are not finite: choose precision fp32, or other weights."
        )


def depth_to_image(depth: Tensor) -> Tensor:  # [B, 1, H, W] -> [B, 3, H, W] in [-1, 1]
    """Near is bright: 1 at the nearest point of each picture, −1 at its farthest."""
    nearest = depth.amin(dim=(2, 3), keepdim=True)
    farthest = depth.amax(dim=(2, 3), keepdim=True)
    span = (farthest - nearest).clamp(min=1e-8)
    return (1 - 2 * (depth - nearest) / span).expand(-1, 3, -1, -1)


def pictures_of(rendering: Rendering, what: str) -> NDArray[np.uint8]:  # [B, H, W, 3]
    """The part of a rendering that `what` names (`SHOWN`), as pixels."""
    if what == "image":
        return to_pixels(rendering.image)
    if what == "raw":
        return to_pixels(rendering.image_raw)
    if rendering.depth is None:
        raise UsageError("this model draws no depth: draw its image, or use a volumetric model.")
    return to_pixels(depth_to_image(rendering.depth))


def tile(pictures: Sequence[Picture], columns: int) -> Picture:
    """Pictures in rows, left to right; each cell is as large as the largest picture."""
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height, columns * width, 3), PAPER, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def captioned_grid(
    pictures: Iterable[Picture],  # all of one size
    captions: Sequence[str],
    columns: int,
    headings: Sequence[str] = (),  # of the rows, each across its row
) -> Picture:
    """A grid in which each picture has its caption above it; cells are as wide as either.

    Pictures go to their places as they come: only the sheet grows with their number.
    """
    stream = iter(pictures)
    first = next(stream)
    height, width, _ = first.shape
    font = _fitting_font(captions, width)
    head_font = _fitting_font(headings, columns * width)
    fits = width - 4, _longest(captions, font), _longest(headings, head_font) / columns
    cell = ceil(max(fits)) + 4
    whole = columns * (cell + GAP) - GAP
    strip = len(_caption("", font, cell))
    head = len(_caption("", head_font, whole)) if headings else 0
    pitch = head + strip + height + GAP  # from row to row
    rows = -(-len(captions) // columns)
    sheet = np.full((rows * pitch - GAP, whole, 3), PAPER, dtype=np.uint8)
    for row, heading in enumerate(headings):
        sheet[row * pitch :][:head] = _caption(heading, head_font, whole)
    for index, (picture, caption) in enumerate(zip(chain([first], stream), captions, strict=True)):
        top, left = index // columns * pitch + head, index % columns * (cell + GAP)
        sheet[top : top + strip, left : left + cell] = _caption(caption, font, cell)
        inset = left + (cell - width) // 2
        sheet[top + strip :, inset:][:height, :width] = picture
    return sheet


def enlarge(picture: Picture, height: int) -> Picture:
    """The picture at another height, bilinear, its proportions kept."""
    if picture.shape[0] == height:
        return picture
    width = round(picture.shape[1] * height / picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def write_png(picture: Picture, path: Path) -> None:
    """Writes a PNG, complete or not at all."""
    with replacing(path) as unfinished:
        Image.fromarray(picture).save(unfinished, format="PNG")


Font: TypeAlias = ImageFont.ImageFont | ImageFont.FreeTypeFont


def _fitting_font(captions: Sequence[str], width: int) -> Font:
    """Pillow's own font, as large as the widest caption allows."""
    for size in range(LARGEST_FONT, 7, -1):
        font = ImageFont.load_default(size)
        if _longest(captions, font) <= width - 4:
            return font
    return ImageFont.load_default(8)


def _longest(captions: Sequence[str], font: Font) -> float:  # in pixels
    return max((font.getlength(caption) for caption in captions), default=0)


def _caption(text: str, font: Font, width: int) -> Picture:
    _, top, _, bottom = font.getbbox("Agjy0-")
    strip = Image.new("RGB", (width, int(bottom - top) + 6), PAPER)
    ImageDraw.Draw(strip).text((width / 2, 3 - top), text, fill=INK, font=font, anchor="ma")
    return np.asarray(strip)
