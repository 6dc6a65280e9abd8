"""An InsightFace pack as a reader of faces, with ONNX networks in place of what it has or lacks.

The largest face of a picture is looked at. Identity is ArcFace's: five points are brought to its
template, and the pixels there are looked at.
"""

import os
from copy import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.data.parallel import ordered_map
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.looks import (
    IDENTITY,
    INSIGHTFACE,
    LANDMARKS,
    POSE,
    Array,
    Looks,
    Source,
)
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.point_networks import OnnxPoints, PackPoints, PointNetwork
from nerfgan_cli.faces.cropping import Pixels
from nerfgan_cli.faces.detector import DEFAULT_PACK, Detector, Face, load_pack
from nerfgan_cli.faces.detector import LANDMARKS as PACK_LANDMARKS
from nerfgan_cli.faces.networks import Looker, Network, first_line, look_steadily, open_session
from nerfgan_cli.metrics.umeyama import fit_similarity

RECOGNITION = "recognition"  # InsightFace's word
MODULES = ("detection", RECOGNITION, PACK_LANDMARKS)
WORKERS = min(8, os.cpu_count() or 1)  # that look at pictures, each with one thread
TEMPLATE_SIDE = 112
TEMPLATE = np.array(  # of ArcFace, pixels: eyes, nose, corners of the mouth
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
NO_POINTS: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


class PackFaces:
    """See `looks.FaceReader`."""

    def __init__(self, networks: Networks) -> None:
        pack = networks.pack or DEFAULT_PACK
        models = load_pack(pack, MODULES)
        self._detector = Detector(pack, models)
        name = self._detector.pack
        self.detector = Source(f"{name}-detector", file_sum(models["detection"]), INSIGHTFACE)
        self._looker, pose = choose_looker(networks.pose, self._detector, models)
        self._arcface, identity = choose_arcface(networks.identity, name, models)
        self._points = choose_points(networks.landmarks, name, models)
        landmarks = None if self._points is None else self._points.source
        told = {POSE: pose, IDENTITY: identity, LANDMARKS: landmarks}
        self.sources = {what: source for what, source in told.items() if source is not None}
        self.points, self.eyes = (0, NO_POINTS)
        if self._points is not None:
            self.points, self.eyes = self._points.count, self._points.eyes
        self.code_size = 0 if self._arcface is None else int(self._arcface.output_shape[-1])

    def only(self, what: str) -> "PackFaces":
        """Without the other networks: looking for a pose alone is six looks."""
        one = copy(self)
        one.sources = {what: self.sources[what]}
        if what != POSE:
            one._looker = None
        if what != LANDMARKS:
            one._points, one.points, one.eyes = None, 0, NO_POINTS
        if what != IDENTITY:
            one._arcface, one.code_size = None, 0
        return one

    def look(self, pictures: NDArray[np.uint8]) -> Looks:
        seen = ordered_map(self._look, pictures, WORKERS)  # networks work outside Python's lock
        found, angles, points, codes = zip(*seen, strict=True)
        return Looks(np.array(found), np.array(angles), np.array(points), np.array(codes))

    def _look(self, picture: Pixels) -> tuple[bool, Array, Array, Array]:
        angles, points, code = np.zeros(3), np.zeros((self.points, 3)), np.zeros(self.code_size)
        faces = self._detector.find(picture)
        if not faces:
            return False, angles, points, code
        if self._looker is not None:
            told = look_steadily(self._looker, picture, faces[0].box).angles
            assert told is not None
            angles = told
        if self._points is not None:
            points = self._points.points(picture, faces[0])
        if self._arcface is not None:
            code = embed(self._arcface, picture, faces[0])
        return True, angles, points, code


def choose_looker(
    path: Path | None, detector: Detector, models: dict[str, Any]
) -> tuple[Looker | None, Source | None]:
    """Who tells the pose."""
    if path is None:
        if detector.landmarks is None:
            return None, None
        own = detector.landmarks
        return own, Source(own.name, file_sum(models[PACK_LANDMARKS]), INSIGHTFACE)
    network = Network(path)
    if network.convention.pose is None:
        raise WeightsError(f"{path} is not known to tell a pose: take another, as 3DDFA's.")
    return network, Source(network.name, sha256_of(path), repr(network.convention))


def choose_arcface(
    path: Path | None, pack: str, models: dict[str, Any]
) -> tuple[Any, Source | None]:
    """Who tells people apart."""
    if path is None:
        model = models.get(RECOGNITION)
        if model is None:
            return None, None
        name = f"{pack}-{Path(model.model_file).stem}"
        return model, Source(name, file_sum(model), INSIGHTFACE)
    if not path.is_file():
        raise WeightsError(f"there is no {path}: give the ONNX file of a network.")
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    try:
        model = ArcFaceONNX(str(path), open_session(path))
        size = int(model.output_shape[-1])
    except WeightsError:
        raise
    except Exception as error:  # of onnx, and what the package assumes
        raise WeightsError(
            f"{path} is no network like ArcFace ({first_line(error)}): take another."
        ) from error
    if size < 1 or model.input_size[0] % 112:
        raise WeightsError(f"{path} does not look at faces of 112² as ArcFace: take another.")
    return model, Source(path.stem, sha256_of(path), INSIGHTFACE)


def choose_points(path: Path | None, pack: str, models: dict[str, Any]) -> PointNetwork | None:
    """Who finds points in 3D."""
    if path is not None:
        return OnnxPoints(path)
    return PackPoints(models[PACK_LANDMARKS], pack) if PACK_LANDMARKS in models else None


def embed(arcface: Any, picture: Pixels, face: Face) -> Array:  # [D]
    """Of the pixels that its five points bring to the template."""
    side = int(arcface.input_size[0])
    fit = fit_similarity(face.points[None], TEMPLATE[None] * (side / TEMPLATE_SIDE))
    matrix = np.column_stack([fit.scale[0] * fit.rotation[0], fit.shift[0]])
    aligned = cv2.warpAffine(np.ascontiguousarray(picture[:, :, ::-1]), matrix, (side, side))
    return np.asarray(arcface.get_feat(aligned), dtype=np.float64).reshape(-1)


def file_sum(model: Any) -> str:
    return sha256_of(Path(model.model_file))
