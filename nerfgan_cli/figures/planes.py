"""Tri-planes as pictures: how much each of their texels says (Mimic3D, figure 8; mimic3d.md 12).

Brightness is the L2 norm of a texel's features, each plane from its least to its largest; of all
planes but the frontal one it is negated, as in the release. World axes: y points upwards where a
plane has it, as in the picture of a subject; a profile looks to the right, where z grows.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.media import Picture
from nerfgan_cli.ops.plane_axes import PLANE_AXES, Axes
from nerfgan_cli.ops.resize import resize

Y = 1  # of the world's axes
# From dark blue over green to yellow, as brightness grows evenly to the eye.
COLOURS = ((38, 18, 84), (48, 82, 158), (28, 138, 150), (92, 188, 104), (236, 226, 62))


def plane_names(plane_axes: str) -> list[str]:
    """ "xy" and so on, of a key of PLANE_AXES: columns first."""
    return ["".join("xyz"[axis] for axis in pair) for pair in PLANE_AXES[plane_axes]]


def plane_pictures(
    sets: Sequence[Tensor],  # [3, C, H, H] each, of any sizes; what is added up
    plane_axes: str,  # a key of PLANE_AXES
    size: int,  # of the pictures
) -> list[Picture]:
    """A picture of each plane."""
    total = torch.stack([resize(planes.float(), size) for planes in sets]).sum(dim=0)
    gray = brightness(total, PLANE_AXES[plane_axes]).cpu().numpy()
    return list(coloured(gray))


def brightness(planes: Tensor, axes: Axes) -> Tensor:  # [3, C, H, W] -> [3, H, W] uint8
    """From 0 to 255, each plane turned so that y points upwards."""
    norms = torch.linalg.vector_norm(planes, dim=1)
    norms = torch.cat([norms[:1], -norms[1:]])
    upright = [
        (plane.T if column == Y else plane).flip(0)  # rows run downwards
        for plane, (column, _) in zip(norms, axes, strict=True)
    ]
    return torch.stack([_stretched(plane) for plane in upright])


def _stretched(plane: Tensor) -> Tensor:  # [H, W] -> uint8
    least, most = plane.aminmax()
    return ((plane - least) / (most - least).clamp(min=1e-8) * 255).byte()


def coloured(gray: NDArray[np.uint8]) -> Picture:  # [..., H, W] -> [..., H, W, 3]
    """By the map of COLOURS."""
    places = np.linspace(0, 255, len(COLOURS))
    table = [np.interp(np.arange(256), places, channel) for channel in zip(*COLOURS, strict=True)]
    picture: Picture = np.stack(table, axis=-1).round().astype(np.uint8)[gray]
    return picture
