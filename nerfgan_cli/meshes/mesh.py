"""Triangles, and what can be said of them without knowing where they came from."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array: TypeAlias = NDArray[np.float64]
Vectors: TypeAlias = NDArray[np.float32]
Faces: TypeAlias = NDArray[np.uint32]
Colours: TypeAlias = NDArray[np.uint8]


SPECK = 0.05  # of the faces of the largest part; less is a speck


@dataclass(frozen=True)
class Mesh:
    vertices: Vectors  # [V, 3] in world units: x right, y up, z to the front
    faces: Faces  # [F, 3], counter-clockwise as seen from outside
    normals: Vectors | None = None  # [V, 3], of length 1
    colours: Colours | None = None  # [V, 3], sRGB


def face_normals(mesh: Mesh) -> Array:  # [V, 3]
    """Of the faces around each vertex, by their areas."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros([len(mesh.vertices), 3])
    for corner in range(3):
        np.add.at(total, mesh.faces[:, corner], across)
    return unit(total)


def unit(vectors: Array) -> Array:  # [..., 3]
    """Of length 1; those without length stay as they are."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Array = vectors / np.where(lengths > 0, lengths, 1)
    return scaled


def volume(mesh: Mesh) -> float:
    """Enclosed by a closed mesh; positive if its faces look outwards."""
    a, b, c = mesh.vertices.astype(np.float64)[mesh.faces].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def main_part(mesh: Mesh, point: tuple[float, float, float]) -> Mesh:
    """The connected part that comes nearest to a point, specks left out."""
    edges = mesh.faces[:, [0, 1, 1, 2]].reshape(-1, 2).astype(np.int64)
    count = len(mesh.vertices)
    graph = coo_array((np.ones(len(edges), bool), edges.T), shape=(count, count))
    _, parts = connected_components(graph, directed=False)
    of_faces = parts[mesh.faces[:, 0]]
    sizes = np.bincount(of_faces)
    distances = np.full(len(sizes), np.inf)
    np.minimum.at(distances, parts, np.linalg.norm(mesh.vertices - np.array(point), axis=1))
    nearest = np.where(sizes >= SPECK * sizes.max(), distances, np.inf).argmin()
    return cut(mesh, of_faces == nearest)


def cut(mesh: Mesh, keep: NDArray[np.bool_]) -> Mesh:  # [F]
    """Some of the faces, and their vertices."""
    kept, numbers = np.unique(mesh.faces[keep], return_inverse=True)
    return Mesh(
        mesh.vertices[kept],
        numbers.reshape(-1, 3).astype(np.uint32),
        None if mesh.normals is None else mesh.normals[kept],
        None if mesh.colours is None else mesh.colours[kept],
    )
