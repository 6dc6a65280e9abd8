"""Views of one subject from cameras side by side: thirty yaws of the protocol, or a dense sweep."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.conventions import BOX_SIDE
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.drawing import Sitter, draw_views, prepare_subject
from nerfgan_cli.media import Picture, to_pixels

# Of GRAM-HD's protocol, which Mimic3D follows (metrics.md 8, mimic3d.md 15).
VIEWS = 30
YAW = 0.4  # radians to either side
TRUNCATION = 0.7  # not published; that of GRAM-HD's sheets of views


def sweep(preset: str, views: int = VIEWS, yaw: float = YAW) -> Camera:
    """Evenly spaced, at the height of the pivot, from left to right."""
    return PRESETS[preset].at(torch.linspace(-yaw, yaw, views, dtype=torch.float64))


@torch.inference_mode()
def draw_sweep(
    generator: Generator,
    sitter: Sitter,
    cameras: Camera,
    batch: int,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> Iterator[Picture]:
    """As saved, one after the other."""
    subject = prepare_subject(generator, sitter, options)
    for drawn in draw_views(generator, subject, cameras, options, batch):
        yield from to_pixels(drawn.image)


def half_depth(preset: str) -> float:
    """Of the volume of a domain."""
    return BOX_SIDE[preset.partition("-")[0]] / 2


def reduced(
    pictures: NDArray[np.uint8],  # [N, H, H, 3]
    side: int,
) -> NDArray[np.uint8]:  # [N, side, side, 3], or as they are if they are not larger
    """Each pixel the mean of those that it covers."""
    if pictures.shape[1] <= side:
        return pictures
    size = (side, side)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BOX)) for one in pictures]
    )
