"""A picture of a whole data set: some of its pictures, and all of its cameras in 3D.

Over each picture lie the world's axes and the cube of the volume, drawn with the picture's camera:
where these do not fit what is seen, the cameras are wrong.
"""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from nerfgan_cli.cameras import Camera, angles_from_pose
from nerfgan_cli.data.camera_plot import (
    AXES,
    PAPER,
    TEXT,
    Points,
    cube_edges,
    evenly,
    plot_cameras,
    project,
)
from nerfgan_cli.data.check import Report
from nerfgan_cli.data.conventions import BOX_SIDE
from nerfgan_cli.data.pictures import open_picture, to_rgb
from nerfgan_cli.data.storage import Storage, open_storage

COLUMNS, ROWS = 8, 3  # of pictures
SIDE, GAP = 150, 2  # pixels of a picture, and between pictures
LINE = 18  # pixels that a line of text takes
AXIS = 0.5  # length of the drawn axes, of half the cube's side
EDGE = (255, 255, 255)
WIDTH = COLUMNS * (SIDE + GAP) - GAP


def draw_sheet(report: Report) -> Image.Image:
    """The contact sheet of an examined data set: figures, pictures, cameras."""
    box_side = BOX_SIDE[report.cameras.preset] if report.cameras else 1.0
    rows = {name: row for row, name in enumerate(report.labels.names)}
    names = [name for name in report.healthy() if name in rows]
    labels = report.labels.numbers[[rows[name] for name in names]]
    cameras = Camera.from_label(torch.from_numpy(labels))
    parts = [headline(report, len(names))]
    if names:
        parts.append(draw_pictures(open_storage(report.path), names, cameras, box_side))
        parts.append(draw_plots(cameras, box_side))
    sheet = Image.new("RGB", (WIDTH, sum(part.height for part in parts)), PAPER)
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def headline(report: Report, fine: int) -> Image.Image:
    """What the sheet shows, and figures of the cameras."""
    lines = [f"{report.path.name}: {fine} of {len(report.pictures)} pictures are fine"]
    if report.cameras:
        lines += report.cameras.lines()
    strip = Image.new("RGB", (WIDTH, LINE * len(lines) + 8), PAPER)
    font = ImageFont.load_default(14)
    for row, line in enumerate(lines):
        ImageDraw.Draw(strip).text((6, LINE * row + 2), line, fill=TEXT, font=font)
    return strip


def draw_pictures(
    storage: Storage, names: list[str], cameras: Camera, box_side: float
) -> Image.Image:
    """Some of the pictures, evenly spread over all, with their angles."""
    shown = evenly(len(names), COLUMNS * ROWS).tolist()
    cell = SIDE + LINE
    sheet = Image.new("RGB", (WIDTH, -(-len(shown) // COLUMNS) * cell), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, index in enumerate(shown):
        left, top = place % COLUMNS * (SIDE + GAP), place // COLUMNS * cell
        image = to_rgb(open_picture(storage.read(names[index])), PAPER)
        image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        draw_world(image, cameras[index], box_side)
        sheet.paste(image, (left, top + LINE))
        draw.text((left + 2, top + 2), caption(cameras[index]), fill=TEXT, font=font)
    return sheet


def draw_plots(cameras: Camera, box_side: float) -> Image.Image:
    """All cameras from three sides."""
    side = WIDTH // 3 - GAP
    sheet = Image.new("RGB", (WIDTH, side), PAPER)
    for place, plot in enumerate(plot_cameras(cameras, box_side, side)):
        sheet.paste(plot, (place * (side + GAP), 0))
    return sheet


def caption(camera: Camera) -> str:
    yaw, pitch, roll = (round(float(a.rad2deg())) for a in angles_from_pose(camera.cam2world))
    turned = f"  roll {roll:+d}" if roll else ""
    return f"yaw {yaw:+d}  pitch {pitch:+d}{turned}"


def draw_world(image: Image.Image, camera: Camera, box_side: float) -> None:
    """The cube's edges and the axes, as this camera sees them."""
    draw = ImageDraw.Draw(image)
    for edge in cube_edges(box_side):
        draw_line(draw, camera, edge, EDGE, 1)
    for direction, (_, colour) in zip(np.eye(3), AXES, strict=True):
        draw_line(
            draw, camera, np.stack([0 * direction, direction * AXIS * box_side / 2]), colour, 2
        )


def draw_line(
    draw: ImageDraw.ImageDraw,
    camera: Camera,
    ends: Points,  # [2, 3]
    colour: tuple[int, int, int],
    width: int,
) -> None:
    """A line in the world, unless it passes behind the camera."""
    seen = project(camera, ends)[0]
    if (seen[:, 2] > 0).all():
        draw.line([tuple(point) for point in seen[:, :2] * SIDE], fill=colour, width=width)
