"""Targets of a distillation on disk, so that the teacher draws each of them once.

A file holds the tensors of one slice, with a checksum. The folder's name tells all that they depend
on, so that runs that ask the same of the same teacher share them. A file that is damaged is drawn
again.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import checksum
from nerfgan_cli.checkpoints.container import read_container, write_container
from nerfgan_cli.checkpoints.payloads import to_payload
from nerfgan_cli.checkpoints.zoo import home
from nerfgan_cli.errors import InputError
from nerfgan_cli.files import make_folder

KEY = "nerfgan-targets"
VERSION = 1  # of the tensors and of how they are drawn


class TargetCache:
    """See the module."""

    def __init__(self, folder: str | None, facts: Mapping[str, Any]) -> None:
        text = json.dumps({"version": VERSION, **facts}, sort_keys=True)
        above = home() / "targets" if folder is None else Path(folder).expanduser()
        self.folder = above / sha256(text.encode()).hexdigest()[:16]
        make_folder(self.folder)

    def get(self, name: str, draw: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """The tensors of that name, on the CPU; drawn and written if they are not there."""
        path = self.folder / f"{name}.safetensors"
        tensors: Mapping[str, Tensor] | None = read(path)
        if tensors is None:
            tensors = {key: tensor.cpu() for key, tensor in draw().items()}
            payloads = {key: to_payload(tensor) for key, tensor in tensors.items()}
            write_container(path, {KEY: str(checksum(payloads))}, payloads)
        return tensors


def read(path: Path) -> dict[str, Tensor] | None:
    """What was written; None if there is nothing, or something else."""
    if not path.is_file():
        return None
    try:
        container = read_container(path)
        with safe_open(path, framework="pt") as file:
            # In memory of their own: within the file they lie anywhere, and how arithmetic rounds
            # depends on where numbers lie.
            tensors = {name: file.get_tensor(name).clone() for name in container.entries}
    except (InputError, SafetensorError):
        return None
    found = checksum({name: to_payload(tensor) for name, tensor in tensors.items()})
    return tensors if container.metadata.get(KEY) == str(found) else None
