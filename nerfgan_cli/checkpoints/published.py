"""Files of trained networks that others publish: found where they may lie, or fetched once.

They lie in our own folder (`$NERFGAN_HOME/weights`) or in torch's. What is fetched is checked
against its checksum before it takes its name.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from tqdm import tqdm

from nerfgan_cli.checkpoints.zoo import weights_folder
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.files import replacing

PATIENCE = 30  # seconds without an answer
PART = 1 << 20  # bytes


@dataclass(frozen=True)
class Published:
    """A file and where its authors keep it."""

    name: str
    sha256: str
    folder: str  # its address without the name
    purpose: str  # what needs it, as in "LPIPS with VGG16"
    also: tuple[str, ...] = ()  # names under which others keep the same content

    @property
    def address(self) -> str:
        return f"{self.folder}/{self.name}"


def torch_folder() -> Path:
    """Where torchvision keeps its weights."""
    home = os.environ.get("TORCH_HOME") or "~/.cache/torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def find(file: Published) -> Path | None:
    """The file, if it is here."""
    folders = (weights_folder(), torch_folder())
    places = (folder / name for folder in folders for name in (file.name, *file.also))
    return next((place for place in places if place.is_file()), None)


def how_to_get(file: Published, name: str, option: str) -> str:
    """For a sentence: by the `name` that nerfgan weights has for it, by hand, by an option."""
    return (
        f"fetch it with nerfgan weights get {name}, put {file.address} (SHA-256 "
        f"{file.sha256[:8]}…) into {weights_folder()}, or give {option} FILE"
    )


def find_or_fetch(file: Published, alternative: str) -> Path:
    """The file, fetched into our folder if it is nowhere.

    `alternative` says what else can be done, as in "set loss.perceptual to discriminator".
    """
    return find(file) or _fetch(file, weights_folder() / file.name, alternative)


def _fetch(file: Published, target: Path, alternative: str) -> Path:
    digest = sha256()
    try:
        with (
            replacing(target) as unfinished,
            urlopen(file.address, timeout=PATIENCE) as answer,
            unfinished.open("wb") as out,
        ):
            size = int(answer.headers.get("Content-Length") or 0) or None
            with tqdm(total=size, unit="B", unit_scale=True, desc=file.name) as bar:
                while part := answer.read(PART):
                    digest.update(part)
                    out.write(part)
                    bar.update(len(part))
            if digest.hexdigest() != file.sha256:
                raise WeightsError(
                    f"what came from {file.address} is not {file.name}, its checksum is wrong: "
                    f"try again, put the file into {target.parent}, or {alternative}."
                )
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"{file.purpose} needs {file.name}, which is not installed and could not be fetched "
            f"({reason}): put {file.address} into {target.parent}, or {alternative}."
        ) from error
    return target
