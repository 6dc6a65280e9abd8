"""What a snapshot shows: the same people from the same cameras, in a sheet and in a short video."""

from math import radians
from pathlib import Path

import torch
from torch import Tensor

from nerfgan_cli.camera_paths import swing
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.encoder import video_writer
from nerfgan_cli.errors import DivergedError
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person, choose_batch, draw_views, prepare_subject
from nerfgan_cli.media import Picture, enlarge, pictures_of, tile, write_png

PEOPLE = 8  # rows of the sheet
YAWS = (-30.0, 0.0, 30.0)  # degrees, columns of the sheet; the depth of the middle one follows
VIDEO_PEOPLE = 4
VIDEO_YAW = 30.0  # degrees to either side
FRAMES_PER_SECOND = 15
REALS = 32  # pictures of the data set


def require_finite(image: Tensor) -> None:
    """Finite weights may still draw what is not."""
    if not bool(image.isfinite().all()):
        raise DivergedError(
            "the training diverged: the generator draws values that are not finite; the last "
            "good checkpoint is kept: start another run with a smaller learning rate."
        )


@torch.inference_mode()
def try_out(generator: Generator) -> None:
    """Before a checkpoint: one picture, which has to be finite."""
    front = PRESETS[generator.camera_preset].frontal()
    subject = prepare_subject(generator, Person(0), DrawOptions())
    for view in draw_views(generator, subject, front, DrawOptions(), batch=1):
        require_finite(view.image)


@torch.inference_mode()
def write_sheet(path: Path, generator: Generator) -> Picture:
    """A row for each of the first seeds."""
    preset = PRESETS[generator.camera_preset]
    cameras = preset.at([radians(yaw) for yaw in YAWS])
    cells: list[Picture] = []
    for seed in range(PEOPLE):
        subject = prepare_subject(generator, Person(seed), DrawOptions())
        views = list(draw_views(generator, subject, cameras, DrawOptions(), batch=len(YAWS)))
        (rendering,) = views
        cells.extend(pictures_of(rendering, "image"))
        if generator.has_depth:
            depth = pictures_of(rendering, "depth")[len(YAWS) // 2]
            cells.append(enlarge(depth, generator.img_resolution))
    sheet = tile(cells, len(cells) // PEOPLE)
    write_png(sheet, path)
    return sheet


@torch.inference_mode()
def compare_branches(generator: Generator) -> Picture:
    """The first seeds from the front, a row for each branch of the generator."""
    front = PRESETS[generator.camera_preset].frontal()
    cells: list[Picture] = []
    for branch in generator.branches:
        options = DrawOptions(branch=branch)
        for seed in range(PEOPLE):
            subject = prepare_subject(generator, Person(seed), options)
            (view,) = draw_views(generator, subject, front, options, batch=1)
            cells.extend(pictures_of(view, "image"))
    return tile(cells, PEOPLE)


@torch.inference_mode()
def write_video(path: Path, generator: Generator, frames: int) -> None:
    """The first seeds side by side, turning to and fro once."""
    cameras = swing(PRESETS[generator.camera_preset], frames, radians(VIDEO_YAW), 0.0)
    streams = []
    for seed in range(VIDEO_PEOPLE):
        subject = prepare_subject(generator, Person(seed), DrawOptions())
        views = draw_views(generator, subject, cameras, DrawOptions(), choose_batch(generator))
        streams.append(picture for view in views for picture in pictures_of(view, "image"))
    with video_writer(path, FRAMES_PER_SECOND) as write:
        for cells in zip(*streams, strict=True):
            write(tile(cells, VIDEO_PEOPLE))


def write_reals(path: Path, data: ImageSet) -> None:
    """The first pictures of the data set."""
    count = min(REALS, len(data))
    cells = [data[index].image.permute(1, 2, 0).numpy() for index in range(count)]
    write_png(tile(cells, REALS // 4), path)
