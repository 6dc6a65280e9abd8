"""A student against its teacher: likeness of pictures, agreement of views, and a sheet of both.

    python benchmarks/student.py [--model STUDENT ...] [--teacher eg3d-toyheads] [-o sheet.png]
    python benchmarks/student.py --model STUDENT --teacher mimic3d-toyheads --branch 3d

Likeness is the mean PSNR over pairs (subject, camera) that it was not trained on. Cameras are
spread as those of its training, w is conditioned on the same camera. Views are pictures from yaw
−15° and 15°, one carried over to the other along the teacher's depth (`metrics/warped_psnr.py`).
Times and memory: benchmarks/inference.py with the same --model and --teacher.
"""

import argparse
from math import radians
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.media import tile, to_pixels, write_png
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.warped_psnr import see_both_sides, warped_psnr
from nerfgan_cli.training.viewpoints import Spread, spread_cameras, usual_spread

BATCH = 8
FIRST = 1_000_000  # seed of the first subject
YAWS = tuple(radians(yaw) for yaw in (-30, -15, 0, 15, 30))
SHEET = 6  # subjects


def likeness(
    teacher: Generator,
    students: dict[str, Generator],
    pairs: int,
    spread: Spread,
    options: DrawOptions = DEFAULT_OPTIONS,  # of the teacher
) -> dict[str, np.ndarray]:  # [pairs, 2], dB of picture and raw picture
    draws = torch.Generator().manual_seed(FIRST)
    draw_cameras = spread_cameras(PRESETS[teacher.camera_preset], spread)
    found: dict[str, list[np.ndarray]] = {name: [] for name in students}
    for start in range(0, pairs, BATCH):
        seeds = range(FIRST + start, FIRST + min(start + BATCH, pairs))
        z = torch.cat([latent(seed, teacher.z_dim) for seed in seeds]).float()
        camera = draw_cameras(len(seeds), draws)
        ws = teacher.mapping(z, camera)
        target = teacher.synthesis(ws, camera, options)
        for name, student in students.items():
            drawn = student.synthesis(ws, camera)
            small = adaptive_avg_pool2d(target.image_raw, student.raw_resolution)  # a 3D branch's
            both = (drawn.image, target.image), (drawn.image_raw, small)
            values = [psnr(to_pixels(own), to_pixels(its)) for own, its in both]
            found[name].append(np.stack(values, axis=1))
    return {name: np.concatenate(values) for name, values in found.items()}


def write_sheet(
    generators: list[Generator], path: Path, options: DrawOptions = DEFAULT_OPTIONS
) -> None:
    """Each subject's row by the teacher above that of each student."""
    teacher = generators[0]
    z = torch.cat([latent(FIRST + k, teacher.z_dim) for k in range(SHEET)]).float()
    preset = PRESETS[teacher.camera_preset]
    ws = teacher.mapping(z, preset.frontal())
    cells = []
    for row in ws.split(1):
        for generator in generators:
            look = options if generator is teacher else DEFAULT_OPTIONS
            subject = generator.prepare(row, look)
            drawn = [generator.draw(subject, preset.at(yaw), look).image for yaw in YAWS]
            cells += [to_pixels(image)[0] for image in drawn]
    write_png(tile(cells, columns=len(YAWS)), path)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=[STUDENT], metavar="STUDENT")
    parser.add_argument("--teacher", default=TEACHER, metavar="MODEL")
    parser.add_argument("--branch", choices=["2d", "3d"], help="of a teacher that has several")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--subjects", type=int, default=64, help="whose views are compared")
    parser.add_argument("--yaw-spread", type=float, help="radians")
    parser.add_argument("--pitch-spread", type=float, help="radians")
    parser.add_argument("-o", "--output", type=Path, help="a sheet of pictures, PNG")
    arguments = parser.parse_args()
    teacher = load_model(find_model(arguments.teacher))
    students = {name: load_model(find_model(name)) for name in arguments.model}
    preset = teacher.camera_preset
    spread = usual_spread(preset, arguments.yaw_spread, arguments.pitch_spread, None)
    options = DrawOptions(branch=arguments.branch)
    decibels = likeness(teacher, students, arguments.pairs, spread, options)
    people = range(FIRST, FIRST + arguments.subjects)
    sides = list(see_both_sides(teacher, people, options=options))
    own = warped_psnr(teacher, sides, options=options)
    print("| student | PSNR | 5th percentile | raw PSNR | views | … of the teacher's |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, student in students.items():
        values, views = decibels[name], warped_psnr(student, sides)
        worst = np.percentile(values[:, 0], 5)
        mean, raw = values.mean(axis=0)
        row = f"{mean:.2f} dB | {worst:.2f} dB | {raw:.2f} dB | {views:.2f} dB | {views / own:.3f}"
        print(f"| {Path(name).name} | {row} |", flush=True)
    if arguments.output:
        write_sheet([teacher, *students.values()], arguments.output, options)


if __name__ == "__main__":
    main()
