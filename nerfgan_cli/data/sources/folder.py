"""Any folder or zip of pictures with cameras in a known format."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nerfgan_cli.cameras import PRESETS, Camera, CameraPreset, Point
from nerfgan_cli.data.camera_formats.finding import Found, find_cameras
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.data.conventions import BOX_SIDE, nearest_preset
from nerfgan_cli.data.pictures import BadPictureError, Colour, is_picture
from nerfgan_cli.data.preparation import Cut, Plan, Progress, plan_cuts, plan_view
from nerfgan_cli.data.storage import Storage
from nerfgan_cli.data.views import Matrix, PictureIndex, View
from nerfgan_cli.data.worlds import Similarity, Wish, fit_world
from nerfgan_cli.data.writing import Bad
from nerfgan_cli.errors import InputError


@dataclass(frozen=True)
class FolderOptions:
    """What the user says; what is None is found out."""

    cameras: Path | None = None
    like: str | None = None  # preset whose distance and focal length are taken
    radius: float | None = None
    focal: float | None = None  # of cameras that say none
    pivot: Point = (0.0, 0.0, 0.0)  # of cameras that are angles
    to_camera: bool | None = None  # matrices are world-to-camera
    opengl: bool = False
    keep_world: bool | None = None
    box: Matrix | None = None  # [2, 3], of the subject, or its centre twice, in the foreign world
    up: str | None = None
    front: str | None = None  # a picture
    crop: bool = True
    fill: Colour = (255, 255, 255)


def plan_folder(storage: Storage, options: FolderOptions, workers: int, progress: Progress) -> Plan:
    """Finds cameras and pictures, brings the world into ours, cuts squares."""
    pictures = [name for name in storage.names if is_picture(name)]
    if not pictures:
        raise InputError(f"{storage.path} holds no pictures: give a folder or a zip that does.")
    reading = Reading(angle_preset(options), options.to_camera, options.opengl)
    found = find_cameras(storage, pictures, options.cameras, reading)
    views, bad = match(found.views, pictures)
    if not views:
        raise InputError(
            f"none of the {len(found.views)} cameras ({found.form}) belongs to a picture of "
            f"{storage.path}, such as {pictures[0]}: give the cameras these names."
        )
    notes = [f"{len(views)} cameras: {found.form}"]
    left = sorted(set(pictures) - set(views))
    if left:
        notes.append(f"left out, without a camera: {len(left)} ({left[0]} …)")
    keep = keep_world(found, options)
    world = None
    if keep:
        notes.append("world: kept as it is")
    else:
        views, world, how = move_world(storage, views, options)
        notes += how

    def plan(picture: str) -> Cut:
        return plan_view(storage, views[picture], not keep, options.crop, options.fill, picture)

    cuts, unusable = plan_cuts(sorted(views), plan, workers, progress)
    turned = sum(cut.framing.turns > 0 for cut in cuts)
    if turned:
        notes.append(f"{turned} pictures are turned by quarters to stand upright")
    return Plan(cuts, bad + unusable, notes, world)


def keep_world(found: Found, options: FolderOptions) -> bool:
    """Whether cameras stay where they are; wishes that would have no effect are refused."""
    if found.settled and (options.to_camera is not None or options.opengl):
        raise InputError(
            f"the format of these cameras ({found.form}) settles their axes and direction: "
            "leave them out."
        )
    wishes = (options.box, options.up, options.front)
    moved = any(wish is not None for wish in wishes)
    if moved and options.keep_world:
        raise InputError("a world that is kept gets no centre, up or front: leave them out.")
    keep = found.ours and not moved if options.keep_world is None else options.keep_world
    if keep and options.radius is not None and not found.angles:
        raise InputError(
            "cameras that are kept where they are have their own distances: leave the radius out, "
            "or fit the world."
        )
    return keep


def angle_preset(options: FolderOptions) -> CameraPreset:
    """The sphere for cameras that are only angles."""
    preset = PRESETS[options.like or "ffhq"]
    return replace(
        preset,
        pivot=options.pivot,
        radius=options.radius or preset.radius,
        focal=options.focal or preset.focal,
    )


def match(views: list[View], pictures: list[str]) -> tuple[dict[str, View], list[Bad]]:
    """Cameras by the pictures they belong to, and cameras without one."""
    index = PictureIndex(pictures)
    matched: dict[str, View] = {}
    bad = []
    for view in views:
        picture = index.find(view.name)
        if picture is None:
            bad.append(
                Bad(view.name, "it has a camera, but no single picture has its name: add it")
            )
        elif picture in matched:
            bad.append(Bad(picture, "it has several cameras: keep one"))
        else:
            matched[picture] = view
    return matched, bad


def move_world(
    storage: Storage, views: dict[str, View], options: FolderOptions
) -> tuple[dict[str, View], Similarity, list[str]]:
    """All cameras in our world, how it came about, and sentences about that."""
    pictures = sorted(views)
    notes = []
    like = options.like
    if like is None:
        like = nearest_preset(usual_focal(storage, views, options))
        notes.append(f"like {like}: the published cameras of the nearest focal length")
    if options.front is not None and options.front not in views:
        raise InputError(
            f"{options.front} is no picture with a camera: name one, as {pictures[0]}."
        )
    wish = Wish(
        radius=options.radius or PRESETS[like].radius,
        center=None if options.box is None else options.box.mean(axis=0),
        up=options.up,
        front=None if options.front is None else pictures.index(options.front),
    )
    poses = np.stack([views[picture].cam2world for picture in pictures])
    world, how = fit_world(poses, wish)
    moved = {
        picture: views[picture]._replace(cam2world=pose)
        for picture, pose in zip(pictures, world.poses(poses), strict=True)
    }
    notes += how
    if options.box is not None and (options.box[0] != options.box[1]).any():
        notes.append(describe_box(world, options.box, BOX_SIDE[like]))
    return moved, world, notes


def usual_focal(storage: Storage, views: dict[str, View], options: FolderOptions) -> float:
    """Of the first picture that can be read, in sides of the finished picture."""
    for picture, view in sorted(views.items()):
        with suppress(BadPictureError, InputError):
            cut = plan_view(storage, view, False, options.crop, options.fill, picture)
            return float(Camera.from_label(cut.label).intrinsics[0, 0, 0])
    raise InputError(f"none of the pictures of {storage.path} can be read: replace them.")


def describe_box(world: Similarity, box: Matrix, cube: float) -> str:
    """Where the subject's box lies in our world."""
    corners = np.array(np.meshgrid(*box.T)).reshape(3, -1).T
    reach = float(np.abs(world.points(corners)).max())
    fits = "within" if reach <= cube / 2 else "BEYOND"
    return f"box: reaches {reach:.2f} from the origin, {fits} the volume's {cube / 2:g}"
