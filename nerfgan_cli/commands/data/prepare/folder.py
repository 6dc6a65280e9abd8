"""`nerfgan data prepare folder`: any pictures with cameras in a common format."""

from enum import Enum
from math import radians
from typing import Annotated

import numpy as np
import typer

from nerfgan_cli.cameras import focal_from_fov
from nerfgan_cli.commands.data import running as r
from nerfgan_cli.commands.options import Json
from nerfgan_cli.commands.parsing import parse_point
from nerfgan_cli.data.pictures import Colour
from nerfgan_cli.data.preparation import Finish, Plan
from nerfgan_cli.data.sources.folder import FolderOptions, plan_folder
from nerfgan_cli.data.views import Matrix
from nerfgan_cli.errors import UsageError

LARGEST = 512  # side that is chosen automatically
COLOURS: dict[str, Colour] = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}


class Like(str, Enum):
    """Published cameras to resemble."""

    ffhq = "ffhq"
    afhq = "afhq"
    cars = "cars"  # as trained
    cars_video = "cars-video"  # as the release's videos show them, and converted models


class Extrinsics(str, Enum):
    """What pose matrices do."""

    camera_to_world = "camera-to-world"
    world_to_camera = "world-to-camera"


class Axes(str, Enum):
    """Of cameras: x right, y down, z forward; or x right, y up, z backward."""

    opencv = "opencv"
    opengl = "opengl"


class World(str, Enum):
    """What becomes of the source's world."""

    keep = "keep"
    fit = "fit"


class Fit(str, Enum):
    """How a picture becomes square."""

    crop = "crop"
    pad = "pad"


def command(
    source: r.Source,
    out: r.Out,
    cameras: r.Cameras = None,
    like: Annotated[
        Like | None,
        typer.Option("--like", help="Whose distance to take; else those of the nearest focal."),
    ] = None,
    world: Annotated[
        World | None,
        typer.Option("--world", help="Move foreign cameras about the origin, or keep them."),
    ] = None,
    center: Annotated[
        str | None,
        typer.Option(metavar="X,Y,Z", help="The subject, in its world; else where all look."),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(metavar="X,Y,Z,X,Y,Z", help="Two corners of the subject, for its centre."),
    ] = None,
    up: Annotated[
        r.Axis | None, typer.Option("--up", help="Axis of the source that is up; else found.")
    ] = None,
    front: Annotated[
        str | None, typer.Option(metavar="NAME", help="The picture at yaw 0; else the middle.")
    ] = None,
    radius: Annotated[
        float | None, typer.Option(min=1e-3, metavar="R", help="Distance of the cameras.")
    ] = None,
    fov: Annotated[
        float | None,
        typer.Option(min=3, max=115, metavar="D", help="Degrees across a side, if none is stated."),
    ] = None,
    pivot: Annotated[
        str, typer.Option(metavar="X,Y,Z", help="What cameras look at that are angles.")
    ] = "0,0,0",
    extrinsics: Annotated[
        Extrinsics | None, typer.Option("--extrinsics", help="Else as the format has it.")
    ] = None,
    axes: Annotated[Axes, typer.Option("--axes", help="Of cameras, if not stated.")] = Axes.opencv,
    fit: Annotated[
        Fit, typer.Option("--fit", help="Largest square, or the whole on the background.")
    ] = Fit.crop,
    background: Annotated[
        str, typer.Option(metavar="COLOUR", help="white, black, grey or R,G,B.")
    ] = "white",
    resolution: Annotated[
        int | None,
        typer.Option(min=4, max=4096, metavar="R", help="Side; else the largest power of two."),
    ] = None,
    mirror: r.Mirror = False,
    workers: r.Workers = None,
    skip_bad: r.SkipBad = False,
    json: Json = False,
) -> None:
    """Makes a data set of any pictures with cameras.

    Known are dataset.json (25 numbers), transforms.json (Blender, instant-ngp, nerfstudio),
    COLMAP's text, Middlebury's *_par.txt, cameras.json, .npz of OpenCV matrices, a .json or .txt
    beside each picture, and a .csv of name,yaw,pitch in degrees. Cameras of another world are
    moved, turned and scaled about the subject; what was chosen is said, and written to
    OUT.zip.json. An interrupted command, given again, goes on where it was.
    """
    colour = parse_colour(background)
    options = FolderOptions(
        cameras=cameras,
        like=like and like.value,
        radius=radius,
        focal=None if fov is None else focal_from_fov(radians(fov)),
        pivot=parse_point("--pivot", pivot),
        to_camera=None if extrinsics is None else extrinsics is Extrinsics.world_to_camera,
        opengl=axes is Axes.opengl,
        keep_world=None if world is None else world is World.keep,
        box=parse_subject(center, box),
        up=up and up.value,
        front=front,
        crop=fit is Fit.crop,
        fill=colour,
    )
    finish = Finish(resolution or LARGEST, colour, mirror)
    storage, job = r.begin(source, out, finish, workers, skip_bad, json)
    plan = plan_folder(storage, options, job.workers, r.watch("header"))
    if resolution is None:
        job = job._replace(finish=finish._replace(resolution=choose_resolution(plan)))
    r.carry_out(storage, plan, job)


def choose_resolution(plan: Plan) -> int:
    """The largest power of two that no picture must be enlarged for."""
    least = min((cut.framing.side for cut in plan.cuts), default=LARGEST)
    return min(max(1 << int(least).bit_length() - 1, 4), LARGEST)


def parse_subject(center: str | None, box: str | None) -> Matrix | None:  # [2, 3]
    """Two corners of a box; a centre is a box without size."""
    if center is not None and box is not None:
        raise UsageError("--center and --box both say where the subject is: give one of them.")
    if center is not None:
        return np.array([parse_point("--center", center)] * 2)
    if box is None:
        return None
    parts = box.split(",")
    corners = [",".join(parts[:3]), ",".join(parts[3:])]
    return np.array([parse_point("--box", corner) for corner in corners])


def parse_colour(text: str) -> Colour:
    parts = text.split(",")
    if text in COLOURS:
        return COLOURS[text]
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) < 256 for part in parts):
        raise UsageError(f"--background {text!r} is no colour: write white, black or 200,205,210.")
    return int(parts[0]), int(parts[1]), int(parts[2])
