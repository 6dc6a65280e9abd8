"""Faces and their five points, by InsightFace's detector (SCRFD).

Its packs are for non-commercial research only; the package fetches one on first use. A detector of
one fixed size misses faces that fill the frame, so that two sizes are tried, and, where they find
nothing, others with room around the picture.
"""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from nerfgan_cli.errors import WeightsError
from nerfgan_cli.faces.cropping import Pixels
from nerfgan_cli.faces.networks import PackLandmarks, first_line, session_options
from nerfgan_cli.faces.packs import ADDRESS, PACKS, PLACE, find_or_fetch_pack, folder_of
from nerfgan_cli.faces.shapes import Points

DEFAULT_PACK = "buffalo_l"
LICENCE = "InsightFace's packs are for non-commercial research only"
SIZES = ((128, 128), (640, 640))
SMALL_SIZES = ((256, 256), (320, 320))  # for a second try
ROOM = 0.5  # of the picture, on either side, in the second try
LARGEST = 640  # pixels of its longer side then: room around more would fill the memory
LANDMARKS = "landmark_3d_68"  # the pack's network that has them, if any
MODULES = ("detection", LANDMARKS)


class Face(NamedTuple):
    """A face in a photograph."""

    box: Points  # [4]: x0, y0, x1, y1
    points: Points  # [5, 2]: eyes, nose, mouth corners, from left to right of the picture
    score: float

    @property
    def size(self) -> float:
        """Width plus height, by which the largest is chosen."""
        return float((self.box[2:] - self.box[:2]).sum())


class Detector:
    """A pack, by its name or folder."""

    def __init__(self, pack: str = DEFAULT_PACK, models: dict[str, Any] | None = None) -> None:
        models = load_pack(pack) if models is None else models
        self.pack = Path(pack).name
        self._model = models["detection"]
        if not self._model.use_kps:
            raise WeightsError(
                f"the detector of {pack} finds no points in faces: take another pack, as "
                f"{DEFAULT_PACK}."
            )
        self.landmarks = (
            PackLandmarks(models[LANDMARKS], self.pack) if LANDMARKS in models else None
        )

    def find(self, photo: Pixels) -> list[Face]:
        """All faces, the largest first."""
        faces = self._detect(photo, SIZES) or self._detect_with_room(photo)
        return sorted(faces, key=lambda face: face.size, reverse=True)

    def _detect_with_room(self, photo: Pixels) -> list[Face]:
        """Those that fill the frame, or nearly."""
        size = np.array([photo.shape[1], photo.shape[0]])
        small = np.maximum(size * min(1, LARGEST / size.max()), 1).astype(int)
        reduced = np.asarray(Image.fromarray(photo).resize((small[0], small[1])))
        left, top = (small * ROOM).astype(int).tolist()
        wide = np.pad(reduced, ((top, top), (left, left), (0, 0)))
        zoom, shift = size / small, np.array([left, top])
        return [
            Face((box - np.tile(shift, 2)) * np.tile(zoom, 2), (five - shift) * zoom, score)
            for box, five, score in self._detect(wide, SMALL_SIZES)
        ]

    def _detect(self, photo: Pixels, sizes: tuple[tuple[int, int], ...]) -> list[Face]:
        bgr = np.ascontiguousarray(photo[:, :, ::-1])
        boxes, points = self._model.detect(bgr, input_size=sizes)
        return [
            Face(row[:4].astype(np.float64), five.astype(np.float64), float(row[4]))
            for row, five in zip(boxes, points, strict=True)
        ]


def missing_folder(pack: str) -> str | None:
    """What is wrong with the name of a pack that is a path; None: nothing."""
    if ("/" in pack or "\\" in pack) and not Path(pack).expanduser().is_dir():
        return f"there is no folder {pack}: give one with a pack's .onnx files"
    return None


def load_pack(pack: str, modules: tuple[str, ...] = MODULES) -> dict[str, Any]:
    """The models of a pack by what they do; fetched first if it is InsightFace's and not here."""
    root = PLACE.expanduser()
    own = Path(pack).expanduser().is_dir()
    if wrong := missing_folder(pack):
        raise WeightsError(f"{wrong}.")
    name, place = DEFAULT_PACK if own else pack, folder_of(pack)
    otherwise = "give the folder of another pack, or give the five points of the face"
    remedy = f"unpack {ADDRESS}/{name}.zip into {root / 'models' / name} ({LICENCE}), {otherwise}"
    if pack in PACKS and not own:  # others are fetched by the package, unchecked
        place = find_or_fetch_pack(pack, f", {otherwise}")
    try:
        from insightface.app import FaceAnalysis

        with redirect_stdout(StringIO()):  # it tells of downloads where results belong
            analysis = FaceAnalysis(
                str(place) if place.is_dir() else pack,
                root=str(root),
                allowed_modules=list(modules),
                providers=["CPUExecutionProvider"],
                sess_options=session_options(),
            )
            analysis.prepare(ctx_id=-1)
    except ImportError as error:
        raise WeightsError(
            f"faces are found by the insightface package, which cannot be imported ({error}): "
            "pip install insightface."
        ) from error
    except AssertionError as error:  # what the package says of a folder without one
        raise WeightsError(f"there is no face detector in {place}: {remedy}.") from error
    except Exception as error:  # of requests, zipfile, onnxruntime
        fault = f"cannot be loaded ({first_line(error)})"
        if not place.is_dir():
            fault = f"is not here and could not be fetched ({type(error).__name__})"
        raise WeightsError(f"the face detector in {place} {fault}: {remedy}.") from error
    models: dict[str, Any] = analysis.models
    return models
