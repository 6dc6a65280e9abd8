"""Many photographs: which, what is wished of each, what of them is done already."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.data.pictures import is_picture
from nerfgan_cli.data.storage import Folder
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.faces.alignment import Aligned, Aligner
from nerfgan_cli.faces.points import read_points
from nerfgan_cli.faces.records import ASSUMED, files_of, key_of, write_record
from nerfgan_cli.photos import read_photo

FRONTAL = "frontal"


class Photo(NamedTuple):
    """A photograph and the name of what is made of it, perhaps in folders."""

    path: Path
    name: str


@dataclass(frozen=True)
class Wish:
    """What holds for every photograph."""

    number: int = 1  # which face
    points: Path | None = None  # marked by a person
    camera: str | None = None  # a file, or "frontal": no pose is estimated

    def files(self) -> list[Path]:
        files = [] if self.points is None else [self.points]
        if self.camera is not None and self.camera != FRONTAL:
            files.append(Path(self.camera))
        return files

    def camera_of(self, photo: Photo, preset: CameraPreset) -> Camera | None:
        if self.camera is None:
            return None
        if self.camera == FRONTAL:
            return preset.frontal()
        cameras = load_cameras(Path(self.camera), preset, photo.path.name)
        return cameras[0][1]


def list_photos(sources: Sequence[Path], out: Path | None) -> list[Photo]:
    """Files, and all pictures of folders; what was written before is left aside."""
    photos: list[Photo] = []
    for source in sources:
        if not source.is_dir():
            photos.append(Photo(source, source.stem))
            continue
        if out is not None and out.resolve() == source.resolve():
            raise UsageError(f"{out} holds the photos: choose another folder to write into.")
        within = out is not None and source.resolve() in out.resolve().parents
        written = out.resolve() if out is not None and within else None
        found = [
            Photo(source / name, str(PurePosixPath(name).with_suffix("")))
            for name in Folder(source).names
            if is_picture(name)
            and (written is None or written not in (source / name).resolve().parents)
        ]
        if not found:
            raise InputError(f"{source} holds no pictures, as JPEG or PNG: give some.")
        photos += found
    return list(dict.fromkeys(photos))


def refuse_overwriting(photos: Sequence[Photo], out: Path, given: Sequence[Path]) -> None:
    """What is written may take the place of no photograph, no other file given, no other crop."""
    inputs = {path.resolve() for path in (*given, *(photo.path for photo in photos))}
    written: dict[Path, Photo] = {}
    for photo in photos:
        for file in files_of(out, photo.name):
            if file.resolve() in inputs:
                raise UsageError(f"{file} would be overwritten: choose another folder.")
            other = written.setdefault(file, photo)
            if other != photo:
                raise UsageError(
                    f"{other.path} and {photo.path} would both become {file.name}: rename one."
                )


def align_photo(aligner: Aligner, photo: Photo, wish: Wish) -> Aligned:
    pixels = read_photo(photo.path)
    camera = wish.camera_of(photo, aligner.preset)
    if wish.points is not None:
        marked = read_points(wish.points, photo.path.name)
        return aligner.align_marked(pixels, marked, camera)
    if camera is not None:
        return aligner.align_whole(pixels, camera)
    return aligner.align(pixels, str(photo.path), wish.number)


def make_record(
    aligner: Aligner, photo: Photo, wish: Wish, out: Path, settings: str
) -> dict[str, Any]:
    """Aligns a photograph and writes its files."""
    aligned = align_photo(aligner, photo, wish)
    if wish.camera == FRONTAL:
        aligned = aligned._replace(method=ASSUMED)
    return write_record(out, photo.name, photo.path, key_of(photo.path, settings), aligned)


def fingerprint(files: Sequence[Path]) -> str:
    """Of what is in files, and in the files of folders by their names and sizes."""
    digest = sha256()
    for file in files:
        if file.is_dir():
            for name in sorted(file.iterdir()):
                digest.update(f"{name.name} {name.stat().st_size}\n".encode())
        elif file.is_file():
            digest.update(sha256(file.read_bytes()).digest())
    return digest.hexdigest()
