"""The bundled teacher against the exact truth of ToyHeads, and its time per frame.

    python benchmarks/bundled.py [--model eg3d-toyheads] [--heads 64] [-o truth.png] [--processor]

Heads beyond those it was trained on, from yaw −30°, 0° and 30°: pictures, distances, whether the
head is the one that the latent stands for. The sheet shows the truth above the drawn pictures, and
at the bottom exact above drawn depth. A frame is timed with and without mapping and planes.
"""

import argparse
from math import radians
from pathlib import Path

import numpy as np
import torch
from measuring import add_clock, clock_of

from nerfgan_cli.bench.turns import spread, take_turns
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.media import depth_to_image, enlarge, tile, to_pixels, write_png
from nerfgan_cli.metrics.toyheads import HELD_OUT, likeness, view_heads

YAWS = tuple(radians(yaw) for yaw in (-30, 0, 30))
REPEATS = 5


def write_sheet(generator: Generator, path: Path) -> None:
    cells = []
    for yaw in YAWS:
        camera = PRESETS[generator.camera_preset].at(yaw)
        view = view_heads(generator, np.arange(HELD_OUT, HELD_OUT + 8), camera)
        cells += [*to_pixels(view.image), *to_pixels(view.rendering.image)]
        if yaw == 0:
            exact, drawn = view.raw.depth, view.rendering.depth
    farthest = exact[exact.isfinite()].max()
    for depth in (exact.clamp(max=farthest), drawn):
        pictures = to_pixels(depth_to_image(depth))
        cells += [enlarge(picture, generator.img_resolution) for picture in pictures]
    write_png(tile(cells, 8), path)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=TEACHER)
    parser.add_argument("--heads", type=int, default=64)
    parser.add_argument("-o", "--out", type=Path)
    add_clock(parser)
    arguments = parser.parse_args()
    generator = load_model(find_model(arguments.model))
    found = likeness(generator, np.arange(HELD_OUT, HELD_OUT + arguments.heads), YAWS)
    for name, value in found._asdict().items():
        print(f"{name:18} {value:8.4f}")
    camera = PRESETS[generator.camera_preset].frontal()
    z = torch.zeros(1, generator.z_dim)
    subject = generator.prepare(generator.mapping(z, camera))
    ways = {
        "whole": lambda: generator.synthesis(generator.mapping(z, camera), camera),
        "turned": lambda: generator.draw(subject, camera),
    }
    seconds = take_turns(ways, REPEATS, clock_of(arguments))
    whole, turned = (spread(seconds[way]).median for way in ways)
    threads = torch.get_num_threads()
    print(f"one frame, {threads} threads: {whole:.3f} s; {turned:.3f} s of the same subject")
    if arguments.out:
        write_sheet(generator, arguments.out)


if __name__ == "__main__":
    main()
