"""What tests of faces share: the small real networks, tiny made ones, a made face."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from datasets import SHARED

from nerfgan_cli.faces.detector import Face
from nerfgan_cli.faces.shapes import FIVE

PACK = "insightface_pack"
TDDFA = "landmarks/tddfa_v2_mb05.onnx"
BFM = "landmarks/bfm_mean_68.json"


def weights(name):
    """A small real network, or the reason why the test is skipped."""
    path = SHARED / "weights" / name
    if not path.exists():
        pytest.skip(f"there is no {path}: set NERFGAN_SHARED to a folder that has weights/{name}")
    return path


def draw_five(pixels, scale, middle):
    """Five points of the frontal mean face in a photo, as weak perspective shows them."""
    flat = FIVE[:, :2] / 0.27 * scale * (1, -1) + middle
    for x, y in flat.round().astype(int):
        pixels[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = (255, 0, 0)
    return flat


class MadeDetector:
    """Takes the red dots that `draw_five` draws for a face; faces side by side, of any number."""

    landmarks = None

    def __init__(self, pack="made"):
        self.pack = pack

    def find(self, photo):
        red = (photo[..., 0] > 200) & (photo[..., 1:].max(axis=2) < 90)
        rows, columns = np.nonzero(red)
        if not len(rows):
            return []
        gap = np.diff(np.sort(columns)).max(initial=0)
        edge = np.sort(columns)[np.diff(np.sort(columns)).argmax()] if gap > 60 else columns.max()
        faces = [
            self._face(rows[side], columns[side])
            for side in (columns <= edge, columns > edge)
            if side.any()
        ]
        return sorted(faces, key=lambda face: face.size, reverse=True)

    def _face(self, rows, columns):
        """Dots by height: two eyes, the nose, two corners of the mouth."""
        order = np.argsort(rows)
        heights = np.split(order, np.nonzero(np.diff(rows[order]) > 3)[0] + 1)
        points = []
        for group in heights:
            x, y = columns[group], rows[group]
            middle = (x.min() + x.max()) / 2
            sides = [x <= middle, x > middle] if np.ptp(x) > 8 else [x == x]
            points += [[x[side].mean() + 0.5, y[side].mean() + 0.5] for side in sides]
        points = np.array(points)
        return Face(np.concatenate([points.min(axis=0), points.max(axis=0)]), points, 0.9)


def write_network(
    path: Path, size: int, outputs: dict[str, list[float]], convention=None, mean=True
):
    """An ONNX network whose outputs are constant, plus the mean of each channel of its input."""
    from onnx import TensorProto, helper, numpy_helper, save

    shapes = {name: [1, len(values)] for name, values in outputs.items()}
    constants = [
        numpy_helper.from_array(np.array([values], np.float32), f"{name}_constant")
        for name, values in outputs.items()
    ]
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0)]
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    for name in outputs:  # added to what depends on the input, times nothing
        nodes += [
            helper.make_node("ReduceSum", ["mean", "axis"], [f"{name}_sum"], keepdims=1),
            helper.make_node("Sub", [f"{name}_sum", f"{name}_sum"], [f"{name}_zero"]),
            helper.make_node("Add", [f"{name}_zero", f"{name}_constant"], [name]),
        ]
    described = {**shapes, "mean": [1, 3]} if mean else shapes
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in described.items()],
        [*constants, axis],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    if convention is not None:
        path.with_suffix(".json").write_text(json.dumps(convention))
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be this large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")
