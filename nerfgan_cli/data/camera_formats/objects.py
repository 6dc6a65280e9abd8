"""Cameras as JSON objects, `cam.json`: matrices, angles or 25 numbers.

    {"extrinsics": 4×4 or 3×4, "intrinsics": 3×3, "type": "camera_to_world", "axes": "opencv"}
    {"yaw": 20, "pitch": -5, "roll": 0, "radius": 2.7, "fov": 13.374, "unit": "deg"}

One for one picture, {"name.png": camera, ...}, or {"cameras": [...]} whose members have a "name".
Intrinsics with focal lengths beyond 20 count pixels: of the picture, or of "image_size".
"""

from collections.abc import Mapping
from dataclasses import replace
from math import radians
from typing import Any

from nerfgan_cli.camera_presets import LABEL_SIZE
from nerfgan_cli.cameras import FOCAL_RANGE, CameraPreset, focal_from_fov
from nerfgan_cli.data.camera_formats.matrices import (
    Reading,
    intrinsics_matrix,
    numbers,
    pinhole,
    pose_matrix,
    to_pose,
)
from nerfgan_cli.data.views import Matrix, Units, View
from nerfgan_cli.errors import InputError

TO_WORLD = ("cam2world", "camera_to_world", "c2w", "pose", "extrinsics")
TO_CAMERA = ("w2c", "world_to_camera", "world2cam")
ANGLES = ("yaw", "pitch", "roll")
FORMS = 'give 25 numbers, {"extrinsics": …, "intrinsics": …} or {"yaw": …, "pitch": …}'


def views_of_objects(content: Any, reading: Reading) -> list[View]:
    """All cameras of a file that names its pictures."""
    if isinstance(content, Mapping) and isinstance(content.get("cameras"), list):
        members = content["cameras"]
        if not all(isinstance(entry, Mapping) and "name" in entry for entry in members):
            raise InputError('not every member of "cameras" has a "name": say whose camera it is.')
        named = [(str(entry["name"]), entry) for entry in members]
    elif isinstance(content, Mapping):
        named = list(content.items())
    else:
        raise InputError(f"its cameras have no names: {FORMS} by the name of each picture.")
    return [view_of_object(name, entry, reading) for name, entry in named]


def view_of_object(name: str, entry: Any, reading: Reading) -> View:
    """One camera."""
    what = f"the camera of {name}"
    if isinstance(entry, list):
        flat = numbers(entry, what)
        if len(flat) == LABEL_SIZE:
            return View(name, flat[:16].reshape(4, 4), flat[16:].reshape(3, 3), Units.sides)
        entry = {"extrinsics": entry}
    if not isinstance(entry, Mapping):
        raise InputError(f"{what} is neither numbers nor an object: {FORMS}.")
    intrinsics, units, size = read_intrinsics(entry, reading.preset, what)
    for key in (*TO_CAMERA, *TO_WORLD):
        if key in entry:
            to_camera = key in TO_CAMERA or entry.get("type") == "world_to_camera"
            if reading.to_camera is not None:
                to_camera = reading.to_camera
            opengl = reading.opengl or entry.get("axes") == "opengl"
            pose = to_pose(pose_matrix(entry[key], what), to_camera, opengl, what)
            return View(name, pose, intrinsics, units, size)
    if not any(angle in entry for angle in ANGLES):
        raise InputError(f"{what} has neither a matrix nor angles: {FORMS}.")
    return View(name, pose_of_angles(entry, reading.preset, what), intrinsics, units, size)


def read_intrinsics(
    entry: Mapping[str, Any], preset: CameraPreset, what: str
) -> tuple[Matrix, Units, tuple[int, int] | None]:
    """A matrix, a focal length, a field of view, or the preset's."""
    given = entry.get("intrinsics", entry)
    if isinstance(given, Mapping):
        focal = preset.focal
        if "focal" in given:
            focal = number(given["focal"], what)
        elif "fov" in given:
            focal = focal_from_fov(angle(given["fov"], entry, what))
        return pinhole(focal, focal, 0.5, 0.5), Units.final, None
    matrix = intrinsics_matrix(given, what)
    if max(matrix[0, 0], matrix[1, 1]) <= FOCAL_RANGE[1]:
        return matrix, Units.sides, None
    if "image_size" not in entry:
        return matrix, Units.pixels, None
    size = numbers(entry["image_size"], what)
    if len(size) != 2:
        raise InputError(f'the "image_size" of {what} is not a width and a height: give both.')
    return matrix, Units.pixels, (int(size[0]), int(size[1]))


def pose_of_angles(entry: Mapping[str, Any], preset: CameraPreset, what: str) -> Matrix:
    """On the preset's sphere, or as the entry says."""
    if "radius" in entry:
        preset = replace(preset, radius=number(entry["radius"], what))
    if "pivot" in entry:
        x, y, z = numbers(entry["pivot"], what).tolist()
        preset = replace(preset, pivot=(x, y, z))
    yaw, pitch, roll = (angle(entry.get(name, 0), entry, what) for name in ANGLES)
    pose: Matrix = preset.at(yaw, pitch, roll).cam2world[0].double().numpy()
    return pose


def angle(value: Any, entry: Mapping[str, Any], what: str) -> float:
    """In radians; degrees unless the entry says otherwise."""
    plain = number(value, what)
    return plain if entry.get("unit") == "rad" else radians(plain)


def number(value: Any, what: str) -> float:
    flat = numbers(value, what)
    if len(flat) != 1:
        raise InputError(f"{what} has {len(flat)} numbers where one belongs: mend it.")
    return float(flat[0])
