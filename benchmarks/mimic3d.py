"""Mimic3D's 3D branch on a CPU: all samples, those that are seen, and as one would first write it.

    python benchmarks/mimic3d.py                              # at the three released sizes
    python benchmarks/mimic3d.py --preset ffhq256-3d --resolution 128
    python benchmarks/mimic3d.py --model MODEL

One view of a subject whose planes are at hand is timed, as in a video; ways take turns, times are
medians. What can be left out depends on the volume, and random weights are fog of which all is
seen. So without a model the volume is that of the bundled teacher, which is trained: its planes are
enlarged to the released 256² and 512², given 32 channels, and seen with the released samples per
ray. "plain" looks up each plane by grid_sample, decodes 32 channels, sorts and gathers them, for as
many rays at once as the official program takes (`plain.py`).

"planes" is what a new subject costs before its first view: the network of the planes with random
weights, and the lattice that tells where something is. The difference is to all samples, of colours
in [−1, 1]. With `--resolution` fewer rays than released are timed; their cost is the same each.
"MB" is what drawing a view adds to the network and planes; it is told on Linux only.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch
import torch.nn.functional as F
from measuring import add_clock, clock_of
from plain import make_plain
from torch import Tensor

from nerfgan_cli.bench.memory import MB, Memory, is_told
from nerfgan_cli.bench.turns import take_turns
from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model
from nerfgan_cli.generators.contract import DrawOptions, Subject
from nerfgan_cli.generators.drawing import Person
from nerfgan_cli.generators.eg3d import EG3D, arrange
from nerfgan_cli.generators.mimic3d import PRESETS, Mimic3D
from nerfgan_cli.nn.skipping import find_solid

SIZES = ("ffhq512-3d", "ffhq256-3d", "shapenet128-3d")
CHANNELS, REACH = 32, (2.3, 3.2)  # of the planes; of the bundled teacher's rays
SHARE = 0.1  # of the features, which is in the residual planes
SEED = 3


def bundled_volume(preset: str) -> tuple[Mimic3D, Subject]:
    """The bundled teacher's volume, in planes and samples of the released sizes."""
    teacher = load_model(find_model(TEACHER))
    assert isinstance(teacher, EG3D)
    released, near_far = PRESETS[preset], dict(zip(("ray_start", "ray_end"), REACH, strict=True))
    volume = replace(released.volume, box_warp=1.0, white_back=True, **near_far)
    torch.manual_seed(0)
    config = replace(released, volume=volume, camera_preset=teacher.camera_preset)
    generator = Mimic3D(config).eval().requires_grad_(False)
    planes = teacher.prepare(Person(SEED).codes(teacher)).planes
    assert planes is not None
    repeats = CHANNELS // planes.shape[2]
    for own, its in zip(generator.decoder.net[::2], teacher.decoder.net[::2], strict=True):
        matrix = its.matrix.repeat(1, own.weight.shape[1] // its.weight.shape[1])
        first = matrix.shape != its.matrix.shape
        own.weight.copy_(matrix / own.weight_gain / (repeats if first else 1))
        own.bias.copy_(its.bias * its.bias_gain / own.bias_gain)
    planes = planes.repeat(1, 1, repeats, 1, 1)
    coarse = enlarge(planes, config.plane_resolution) * (1 - SHARE)
    residual = enlarge(planes, 2 * config.plane_resolution) * SHARE
    solid = find_solid(coarse, residual, generator.decoder, volume, config.img_resolution)
    ws = torch.zeros(1, generator.num_ws, generator.w_dim)
    return generator, Subject(ws, coarse, residual=residual, solid=solid)


def enlarge(planes: Tensor, size: int) -> Tensor:  # [1, 3, C, h, h] -> [1, 3, C, size, size]
    return arrange(F.interpolate(planes[0], (size, size), mode="bicubic")[None])


def model_volume(name: str) -> tuple[Mimic3D, Subject]:
    generator = load_model(find_model(name))
    if not isinstance(generator, Mimic3D) or "3d" not in generator.branches:
        raise SystemExit(f"{name} has no 3D branch: give a Mimic3D of the 3D phase.")
    return generator, generator.prepare(Person(SEED).codes(generator), DrawOptions(branch="3d"))


def compare(generator: Mimic3D, subject: Subject, arguments: argparse.Namespace) -> None:
    camera = CAMERAS[generator.camera_preset].at(0.3, 0.1)
    size = arguments.resolution or generator.img_resolution
    every = DrawOptions(resolution=size, branch="3d", skipping=False)
    seen = replace(every, skipping=True)
    ways: dict[str, Callable[[], Tensor]] = {
        "seen samples": lambda: generator.draw(subject, camera, seen).image,
        "all samples": lambda: generator.draw(subject, camera, every).image,
    }

    def plainly() -> Tensor:
        kind = type(generator)
        try:
            return make_plain(generator).draw(subject, camera, every).image
        finally:
            generator.__class__ = kind

    if not arguments.without_plain:
        ways["plain"] = plainly
    clock = clock_of(arguments)
    seconds = take_turns(ways, arguments.repeats, clock)
    exact = ways["all samples"]()
    print("| way | s per view | seen samples are faster | largest difference | PSNR | MB |")
    print("|---|--:|--:|--:|--:|--:|")
    first = median(seconds["seen samples"])
    memory = Memory(exact.device) if is_told(exact.device) else None
    for name, way in ways.items():
        own, error = median(seconds[name]), way() - exact
        psnr = 10 * torch.log10(4 / error.square().mean())
        cells = f"{own / first:.1f}×", f"{error.abs().max():.4f}", f"{psnr:.0f} dB"
        taken = f"{memory.added(way) / MB:.0f}" if memory else "–"
        print(f"| {name} | {own:.2f} | {' | '.join(cells)} | {taken} |")
    start = clock()
    generator.prepare(torch.zeros(1, generator.num_ws, generator.w_dim), seen)
    print(f"planes: {clock() - start:.2f} s\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", nargs="+", default=SIZES, choices=SIZES, metavar="PRESET")
    parser.add_argument("--model", metavar="MODEL", help="a Mimic3D; else the bundled volume")
    parser.add_argument("--resolution", type=int, metavar="R", help="default: the released one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without-plain", action="store_true", help="it takes long")
    add_clock(parser)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(arguments.threads)
    for name in [arguments.model] if arguments.model else arguments.preset:
        opened = model_volume(name) if arguments.model else bundled_volume(name)
        size = arguments.resolution or opened[0].img_resolution
        print(f"{name}, {size}² rays, {arguments.threads} threads")
        compare(*opened, arguments)


if __name__ == "__main__":
    main()
