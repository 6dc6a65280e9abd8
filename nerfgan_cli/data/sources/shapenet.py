"""ShapeNet cars as SRN renders them: scenes of `rgb/*.png`, `pose/*.txt`, `intrinsics.txt`.

eg3d.md 11.5: poses are camera-to-world in OpenCV's axes, used as they are; intrinsics are pixels of
the size in the last line. The pictures stand on white.
"""

import posixpath

import numpy as np

from nerfgan_cli.data.camera_formats.scene import read_intrinsics, read_pose, read_text
from nerfgan_cli.data.pictures import Colour, is_picture
from nerfgan_cli.data.preparation import Cut, Plan, Progress, plan_cuts, plan_view
from nerfgan_cli.data.storage import Storage
from nerfgan_cli.data.views import Matrix, Units, View
from nerfgan_cli.data.worlds import AXES
from nerfgan_cli.errors import InputError

WHITE: Colour = (255, 255, 255)


def plan_shapenet(storage: Storage, up: str | None, workers: int, progress: Progress) -> Plan:
    """All renders; `up` names the axis of the source that becomes +y."""
    names = set(storage.names)
    pictures = [n for n in storage.names if is_picture(n) and scene_of(n) is not None]
    if not pictures:
        raise InputError(
            f"{storage.path} holds no renders: give a folder of scenes with rgb/*.png, pose/*.txt "
            "and intrinsics.txt."
        )
    lenses: dict[str, Matrix] = {}
    for scene in sorted({scene_of(picture) or "" for picture in pictures}):
        file = posixpath.join(scene, "intrinsics.txt")
        if file not in names:
            raise InputError(f"{storage.path} has no {file}: each scene needs its own.")
        lenses[scene] = read_intrinsics(read_text(storage, file), file)
    turn = np.eye(4) if up is None else turn_up(AXES[up])

    def plan(picture: str) -> Cut:
        scene = scene_of(picture) or ""
        stem = posixpath.splitext(posixpath.basename(picture))[0]
        file = posixpath.join(scene, "pose", f"{stem}.txt")
        if file not in names:
            raise InputError(f"there is no {file} with its pose: add it.")
        view = View(picture, turn @ read_pose(storage, file), lenses[scene], Units.sides)
        return plan_view(storage, view, upright=False, crop=True, fill=WHITE, picture=picture)

    cuts, bad = plan_cuts(pictures, plan, workers, progress)
    world = "world: kept as it is" if up is None else f"world: {up} turned to +y"
    return Plan(cuts, bad, [f"{len(lenses)} scenes", world])


def scene_of(picture: str) -> str | None:
    """The folder above `rgb`; None for pictures elsewhere."""
    folder, below = posixpath.split(posixpath.dirname(picture))
    return folder if below == "rgb" else None


def turn_up(up: Matrix) -> Matrix:  # [4, 4]
    """The rotation that takes an axis to +y and moves the other two in a circle."""
    axis = int(np.abs(up).argmax())
    matrix = np.eye(4)
    matrix[:3, :3] = np.roll(np.eye(3), 1 - axis, axis=0)  # x→y, y→y, z→y
    if up[axis] < 0:
        matrix[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ matrix[:3, :3]
    return matrix
