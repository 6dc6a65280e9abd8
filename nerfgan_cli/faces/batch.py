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
from nerfgan_cli.faces.records import key_of, overlay_of, picture_of, write_record
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
        found = [
            Photo(source / n, str(PurePosixPath(n).with_suffix("")))
            for n in Folder(source).names
            if is_picture(n)
        ]
        if out is not None:
            found = [photo for photo in found if out.resolve() not in photo.path.resolve().parents]
        if not found:
            raise InputError(f"{source} holds no pictures: give photos or a folder of them.")
        photos += found
    by_name: dict[str, Path] = {}
    for path, name in photos:
        other = by_name.setdefault(name, path)
        if other != path:
            raise UsageError(f"{other} and {path} would both become {name}.png: rename one.")
        for written in () if out is None else (picture_of(out, name), overlay_of(out, name)):
            if written.exists() and path.exists() and written.samefile(path):
                raise UsageError(f"{path} would be overwritten: choose another folder.")
    return list(dict.fromkeys(photos))


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
    return write_record(out, photo.name, str(photo.path), key_of(photo.path, settings), aligned)


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
