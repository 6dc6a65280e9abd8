"""A bundled teacher against the exact truth of ToyHeads, in each way that it draws; time per frame.

    python benchmarks/bundled.py [--model eg3d-toyheads] [--heads 64] [-o truth.png] [--processor]
    python benchmarks/bundled.py --model MIMIC3D                       # both branches

Heads beyond those it was trained on, from yaw −30°, 0° and 30°: pictures, distances, whether the
head is the one that the latent stands for. Then the distance of its pictures to real ones by the
features of the bundled discriminator, and whether views of a head are of one scene. "direct" is a
volume without super-resolution, each pixel a ray (`evaluation/volumes.py`).

The sheet shows the truth above what each way draws, and at the bottom exact above drawn depth. A
frame is timed with and without mapping and planes.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measuring import add_clock, clock_of
from torch import Tensor

from nerfgan_cli.bench.turns import Clock, spread, take_turns
from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model, home
from nerfgan_cli.evaluation.volumes import YAWS, Amount, measure, ways_of
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.markdown import table
from nerfgan_cli.media import depth_to_image, enlarge, tile, to_pixels, write_png
from nerfgan_cli.metrics.toyheads import HELD_OUT, view_heads

REPEATS = 5
SHEET = 8  # heads
WHOLE, TURNED = "one frame of a new head, s", "… of the same head, s"
TITLES = {
    "psnr": "PSNR of the picture, dB",
    "ssim": "SSIM of the picture",
    "psnr_raw": "PSNR of the volume's picture, dB",
    "sharpness": "sharpness: difference of neighbouring pixels, of the truth's",
    "distinctness": "the own head's picture better than another's, dB",
    "depth_error": "mean difference of the depth, on the head",
    "other_depth_error": "… if another head's depth is taken for exact",
    "billboard_error": "… of a billboard at the head's mean distance",
    "depth_correlation": "correlation with the exact depth, on the head",
    "backdrop_error": "mean difference of the depth, on the backdrop",
    "fid": "fid{0.pictures}:discriminator",
    "psnr_mv": "psnr_mv_fast{0.scenes}, dB",
    "ssim_mv": "ssim_mv_fast{0.scenes}",
    "gain": "psnr_mv_gain{0.scenes}, dB",
}


def write_sheet(generator: Generator, ways: Mapping[str, DrawOptions], path: Path) -> None:
    heads, side = np.arange(HELD_OUT, HELD_OUT + SHEET), generator.img_resolution
    pictures: list[np.ndarray] = []
    for yaw in YAWS:
        camera = PRESETS[generator.camera_preset].at(yaw)
        views = [view_heads(generator, heads, camera, options=way) for way in ways.values()]
        pictures += [*to_pixels(views[0].image)]
        for view in views:
            pictures += [*to_pixels(view.rendering.image)]
        if yaw == 0:
            exact, depths = views[0].raw.depth, [view.rendering.depth for view in views]
    farthest = exact[exact.isfinite()].max()
    for depth in (exact.clamp(max=farthest), *depths):
        pictures += [enlarge(one, side) for one in to_pixels(depth_to_image(depth))]
    write_png(tile(pictures, SHEET), path)


def seconds_per_frame(
    generator: Generator, ways: Mapping[str, DrawOptions], clock: Clock
) -> dict[tuple[str, str], float]:
    """Medians by way, WHOLE (of a new head) and TURNED (of one that is at hand)."""
    camera = PRESETS[generator.camera_preset].frontal()
    z = torch.zeros(1, generator.z_dim)
    frames: dict[tuple[str, str], Callable[[], object]] = {}
    for name, options in ways.items():
        subject = generator.prepare(generator.mapping(z, camera), options)
        frames[name, WHOLE] = partial(draw_anew, generator, z, camera, options)
        frames[name, TURNED] = partial(generator.draw, subject, camera, options)
    found = take_turns(frames, REPEATS, clock)
    return {frame: spread(values).median for frame, values in found.items()}


def draw_anew(generator: Generator, z: Tensor, camera: Camera, options: DrawOptions) -> object:
    return generator.synthesis(generator.mapping(z, camera), camera, options)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=TEACHER)
    parser.add_argument("--heads", type=int, default=64, help="beside the truth; an even number")
    parser.add_argument("--pictures", type=int, default=500, help="whose distance to reals counts")
    parser.add_argument("--scenes", type=int, default=3, help="made of thirty views each")
    parser.add_argument("-o", "--out", type=Path)
    add_clock(parser)
    arguments = parser.parse_args()
    generator = load_model(find_model(arguments.model))
    ways, amount = ways_of(generator), Amount(arguments.heads, arguments.pictures, arguments.scenes)
    seconds = seconds_per_frame(generator, ways, clock_of(arguments))
    columns = {}
    for name, options in ways.items():
        numbers = measure(generator, options, home() / "evaluation", amount).numbers()
        cells = {title.format(amount): f"{numbers[key]:.4g}" for key, title in TITLES.items()}
        cells |= {title: f"{seconds[name, title]:.3f}" for title in (WHOLE, TURNED)}
        columns[name] = cells
    titles = next(iter(columns.values()))
    rows = [[title, *(own[title] for own in columns.values())] for title in titles]
    print("\n".join(table([Path(arguments.model).name, *columns], rows)))
    print(f"seconds: {torch.get_num_threads()} threads")
    if arguments.out:
        write_sheet(generator, ways, arguments.out)


if __name__ == "__main__":
    main()
