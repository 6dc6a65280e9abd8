"""The surface where a density passes a level, by marching cubes (Lorensen and Cline 1987).

The volume is looked at in slabs of a few layers: memory grows with the area of a layer, not with
the volume. Neighbouring slabs share a layer, on which they find the same vertices.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from nerfgan_cli.errors import InputError
from nerfgan_cli.meshes.mesh import Array, Faces, Mesh

LEVEL = 10.0  # of EG3D's own meshes
MARGIN = 30 / 256  # of the cube, that they leave out at each side
TOP_MARGIN = 38 / 256  # and above (mimic3d.md 12): hair ends there in a wall
SLAB = 16  # layers
GRAIN = 2**10  # steps of a cell, to which vertices are rounded when they are joined
KEY_BITS = 21  # of a coordinate: three fit an int64, so that a side may have 2,048 points
EMPTIER = 1.0  # than the level, where the volume ends: what reaches its sides is closed there

Density = Callable[[Array], Array]  # points [N, 3] -> [N]


def extract(
    density: Density,
    side: float,  # of the cube about the origin that is looked at
    resolution: int,  # points along a side
    level: float,
    followed: Callable[[Sequence[int]], Iterable[int]] = iter,  # shows the progress
) -> Mesh:
    """The closed surface about all that is denser than the level; world units, outward faces."""
    axis = np.linspace(-side / 2, side / 2, resolution)
    vertices, faces, count = [np.empty([0, 3])], [np.empty([0, 3], np.int64)], 0
    last: Array | None = None
    for start in followed(range(0, resolution - 1, SLAB)):
        stop = min(start + SLAB + 1, resolution)
        fresh = range(start if last is None else start + 1, stop)
        layers = [_layer(density, axis, index, level) for index in fresh]
        volume = np.stack(layers if last is None else [last, *layers])
        last = volume[-1]
        if not volume.min() < level < volume.max():
            continue
        points, triangles, _, _ = marching_cubes(volume, level)  # type: ignore[no-untyped-call]
        vertices.append(points + np.array([start, 0, 0]))
        faces.append(triangles + count)
        count += len(points)
    if not count:
        raise InputError(f"nothing is denser than {level:g} there: give a lower level.")
    joined, triangles = join(np.concatenate(vertices), np.concatenate(faces))
    step = axis[1] - axis[0]
    return Mesh((joined[:, ::-1] * step - side / 2).astype(np.float32), triangles)


def join(vertices: Array, faces: NDArray[np.int64]) -> tuple[Array, Faces]:  # [V, 3], [F, 3]
    """Makes one vertex of those in the same place; what is then no triangle goes."""
    rounded = np.rint(vertices * GRAIN).astype(np.int64)
    keys = (rounded[:, 0] << 2 * KEY_BITS) | (rounded[:, 1] << KEY_BITS) | rounded[:, 2]
    _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
    faces = numbers[faces]
    a, b, c = faces.T
    proper = (a != b) & (b != c) & (c != a)
    return vertices[first], faces[proper].astype(np.uint32)


def _layer(density: Density, axis: Array, index: int, level: float) -> Array:  # [R, R], along y, x
    """The density at one z; the outermost points of the volume are empty."""
    y, x = np.meshgrid(axis, axis, indexing="ij")
    points = np.stack([x, y, np.full_like(x, axis[index])], axis=-1).reshape(-1, 3)
    values = density(points).reshape(x.shape).astype(np.float64)
    inside = np.zeros_like(values, dtype=bool)
    if index not in (0, len(axis) - 1):
        inside[1:-1, 1:-1] = True
    return np.where(inside, values, level - EMPTIER)
