"""Data sets made of others: some of their items, items repeated, items mirrored."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.contract import ImageSet, Item
from nerfgan_cli.errors import InputError


class Chosen(ImageSet):
    """Items of another set by their indices, some perhaps several times."""

    def __init__(self, images: ImageSet, indices: Sequence[int] | NDArray[np.int64]) -> None:
        self.images = images
        self.indices = np.asarray(indices, dtype=np.int64)
        if len(self.indices) == 0:
            raise InputError(f"nothing is left of {images.name}: choose at least one picture.")
        self.resolution, self.name = images.resolution, images.name

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Item:
        return self.images[int(self.indices[index])]

    def labels(self, indices: NDArray[np.int64]) -> Tensor:
        return self.images.labels(self.indices[indices])

    def fingerprint(self) -> str:
        return _combine("chosen", self.images, self.indices.tobytes())


class Mirrored(ImageSet):
    """Another set, then the mirror images of all its items, each with its mirrored camera.

    Not what EG3D's --mirror does: that flips pictures and keeps their cameras (eg3d.md 11.1).
    """

    def __init__(self, images: ImageSet) -> None:
        self.images = images
        self.resolution, self.name = images.resolution, images.name

    def __len__(self) -> int:
        return 2 * len(self.images)

    def __getitem__(self, index: int) -> Item:
        index %= len(self)  # also those counted from the end
        item = self.images[index % len(self.images)]
        if index < len(self.images):
            return item
        return Item(item.image.flip(2), mirror_labels(item.label[None])[0])

    def labels(self, indices: NDArray[np.int64]) -> Tensor:
        indices = indices % len(self)
        labels = self.images.labels(indices % len(self.images))
        mirrored = torch.from_numpy(indices >= len(self.images))
        return torch.where(mirrored[:, None], mirror_labels(labels), labels)

    def fingerprint(self) -> str:
        return _combine("mirrored", self.images, b"")


def mirror_labels(labels: Tensor) -> Tensor:  # [B, 25]
    return Camera.from_label(labels).mirrored().label


def random_subset(length: int, count: int, seed: int) -> NDArray[np.int64]:
    """Indices of `count` of `length` items, in their order (EG3D's max_size)."""
    indices = np.arange(length, dtype=np.int64)
    np.random.RandomState(seed).shuffle(indices)
    return np.sort(indices[:count])


def _combine(kind: str, images: ImageSet, more: bytes) -> str:
    return sha256(f"{kind} {images.fingerprint()} ".encode() + more).hexdigest()
