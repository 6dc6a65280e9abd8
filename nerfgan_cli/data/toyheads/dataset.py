"""ToyHeads as a data set: item `index` is always the same head from the same camera."""

from hashlib import sha256
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.contract import ImageSet, Item
from nerfgan_cli.data.toyheads.identity import Heads, heads_from_latent, keyed_normals, latents
from nerfgan_cli.data.toyheads.landmarks import landmarks
from nerfgan_cli.data.toyheads.renderer import draw

VERSION = 3  # of the pictures; raise it when any of them changes
YAW_SPREAD, PITCH_SPREAD = 0.3, 0.155  # radians; usual for aligned faces
LIMIT = 2.25  # standard deviations: farther out the drawing starts anew


class ToyBatch(NamedTuple):
    """Everything that is known about some items."""

    image: Tensor  # uint8 [B, 3, H, W]
    label: Tensor  # float32 [B, 25]
    depth: Tensor  # [B, 1, H, W], distance from the camera along each pixel's ray
    part: Tensor  # [B, 1, H, W], what is seen there (`parts.SLOTS`)
    landmarks: Tensor  # [B, K, 3], in the order of `landmarks.LANDMARKS`
    latent: Tensor  # [B, 92]
    heads: Heads


class ToyHeads(ImageSet):
    """Heads and cameras drawn for (seed, index): any number of them, at any resolution.

    Cameras stand as FFHQ's: on the sphere of 2.7 about the origin, looking at the preset's pivot.
    """

    name = "toyheads"

    def __init__(
        self, resolution: int, length: int, seed: int = 0, samples_per_side: int = 2
    ) -> None:
        self.resolution = resolution
        self.length = length
        self.seed = seed
        self.samples_per_side = samples_per_side

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Many items at once: what `DataLoader` asks for, and much faster than one by one."""
        numbers = self._checked(np.asarray(indices))
        heads = heads_from_latent(latents(self.seed, numbers))
        camera = cameras(self.seed, numbers)
        image = to_bytes(draw(heads, camera, self.resolution, self.samples_per_side).image)
        return [Item(*item) for item in zip(image, camera.label, strict=True)]

    def labels(self, indices: np.ndarray) -> Tensor:  # [B] -> float32 [B, 25]
        return cameras(self.seed, self._checked(indices)).label

    def fingerprint(self) -> str:
        facts = ["toyheads", VERSION, self.resolution, self.length, self.seed]
        return sha256(repr([*facts, self.samples_per_side]).encode()).hexdigest()

    def batch(self, indices: np.ndarray) -> ToyBatch:
        """Items with their truth."""
        numbers = self._checked(indices)
        z, camera = latents(self.seed, numbers), cameras(self.seed, numbers)
        heads = heads_from_latent(z)
        drawn = draw(heads, camera, self.resolution, self.samples_per_side)
        return ToyBatch(
            to_bytes(drawn.image), camera.label, drawn.depth, drawn.part, landmarks(heads), z, heads
        )

    def _checked(self, indices: np.ndarray) -> np.ndarray:
        outside = (indices < 0) | (indices >= self.length)
        if outside.any():
            raise IndexError(f"item {indices[outside][0]} of {self.length}")
        return indices


def cameras(seed: int, indices: np.ndarray) -> Camera:
    """Cameras of items: yaw and pitch Gaussian, cut off at 2.25 standard deviations."""
    draws = keyed_normals(seed, 1, indices, 32).reshape(-1, 2, 16)
    first = (np.abs(draws) < LIMIT).argmax(axis=2)  # of 16: none within has odds of 10⁻²⁵
    offsets = np.take_along_axis(draws, first[:, :, None], axis=2)[:, :, 0]
    yaw, pitch = torch.from_numpy(offsets * [YAW_SPREAD, PITCH_SPREAD]).unbind(dim=1)
    return PRESETS["ffhq"].at(yaw, pitch)


def to_bytes(image: Tensor) -> Tensor:  # [-1, 1] -> uint8
    return (image * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
