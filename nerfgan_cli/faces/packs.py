"""InsightFace's packs of networks: fetched where their authors publish them, checked, unpacked.

They lie where the insightface package looks for them. For non-commercial research only.
"""

import os
import shutil
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.checkpoints.published import Published, find, find_or_fetch
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.files import make_folder

ADDRESS = "https://github.com/deepinsight/insightface/releases/download/model-zoo"
PLACE = Path("~/.insightface")  # where the package keeps them
PURPOSE = "finding faces, their identity"
PACKS = {
    "buffalo_l": Published(
        "buffalo_l.zip",
        "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
        ADDRESS,
        f"{PURPOSE}, pose and landmarks; for non-commercial research only",
    ),
    "buffalo_s": Published(
        "buffalo_s.zip",
        "d85a87f503f691807cd8bb97128bdf7a0660326cd9cd02657127fa978bab8b5e",
        ADDRESS,
        f"{PURPOSE}, pose and landmarks, smaller; for non-commercial research only",
    ),
    "buffalo_sc": Published(
        "buffalo_sc.zip",
        "57d31b56b6ffa911c8a73cfc1707c73cab76efe7f13b675a05223bf42de47c72",
        ADDRESS,
        f"{PURPOSE}; for non-commercial research only",
    ),
}


def folder_of(pack: str) -> Path:
    """Where a pack lies, or will lie once it is fetched."""
    folder = Path(pack).expanduser()
    return folder if folder.is_dir() else PLACE.expanduser() / "models" / pack


def find_pack(pack: str) -> Path | None:
    """Its folder, if it is here."""
    folder = folder_of(pack)
    return folder if any(folder.glob("*.onnx")) else None


def find_or_fetch_pack(pack: str, alternative: str = "") -> Path:
    """Its folder; made of the archive, which is fetched if it is nowhere.

    `alternative` says what else can be done than to unpack it by hand.
    """
    folder = find_pack(pack)
    if folder is not None:
        return folder
    file, folder = PACKS[pack], folder_of(pack)
    given = find(file)
    archive = given or find_or_fetch(file, f"unpack it into {folder} by hand{alternative}")
    if sha256_of(archive) != file.sha256:
        raise WeightsError(f"{archive} is not {file.name} as published: get {file.address} again.")
    _unpack(archive, folder)
    if given is None:
        archive.unlink()
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """The networks, whatever folders they are in there."""
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        make_folder(unfinished)
        with ZipFile(archive) as packed:
            for name in packed.namelist():
                if name.endswith(".onnx"):
                    place = unfinished / Path(name).name
                    with packed.open(name) as source, place.open("wb") as target:
                        shutil.copyfileobj(source, target)
        os.replace(unfinished, folder)
    except (OSError, BadZipFile) as error:
        raise WeightsError(
            f"{archive} cannot be unpacked into {folder} ({error}): make room there, or empty it."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
