"""Anybody's photograph as pixels: turned as its EXIF says, 8-bit RGB, of a bounded size."""

from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.data.pictures import BadPictureError, Colour, open_picture, to_rgb
from nerfgan_cli.errors import InputError

SMALLEST = 16  # pixels of the shorter side: less shows nobody and nothing
HEIC = (".heic", ".heif")  # as telephones store photos; Pillow reads it with a plugin only
BACKGROUND: Colour = (255, 255, 255)  # behind what is transparent


def read_photo(path: Path) -> NDArray[np.uint8]:  # [H, W, 3]
    """A photograph; InputError if the file is none, is tiny, or would fill the memory."""
    try:
        with path.open("rb") as file:
            return decode_photo(file, str(path))
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise InputError(f"cannot read {path} ({reason}): check the path.") from error


def decode_photo(data: bytes | IO[bytes], name: str) -> NDArray[np.uint8]:  # [H, W, 3]
    """The same of a file that was read or opened elsewhere; `name` is for messages."""
    try:
        image = to_rgb(open_picture(data), BACKGROUND)
        if min(image.size) < SMALLEST:
            raise BadPictureError(f"it is {image.width}×{image.height}: give a larger photo")
    except BadPictureError as error:
        reason = "it is HEIC: convert it to JPEG" if name.lower().endswith(HEIC) else str(error)
        raise InputError(f"{name} cannot be used as a photo, {reason}.") from error
    return np.array(image)
