"""Noise images that are optimised: kept white, so that they draw no picture of their own (4.1).

They are buffers of the generator and change in place.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

PREFIX = "noise."  # of their names in the file of a pivot
WEIGHT = 1e5
SMALLEST = 8  # side; an image is compared with itself at each scale down to it


def whiteness(image: Tensor) -> Tensor:  # [H, W] -> []
    """Squared correlation with the neighbours, at each scale; 0 for white noise."""
    x = image[None, None]
    total = x.new_zeros([])
    while True:
        for dim in (2, 3):
            total = total + (x * x.roll(1, dims=dim)).mean().square()
        if x.shape[-1] <= SMALLEST:
            return total
        x = F.avg_pool2d(x, 2)


def regulariser(images: Iterable[Tensor]) -> Tensor:  # []
    return WEIGHT * torch.stack([whiteness(image) for image in images]).sum()


@torch.no_grad()
def normalise(image: Tensor) -> None:
    """To mean 0 and root mean square 1."""
    image -= image.mean()
    image *= image.square().mean().rsqrt()
