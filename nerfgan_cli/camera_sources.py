"""Which reader serves a file of cameras: by its name, then by what it holds.

The forms themselves are read by `data/camera_formats`, as for whole data sets; here is what they
leave out, files of a single camera and of nothing but numbers. Pickles are read without being run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nerfgan_cli.camera_presets import LABEL_SIZE
from nerfgan_cli.checkpoints.unpickle.arrays import Array
from nerfgan_cli.checkpoints.unpickle.vocabulary import read_pickle
from nerfgan_cli.data import labels
from nerfgan_cli.data.camera_formats import colmap, finding, scene
from nerfgan_cli.data.camera_formats.finding import Found
from nerfgan_cli.data.camera_formats.matrices import Reading, pose_matrix
from nerfgan_cli.data.camera_formats.objects import named_entries, view_of_object
from nerfgan_cli.data.camera_formats.pairs import (
    NUMBER,
    POSES,
    load,
    view_of_text,
    views_of_arrays,
)
from nerfgan_cli.data.camera_formats.transforms import views_of_transforms
from nerfgan_cli.data.storage import Storage, open_storage
from nerfgan_cli.data.views import PictureIndex, View
from nerfgan_cli.errors import InputError

OWN = "camera.json"  # of an inversion's folder
MIRROR = "_mirror"  # ends the names of mirror images in EG3D's data
PICKLES = (".pkl", ".pickle")
SUFFIXES = (".json", ".npy", ".npz", ".txt", ".csv", ".tsv", *PICKLES)
FORMS = (
    "give a cam.json, an .npy, .npz or .pkl, dataset.json, transforms.json, COLMAP's or "
    "Middlebury's text, or the folder or zip that holds one"
)


def locate(path: Path) -> tuple[Storage, str]:
    """Where a camera file lies, and its name; empty for one .json per picture."""
    storage: Storage
    if path.name == scene.INTRINSICS and path.is_file():
        return open_storage(path.parent), scene.INTRINSICS
    if path.parent.name == scene.POSES and path.suffix == ".txt" and path.is_file():
        return open_storage(path.parent.parent), scene.INTRINSICS
    if not path.is_dir() and path.suffix.lower() != ".zip":
        storage = finding.folder_of(path)
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path} is no file with cameras: {FORMS}.")
        return storage, path.name
    storage = open_storage(path)
    top = [name for name in storage.names if "/" not in name]
    for name in (OWN, scene.INTRINSICS):
        if name in top:
            return storage, name
    return storage, finding.pick(storage, [name for name in top if name.endswith(".json")])


def read_views(storage: Storage, file: str, reading: Reading, name: str | None) -> Found:
    """All cameras of a file, or of a file with many the one of `name`."""
    if not file:
        jsons = [n for n in storage.names if "/" not in n and n.endswith(".json")]
        found = finding.read_beside(storage, jsons, reading)
        return found._replace(views=[v._replace(name=v.name[: -len(".json")]) for v in found.views])
    base = PurePosixPath(file)
    suffix = base.suffix.lower()
    if base.name == scene.INTRINSICS:
        return Found("SRN's scene", scene.views_of_scene(storage), True)
    if suffix == ".npy":
        return views_of_rows(load(storage.read(file), ".npy")[""], None, reading)
    if suffix == ".npz":
        content = load(storage.read(file), ".npz")
        rows = rows_of(content)
        if rows is not None:
            return views_of_rows(rows, content.get("names"), reading)
    if suffix in PICKLES:
        return views_of_pickle(storage.read(file), file, reading, name)
    if suffix == ".txt" and not base.name.endswith(("_par.txt", *colmap.FILES)):
        return Found("numbers", [view_of_numbers(finding.text(storage, file), reading)], True)
    if suffix != ".json":
        return finding.read_one(storage, file, None, reading)
    return views_of_content(finding.parse(storage, file), reading, name)


def views_of_content(content: Any, reading: Reading, name: str | None) -> Found:
    """Objects, lists and numbers, as JSON has them."""
    form = "numbers" if isinstance(content, list) else "matrices or angles"
    if isinstance(content, Mapping):
        if "frames" in content:
            return Found("transforms.json", views_of_transforms(content), False)
        if "labels" in content:
            form = f"EG3D's {labels.FILE}"
            if content["labels"] is None:
                raise InputError("it has no labels: write them, or estimate them with align.")
    entries = named_entries(content)
    if name is not None and len(entries) > 1:
        entries = [entries[choose([called or "" for called, _ in entries], name)[0]]]
    views = [view_of_object(called or "", entry, reading) for called, entry in entries]
    return Found(form, views, True)


def views_of_rows(array: Any, names: Any, reading: Reading) -> Found:  # names: [N] or None
    """Rows of 25 or 16 numbers, or poses."""
    if array.shape[-2:] in ((4, 4), (3, 4)):
        array = array.reshape(-1, array.shape[-2] * 4)
    if array.ndim not in (1, 2):
        raise InputError(f"it has the shape {array.shape}: give (25,) or (N, 25).")
    rows = np.atleast_2d(array)
    called = [""] * len(rows) if names is None else [str(name) for name in names]
    if len(called) != len(rows):
        raise InputError(f"it has {len(rows)} cameras for {len(called)} names: mend it.")
    views = [
        view_of_object(of, row.tolist(), reading) for of, row in zip(called, rows, strict=True)
    ]
    return Found("numbers", views, True)


def rows_of(content: Mapping[str, Any]) -> Any:
    """The one array of 25 numbers each, whatever it is called; None if there are matrices."""
    found = [array for array in content.values() if array.shape[-1:] == (LABEL_SIZE,)]
    return found[0] if len(found) == 1 and not any(key in content for key in POSES) else None


def views_of_pickle(data: bytes, file: str, reading: Reading, name: str | None) -> Found:
    """What other projects pickle, as the same in an .npy, .npz or .json."""
    content = plain(read_pickle(memoryview(data), file))
    if isinstance(content, np.ndarray):
        return views_of_rows(content, None, reading)
    if isinstance(content, dict) and any(isinstance(v, np.ndarray) for v in content.values()):
        arrays = {key: np.asarray(value) for key, value in content.items()}
        if (rows := rows_of(arrays)) is not None:
            return views_of_rows(rows, arrays.get("names"), reading)
        return Found("arrays", views_of_arrays(arrays, None, reading), False, settled=False)
    return views_of_content(content, reading, name)


def plain(value: object) -> Any:
    """Containers and arrays of numbers and texts; InputError about anything else."""
    if isinstance(value, Array):
        return value.array
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str | int | float | None):
        return value
    raise InputError(f"it holds more than numbers and texts: {FORMS}.")


def view_of_numbers(text: str, reading: Reading) -> View:
    """A pose by itself, or OpenCV's matrices as beside a picture."""
    values = NUMBER.findall(text)
    if len(values) in (12, 16):
        pose = pose_matrix([float(value) for value in values], "the pose")
        return view_of_object("", pose.flatten().tolist(), reading)
    return view_of_text("the picture", text, reading)._replace(name="")


def choose(names: Sequence[str], name: str) -> tuple[int, bool]:
    """The camera of a photograph, and whether it is that of its mirror image instead.

    A single camera serves every photograph.
    """
    index = PictureIndex(list(names))
    stem = PurePosixPath(name.replace("\\", "/")).stem
    for wanted in (name, stem.removesuffix(MIRROR)):
        found = index.find(wanted)
        if found:
            return names.index(found), wanted is not name and stem.endswith(MIRROR)
    if len(names) == 1:
        return 0, False
    known = f"its first is {names[0]}" if names[0] else "they have no names"
    raise InputError(
        f"none of its {len(names)} cameras is that of {name} ({known}): name the one to use."
    )
