"""Cameras in files: one reader for every form that circulates, one writer.

    nerfgan's own   {"extrinsics": 4×4, "intrinsics": 3×3, ...}, angles, 25 or 16 numbers, a list of
                    any, {"cameras": [...]}, {"name.png": ...}; .npy and .npz of the same numbers
    EG3D's          dataset.json, in a folder or zip; the intermediate cameras.json, finished here
    others'         transforms.json, COLMAP's text, Middlebury's *_par.txt, SRN's scenes, a table of
                    angles, OpenCV's matrices as .npz or .txt

The forms themselves are read by `data/camera_formats`, as for whole data sets.
"""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from nerfgan_cli.camera_checks import find_faults, in_place, orthonormalised
from nerfgan_cli.cameras import (
    Camera,
    CameraPreset,
    angles_from_pose,
    fov_from_focal,
    viewing_angles,
)
from nerfgan_cli.data.camera_formats import colmap, finding, scene
from nerfgan_cli.data.camera_formats.finding import Found
from nerfgan_cli.data.camera_formats.matrices import Reading, pose_matrix
from nerfgan_cli.data.camera_formats.objects import named_entries, view_of_object
from nerfgan_cli.data.camera_formats.pairs import NUMBER, load, view_of_text
from nerfgan_cli.data.camera_formats.transforms import views_of_transforms
from nerfgan_cli.data.ffhq_pose import FOCAL_PIXELS, ffhq_intrinsics, normalize_distance
from nerfgan_cli.data.framing import frame
from nerfgan_cli.data.pictures import BadPictureError, is_picture, open_picture, upright_size
from nerfgan_cli.data.storage import Storage, open_storage
from nerfgan_cli.data.views import PictureIndex, Units, View
from nerfgan_cli.data.worlds import Wish, fit_world
from nerfgan_cli.errors import InputError
from nerfgan_cli.files import replacing

OWN = "camera.json"  # of an inversion's folder
SUFFIXES = (".json", ".npy", ".npz", ".txt", ".csv", ".tsv")
MIRROR = "_mirror"  # ends the names of mirror images in EG3D's data
FORMS = (
    "give a cam.json, an .npy or .npz, dataset.json, transforms.json, COLMAP's or Middlebury's "
    "text, or the folder or zip that holds one"
)

Named: TypeAlias = tuple[str | None, Camera]  # one camera, and what its file calls the picture


class Loaded(NamedTuple):
    """Cameras as a file has them, not yet checked, and what was done to them."""

    form: str  # for people
    cameras: list[Named]
    notes: list[str]


def load_cameras(path: Path, preset: CameraPreset, name: str | None = None) -> list[Named]:
    """The cameras of any file; the first that cannot be right is an InputError.

    `preset` gives what a file leaves open: distance and pivot of angles, the focal length. `name`,
    that of a photograph, chooses among several cameras.
    """
    loaded = read_cameras(path, preset, name)
    for index, fault in find_faults(Camera.cat([one for _, one in loaded.cameras]), preset):
        whose = loaded.cameras[index][0]
        of = f" of {whose}" if whose else f" {index}" if len(loaded.cameras) > 1 else ""
        raise InputError(f"{path}: the camera{of} cannot be right: {fault}.")
    return loaded.cameras


def read_cameras(path: Path, preset: CameraPreset, name: str | None = None) -> Loaded:
    """The same without the checks, for showing what is wrong."""
    storage, file = locate(path)
    try:
        found = read_views(storage, file, Reading(preset), name)
        views, notes = found.views, list[str]()
        if not views:
            raise InputError(f"it holds no cameras: {FORMS}.")
        if not found.ours and len(views) > 1:
            views, notes = bring_home(views, preset)
        mirrored = False
        if name is not None:
            index, mirrored = choose([view.name for view in views], name)
            views = [views[index]]
        finished = [finish_intermediate(view) for view in views]
        if any(one is not view for one, view in zip(finished, views, strict=True)):
            notes.append("EG3D's intermediate cameras.json: distances and intrinsics finished")
        label = torch.stack([label_of(view, storage) for view in finished])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    cameras = Camera.from_label(label)
    if mirrored:
        cameras = cameras.mirrored()
        notes.append(f"{name}: the mirrored camera of {views[0].name}")
    named = [(view.name or None, cameras[index]) for index, view in enumerate(views)]
    return Loaded(found.form, named, notes)


def locate(path: Path) -> tuple[Storage, str]:
    """Where a camera file lies, and its name; empty for one .json per picture."""
    storage: Storage
    if path.name == scene.INTRINSICS and path.is_file():
        return open_storage(path.parent), scene.INTRINSICS
    if path.parent.name == scene.POSES and path.suffix == ".txt" and path.is_file():
        return open_storage(path.parent.parent), scene.INTRINSICS
    if not path.is_dir() and path.suffix.lower() != ".zip":
        storage = finding.folder_of(path)
        if path.suffix not in SUFFIXES:
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
    if base.name == scene.INTRINSICS:
        return Found("SRN", scene.views_of_scene(storage), True)
    if base.suffix == ".npy":
        return Found("numbers", views_of_array(load(storage.read(file), ".npy")[""], reading), True)
    if base.suffix == ".txt" and not base.name.endswith(("_par.txt", *colmap.FILES)):
        return Found("numbers", [view_of_numbers(finding.text(storage, file), reading)], True)
    if base.suffix != ".json":
        return finding.read_one(storage, file, None, reading)
    content = finding.parse(storage, file)
    if isinstance(content, dict) and "frames" in content:
        return Found("transforms.json", views_of_transforms(content), False)
    entries = named_entries(content)
    if name is not None and len(entries) > 1:
        entries = [entries[choose([called or "" for called, _ in entries], name)[0]]]
    views = [view_of_object(called or "", entry, reading) for called, entry in entries]
    return Found("matrices, angles or 25 numbers", views, True)


