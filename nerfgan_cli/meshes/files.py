"""Meshes as .ply, .obj or .glb: the three that every 3D program opens.

Written here, for they are short: PLY and glTF are little-endian numbers after a header, OBJ is
text. Colours are those of the vertices; OBJ has them after the coordinates, as most programs read
it.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli import __version__
from nerfgan_cli.files import replacing
from nerfgan_cli.meshes.mesh import Mesh

LINES = 100_000  # of an OBJ, that are in memory as text


def write_mesh(mesh: Mesh, path: Path) -> None:
    """In the format of the suffix, a key of FORMATS; complete or not at all."""
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        for part in FORMATS[path.suffix.lower()](mesh):
            file.write(part)


def _ply(mesh: Mesh) -> Iterator[bytes]:
    """Polygon File Format 1.0, binary."""
    fields: list[tuple[str, str, NDArray[Any]]] = [
        (axis, "<f4", mesh.vertices[:, index]) for index, axis in enumerate("xyz")
    ]
    if mesh.normals is not None:
        fields += [(f"n{axis}", "<f4", mesh.normals[:, i]) for i, axis in enumerate("xyz")]
    if mesh.colours is not None:
        names = ("red", "green", "blue")
        fields += [(name, "u1", mesh.colours[:, index]) for index, name in enumerate(names)]
    words = {"<f4": "float", "u1": "uchar"}
    lines = ["ply", "format binary_little_endian 1.0", f"comment nerfgan {__version__}"]
    lines += [f"element vertex {len(mesh.vertices)}"]
    lines += [f"property {words[kind]} {name}" for name, kind, _ in fields]
    lines += [f"element face {len(mesh.faces)}", "property list uchar uint vertex_indices"]
    yield ("\n".join([*lines, "end_header"]) + "\n").encode()
    rows = np.empty(len(mesh.vertices), [(name, kind) for name, kind, _ in fields])
    for name, _, values in fields:
        rows[name] = values
    yield rows.tobytes()
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<u4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    yield faces.tobytes()


def _obj(mesh: Mesh) -> Iterator[bytes]:
    """Wavefront OBJ; its corners count from 1."""
    yield f"# nerfgan {__version__}\n".encode()
    columns = [mesh.vertices.astype(float)]
    if mesh.colours is not None:
        columns.append(mesh.colours / 255)
    yield from _lines("v", np.concatenate(columns, axis=1), "%.6g")
    corner = "%d"
    if mesh.normals is not None:
        yield from _lines("vn", mesh.normals, "%.4f")
        corner = "%d//%d"
    corners = mesh.faces.astype(np.int64) + 1
    if mesh.normals is not None:
        corners = corners.repeat(2, axis=1)
    yield from _lines("f", corners, corner)


def _lines(word: str, rows: NDArray[Any], number: str) -> Iterator[bytes]:
    each = rows.shape[1] // number.count("%")
    line = " ".join([word, *[number] * each]) + "\n"
    for start in range(0, len(rows), LINES):
        part = rows[start : start + LINES]
        yield ((line * len(part)) % tuple(part.reshape(-1).tolist())).encode()


def _glb(mesh: Mesh) -> Iterator[bytes]:
    """glTF 2.0, binary. Its axes are ours; its colours are linear."""
    arrays: dict[str, NDArray[Any]] = {"POSITION": mesh.vertices.astype("<f4")}
    if mesh.normals is not None:
        arrays["NORMAL"] = mesh.normals.astype("<f4")
    if mesh.colours is not None:
        linear = np.rint(_linear(mesh.colours / 255) * 65535).astype("<u2")
        arrays["COLOR_0"] = np.pad(linear, ((0, 0), (0, 1)), constant_values=65535)
    arrays["indices"] = mesh.faces.astype("<u4").reshape(-1)
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    start = 0
    for name, array in arrays.items():
        view: dict[str, Any] = {"buffer": 0, "byteOffset": start, "byteLength": array.nbytes}
        view["target"] = 34963 if name == "indices" else 34962  # ELEMENT_ARRAY, ARRAY buffer
        views.append(view)
        accessors.append(_accessor(name, array, len(accessors)))
        start += array.nbytes
    numbers = {name: index for index, name in enumerate(arrays)}
    primitive = {"indices": numbers.pop("indices"), "attributes": numbers, "material": 0}
    description = {
        "asset": {"version": "2.0", "generator": f"nerfgan {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 1}}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": start}],
    }
    text = json.dumps(description, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    yield b"glTF" + np.array([2, 12 + 8 + len(text) + 8 + start, len(text)], "<u4").tobytes()
    yield b"JSON" + text + np.array([start], "<u4").tobytes() + b"BIN\0"
    for array in arrays.values():
        yield array.tobytes()


def _accessor(name: str, array: NDArray[Any], view: int) -> dict[str, Any]:
    components = {"<f4": 5126, "<u2": 5123, "<u4": 5125}  # FLOAT, UNSIGNED_SHORT, UNSIGNED_INT
    shape = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[array.shape[1] if array.ndim > 1 else 1]
    accessor: dict[str, Any] = {
        "bufferView": view,
        "componentType": components[array.dtype.str],
        "count": len(array),
        "type": shape,
    }
    if name == "COLOR_0":
        accessor["normalized"] = True
    if name == "POSITION":  # required of positions alone
        accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
    return accessor


def _linear(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """From sRGB (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


FORMATS: dict[str, Callable[[Mesh], Iterator[bytes]]] = {
    ".ply": _ply,
    ".obj": _obj,
    ".glb": _glb,
}
