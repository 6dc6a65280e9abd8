"""Cameras as JSON objects, `cam.json`: matrices, angles or 25 numbers.

    {"extrinsics": 4×4 or 3×4, "intrinsics": 3×3, "type": "camera_to_world", "axes": "opencv"}
    {"yaw": 20, "pitch": -5, "roll": 0, "radius": 2.7, "fov": 13.374, "unit": "deg"}

One for one picture, {"name.png": camera, ...}, {"labels": [["name.png", camera], ...]}, or
{"cameras": [...]} whose members have a "name". Intrinsics with focal lengths beyond 20 count
pixels: of the picture, or of "image_size". With "sampler": "eg3d", yaw and pitch are what EG3D's
own scripts take: offsets of its sampler's two values.
"""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from math import pi, radians
from typing import Any

from nerfgan_cli.camera_presets import LABEL_SIZE
from nerfgan_cli.cameras import FOCAL_RANGE, CameraPreset, focal_from_fov, from_official
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
ANGULAR = (*ANGLES, "radius", "pivot", "focal", "fov")  # one of them makes a camera of angles
CHOICES = {  # keys whose values are words; the first is the default
    "type": ("camera_to_world", "world_to_camera"),
    "axes": ("opencv", "opengl"),
    "unit": ("deg", "rad"),
    "sampler": ("sphere", "eg3d"),
}
OTHERS = ("name", "intrinsics", "image_size")
FORMS = 'give 25 numbers, {"extrinsics": …, "intrinsics": …} or {"yaw": …, "pitch": …}'


def named_entries(content: Any) -> list[tuple[str | None, Any]]:
    """Each camera of a file that has one or several, with its name if it has one; not yet read."""
    if isinstance(content, Mapping):
        for key in ("labels", "cameras"):
            if key in content and not isinstance(content[key], list | Mapping):
                raise InputError(f'its "{key}" are no list: {FORMS}.')
        if "labels" in content:
            labels = content["labels"]
            return pairs(list(labels.items()) if isinstance(labels, Mapping) else labels)
        if "cameras" in content:
            return named_entries(content["cameras"])
        if not content or is_camera(content):
            return [(None, content)]
        return [(str(name), entry) for name, entry in content.items()]
    if not isinstance(content, list) or (content and is_one(content)):
        return [(None, content)]
    return [
        (str(entry["name"]) if isinstance(entry, Mapping) and "name" in entry else None, entry)
        for entry in content
    ]


def is_camera(entry: Mapping[str, Any]) -> bool:
    return any(key in entry for key in (*TO_WORLD, *TO_CAMERA, *ANGULAR, "intrinsics"))


def is_one(content: list[Any]) -> bool:
    """Whether these are plain numbers, or the rows of one matrix."""
    deep = (list, Mapping)
    return all(
        not isinstance(entry, deep)
        or (
            isinstance(entry, list)
            and len(entry) <= 4
            and not any(isinstance(number, deep) for number in entry)
        )
        for entry in content
    )


def pairs(labels: list[Any]) -> list[tuple[str | None, Any]]:
    """Of `dataset.json`."""
    for entry in labels:
        if not (isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str)):
            raise InputError("its labels are not all pairs of a name and 25 numbers: mend them.")
    return [(name, numbers) for name, numbers in labels]


def views_of_objects(content: Any, reading: Reading) -> list[View]:
    """All cameras of a file that names its pictures."""
    if not isinstance(content, Mapping):
        raise InputError(f"its cameras have no names: {FORMS} by the name of each picture.")
    named = named_entries(content) if "cameras" in content else [*content.items()]
    if any(name is None for name, _ in named):
        raise InputError('not every member of "cameras" has a "name": say whose camera it is.')
    return [view_of_object(str(name), entry, reading) for name, entry in named]


def view_of_object(name: str, entry: Any, reading: Reading) -> View:
    """One camera; its name may be empty."""
    what = f"the camera of {name}" if name else "the camera"
    if isinstance(entry, list):
        flat = numbers(entry, what)
        if len(flat) == LABEL_SIZE:
            pose = to_pose(flat[:16].reshape(4, 4), bool(reading.to_camera), reading.opengl, what)
            return View(name, pose, flat[16:].reshape(3, 3), Units.sides)
        entry = {"extrinsics": entry}
    if not isinstance(entry, Mapping):
        raise InputError(f"{what} is neither numbers nor an object: {FORMS}.")
    check_words(entry, what)
    refuse_misspelt(entry, what)
    intrinsics, units, size = read_intrinsics(entry, reading.preset, what)
    for key in (*TO_CAMERA, *TO_WORLD):
        if key in entry:
            to_camera = key in TO_CAMERA or entry.get("type") == "world_to_camera"
            if reading.to_camera is not None:
                to_camera = reading.to_camera
            opengl = reading.opengl or entry.get("axes") == "opengl"
            pose = to_pose(pose_matrix(entry[key], what), to_camera, opengl, what)
            return View(name, pose, intrinsics, units, size)
    if not any(key in entry for key in ANGULAR):
        raise InputError(f"{what} has neither a matrix nor angles: {FORMS}.")
    return View(name, pose_of_angles(entry, reading.preset, what), intrinsics, units, size)


def check_words(entry: Mapping[str, Any], what: str) -> None:
    for key, words in CHOICES.items():
        if entry.get(key, words[0]) not in words:
            raise InputError(
                f'the "{key}" of {what} is {entry[key]!r}: write {" or ".join(words)}.'
            )


def refuse_misspelt(entry: Mapping[str, Any], what: str) -> None:
    """A key that is almost one of ours, which would silently be left aside."""
    known = (*TO_WORLD, *TO_CAMERA, *ANGULAR, *CHOICES, *OTHERS)
    for key in entry:
        near = get_close_matches(key, known, n=1, cutoff=0.75)
        if key not in known and near:
            raise InputError(f'{what} has a key "{key}": did you mean "{near[0]}"?')


def read_intrinsics(
    entry: Mapping[str, Any], preset: CameraPreset, what: str
) -> tuple[Matrix, Units, tuple[int, int] | None]:
    """A matrix, a focal length, a field of view, or the preset's."""
    given = entry.get("intrinsics", entry)
    if isinstance(given, Mapping):
        if given is not entry and not given.keys() & {"focal", "fov"}:
            raise InputError(f'the "intrinsics" of {what} have neither "focal" nor "fov": add one.')
        focal = preset.focal
        if "focal" in given:
            focal = number(given["focal"], what)
        elif "fov" in given:
            fov = angle(given["fov"], entry, what)
            if not 0 < fov < pi:
                raise InputError(f"the field of view of {what} is impossible: give 3 to 115.")
            focal = focal_from_fov(fov)
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
        pivot = numbers(entry["pivot"], what).tolist()
        if len(pivot) != 3:
            raise InputError(f"the pivot of {what} has {len(pivot)} numbers: give x, y, z.")
        preset = replace(preset, pivot=(pivot[0], pivot[1], pivot[2]))
    yaw, pitch, roll = (angle(entry.get(name, 0), entry, what) for name in ANGLES)
    if entry.get("sampler") == "eg3d":
        yaw, pitch = (float(value) for value in from_official(pi / 2 + yaw, pi / 2 + pitch))
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
