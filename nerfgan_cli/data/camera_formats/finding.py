"""Finds the camera files of a folder of pictures, and reads whatever format they have."""

import json
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nerfgan_cli.data import labels
from nerfgan_cli.data.camera_formats import colmap, neus
from nerfgan_cli.data.camera_formats.labels25 import views_of_labels
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.data.camera_formats.middlebury import views_of_parameters
from nerfgan_cli.data.camera_formats.objects import view_of_object, views_of_objects
from nerfgan_cli.data.camera_formats.pairs import load, view_of_text, views_of_arrays
from nerfgan_cli.data.camera_formats.table import views_of_table
from nerfgan_cli.data.camera_formats.transforms import views_of_transforms
from nerfgan_cli.data.storage import Folder, Storage
from nerfgan_cli.data.views import Units, View
from nerfgan_cli.errors import InputError

COLMAP_FOLDERS = ("", "sparse/0/", "sparse/", "colmap/sparse/0/", "colmap/sparse/")
BESIDE = (".json", "_cam.txt", ".txt")  # endings of a file that belongs to one picture
KNOWN = (
    "dataset.json, transforms.json, COLMAP's cameras.txt and images.txt, *_par.txt, cameras.json, "
    "cameras.npz, a .csv of name,yaw,pitch, or a .json or .txt beside each picture"
)


class Found(NamedTuple):
    """Cameras, and what they were read from."""

    form: str  # for people
    views: list[View]
    ours: bool  # they are in our world already: y up, the subject at the origin
    settled: bool = True  # the format leaves neither axes nor direction open
    angles: bool = False  # they stand where a preset says


def find_cameras(
    storage: Storage, pictures: list[str], given: Path | None, reading: Reading
) -> Found:
    """The cameras of a folder or zip of pictures: from the file given, or from the one it has."""
    if given is None:
        return read(storage, pick(storage, pictures), pictures, reading)
    if given.is_dir():
        beside = Folder(given, deep=False)
        colmaps = set(colmap.FILES) <= set(beside.names)
        return read(beside, colmap.FILES[1] if colmaps else "", pictures, reading)
    return read(folder_of(given), given.name, pictures, reading)


def folder_of(given: Path) -> Folder:
    """The folder of a camera file; of several transforms files it has only the one given."""
    if not given.is_file():
        raise InputError(f"there is no {given}: name the file that holds the cameras.")
    folder = Folder(given.parent, deep=False)
    folder.names = [n for n in folder.names if n == given.name or not is_transforms(n)]
    return folder


def pick(storage: Storage, pictures: list[str]) -> str:
    """The name of the camera file; empty for one file per picture."""
    names = set(storage.names)
    top = [name for name in storage.names if "/" not in name]
    found = [name for name in (labels.FILE, "cameras.json", "cameras.npz") if name in names]
    found += [name for name in top if name.endswith((".csv", "_par.txt"))]
    transforms = [name for name in top if is_transforms(name)]
    found += transforms[:1]  # all of them are read
    for folder in COLMAP_FOLDERS:
        if all(folder + name in names for name in colmap.FILES):
            found.append(folder + colmap.FILES[1])
            break
        if not found and folder + "images.bin" in names:  # nerfstudio has it beside its own file
            raise InputError(
                f"{folder}images.bin in {storage.path} is COLMAP's binary form: convert it with "
                "colmap model_converter --output_type TXT."
            )
    if len(found) > 1:
        raise InputError(
            f"{storage.path} has several files with cameras ({', '.join(found)}): "
            "name the one to use."
        )
    if not found and not any(beside(picture, names) for picture in pictures):
        raise InputError(f"{storage.path} has no cameras that are known: add {KNOWN}.")
    return found[0] if found else ""


def read(storage: Storage, name: str, pictures: list[str], reading: Reading) -> Found:
    """Reads a camera file by its name and content; errors say which file it is."""
    try:
        return (
            read_beside(storage, pictures, reading)
            if not name
            else read_one(storage, name, pictures, reading)
        )
    except InputError as error:
        raise InputError(f"cameras of {storage.path / name}: {error}") from error


def read_one(storage: Storage, name: str, pictures: list[str] | None, reading: Reading) -> Found:
    folder, base = posixpath.split(name)
    if base in colmap.FILES:
        texts = [text(storage, posixpath.join(folder, file)) for file in colmap.FILES]
        return Found("COLMAP", colmap.views_of_colmap(texts[0], texts[1]), False)
    if base.endswith("_par.txt"):
        return Found("Middlebury", views_of_parameters(text(storage, name)), False)
    if base.endswith((".csv", ".tsv")):
        views = views_of_table(text(storage, name), reading.preset)
        return Found("yaw and pitch", views, True, angles=True)
    if base.endswith(".npz"):
        content = load(storage.read(name), ".npz")
        if neus.is_neus(content):
            return Found("NeuS", neus.views_of_neus(content), False)
        views = views_of_arrays(content, pictures, reading)
        return Found("arrays", views, False, settled=False)
    if is_transforms(name):
        return read_transforms(storage, [n for n in storage.names if is_transforms(n)])
    content = parse(storage, name)
    if isinstance(content, Mapping) and content.get("labels") is not None:
        entries = content["labels"]
        entries = list(entries.items()) if isinstance(entries, dict) else entries
        return Found("25 numbers", views_of_labels(labels.parse_labels(entries)), True)
    if isinstance(content, Mapping) and "frames" in content:
        return Found("transforms.json", views_of_transforms(content), False)
    views = views_of_objects(content, reading)
    return Found("matrices or angles", views, are_ours(views), settled=False, angles=True)


def read_transforms(storage: Storage, names: list[str]) -> Found:
    """Blender's scenes come in three files: training, validation, test."""
    views: dict[str, View] = {}
    for name in names:
        content = parse(storage, name)
        if not isinstance(content, Mapping):
            raise InputError(f"{name} is no object: export it again.")
        views |= {view.name: view for view in views_of_transforms(content)}
    return Found("transforms.json", list(views.values()), False)


def read_beside(storage: Storage, pictures: list[str], reading: Reading) -> Found:
    """One file per picture."""
    names = set(storage.names)
    views = []
    for picture in pictures:
        file = beside(picture, names)
        if file.endswith(".json"):
            views.append(view_of_object(picture, parse(storage, file), reading))
        elif file:
            views.append(view_of_text(picture, text(storage, file), reading))
    return Found("a file beside each picture", views, are_ours(views), settled=False, angles=True)


def beside(picture: str, names: set[str]) -> str:
    """The camera file of one picture, in its folder or at the top; empty if there is none."""
    stem = posixpath.splitext(picture)[0]
    stems = (stem, posixpath.basename(stem))
    return next((s + end for s in stems for end in BESIDE if s + end in names), "")


def are_ours(views: list[View]) -> bool:
    """Matrices with normalised intrinsics are taken for EG3D's, those in pixels for foreign."""
    return all(view.units is not Units.pixels for view in views)


def is_transforms(name: str) -> bool:
    base = posixpath.basename(name)
    return base.startswith("transforms") and base.endswith(".json") and "/" not in name


def text(storage: Storage, name: str) -> str:
    content: str = decoded(storage.read(name), lambda data: data.decode("utf-8-sig"), "UTF-8 text")
    return content


def parse(storage: Storage, name: str) -> Any:
    return decoded(storage.read(name), json.loads, "JSON")


def decoded(data: bytes, function: Callable[[bytes], Any], form: str) -> Any:
    try:
        return function(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is not {form} ({error}): write it anew.") from error
