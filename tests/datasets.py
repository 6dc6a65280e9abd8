"""Small data sets for tests: pictures whose content tells their camera, in every format we read."""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nerfgan_cli.cameras import PRESETS, look_at

SHARED = Path(os.environ.get("NERFGAN_SHARED", Path(__file__).parents[2] / "shared"))
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def shared(name):
    """A folder of real pictures, or the reason why the test is skipped."""
    path = SHARED / "photos" / name
    if not path.is_dir():
        pytest.skip(f"there is no {path}: set NERFGAN_SHARED to a folder that has photos/{name}")
    return path


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def noise(side, seed):
    pixels = np.random.RandomState(seed).randint(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def labels_at(yaws, pitches=0.0):
    """Labels of FFHQ's cameras at these angles, as lists."""
    return PRESETS["ffhq"].at(yaw=list(yaws), pitch=pitches).label.tolist()


def write_zip(path, files, labels=None):
    """files: name → bytes; labels: a list of [name, numbers], or None for no dataset.json."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
        if labels is not None:
            archive.writestr("dataset.json", json.dumps({"labels": labels}))
    return path


def archive(path, count=6, side=16):
    """A sound data set of noise; yaw grows with the index."""
    names = [f"00000/img{index:08d}.png" for index in range(count)]
    files = {name: png(noise(side, index)) for index, name in enumerate(names)}
    labels = labels_at(np.linspace(-0.5, 0.5, count))
    return write_zip(path, files, [list(pair) for pair in zip(names, labels, strict=True)])


class Scene:
    """Coloured balls in a foreign world, photographed by cameras all around and off centre."""

    width, height, ball = 120, 90, 3.5  # pixels
    points = np.array([[10.3, -4.0, 2.2], [9.5, -4.2, 2.6], [10.0, -3.3, 1.6]])
    center, up = np.array([10.0, -4.0, 2.0]), np.array([0.0, 0.0, 1.0])

    def __init__(self, count=8, rolls=(0.0,), spread=2 * np.pi):
        angles = spread * np.arange(count) / count
        self.names = [f"images/shot{index:02d}.png" for index in range(count)]
        self.poses = np.stack(
            [self._pose(angle, rolls[index % len(rolls)]) for index, angle in enumerate(angles)]
        )
        self.intrinsics = np.array([[170.0, 0, 63.0], [0, 165.0, 41.0], [0, 0, 1]])

    def _pose(self, angle, roll):
        to_ours = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # z up to y up
        offset = 5 * np.array([np.cos(angle), np.sin(angle), 0.35])
        ours = to_ours @ offset
        pose = look_at(torch.from_numpy(ours)[None], torch.zeros(3, dtype=torch.float64), roll)[0]
        pose = pose.numpy()
        pose[:3, :3] = to_ours.T @ pose[:3, :3]
        pose[:3, 3] = to_ours.T @ pose[:3, 3] + self.center
        return pose

    def picture(self, index):
        rows, columns = np.mgrid[: self.height, : self.width] + 0.5
        pixels = np.zeros((self.height, self.width, 3), np.uint8)
        local = (self.to_camera(index) @ np.c_[self.points, np.ones(3)].T)[:3]
        for ball in np.argsort(-local[2]):  # from the back
            x, y, depth = self.intrinsics @ local[:, ball]
            inside = np.hypot(columns - x / depth, rows - y / depth) < self.ball
            pixels[inside] = COLOURS[ball]
        return Image.fromarray(pixels)

    def write(self, folder):
        (folder / "images").mkdir(parents=True)
        for index, name in enumerate(self.names):
            self.picture(index).save(folder / name)
        return folder

    def to_camera(self, index):
        return np.linalg.inv(self.poses[index])


def ball_centers(pixels):
    """Column and row of each ball in a picture [H, W, 3], in sides; NaN where one is hidden."""
    found = []
    for colour in COLOURS:
        mask = (np.abs(pixels.astype(int) - colour).sum(axis=2) < 200) & (pixels.max(axis=2) > 150)
        rows, columns = np.nonzero(mask)
        if len(rows) < 4:
            found.append([np.nan, np.nan])
        else:
            found.append([(columns.mean() + 0.5), (rows.mean() + 0.5)])
    return np.array(found) / len(pixels)
