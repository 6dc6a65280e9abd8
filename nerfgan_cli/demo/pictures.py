"""Pictures and videos of a demo: teacher beside student, and what a student's codes can do."""

from collections.abc import Iterable
from math import radians
from pathlib import Path

import torch

from nerfgan_cli.camera_paths import swing
from nerfgan_cli.demo.drawer import TRUNCATION, Drawer
from nerfgan_cli.demo.parts import Note, followed
from nerfgan_cli.editing.walks import spline
from nerfgan_cli.encoder import video_writer
from nerfgan_cli.generators.contract import Subject
from nerfgan_cli.media import tile, write_png

YAWS = (-30.0, -15.0, 0.0, 15.0, 30.0)  # degrees
PEOPLE = (0, 1, 2, 3)  # seeds
TURN_FRAMES = 72
WALKERS = (10, 11, 12, 13, 14)
WALK_FRAMES = 100
WALK_YAWS = (-25.0, 0.0, 25.0)
FRAMES_PER_SECOND = 24
SHAPES = (20, 21, 22, 23)  # rows of the mixing grid
COLOURS = (30, 31, 32, 33, 34)  # its columns
LATE_LAYERS = 3  # of the bundled student's, that a column lends: more leave too little of the row


def draw_angles(teacher: Drawer, student: Drawer, folder: Path) -> Note:
    """For each person a sheet: the teacher's views above the student's."""
    files = []
    for seed in PEOPLE:
        cells = [
            picture
            for drawer in (teacher, student)
            for picture in drawer.views(drawer.styles([seed]), drawer.cameras(YAWS))
        ]
        files.append(f"angles-{seed}.png")
        write_png(tile(cells, len(YAWS)), folder / files[-1])
    return {"files": files, "seeds": PEOPLE, "yaw": YAWS, "truncation": TRUNCATION}


def film_turn(teacher: Drawer, student: Drawer, folder: Path) -> Note:
    """All people turn to and fro, the teacher's above the student's."""
    streams = []
    for drawer in (teacher, student):
        cameras = swing(drawer.preset, TURN_FRAMES, radians(YAWS[-1]), 0.0)
        streams += [drawer.views(drawer.styles([seed]), cameras) for seed in PEOPLE]
    with video_writer(folder / "turn.mp4", FRAMES_PER_SECOND) as write:
        for cells in followed(zip(*streams, strict=True), TURN_FRAMES, "frame"):
            write(tile(cells, len(PEOPLE)))
    facts = {"yaw_range": YAWS[-1], "frames": TURN_FRAMES, "truncation": TRUNCATION}
    return {"files": ["turn.mp4"], "seeds": PEOPLE, **facts}


def film_walk(drawer: Drawer, folder: Path) -> Note:
    """From person to person and back to the first, from several sides at once."""
    times = torch.arange(WALK_FRAMES) * (len(WALKERS) / WALK_FRAMES)
    walk = spline(drawer.styles(WALKERS), closed=True)(times)
    cameras = drawer.cameras(WALK_YAWS)
    with video_writer(folder / "walk.mp4", FRAMES_PER_SECOND) as write:
        for ws in followed(torch.split(walk, 1), WALK_FRAMES, "frame"):
            write(tile(list(drawer.views(ws, cameras)), len(WALK_YAWS)))
    facts = {"yaw": WALK_YAWS, "frames": WALK_FRAMES, "truncation": TRUNCATION}
    return {"files": ["walk.mp4"], "seeds": WALKERS, **facts}


def draw_mixtures(drawer: Drawer, folder: Path) -> Note:
    """Rows lend the early layers of a picture, columns the late ones; both are drawn alone too."""
    camera, generator = drawer.cameras([0.0]), drawer.generator
    count = generator.mixing_layers
    layers = range(count - LATE_LAYERS, count)
    rows, columns = (torch.split(drawer.styles(seeds), 1) for seeds in (SHAPES, COLOURS))

    def write(name: str, people: Iterable[Subject], across: int) -> None:
        pictures = [picture for person in people for picture in drawer.draw(person, camera)]
        write_png(tile(pictures, across), folder / name)

    write("mix-rows.png", map(generator.prepare, rows), 1)
    write("mix-columns.png", map(generator.prepare, columns), len(columns))
    mixed = (generator.mix(row, column, layers) for row in rows for column in columns)
    write("mix.png", mixed, len(columns))
    files = ["mix-rows.png", "mix-columns.png", "mix.png"]
    facts = {"layers": [layers.start, layers.stop - 1], "truncation": TRUNCATION}
    return {"files": files, "rows": SHAPES, "columns": COLOURS, **facts}
