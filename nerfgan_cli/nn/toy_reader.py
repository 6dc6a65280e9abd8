"""A small network that reads ToyHeads: whence a head is seen, where its points are, who it is.

What Deep3DFaceRecon and ArcFace are to faces, for the one domain whose truth is known exactly. One
trunk of convolutions; points by integral regression (Sun et al. 2018): the mean place of a map per
point is found to a fraction of a cell, and the point's depth is read there.

    picture 64² → 32² → 16² → 8² ─┬→ pose       yaw, pitch, roll
                   └─────┴─── + ──┼→ 32² maps → points
                                  └→ code      of unit length, alike for all views of a head
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_SIDE = 32  # of the input


@dataclass(frozen=True)
class ToyReaderConfig:
    """The architecture."""

    side: int = 64  # of the input picture
    channels: tuple[int, int, int] = (24, 48, 96)  # at 1/2, 1/4 and 1/8 of the side
    map_channels: int = 64
    points: tuple[str, ...] = ()  # names of ToyHeads' landmarks
    mirrored: tuple[int, ...] = ()  # which point takes the place of which in the mirror
    code_size: int = 64

    def __post_init__(self) -> None:
        if self.side < MIN_SIDE or self.side % 8:
            raise ValueError(f"a side of {self.side} cannot be halved three times")
        if len(self.channels) != 3 or sorted(self.mirrored) != list(range(len(self.points))):
            raise ValueError("its points or channels do not fit")


class Read(NamedTuple):
    """What is seen in B pictures."""

    angles: Tensor  # [B, 3]: yaw, pitch, roll of the viewing direction, radians
    places: Tensor  # [B, K, 2], in sides of the picture from its top left corner
    depths: Tensor  # [B, K], world units behind the point at which the camera looks
    codes: Tensor  # [B, D], of unit length


def convolution(given: int, made: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, made, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.convolution(x)
        return found


class Flat(nn.Sequential):
    """Numbers of the whole map, which know where in the picture they come from."""

    def __init__(self, channels: int, cells: int, hidden: int, made: int) -> None:
        super().__init__(
            Residual(channels),
            nn.Conv2d(channels, 16, 1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(16 * cells, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, made),
        )


class ToyReader(nn.Module):
    """See the module."""

    kind = "toy-reader"

    def __init__(self, config: ToyReaderConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.channels
        cells = (config.side // 8) ** 2
        self.at_half = convolution(3, first, stride=2)
        self.at_quarter = nn.Sequential(convolution(first, second, stride=2), Residual(second))
        self.at_eighth = nn.Sequential(convolution(second, third, stride=2), Residual(third))
        self.pose = Flat(third, cells, 64, 3)
        self.code = Flat(third, cells, 128, config.code_size)
        maps = config.map_channels
        self.sideways = nn.ModuleList(nn.Conv2d(c, maps, 1) for c in config.channels)
        self.mixed = convolution(maps, maps)
        self.maps = nn.Conv2d(maps, 2 * len(config.points), 1)

    def forward(self, image: Tensor) -> Read:  # [B, 3, side, side] in [-1, 1]
        half = self.at_half(image)
        quarter = self.at_quarter(half)
        eighth = self.at_eighth(quarter)
        to_half, to_quarter, to_eighth = self.sideways
        mixed = self.mixed(F.relu(double(to_eighth(eighth)) + to_quarter(quarter)))
        likely, depth = self.maps(F.relu(double(mixed) + to_half(half))).chunk(2, dim=1)
        places, depths = integrate(likely, depth)
        return Read(self.pose(eighth), places, depths, F.normalize(self.code(eighth), dim=1))

    @torch.inference_mode()
    def read(self, image: Tensor) -> Read:  # [B, 3, H, W] in [-1, 1]
        """The mean of what is seen in the pictures and in the mirror, at the network's size."""
        small = shrink(image, self.config.side)
        seen, mirrored = self(small), unmirror(self(small.flip(3)), self.config.mirrored)
        angles, places, depths, codes = (
            (one + other) / 2 for one, other in zip(seen, mirrored, strict=True)
        )
        return Read(angles, places, depths, F.normalize(codes, dim=1))


def integrate(likely: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:  # [B, K, h, w] × 2
    """Mean places [B, K, 2] in sides, and depths [B, K], by a softmax over each map."""
    h, w = likely.shape[2:]
    weight = likely.flatten(2).softmax(dim=2).view_as(likely)
    x, y = ((torch.arange(n).to(weight) + 0.5) / n for n in (w, h))
    places = torch.stack([(weight * x).sum(dim=(2, 3)), (weight * y[:, None]).sum(dim=(2, 3))], 2)
    return places, (weight * depth).sum(dim=(2, 3))


def unmirror(read: Read, mirrored: tuple[int, ...]) -> Read:
    """What was seen in the mirror, as it is. A head and its mirror image have one code."""
    angles = read.angles * read.angles.new_tensor([-1, 1, -1])
    places = torch.stack([1 - read.places[..., 0], read.places[..., 1]], dim=2)
    order = list(mirrored)
    return Read(angles, places[:, order], read.depths[:, order], read.codes)


def shrink(image: Tensor, side: int) -> Tensor:  # [B, 3, H, H] -> [B, 3, side, side]
    """Antialiased, as the pictures that it learnt from."""
    if image.shape[-1] == side:
        return image
    size = (side, side)
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
