"""The model that a tuned one was made from: its file says which, and it has to be the same.

Nothing here needs torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerfgan_cli.checkpoints.header import Header
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import InputError, NerfganError, WeightsError

KIND = "tuned"  # of a file that holds what differs from the base (`delta.py`)


@dataclass(frozen=True)
class Base:
    """The model that was tuned."""

    name: str  # of the zoo, or of its file
    path: str | None  # where that was; None: the zoo knows
    checksum: int  # of its weights


def read_base(path: Path, header: Header) -> Base:
    """The base that the header of a tuned model names."""
    data: Any = header.config.get("base")
    types = {"name": str, "path": str | None, "checksum": int}
    sound = isinstance(data, dict) and data.keys() == types.keys()
    if not sound or not all(isinstance(data[key], kind) for key, kind in types.items()):
        raise InputError(f"{path} does not say what it was tuned from: get it again.")
    return Base(**data)


def find_base(path: Path, base: Base) -> Path:
    """Where it was, or beside the tuned model."""
    beside = path.parent / base.name
    if base.path is None:
        try:
            return find_model(base.name)
        except NerfganError as error:
            raise WeightsError(f"{path} was tuned from {base.name}: {error}") from error
    for place in (Path(base.path), beside):
        if place.is_file() and not (path.exists() and place.samefile(path)):
            return place
    raise WeightsError(
        f"{path} was tuned from {base.path}, which is not there: put that model back, or a copy of "
        f"it beside, as {beside}."
    )
