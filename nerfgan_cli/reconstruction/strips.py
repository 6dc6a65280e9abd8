"""Epipolar-plane images (spatio-temporal textures): one row of pixels over a dense sweep.

Each line is the same row of the next picture. What stays on the subject draws smooth slanted
stripes, steeper the nearer it is; texture that sticks to the screen draws vertical ones, and
flicker draws noise. A figure to look at, not a number (metrics.md 8.2).
"""

from collections.abc import Iterable, Sequence
from math import radians

import numpy as np
from PIL import Image

from nerfgan_cli.media import Picture

VIEWS = 128  # of a sweep, as lines of a strip; 120 to 240 are usual (mimic3d.md 15)
SWING = radians(30)  # of the camera, to either side


def strip(pictures: Iterable[Picture], row: int) -> Picture:  # [N, W, 3]
    """Time runs downwards."""
    return np.stack([picture[row] for picture in pictures])


def marked(picture: Picture, rows: Sequence[int]) -> Picture:
    """The picture with the rows drawn in, of which strips are shown."""
    shown: Picture = picture.copy()
    for row in rows:
        shown[row] = (255, 0, 0)
    return shown


def stretched(picture: Picture, side: int) -> Picture:
    """To a square, whatever its proportions: a strip has as many lines as the sweep has views."""
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST))
