"""Writing cameras for other programs: one function per form, from the same named cameras.

What is written, `camera_files.load_cameras` reads back as the same 25 numbers.
"""

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from math import degrees
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch

from nerfgan_cli.camera_files import Named, file_content
from nerfgan_cli.camera_sources import MIRROR
from nerfgan_cli.cameras import Camera, CameraPreset, angles_from_pose, fov_from_focal
from nerfgan_cli.data.camera_formats.matrices import OPENGL
from nerfgan_cli.errors import InputError

PIXELS = 512  # that transforms.json counts in
CLOSE = 1e-5


class Form(NamedTuple):
    """How cameras are written."""

    suffix: str
    about: str
    write: Callable[[Sequence[Named], CameraPreset], bytes]


def as_matrices(cameras: Sequence[Named], preset: CameraPreset) -> bytes:
    return to_json(file_content(cameras))


def as_angles(cameras: Sequence[Named], preset: CameraPreset) -> bytes:
    entries = [angles_of(camera, preset, name or "one camera") for name, camera in cameras]
    named = [
        {"name": name} | entry if name else entry
        for (name, _), entry in zip(cameras, entries, strict=True)
    ]
    return to_json(named[0] if len(named) == 1 else {"cameras": named})


def as_numbers(cameras: Sequence[Named], preset: CameraPreset) -> bytes:
    rows = [camera.label[0].tolist() for _, camera in cameras]
    return to_json(rows[0] if len(rows) == 1 else rows)


def as_dataset(cameras: Sequence[Named], preset: CameraPreset) -> bytes:
    rows = [camera.label[0].tolist() for _, camera in cameras]
    return to_json({"labels": [list(pair) for pair in zip(names(cameras), rows, strict=True)]})


def as_npy(cameras: Sequence[Named], preset: CameraPreset) -> bytes:
    buffer = BytesIO()
    np.save(buffer, np.stack([camera.label[0].double().numpy() for _, camera in cameras]))
    return buffer.getvalue()


def as_npz(cameras: Sequence[Named], preset: CameraPreset) -> bytes:
    poses = np.stack([camera.cam2world[0].double().numpy() for _, camera in cameras])
    intrinsics = np.stack([camera.intrinsics[0].double().numpy() for _, camera in cameras])
    buffer = BytesIO()
    np.savez(buffer, names=names(cameras), extrinsics=np.linalg.inv(poses), intrinsics=intrinsics)
    return buffer.getvalue()


def as_transforms(cameras: Sequence[Named], preset: CameraPreset) -> bytes:
    return to_json(transforms_of(cameras, PIXELS))


def transforms_of(cameras: Sequence[Named], side: int) -> dict[str, Any]:
    """Of pictures of this side."""
    frames = []
    for name, (_, camera) in zip(names(cameras), cameras, strict=True):
        (fx, _, cx), (_, fy, cy), _ = (side * camera.intrinsics[0].double()).tolist()
        frames.append(
            {
                "file_path": name,
                "transform_matrix": (camera.cam2world[0].double().numpy() @ OPENGL).tolist(),
                **{"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": side, "h": side},
            }
        )
    focal = float(cameras[0][1].intrinsics[0, 0, 0])
    return {"camera_angle_x": fov_from_focal(focal), "frames": frames}


FORMS = {
    "matrices": Form(".json", "nerfgan's own, with angles for people", as_matrices),
    "angles": Form(".json", "yaw, pitch, roll in degrees, distance, focal length", as_angles),
    "numbers": Form(".json", "25 numbers each, as networks see them", as_numbers),
    "dataset": Form(".json", "EG3D's dataset.json", as_dataset),
    "npy": Form(".npy", "25 numbers each, as EG3D-projector wants them", as_npy),
    "npz": Form(".npz", "OpenCV's extrinsics (world to camera) and intrinsics", as_npz),
    "transforms": Form(".json", "transforms.json of NeRF, instant-ngp, nerfstudio", as_transforms),
}


def angles_of(camera: Camera, preset: CameraPreset, who: str) -> dict[str, Any]:
    """A camera as angles; its pivot is the point of its axis next to the preset's."""
    exact = Camera(camera.cam2world.double(), camera.intrinsics.double())
    position, forward = exact.position[0], exact.forward[0]
    pivot = position.new_tensor(preset.pivot)
    foot = position + ((pivot - position) @ forward) * forward
    if float((foot - pivot).norm()) < CLOSE:
        foot = pivot
    yaw, pitch, roll = (float(angle[0]) for angle in angles_from_pose(exact.cam2world))
    x, y, z = foot.tolist()
    radius, focal = float(position.norm()), float(exact.intrinsics[0, 0, 0])
    again = CameraPreset((x, y, z), radius, focal).at(yaw, pitch, roll)
    if not torch.allclose(again.label, camera.label, atol=CLOSE):
        raise InputError(
            f"angles cannot say where the camera of {who} points or what its lens does: "
            "choose another form, as matrices."
        )
    turns = zip(("yaw", "pitch", "roll"), map(degrees, (yaw, pitch, roll)), strict=True)
    return {**dict(turns), "radius": radius, "pivot": [x, y, z], "focal": focal, "unit": "deg"}


def names(cameras: Sequence[Named]) -> list[str]:
    """Names for forms that need them: the cameras' own, or EG3D's numbers."""
    return [name or f"img{index:08d}.png" for index, (name, _) in enumerate(cameras)]


def with_mirrored(cameras: Sequence[Named]) -> list[Named]:
    """Each followed by that of its mirror image, named as EG3D names them."""
    both: list[Named] = []
    for name, (called, camera) in zip(names(cameras), cameras, strict=True):
        path = PurePosixPath(name)
        both += [(called, camera), (str(path.with_stem(path.stem + MIRROR)), camera.mirrored())]
    return both


def to_json(content: object) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
