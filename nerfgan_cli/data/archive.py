"""Pictures and cameras in a zip or folder in EG3D's format (eg3d.md 11.1)."""

from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.cameras import Camera, find_problems
from nerfgan_cli.data.contract import ImageSet, Item
from nerfgan_cli.data.labels import FILE, Labels, read_labels
from nerfgan_cli.data.pictures import BadPictureError, decode, find_flaws, is_picture, open_picture
from nerfgan_cli.data.storage import open_storage, repeated
from nerfgan_cli.errors import InputError

REMEDY = "see nerfgan data check"


class ImageArchive(ImageSet):
    """Square RGB pictures of one size, sorted by name, each with its camera.

    Whatever is wrong with the names, with the labels or with the first picture is told at once;
    another picture that is not like the first is told when it is read.
    """

    def __init__(self, path: Path) -> None:
        self.storage = open_storage(path)
        self.name = path.stem
        for name in repeated(self.storage.names):
            raise self._unsuitable(name, "the zip holds it several times: keep one")
        self.pictures = [name for name in self.storage.names if is_picture(name)]
        if not self.pictures:
            raise InputError(f"{path} holds no pictures: give a folder or a zip that does.")
        self._labels = match_labels(path, self.pictures, read_labels(self.storage))
        self.resolution = self._first_side()

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Item:
        pixels = self._pixels(self.pictures[index])
        if len(pixels) != self.resolution:
            raise self._unsuitable(
                self.pictures[index], f"it is {len(pixels)}², others are {self.resolution}²"
            )
        image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        return Item(image, torch.from_numpy(self._labels[index]))

    def labels(self, indices: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self._labels[indices])

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = sha256(self._labels.tobytes())
        for name in self.pictures:
            text = f"{name}\0{self.storage.stamp(name)}\0"
            digest.update(text.encode(errors="surrogateescape"))  # as the system names its files
        return digest.hexdigest()

    def _first_side(self) -> int:
        return len(self._pixels(self.pictures[0]))

    def _pixels(self, name: str) -> NDArray[np.uint8]:  # [H, H, 3]
        try:
            image = open_picture(self.storage.read(name))
            for flaw in find_flaws(image):
                raise BadPictureError(flaw)
            return np.array(decode(image))
        except BadPictureError as error:
            raise self._unsuitable(name, str(error)) from error

    def _unsuitable(self, name: str, flaw: str) -> InputError:
        return InputError(f"{name} of {self.storage.path}: {flaw} ({REMEDY}).")


def match_labels(path: Path, pictures: list[str], labels: Labels) -> NDArray[np.float32]:
    """The label of each picture, [N, 25]; labels of other pictures are left aside."""
    rows = {name: row for row, name in enumerate(labels.names)}
    for name in pictures:
        if name in labels.bad:
            raise InputError(f"label of {name} in {path}: {labels.bad[name]} ({REMEDY}).")
    missing = [name for name in pictures if name not in rows]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(pictures)} pictures in {path} have no label in {FILE}, "
            f"{missing[0]} among them: add their labels or remove them ({REMEDY})."
        )
    numbers = labels.numbers[[rows[name] for name in pictures]]
    for index, problem in find_problems(Camera.from_label(torch.from_numpy(numbers))):
        raise InputError(f"label of {pictures[index]} in {path}: {problem} ({REMEDY}).")
    return numbers
