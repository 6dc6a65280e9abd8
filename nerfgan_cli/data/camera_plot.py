"""Cameras drawn in 3D: pyramids about the cube of the volume, from three sides.

The views are parallel projections: obliquely from the front right, from above (the front of the
world at the bottom), and from the right (the front of the world on the left).
"""

from colorsys import hsv_to_rgb
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nerfgan_cli.cameras import Camera, look_at, position_from_angles

MOST_PYRAMIDS = 250  # more hide one another; the others are dots
MOST_DOTS = 4000
PYRAMID = 0.2  # length, of the farthest camera's distance along an axis
AXIS = 1.5  # length of an axis, in half sides of the cube
SMOOTH = 2  # drawn at this multiple, then reduced
MARGIN = 0.92
AXES = (("x", (214, 60, 50)), ("y", (40, 150, 60)), ("z", (50, 90, 220)))
PAPER, BOX, TEXT, DOT = (255, 255, 255), (90, 90, 90), (70, 70, 70), (160, 160, 160)

Points = NDArray[np.float64]  # [..., 3], or [..., 2] on a picture


class View(NamedTuple):
    """A direction to look from."""

    name: str
    right: Points  # [3], world direction that points right in the drawing
    up: Points  # [3]


def views() -> list[View]:
    position = position_from_angles(torch.tensor([0.6]), torch.tensor([0.4]), 1.0)
    pose = look_at(position.double(), torch.zeros(3, dtype=torch.float64))[0].numpy()
    return [
        View("from the front right", pose[:3, 0], -pose[:3, 1]),
        View("from above", np.array([1.0, 0, 0]), np.array([0.0, 0, -1])),
        View("from the right", np.array([0.0, 0, -1]), np.array([0.0, 1, 0])),
    ]


def plot_cameras(camera: Camera, box_side: float, side: int) -> list[Image.Image]:
    """One square picture per view, all of one scale; colours run with the index."""
    reach = max(float(camera.position.abs().max()), box_side / 2)
    shown = camera[torch.from_numpy(evenly(len(camera), MOST_PYRAMIDS))]
    pyramids = corners_3d(shown, PYRAMID * reach)
    dots = camera.position[torch.from_numpy(evenly(len(camera), MOST_DOTS))].double().numpy()
    everything = np.concatenate([dots, *pyramids, *cube_edges(AXIS * box_side)])
    flats = [
        np.stack([everything @ view.right, -everything @ view.up], axis=-1) for view in views()
    ]
    extent = max(float((points.max(axis=0) - points.min(axis=0)).max()) for points in flats)
    return [
        draw_view(
            Canvas(
                view, (points.max(axis=0) + points.min(axis=0)) / 2, MARGIN * side / extent, side
            ),
            pyramids,
            dots,
            box_side,
        )
        for view, points in zip(views(), flats, strict=True)
    ]


class Canvas(NamedTuple):
    """A view with the place and scale at which it is drawn."""

    view: View
    middle: Points  # [2], of the picture, in the world's units
    scale: float  # pixels per unit
    side: int  # pixels

    def place(self, points: Points) -> Points:  # [..., 3] -> [..., 2], in pixels as drawn
        offsets = np.stack([points @ self.view.right, -points @ self.view.up], axis=-1)
        return SMOOTH * (self.side / 2 + self.scale * (offsets - self.middle))


def draw_view(
    canvas: Canvas,
    pyramids: Points,  # [N, 5, 3]
    dots: Points,  # [N, 3]
    box_side: float,
) -> Image.Image:
    image = Image.new("RGB", (canvas.side * SMOOTH, canvas.side * SMOOTH), PAPER)
    draw = ImageDraw.Draw(image)
    for edge in cube_edges(box_side):
        draw.line(flat(canvas.place(edge)), fill=BOX, width=SMOOTH)
    font = ImageFont.load_default(7 * SMOOTH + canvas.side // 40)
    origin = np.zeros(3)
    for direction, (name, colour) in zip(np.eye(3), AXES, strict=True):
        line = canvas.place(np.stack([origin, AXIS * box_side / 2 * direction]))
        if np.linalg.norm(line[1] - line[0]) > 1:  # not one that points at the viewer
            draw.line(flat(line), fill=colour, width=2 * SMOOTH)
            draw.text(flat(line)[1], name, fill=colour, font=font, anchor="mm", stroke_width=SMOOTH)
    draw.point(flat(canvas.place(dots)), fill=DOT)
    for index, corners in enumerate(canvas.place(pyramids)):
        draw_pyramid(draw, corners, rainbow(index / max(len(pyramids), 2)))
    draw.text((4 * SMOOTH, 3 * SMOOTH), canvas.view.name, fill=TEXT, font=font)
    return image.resize((canvas.side, canvas.side), Image.Resampling.BOX)


def draw_pyramid(draw: ImageDraw.ImageDraw, corners: Points, colour: tuple[int, int, int]) -> None:
    """Apex, then the picture's corners clockwise from its top left; the top edge is bold."""
    apex, *base = corners
    for corner in base:
        draw.line(flat(np.stack([apex, corner])), fill=colour)
    draw.line(flat(np.stack([*base, base[0]])), fill=colour)
    draw.line(flat(np.stack(base[:2])), fill=colour, width=2 * SMOOTH)


def corners_3d(camera: Camera, length: float) -> Points:  # [B, 5, 3]
    """Each camera's position and the corners of its picture, not longer than `length`."""
    pose, intrinsics = camera.cam2world.double().numpy(), camera.intrinsics.double().numpy()
    pixels = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], dtype=np.float64)
    rays = pixels @ np.linalg.inv(intrinsics).transpose(0, 2, 1)  # [B, 4, 3]
    rays *= length / np.linalg.norm(rays, axis=2).max(axis=1)[:, None, None]
    ends = rays @ pose[:, :3, :3].transpose(0, 2, 1) + pose[:, None, :3, 3]
    return np.concatenate([pose[:, None, :3, 3], ends], axis=1)


def cube_edges(side: float) -> Points:  # [12, 2, 3]
    """Edges of the cube about the origin."""
    corners = np.array(list(product((-0.5, 0.5), repeat=3)))
    pairs = combinations(corners, 2)
    return side * np.array([pair for pair in pairs if (pair[0] != pair[1]).sum() == 1])


def project(
    camera: Camera,
    points: Points,  # [N, 3]
) -> Points:  # [B, N, 3]: column and row in sides of the picture, then depth
    """Where points appear; those behind a camera have a negative depth."""
    pose, intrinsics = camera.cam2world.double().numpy(), camera.intrinsics.double().numpy()
    local = (points - pose[:, None, :3, 3]) @ pose[:, :3, :3]
    image = local @ intrinsics.transpose(0, 2, 1)
    depth = image[..., 2:]
    return np.concatenate([image[..., :2] / np.where(depth == 0, 1e-9, depth), depth], axis=-1)


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Up to `most` of `count` indices, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def flat(points: Points) -> list[tuple[float, float]]:
    """As Pillow wants them."""
    return [(float(x), float(y)) for x, y in points.reshape(-1, 2)]


def rainbow(fraction: float) -> tuple[int, int, int]:
    """From red over green to violet."""
    red, green, blue = hsv_to_rgb(0.8 * fraction, 0.9, 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)
