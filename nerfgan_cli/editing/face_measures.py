"""What landmarks tell of faces: a smile, open eyes, a long nose, as distances between points.

They are seen from the front, in distances of the eyes, so that neither the camera nor the size of
the picture matters. Hair, glasses and age are no points: a region's brightness, or a user's own
numbers, may tell of them. ToyHeads are not measured so: the points of their bundled reader are
0.12 of these distances off, as much as smiles differ, and their traits are known exactly.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.looks import LANDMARKS, Array, FaceReader, distance_of_eyes
from nerfgan_cli.faces.shapes import LANDMARKS as IBUG_POINTS
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import choose_batch
from nerfgan_cli.media import to_pixels


class Span(NamedTuple):
    """From one place of a face to another one, below it or to its right."""

    first: str  # of PLACES
    second: str
    across: bool = False


FACE_MEASURES = {
    "smile": Span("mouth corners", "mouth middle"),  # how far up the corners are
    "mouth-width": Span("left corner", "right corner", across=True),
    "mouth-opening": Span("upper lip", "lower lip"),
    "eye-opening": Span("upper lids", "lower lids"),
    "brow-height": Span("brows", "eyes"),
    "nose-length": Span("eyes", "nose"),
    "face-length": Span("eyes", "chin"),
}

PLACES: dict[str, Sequence[int]] = {  # each is the mean of some of iBUG's 68 points
    "eyes": range(36, 48),
    "upper lids": (37, 38, 43, 44),
    "lower lids": (40, 41, 46, 47),
    "brows": range(17, 27),
    "nose": (33,),
    "left corner": (48,),
    "right corner": (54,),
    "mouth corners": (48, 54),
    "mouth middle": (62, 66),
    "upper lip": (62,),
    "lower lip": (66,),
    "chin": (8,),
}


def span_of(span: Span, points: Array, eyes: Array) -> Array:  # [B, 68, 3], [B] -> [B]
    """In distances of the eyes; x goes to the right and y down."""
    first, second = (points[:, list(PLACES[name])].mean(axis=1) for name in span[:2])
    along: Array = (second - first)[:, 0 if span.across else 1]
    return along / eyes


def measure_faces(
    generator: Generator,
    codes: Tensor,  # [N, w_dim]
    measure: str,  # a key of FACE_MEASURES
    reader: FaceReader,
) -> Iterator[float]:
    """One number for each subject, seen from the front; NaN where no face is found."""
    if LANDMARKS not in reader.sources or reader.points != IBUG_POINTS:
        raise WeightsError("this pack finds no 68 landmarks: give numbers of your own as --values.")
    frontal = PRESETS[generator.camera_preset].frontal()
    for some in torch.split(codes, choose_batch(generator)):
        ws = some[:, None].expand(-1, generator.num_ws, -1)
        with torch.inference_mode():
            drawn = generator.synthesis(ws, frontal.to(ws.device).expand(len(ws)))
        found, _, points, _ = reader.look(to_pixels(drawn.image))
        values = np.full(len(found), np.nan)
        seen = points[found]
        values[found] = span_of(FACE_MEASURES[measure], seen, distance_of_eyes(reader, seen))
        yield from values.tolist()
