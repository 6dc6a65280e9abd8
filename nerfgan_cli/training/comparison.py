"""What a snapshot of a distillation shows: teacher, student and their difference, side by side."""

from math import radians

import numpy as np
import torch

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person, choose_batch, draw_views, prepare_subject
from nerfgan_cli.generators.mimic3d import BRANCH_3D
from nerfgan_cli.media import Picture, captioned_grid, enlarge, pictures_of

PEOPLE = 4  # rows
YAWS = (-30.0, 0.0, 30.0)  # degrees, columns of each of the three
LARGEST = 256  # pixels; the sheet is nine pictures wide
CONTRAST = 2  # of the difference, about a middle grey


@torch.inference_mode()
def compare(teacher: Generator, student: Generator, branch: str | None = None) -> Picture:
    """A row for each of the first seeds; the branch is the teacher's."""
    size = None if branch == BRANCH_3D else student.raw_resolution
    options = DrawOptions(resolution=size, branch=branch)
    cameras = PRESETS[student.camera_preset].at([radians(yaw) for yaw in YAWS])
    cells: list[Picture] = []
    for seed in range(PEOPLE):
        both = [views_of(network, seed, cameras, options) for network in (teacher, student)]
        differences = [difference(*pair) for pair in zip(*both, strict=True)]
        cells += [*both[0], *both[1], *differences]
    names = ("teacher", "student", "difference")
    titles = [f"{name} {yaw:.0f}°" for name in names for yaw in YAWS]
    captions = titles + [""] * (len(cells) - len(titles))
    height = min(LARGEST, cells[0].shape[0])
    return captioned_grid([enlarge(cell, height) for cell in cells], captions, len(titles))


def views_of(network: Generator, seed: int, cameras: Camera, options: DrawOptions) -> list[Picture]:
    subject = prepare_subject(network, Person(seed), options)
    views = draw_views(network, subject, cameras, options, choose_batch(network))
    return [picture for view in views for picture in pictures_of(view, "image")]


def difference(teacher: Picture, student: Picture) -> Picture:
    """Grey where they agree, bright where the student is brighter."""
    excess = student.astype(np.int16) - teacher.astype(np.int16)
    return np.clip(128 + CONTRAST * excess, 0, 255).astype(np.uint8)
