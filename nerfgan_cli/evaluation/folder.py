"""Pictures that any other system made, in a folder or zip, perhaps with their cameras."""

import re
from functools import cached_property
from hashlib import sha256
from os.path import abspath
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.camera_presets import LABEL_SIZE
from nerfgan_cli.cameras import CameraPreset
from nerfgan_cli.data.contract import ImageSet, Item
from nerfgan_cli.data.labels import has_labels
from nerfgan_cli.data.pictures import (
    BadPictureError,
    is_picture,
    open_picture,
    to_rgb,
    upright_size,
)
from nerfgan_cli.data.storage import open_storage
from nerfgan_cli.data.views import PictureIndex
from nerfgan_cli.errors import InputError

BACKGROUND = (255, 255, 255)  # that shows through transparent pictures


class PictureFolder(ImageSet):
    """Square pictures of one size, sorted by name; labels are NaN where no camera is known.

    Sizes are checked at once, by the headers: a folder of several sizes is refused.
    """

    def __init__(self, path: Path, cameras: Path | None, preset: CameraPreset) -> None:
        self.storage = open_storage(path)
        self.name = Path(abspath(path)).name  # also of "."
        self.pictures = [name for name in self.storage.names if is_picture(name)]
        if not self.pictures:
            raise InputError(f"{path} holds no pictures: give a folder or a zip that does.")
        self.resolution = self._one_size()
        if cameras is None and has_labels(self.storage):
            cameras = path
        self._labels = torch.full((len(self.pictures), LABEL_SIZE), torch.nan)
        if cameras is not None:
            self._labels = self._match(cameras, preset)

    @property
    def has_cameras(self) -> bool:
        return bool(self._labels.isfinite().all())

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Item:
        name = self.pictures[index]
        try:
            image = to_rgb(open_picture(self.storage.read(name)), BACKGROUND)
        except BadPictureError as error:
            raise InputError(f"{name} of {self.storage.path}: {error}.") from error
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return Item(pixels, self._labels[index])

    def labels(self, indices: np.ndarray) -> Tensor:
        return self._labels[torch.from_numpy(indices)]

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = sha256(self._labels.numpy().tobytes())
        for name in self.pictures:
            text = f"{name}\0{self.storage.stamp(name)}\0"
            digest.update(text.encode(errors="surrogateescape"))
        return digest.hexdigest()

    def _one_size(self) -> int:
        first: tuple[int, int] | None = None
        for name in self.pictures:
            try:
                with self.storage.open(name) as file:
                    size = upright_size(open_picture(file))
            except BadPictureError as error:
                raise InputError(f"{name} of {self.storage.path}: {error}.") from error
            if size[0] != size[1]:
                raise InputError(
                    f"{name} of {self.storage.path} is {size[0]}×{size[1]}, not square: crop it."
                )
            if first not in (None, size):
                assert first is not None
                raise InputError(
                    f"{name} of {self.storage.path} is {size[0]}², {self.pictures[0]} is "
                    f"{first[0]}²: give pictures of one size."
                )
            first = size
        assert first is not None
        return first[0]

    def _match(self, path: Path, preset: CameraPreset) -> Tensor:  # [N, 25]
        """The camera of each picture, by its name; a table without names fits by its order."""
        named = load_cameras(path, preset)
        if all(name is None for name, _ in named):
            if len(named) != len(self.pictures):
                raise InputError(
                    f"{path} has {len(named)} cameras without names for {len(self.pictures)} "
                    "pictures: give one for each, in the order of their names."
                )
            if sorted(self.pictures, key=_by_number) != self.pictures:
                raise InputError(
                    f"{path} has cameras without names, and it is not plain in which order the "
                    f"pictures come, {self.pictures[0]} or those that are numbered: give each "
                    "camera the name of its picture, or all numbers as many digits."
                )
            return torch.cat([camera.label for _, camera in named])
        rows = PictureIndex([name or "" for name, _ in named])
        found = [rows.find(name) for name in self.pictures]
        missing = [name for name, row in zip(self.pictures, found, strict=True) if row is None]
        if missing:
            raise InputError(
                f"{path} has no camera for {len(missing)} of {len(self.pictures)} pictures, "
                f"{missing[0]} among them: add them, or take these pictures away."
            )
        return torch.cat([dict(named)[row].label for row in found])


def _by_number(name: str) -> list[tuple[str, int]]:
    """As people count: 2 before 10."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]
