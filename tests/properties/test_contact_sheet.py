"""The contact sheet of `data check` shows cameras where they are, and the world as they see it."""

from collections.abc import Sequence
from itertools import product
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import labels_at, png, write_zip
from PIL import Image

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.camera_plot import (
    AXES,
    BOX,
    MARGIN,
    corners_3d,
    plot_cameras,
    project,
    rainbow,
)
from nerfgan_cli.data.check import check
from nerfgan_cli.data.contact_sheet import GAP, SIDE, WIDTH, draw_sheet, draw_world

RED, GREEN, BLUE, WHITE = (214, 60, 50), (40, 150, 60), (50, 90, 220), (255, 255, 255)
PLOT = 400  # pixels
PAIRS = ((0.2, 0.0), (0.2 + pi / 2, 0.0), (0.3, 0.6))  # yaw and pitch; each has its opposite


def plotted(view: int) -> tuple[np.ndarray, np.ndarray]:  # [N, 3] in the world, [H, W, 3]
    """Cameras around the origin and how a view of them is drawn."""
    opposite = [(yaw + pi, -pitch) for yaw, pitch in PAIRS]
    yaw, pitch = zip(*PAIRS, *opposite, strict=True)
    camera = PRESETS["ffhq"].at(yaw=yaw, pitch=pitch)
    image = plot_cameras(camera, 1.0, PLOT)[view]
    return camera.position.double().numpy(), np.asarray(image).astype(float)


def place(view: int, point: Sequence[float]) -> tuple[float, float]:  # [3] -> column and row
    """Where a view of `plotted` has a point, by hand."""
    x, y, z = point
    ahead = x * sin(0.6) + z * cos(0.6)
    right, down = (
        (x * cos(0.6) - z * sin(0.6), ahead * sin(0.4) - y * cos(0.4)),  # yaw 0.6, pitch 0.4
        (x, z),
        (-z, -y),
    )[view]
    scale = MARGIN * PLOT / (2 * 2.7 * cos(0.2))  # the width from above fills the picture
    return PLOT / 2 + scale * right, PLOT / 2 + scale * down


@pytest.mark.parametrize("view", [0, 1, 2])
def test_a_pyramid_has_its_apex_at_the_camera(view: int) -> None:
    positions, pixels = plotted(view)
    for index, position in enumerate(positions):
        colour = rainbow(index / len(positions))
        assert nearest_ink(pixels, colour, *place(view, position)) < 2, index


@pytest.mark.parametrize("view", [0, 1, 2])
def test_cameras_stand_about_the_cube_and_the_axes(view: int) -> None:
    _, pixels = plotted(view)
    for corner in product((-0.5, 0.5), repeat=3):
        assert nearest_ink(pixels, BOX, *place(view, corner)) < 2, corner
    for direction, (name, colour) in zip(np.eye(3), AXES, strict=True):
        if (view, name) not in ((1, "y"), (2, "x")):  # those point at the viewer
            assert nearest_ink(pixels, colour, *place(view, 0.5 * direction)) < 2, name
            assert nearest_ink(pixels, colour, *place(view, -0.3 * direction)) > 5, name


def nearest_ink(pixels: np.ndarray, colour: tuple[int, ...], column: float, row: float) -> float:
    """Distance of the nearest pixel of a colour, which may be paler; infinite without one."""
    shade = (255 - pixels) / (255 - pixels).max(axis=2, keepdims=True).clip(min=60)
    wanted = 255 - np.array(colour)
    rows, columns = np.nonzero(np.abs(shade - wanted / wanted.max()).max(axis=2) < 0.08)
    return float(np.hypot(columns + 0.5 - column, rows + 0.5 - row).min(initial=np.inf))


def test_a_pyramid_has_its_base_where_the_picture_is() -> None:
    camera = PRESETS["ffhq"].at(yaw=[0.5, -2.0], pitch=[0.2, -0.4], roll=[0.0, 0.7])
    corners = corners_3d(camera, 0.5)
    np.testing.assert_allclose(corners[:, 0], camera.position, atol=1e-6)
    clockwise = [[0, 0], [1, 0], [1, 1], [0, 1]]
    for index in range(2):
        seen = project(camera[index], corners[index, 1:])[0]
        np.testing.assert_allclose(seen[:, :2], clockwise, atol=1e-5)
        assert (seen[:, 2] > 0).all()
        away = np.linalg.norm(corners[index, 1:] - corners[index, 0], axis=1)
        np.testing.assert_allclose(away, 0.5, atol=1e-6)


def test_the_world_lies_over_a_picture() -> None:
    """A camera of cars in front: of the cube, the back face is seen whole."""
    image = Image.new("RGB", (SIDE, SIDE))
    draw_world(image, PRESETS["cars"].frontal(), 1.6)
    far, near = SIDE * 525 / 512 * 0.8 / (1.3 + 0.8), SIDE * 525 / 512 * 0.8 / (1.3 - 0.8)
    middle = SIDE / 2
    assert near > middle > far
    corners = {(a, b): (middle + a * far, middle + b * far) for a in (-1, 1) for b in (-1, 1)}
    for (a, b), (column, row) in corners.items():
        assert found(image, WHITE, column, row)
        assert found(image, WHITE, column + 5 * a, row + 5 * b)  # the edge to the front
        assert found(image, WHITE, middle, row)
        assert not found(image, WHITE, column + 8 * a, row)  # the back face ends there
    end = SIDE * 525 / 512 * 0.4 / 1.3
    for colour, right, up in ((RED, 1, 0), (GREEN, 0, 1)):
        for share in (0.2, 0.5, 0.9):
            assert found(image, colour, middle + share * end * right, middle - share * end * up)
        assert not found(image, colour, middle - 0.5 * end * right, middle + 0.5 * end * up)
        assert not found(image, colour, middle + 1.2 * end * right, middle - 1.2 * end * up)
    assert found(image, BLUE, middle, middle)  # towards the camera


def found(image: Image.Image, colour: tuple[int, int, int], column: float, row: float) -> bool:
    """Whether the pixel at a place, or one next to it, has a colour."""
    left, top = round(column - 0.5), round(row - 0.5)
    part = np.asarray(image)[max(top - 1, 0) : top + 2, max(left - 1, 0) : left + 2]
    return bool((part == colour).all(axis=2).any())


def test_the_sheet_has_pictures_with_the_world_and_all_cameras(tmp_path: Path) -> None:
    names = [f"{index}.png" for index in range(3)]
    files = dict.fromkeys(names, png(Image.new("RGB", (16, 16), (90, 90, 90))))
    labels = labels_at([-0.4, 0.1, 0.5], pitches=0.2)
    pairs = [list(pair) for pair in zip(names, labels, strict=True)]
    sheet = draw_sheet(check(write_zip(tmp_path / "set.zip", files, pairs), 1))
    cameras = Camera.from_label(torch.tensor(labels))
    side = WIDTH // 3 - GAP
    top = sheet.height - side
    for index, plot in enumerate(plot_cameras(cameras, 1.0, side)):
        left = index * (side + GAP)
        assert cut(sheet, left, top, side) == plot.tobytes()
    for index in range(3):
        picture = Image.new("RGB", (SIDE, SIDE), (90, 90, 90))
        draw_world(picture, cameras[index], 1.0)
        assert cut(sheet, index * (SIDE + GAP), top - SIDE, SIDE) == picture.tobytes()


def cut(sheet: Image.Image, left: int, top: int, side: int) -> bytes:
    return sheet.crop((left, top, left + side, top + side)).tobytes()
