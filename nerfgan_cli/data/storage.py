"""Files of a data set in a zip or in a folder, read alike.

Names are relative, with forward slashes, and come from the listing alone: nothing outside is read.
A zip is opened once per process, so that workers that were forked do not share a file position.
"""

import os
import struct
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from nerfgan_cli.errors import InputError

try:
    from lzma import LZMAError
except ImportError:  # Python may be built without it; zipfile then says so
    LZMAError = BadZipFile  # type: ignore[misc, assignment]

LARGEST_FILE = 1 << 30  # bytes; the labels of a quarter of a million pictures take a tenth of it
PNG = b"\x89PNG\r\n\x1a\n"
BLOCK = 1 << 20  # bytes


class Storage(ABC):
    """Named files. `names` are sorted; those of a damaged zip may hold one twice."""

    path: Path
    names: list[str]

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """A file to read from, also in part."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes that `name` holds when read."""

    @abstractmethod
    def stamp(self, name: str) -> str:
        """Changes when the file's content does; moving or copying it changes nothing."""

    def read(self, name: str) -> bytes:
        """All of a file, or an InputError that says why not."""
        try:
            if self.size(name) > LARGEST_FILE:
                raise InputError(f"{name} holds {self.size(name):,} bytes: no picture needs that.")
            with self.open(name) as file:
                return file.read()
        except READ_ERRORS as error:
            raise unreadable(self.path, name, error) from error


# What zipfile raises for damaged, encrypted and exotically compressed entries, and the system.
READ_ERRORS = (
    *(OSError, EOFError, RuntimeError, NotImplementedError, UnicodeDecodeError, struct.error),
    *(BadZipFile, zlib.error, LZMAError),
)


def unreadable(path: Path, name: str, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error) or "it ends early"
    return InputError(f"cannot read {name} in {path} ({reason}): replace it.")


class Folder(Storage):
    """All files below a folder, or in it alone; links to folders are not followed."""

    def __init__(self, path: Path, deep: bool = True) -> None:
        self.path = path
        names = []
        for folder, below, files in os.walk(path, onerror=_raise):
            below[:] = [name for name in below if deep and not name.startswith(".")]
            names += [(Path(folder) / name).relative_to(path).as_posix() for name in files]
        self.names = sorted(names)

    def open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def stamp(self, name: str) -> str:
        with (self.path / name).open("rb", buffering=0) as file:
            return f"{self.size(name)} {_checksum(file):08x}"


class Zip(Storage):
    """All files of a zip."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, ZipFile] | None = None
        self.names = sorted(name for name in self._zip.namelist() if not name.endswith("/"))

    @property
    def _zip(self) -> ZipFile:
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                self._opened = os.getpid(), ZipFile(self.path)
            except READ_ERRORS as error:
                raise InputError(
                    f"{self.path} is not a complete zip ({error}): copy or download it again."
                ) from error
        return self._opened[1]

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(name)

    def size(self, name: str) -> int:
        return self._zip.getinfo(name).file_size

    def stamp(self, name: str) -> str:
        info = self._zip.getinfo(name)
        return f"{info.file_size} {info.CRC:08x}"

    def __getstate__(self) -> dict[str, Any]:  # for workers that are not forked
        return self.__dict__ | {"_opened": None}


def open_storage(path: Path) -> Storage:
    """The files of a folder or of a zip."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise InputError(f"there is no {path}: give a folder or a zip of pictures.")
    if not is_zipfile(path) and path.suffix.lower() != ".zip":
        raise InputError(f"{path} is neither a folder nor a zip: give a folder or zip of pictures.")
    return Zip(path)


def repeated(names: list[str]) -> list[str]:
    """Names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def is_unsafe(name: str) -> bool:
    """Whether unpacking `name` might write outside the folder it is unpacked into."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name


def _checksum(file: IO[bytes]) -> int:
    """Of the content; a PNG tells those of its chunks, so that little of it is read."""
    found = 0
    if file.read(len(PNG)) == PNG:
        while len(chunk := file.read(8)) == 8:  # how long it is, and of what kind
            file.seek(int.from_bytes(chunk[:4], "big"), os.SEEK_CUR)
            found = zlib.crc32(chunk + file.read(4), found)
        return found
    file.seek(0)
    while block := file.read(BLOCK):
        found = zlib.crc32(block, found)
    return found


def _raise(error: OSError) -> None:
    raise InputError(
        f"cannot list {error.filename} ({error.strerror}): check its permissions."
    ) from error
