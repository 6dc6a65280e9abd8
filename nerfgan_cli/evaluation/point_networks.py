"""Points of a face in 3D, from an InsightFace pack or an ONNX network.

A network is known by the beginning of its file's name; for another one, a NAME.json beside
NAME.onnx says the same as an entry of `KNOWN`:

    {"output": "landmarks", "side": 1.5, "scale": 255, "eyes": [[33, 133], [362, 263]]}
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.data.framing import Framing
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.looks import INSIGHTFACE, Array, Source
from nerfgan_cli.faces.conventions import find_convention
from nerfgan_cli.faces.cropping import Pixels
from nerfgan_cli.faces.detector import Face
from nerfgan_cli.faces.networks import BLACK, first_line, open_session
from nerfgan_cli.faces.shapes import LANDMARKS

Eyes = tuple[tuple[int, ...], tuple[int, ...]]
EXAMPLE = '{"output": "points", "side": 1.2, "eyes": [[36, 39], [42, 45]]}'
IBUG_EYES: Eyes = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))


@dataclass(frozen=True)
class PointsConvention:
    """It is fed RGB, (value − mean) / scale, and says x, y, z of each point in pixels of that."""

    output: str
    side: float  # of the square that it sees, in longer sides of the detector's box
    eyes: Eyes  # points whose mean is an eye
    mean: float = 0.0
    scale: float = 1.0


KNOWN = {  # MediaPipe's face mesh
    "facemesh": PointsConvention("landmarks", 1.5, ((33, 133), (362, 263)), scale=255.0)
}


class PointNetwork(Protocol):
    source: Source
    count: int
    eyes: Eyes

    def points(self, picture: Pixels, face: Face) -> Array:  # [K, 3]
        ...


class PackPoints:
    """Of an InsightFace pack: 68 points in iBUG's order, in pixels of the picture."""

    count, eyes = LANDMARKS, IBUG_EYES

    def __init__(self, model: Any, pack: str) -> None:
        self._model = model
        self.source = Source(f"{pack}-1k3d68", sha256_of(Path(model.model_file)), INSIGHTFACE)

    def points(self, picture: Pixels, face: Face) -> Array:
        from insightface.app.common import Face as PackFace

        seen = PackFace(bbox=face.box)
        found = self._model.get(np.ascontiguousarray(picture[:, :, ::-1]), seen)
        return np.asarray(found, dtype=np.float64)


class OnnxPoints:
    """A file with one output of K points in 3D."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise WeightsError(f"there is no {path}: give the ONNX file of a network.")
        self.convention = convention_of(path)
        self._session = open_session(path)
        self.source = Source(path.stem, sha256_of(path), repr(self.convention))
        self.eyes = self.convention.eyes
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        shape = outputs.get(self.convention.output)
        if shape is None or len(shape) != 3 or shape[2] != 3 or not isinstance(shape[1], int):
            raise WeightsError(
                f"{path.name} has no output {self.convention.output!r} of points in 3D, only "
                f"{outputs}: correct its description, or take another network."
            )
        self.count: int = shape[1]
        if max(max(eye) for eye in self.eyes) >= self.count:
            raise WeightsError(
                f"the eyes of {path.name} are beyond its {self.count} points: correct its "
                "description."
            )

    def points(self, picture: Pixels, face: Face) -> Array:
        given = self._session.get_inputs()[0]
        side = self.convention.side * float((face.box[2:] - face.box[:2]).max())
        left, top = (face.box[:2] + face.box[2:]) / 2 - side / 2
        framing = Framing(0, float(left), float(top), side)
        seen = framing.apply(Image.fromarray(picture), int(given.shape[-1]), BLACK)
        pixels = (np.asarray(seen, dtype=np.float32) - self.convention.mean) / self.convention.scale
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=np.float32)
        try:
            found = self._session.run([self.convention.output], {given.name: batch})[0][0]
        except Exception as error:  # onnxruntime's own classes, which it does not document
            raise WeightsError(
                f"{self.source.name} cannot be run ({first_line(error)}): correct its "
                "description, or take another network."
            ) from error
        return np.asarray(found, dtype=np.float64)


def convention_of(network: Path) -> PointsConvention:
    return find_convention(network, KNOWN, build, EXAMPLE)


def build(told: Any) -> PointsConvention:
    """From JSON; ValueError or TypeError about what does not fit."""
    known = {field.name for field in fields(PointsConvention)}
    if not isinstance(told, dict) or not {"output", "side", "eyes"} <= set(told) <= known:
        raise ValueError(f"its keys are not among {', '.join(sorted(known))}")
    left, right = (tuple(int(number) for number in eye) for eye in told["eyes"])
    numbers = {key: float(told[key]) for key in ("side", "mean", "scale") if key in told}
    if not (left and right and min(*left, *right) >= 0 and numbers["side"] > 0):
        raise ValueError("its eyes or its side are impossible")
    return PointsConvention(output=str(told["output"]), eyes=(left, right), **numbers)
