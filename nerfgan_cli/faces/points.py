"""Points that a person has marked in photographs.

JSON, of one photograph or by the photographs' names:

    [[x, y], ...]                            five: eyes, nose tip and mouth corners from left to
                                             right of the picture; or iBUG's 68 landmarks
    {"points": [[x, y], ...],                five or more points of anything, and where they lie
     "world": [[x, y, z], ...]}              in the model's world

Pixels count from the top left corner of the upright photograph.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nerfgan_cli.data.views import PictureIndex
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.shapes import LANDMARKS, Points

FIVE = 5
FARTHEST = 1e6  # pixels
FORM = "give 5 or 68 pairs [x, y], or five or more with their places in the world"


class Marked(NamedTuple):
    """Points in one photograph."""

    points: Points  # [N, 2]
    world: Points | None  # [N, 3]; None: they are a face's, N is 5 or 68


def read_points(path: Path, photo: str) -> Marked:
    """The points of a photograph."""
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check the path.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): {FORM}.") from error
    if isinstance(content, dict) and "points" not in content:
        name = PictureIndex(list(content)).find(photo)
        if name is None:
            raise InputError(f"{path} has no points of {photo}: add them.")
        content = content[name]
    try:
        return parse(content)
    except (ValueError, TypeError) as error:
        raise InputError(f"the points of {photo} in {path} are none ({error}): {FORM}.") from error


def parse(content: Any) -> Marked:
    """ValueError or TypeError about what is wrong."""
    rows = content["points"] if isinstance(content, dict) else content
    points = np.array(rows, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not (np.abs(points) < FARTHEST).all():
        raise ValueError("not all are pairs of numbers near a picture")
    world = content.get("world") if isinstance(content, dict) else None
    if world is None:
        if len(points) not in (FIVE, LANDMARKS):
            raise ValueError(f"there are {len(points)}")
        return Marked(points, None)
    places = np.array(world, dtype=np.float64)
    if places.shape != (len(points), 3) or not np.isfinite(places).all() or len(points) < FIVE:
        raise ValueError(f"{len(points)} points have places of shape {places.shape}")
    return Marked(points, places)
