"""What training, metrics and commands see of a data set: pictures with cameras, by index."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset


class Item(NamedTuple):
    """One picture. The default collation of `DataLoader` makes batches of it."""

    image: Tensor  # uint8 [3, H, W]
    label: Tensor  # float32 [25], the camera (`Camera.label`)


class ImageSet(Dataset[Item], ABC):
    """Square RGB pictures with cameras. Item `index` is always the same picture."""

    resolution: int  # H = W
    name: str  # for logs and metrics

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Item: ...

    @abstractmethod
    def labels(self, indices: np.ndarray) -> Tensor:  # [B] -> float32 [B, 25]
        """Cameras of items, without decoding their pictures."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the pictures or cameras do; for caches and for resuming a run."""
