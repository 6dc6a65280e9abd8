"""Cameras in files: one reader for every form that circulates, one writer.

    nerfgan's own   {"extrinsics": 4×4, "intrinsics": 3×3, ...}, angles, 25 or 16 numbers, a list of
                    any, {"cameras": [...]}, {"name.png": ...}; .npy and .npz of the same numbers
    EG3D's          dataset.json, in a folder or zip; the intermediate cameras.json, finished here
    others'         transforms.json, COLMAP's text, Middlebury's *_par.txt, SRN's scenes, a table of
                    angles, OpenCV's matrices as .npz or .txt, pickles of numbers

`camera_sources` finds the reader, `camera_checks` tells what cannot be right.
"""

import json
from collections.abc import Sequence
from math import radians
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from nerfgan_cli.camera_checks import find_faults, in_place, orthonormalised
from nerfgan_cli.camera_sources import FORMS, choose, locate, read_views
from nerfgan_cli.cameras import (
    Camera,
    CameraPreset,
    angles_from_pose,
    focal_from_fov,
    fov_from_focal,
    viewing_angles,
)
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.data.ffhq_pose import FOCAL_PIXELS, ffhq_intrinsics, normalize_distance
from nerfgan_cli.data.framing import frame
from nerfgan_cli.data.pictures import BadPictureError, is_picture, open_picture, upright_size
from nerfgan_cli.data.storage import Storage
from nerfgan_cli.data.views import PictureIndex, Units, View
from nerfgan_cli.data.worlds import Wish, fit_world
from nerfgan_cli.errors import InputError
from nerfgan_cli.files import replacing

Named: TypeAlias = tuple[str | None, Camera]  # one camera, and what its file calls the picture

# What EG3D's command line calls a field of view of 18.837 goes across the diagonal.
DIAGONAL_FOV = 18.837
DIAGONAL_FOCAL = focal_from_fov(radians(DIAGONAL_FOV))
DIAGONAL_NOTE = (
    "a field of view of 18.837 degrees, which EG3D's programs measure across the diagonal: across "
    "a side, as here, it is 13.374"
)


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
    cameras = read_cameras(path, Reading(preset), name).cameras
    refuse_faulty(path, cameras, preset)
    return cameras


def refuse_faulty(path: Path, cameras: Sequence[Named], preset: CameraPreset) -> None:
    for index, fault in find_faults(Camera.cat([one for _, one in cameras]), preset):
        whose = cameras[index][0]
        of = f" of {whose}" if whose else f" {index}" if len(cameras) > 1 else ""
        raise InputError(f"{path}: the camera{of} cannot be right: {fault}.")


def read_cameras(path: Path, reading: Reading, name: str | None = None) -> Loaded:
    """The same without the checks, for showing what is wrong."""
    storage, file = locate(path)
    try:
        found = read_views(storage, file, reading, name)
        views, notes = found.views, list[str]()
        if not views:
            raise InputError(f"it holds no cameras: {FORMS}.")
        if not found.ours and len(views) > 1:
            views, notes = bring_home(views, reading.preset)
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
    if bool((cameras.intrinsics[:, 0, 0] - DIAGONAL_FOCAL).abs().min() < 1e-3):
        notes.append(DIAGONAL_NOTE)
    named = [(view.name or None, cameras[index]) for index, view in enumerate(views)]
    return Loaded(found.form, named, notes)


def bring_home(views: list[View], preset: CameraPreset) -> tuple[list[View], list[str]]:
    """Cameras of another world about our origin; those that fit already stay where they are."""
    poses = np.stack([view.cam2world for view in views])
    up = -poses[:, :3, 1].mean(axis=0)
    if in_place(torch.from_numpy(poses), preset) and up[1] > abs(up[0]) + abs(up[2]):
        return views, []
    world, notes = fit_world(poses, Wish(preset.radius))
    moved = zip(views, world.poses(poses), strict=True)
    return [view._replace(cam2world=pose) for view, pose in moved], notes


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
