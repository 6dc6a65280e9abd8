"""Sheets of the same subjects over poses, model by model: figures 4 to 6 of the student's paper."""

from collections.abc import Iterator, Sequence
from math import radians
from pathlib import Path
from typing import NamedTuple

import torch

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person, choose_batch, draw_views, prepare_subject
from nerfgan_cli.media import Picture, captioned_grid, enlarge, to_pixels, write_png

SUBJECTS = 3
YAWS = (-30.0, -15.0, 0.0, 15.0, 30.0)  # degrees
PITCHES = (-15.0, 15.0)
FILE = "poses.png"
TRUNCATION = 0.7  # as pictures are usually shown


class Named(NamedTuple):
    name: str
    generator: Generator
    options: DrawOptions = DEFAULT_OPTIONS


def write_poses(models: Sequence[Named], folder: Path) -> Path:
    """For each subject a row of each model, so that the same pose stands one above the other."""
    angles = [(yaw, 0.0) for yaw in YAWS] + [(0.0, pitch) for pitch in PITCHES]
    captions = [
        f"{model.name} {seed}, " + (f"pitch {pitch:g}°" if pitch else f"yaw {yaw:g}°")
        for seed in range(SUBJECTS)
        for model in models
        for yaw, pitch in angles
    ]
    path = folder / FILE
    write_png(captioned_grid(_views(models, angles), captions, len(angles)), path)
    return path


@torch.inference_mode()
def _views(models: Sequence[Named], angles: Sequence[tuple[float, float]]) -> Iterator[Picture]:
    """All as large as the largest."""
    side = max(generator.img_resolution for _, generator, _ in models)
    yaws, pitches = ([radians(angle) for angle in some] for some in zip(*angles, strict=True))
    for seed in range(SUBJECTS):
        for _, generator, options in models:
            cameras = PRESETS[generator.camera_preset].at(yaws, pitches)
            subject = prepare_subject(generator, Person(seed, TRUNCATION), options)
            batch = choose_batch(generator)
            for view in draw_views(generator, subject, cameras, options, batch):
                yield from (enlarge(picture, side) for picture in to_pixels(view.image))