def views_of_array(array: Any, reading: Reading) -> list[View]:
    """Rows of 25 or 16 numbers, or poses."""
    if array.shape[-2:] in ((4, 4), (3, 4)):
        array = array.reshape(-1, array.shape[-2] * 4)
    if array.ndim not in (1, 2):
        raise InputError(f"it has the shape {array.shape}: give (25,) or (N, 25).")
    return [view_of_object("", row.tolist(), reading) for row in np.atleast_2d(array)]


def view_of_numbers(text: str, reading: Reading) -> View:
    """A pose by itself, or OpenCV's matrices as beside a picture."""
    values = NUMBER.findall(text)
    if len(values) in (12, 16):
        pose = pose_matrix([float(value) for value in values], "the pose")
        return view_of_object("", pose.flatten().tolist(), reading)
    return view_of_text("the picture", text, reading)._replace(name="")


def bring_home(views: list[View], preset: CameraPreset) -> tuple[list[View], list[str]]:
    """Cameras of another world about our origin; those that fit already stay where they are."""
    poses = np.stack([view.cam2world for view in views])
    up = -poses[:, :3, 1].mean(axis=0)
    if in_place(torch.from_numpy(poses), preset) and up[1] > abs(up[0]) + abs(up[2]):
        return views, []
    world, notes = fit_world(poses, Wish(preset.radius))
    moved = zip(views, world.poses(poses), strict=True)
    return [view._replace(cam2world=pose) for view, pose in moved], notes


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


def finish_intermediate(view: View) -> View:
    """EG3D's preparation of FFHQ stops one step short of its labels; the view itself if others'."""
    focal, center = view.intrinsics[0, 0], view.intrinsics[0, 2]
    if view.size is not None or abs(focal - FOCAL_PIXELS) > 0.5 or abs(center - 512) > 0.5:
        return view
    pose = normalize_distance(torch.from_numpy(view.cam2world)[None])[0].numpy()
    return View(view.name, pose, ffhq_intrinsics().double().numpy(), Units.sides)


def label_of(view: View, storage: Storage) -> torch.Tensor:  # [25]
    """Of the picture's largest square, where it is not square itself."""
    size = view.size
    if view.units is Units.pixels or (view.units is Units.widths and size is None):
        size = size or size_of_picture(view.name, storage)
    if view.units is Units.pixels and size is None:
        of = f" of {view.name}" if view.name else ""
        raise InputError(
            f"the intrinsics{of} look like pixels (focal length {view.intrinsics[0, 0]:.6g}): add "
            'their "image_size", [width, height], or put the picture beside the file; or is this '
            "an intermediate cameras.json that was changed?"
        )
    view = view._replace(cam2world=orthonormalised(view.cam2world))
    return frame(view, *(size or (1, 1)), upright=False, crop=True)[1]


def size_of_picture(name: str, storage: Storage) -> tuple[int, int] | None:
    """Of the picture that the camera belongs to, where it lies beside."""
    picture = PictureIndex([n for n in storage.names if is_picture(n)]).find(name)
    if picture is None:
        return None
    try:
        with open_picture(storage.open(picture)) as image:
            return upright_size(image)
    except BadPictureError as error:
        raise InputError(f"{picture}: {error}.") from error


def write_cameras(cameras: Sequence[Named], path: Path) -> None:
    """`cam.json`."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(file_content(cameras), indent=1) + "\n")


def file_content(cameras: Sequence[Named]) -> dict[str, Any]:
    """One camera, or {"cameras": [...]} of several."""
    entries = [{"name": name} | entry_of(one) if name else entry_of(one) for name, one in cameras]
    return entries[0] if len(entries) == 1 else {"cameras": entries}


def entry_of(camera: Camera) -> dict[str, Any]:
    """One camera as matrices, with angles for people, which no program reads."""
    return {
        "extrinsics": camera.cam2world[0].tolist(),
        "intrinsics": camera.intrinsics[0].tolist(),
        "type": "camera_to_world",
        "axes": "opencv",
        "angles": describe(camera),
    }


def describe(camera: Camera) -> dict[str, Any]:
    """One camera for people, in degrees: where it stands, and from where the subject is seen."""
    exact = camera.cam2world.double()
    yaw, pitch, roll = (_degrees(angle) for angle in angles_from_pose(exact))
    seen_yaw, seen_pitch, _ = (_degrees(angle) for angle in viewing_angles(exact))
    focal = float(camera.intrinsics[0, 0, 0])
    return {
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "viewing_yaw": seen_yaw,
        "viewing_pitch": seen_pitch,
        "radius": round(float(exact[0, :3, 3].norm()), 4),
        "focal": round(focal, 4),
        "fov": _degrees(torch.tensor([fov_from_focal(focal)])),
        "unit": "deg",
    }


def _degrees(angle: torch.Tensor) -> float:
    return round(float(angle[0].rad2deg()), 3) + 0.0
