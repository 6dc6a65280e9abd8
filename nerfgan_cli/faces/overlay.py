"""What a person looks at to see whether a crop and its camera are right.

Crosses are eyes, nose and mouth corners of the mean face as the camera sees them, or points whose
places in the world were given; they should lie on the dots, the points in the picture. The arrows
are the world's axes: red to the subject's left, green up, blue out of the face. The white line lies
as the horizon does.
"""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from nerfgan_cli.camera_files import describe
from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.camera_plot import AXES, project
from nerfgan_cli.faces.alignment import Aligned
from nerfgan_cli.faces.cropping import SIDE, Pixels
from nerfgan_cli.faces.shapes import CENTER, Points

ENLARGED = 2  # the drawing, of the final picture
DOT, CROSS, FIVE, LEVEL = (80, 255, 80), (255, 60, 220), (255, 230, 60), (255, 255, 255)
PAPER, INK, WARNING = (20, 20, 20), (240, 240, 240), (255, 170, 60)
KEY = "crosses: a mean face, or the places of points, as this camera sees them; circles: as found"
AXIS = 0.25  # length in the world
FONT, LINE = 20, 27  # pixels


def draw_overlay(aligned: Aligned) -> Pixels:
    """The picture with all of this, and below it the angles, the method, the warnings."""
    side = ENLARGED * SIDE
    face = Image.fromarray(aligned.picture).resize((side, side), Image.Resampling.BICUBIC)
    angles = describe(aligned.camera)
    lines = [
        "seen from yaw {viewing_yaw:+.1f}, pitch {viewing_pitch:+.1f}, roll {roll:+.1f} degrees; "
        "camera at yaw {yaw:+.1f}, pitch {pitch:+.1f}".format_map(angles),
        f"by {aligned.method}" + (f", score {aligned.face.score:.2f}" if aligned.face else ""),
    ]
    if aligned.estimate:
        lines.append(f"this way: {aligned.estimate.known}")
    if aligned.estimate or aligned.world is not None:
        lines.append(KEY)
    plain = len(lines)
    lines += aligned.warnings
    sheet = Image.new("RGB", (side, side + LINE * len(lines) + 8), PAPER)
    sheet.paste(face)
    draw = ImageDraw.Draw(sheet)
    draw_horizon(draw, angles["roll"])
    draw_points(draw, aligned)
    font = ImageFont.load_default(FONT)
    for row, line in enumerate(lines):
        colour = INK if row < plain else WARNING
        draw.text((8, side + 4 + LINE * row), line, fill=colour, font=font)
    return np.asarray(sheet)


def draw_horizon(draw: ImageDraw.ImageDraw, roll: float) -> None:
    """Through the middle of the picture, as the horizon lies."""
    middle = ENLARGED * SIDE / 2
    angle = np.radians(roll)  # counter-clockwise
    reach = middle * np.array([np.cos(angle), -np.sin(angle)])
    draw.line([*(middle - reach), *(middle + reach)], fill=LEVEL, width=1)
    draw.text((8, middle - reach[1] + 4), "horizon", fill=LEVEL, font=ImageFont.load_default(14))


def draw_points(draw: ImageDraw.ImageDraw, aligned: Aligned) -> None:
    estimate = aligned.estimate
    camera, center = aligned.camera, np.zeros(3)
    if estimate is not None:
        # At the distance that the points ask for: the label's is the same for all faces.
        pose = torch.from_numpy(estimate.solved.pose)[None].float()
        camera, center = Camera(pose, camera.intrinsics), CENTER
        dots(draw, estimate.landmarks, 4, DOT)
        dots(draw, estimate.five, 6, FIVE)
    dots(draw, aligned.points, 6, FIVE)
    world = estimate.shape if estimate is not None else aligned.world
    for x, y in [] if world is None else seen(camera, world):
        draw.line([x - 5, y - 5, x + 5, y + 5], fill=CROSS, width=2)
        draw.line([x - 5, y + 5, x + 5, y - 5], fill=CROSS, width=2)
    for direction, (name, colour) in zip(np.eye(3), AXES, strict=True):
        start, end = seen(camera, np.stack([center, center + AXIS * direction])).tolist()
        draw.line([*start, *end], fill=colour, width=4)
        draw.text(end, name, fill=colour, font=ImageFont.load_default(FONT))


def seen(camera: Camera, points: Points) -> Points:  # [N, 3] -> [N, 2], pixels of the drawing
    return project(camera, points)[0, :, :2] * ENLARGED * SIDE


def dots(
    draw: ImageDraw.ImageDraw, points: Points | None, radius: int, colour: tuple[int, int, int]
) -> None:
    for x, y in [] if points is None else ENLARGED * points:
        box = [x - radius, y - radius, x + radius, y + radius]
        draw.ellipse(box, outline=colour, width=2)
