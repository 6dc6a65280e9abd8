"""Sheets of the same subjects over poses, model by model: figures 4 to 6 of the student's paper."""

from collections.abc import Iterable, Iterator, Sequence
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


def write_poses(models: Iterable[Named], folder: Path) -> list[Path]:
    """For each subject a row of each model, so that the same pose stands one above the other.

    Models are drawn one after the other. Nothing is written of none.
    """
    angles = [(yaw, 0.0) for yaw in YAWS] + [(0.0, pitch) for pitch in PITCHES]
    rows = [(model.name, list(_rows(model, angles))) for model in models]
    if not rows:
        return []
    side = max(len(row[0]) for _, drawn in rows for row in drawn)
    captions, pictures = [], []
    for subject in range(SUBJECTS):
        for name, drawn in rows:
            captions += [f"{name} {subject}, {_angle(*view)}" for view in angles]
            pictures += [enlarge(picture, side) for picture in drawn[subject]]
    path = folder / FILE
    write_png(captioned_grid(pictures, captions, len(angles)), path)
    return [path]


def _angle(yaw: float, pitch: float) -> str:
    return f"pitch {pitch:g}°" if pitch else f"yaw {yaw:g}°"


@torch.inference_mode()
def _rows(model: Named, angles: Sequence[tuple[float, float]]) -> Iterator[list[Picture]]:
    """Of each subject."""
    _, generator, options = model
    yaws, pitches = ([radians(angle) for angle in some] for some in zip(*angles, strict=True))
    cameras, batch = PRESETS[generator.camera_preset].at(yaws, pitches), choose_batch(*model[1:])
    for seed in range(SUBJECTS):
        subject = prepare_subject(generator, Person(seed, TRUNCATION), options)
        drawn = draw_views(generator, subject, cameras, options, batch)
        yield [picture for view in drawn for picture in to_pixels(view.image)]
