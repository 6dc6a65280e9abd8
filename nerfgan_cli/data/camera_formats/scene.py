"""A scene as SRN renders it: `pose/000000.txt` (camera to world, OpenCV's axes), `intrinsics.txt`.

Intrinsics are in pixels of the size in their last line (eg3d.md 11.5).
"""

import posixpath

from nerfgan_cli.data.camera_formats.matrices import numbers, pinhole, pose_matrix
from nerfgan_cli.data.storage import Storage
from nerfgan_cli.data.views import Matrix, Units, View
from nerfgan_cli.errors import InputError

INTRINSICS, POSES = "intrinsics.txt", "pose"


def views_of_scene(storage: Storage) -> list[View]:
    """All poses of one scene, named by their files."""
    names = [n for n in storage.names if posixpath.dirname(n) == POSES and n.endswith(".txt")]
    if not names or INTRINSICS not in storage.names:
        raise InputError(f"it is no scene: give a folder of {POSES}/*.txt and {INTRINSICS}.")
    lens = read_intrinsics(read_text(storage, INTRINSICS), INTRINSICS)
    return [
        View(posixpath.basename(name)[:-4], read_pose(storage, name), lens, Units.sides)
        for name in names
    ]


def read_pose(storage: Storage, name: str) -> Matrix:  # [4, 4]
    return pose_matrix(read_text(storage, name).split(), name)


def read_text(storage: Storage, name: str) -> str:
    return storage.read(name).decode(errors="replace")


def read_intrinsics(text: str, file: str) -> Matrix:  # [3, 3], in sides
    """First line: focal length, cx, cy; last line: width and height; all in pixels."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or len(lines[0]) < 3 or len(lines[-1]) != 2:
        raise InputError(f"{file} is not of the form f cx cy … height width: mend it.")
    focal, cx, cy = numbers(lines[0][:3], file).tolist()
    height, width = numbers(lines[-1], file).tolist()
    if not min(width, height) > 0:
        raise InputError(f"{file} states a picture of {width}×{height}: mend it.")
    return pinhole(focal / width, focal / height, cx / width, cy / height)
