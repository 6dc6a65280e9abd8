"""Picture files: what may be one, what is wrong with one, and how any becomes RGB."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO, TypeAlias

from PIL import Image
from PIL.ImageFile import ImageFile

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"}
LARGEST = 1 << 26  # pixels, 8192²: more is a mistake or an attack on the memory
ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT_BY = {  # its values, and what to do
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F")

Colour: TypeAlias = tuple[int, int, int]

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Pillow's bound is above ours


class BadPictureError(Exception):
    """A file that is no usable picture; says what is wrong and what to do."""


def is_picture(name: str) -> bool:
    """By its name alone; ._NAME holds what macOS puts beside a file in a zip."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def open_picture(data: bytes | IO[bytes]) -> Image.Image:
    """The header of a picture; its pixels are decoded when they are needed."""
    try:
        image = Image.open(BytesIO(data) if isinstance(data, bytes) else data)
    except Image.DecompressionBombError as error:
        raise BadPictureError("it has more than 178 million pixels: shrink it") from error
    except Exception as error:  # damaged files make Pillow's readers fail in all sorts of ways
        raise BadPictureError(f"it is no picture ({_reason(error)}): replace it") from error
    if image.width * image.height > LARGEST:
        raise BadPictureError(f"it has {image.width}×{image.height} pixels: shrink it")
    return image


def decode(image: Image.Image) -> Image.Image:
    """Reads the pixels of an open picture."""
    try:
        image.load()
    except Exception as error:
        raise BadPictureError(f"it is damaged or cut off ({_reason(error)}): replace it") from error
    return image


def find_flaws(image: Image.Image) -> Iterator[str]:
    """What keeps an open picture from being 8-bit RGB, upright and square; by its header."""
    if image.mode in GREY_MODES:
        yield "it is grey: convert it to RGB"
    if has_alpha(image):
        yield "it has transparency (RGBA): put it on a background"
    if is_deep(image):
        yield "it has 16 or more bits per channel: convert it to 8"
    if image.mode == "CMYK":
        yield "it is CMYK: convert it to RGB"
    if image.mode == "P":
        yield "it has a palette: convert it to RGB"
    if orientation(image) != 1:
        yield f"EXIF says to turn it (orientation {orientation(image)}): turn its pixels instead"
    if image.width != image.height:
        yield f"it is {image.width}×{image.height}, not square: crop or pad it with its camera"


def has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info


def is_deep(image: Image.Image) -> bool:
    """Pillow shows 16-bit RGB as if it had 8; the raw mode of its tiles tells."""
    if isinstance(image, ImageFile) and any(";16" in str(tile[3]) for tile in image.tile):
        return True
    return image.mode.startswith(DEEP_MODES)


def orientation(image: Image.Image) -> int:
    """Of EXIF, as far as the header tells: 1 is upright; a damaged tag counts as none."""
    try:
        value = Image.Image.getexif(image).get(ORIENTATION, 1)  # that of PNG would decode it all
    except Exception:  # damaged metadata says nothing, whatever its reader raises
        return 1
    return value if value in UPRIGHT_BY else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height when turned as EXIF says."""
    turned = orientation(image) >= 5
    return (image.height, image.width) if turned else image.size


def to_rgb(image: Image.Image, background: Colour, heed_exif: bool = True) -> Image.Image:
    """Any open picture as 8-bit RGB, turned as EXIF says; the background shows through it."""
    turn = UPRIGHT_BY[orientation(image)] if heed_exif else None
    image = decode(image)
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    elif image.mode == "F":
        raise BadPictureError("it holds floating-point numbers: convert it to 8 bits")
    if has_alpha(image):
        image = image.convert("RGBA")
        below = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(below, image)
    image = image.convert("RGB")
    return image if turn is None else image.transpose(turn)


def _reason(error: Exception) -> str:
    """The first line of what Pillow said, without the buffer that it may quote."""
    text = str(error).partition("<")[0].strip().rstrip(":") or type(error).__name__
    return text.splitlines()[0][:80]
