"""Seconds per 512² frame of the teacher and every student preset, beside the machine's own rate.

    python benchmarks/frames.py [--repeats 5] [--presets teacher paper slim light stylegan3-r]

Weights are random. One frame is what a video needs per camera of a new subject: planes (teacher),
features, super-resolution; the mapping is left out. The convolution rates say how fast this machine
is at 3×3 convolutions with 256 channels, as usually called, in channels-last memory and in
bfloat16: divide a generator's GFLOP (benchmarks/presets.py) by them to see what is left to gain.
The difference to float32 is a root mean square, in percent of the image's standard deviation.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d import PRESETS as EG3D_PRESETS
from nerfgan_cli.generators.precision import set_precision
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PRESETS as STUDENTS
from nerfgan_cli.generators.student_config import student_config

RAYS = 64  # side of the feature image


def median_seconds(function: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and spread (largest minus smallest) over `repeats`, after one run to warm up."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), max(seconds) - min(seconds)


def convolution_rates(repeats: int) -> dict[str, float]:
    """GFLOP/s of a 3×3 convolution, 256 to 256 channels on 128²."""
    flops = 2 * 9 * 256 * 256 * 128 * 128
    rates = {}
    for name, dtype, memory in (
        ("float32 as usually called", torch.float32, torch.contiguous_format),
        ("float32 channels-last", torch.float32, torch.channels_last),
        ("bfloat16 channels-last", torch.bfloat16, torch.channels_last),
    ):
        x = torch.randn(1, 256, 128, 128).to(dtype=dtype, memory_format=memory)
        w = torch.randn(256, 256, 3, 3).to(dtype=dtype, memory_format=memory)

        def run(x: torch.Tensor = x, w: torch.Tensor = w) -> torch.Tensor:
            return F.conv2d(x, w, padding=1)

        rates[name] = flops / median_seconds(run, repeats)[0] / 1e9
    return rates


def build(name: str) -> Generator:
    teacher = EG3D_PRESETS["ffhq512-64"]
    if name == "teacher":
        return EG3D(teacher)
    return Student(student_config(name, teacher, RAYS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--presets", nargs="+", default=["teacher", *STUDENTS])
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    for name, rate in convolution_rates(arguments.repeats).items():
        print(f"{rate:6.0f} GFLOP/s  3×3 convolution, {name}")
    options = DrawOptions(resolution=RAYS)
    camera = CAMERAS["ffhq"].at(yaw=0.3)
    for name in arguments.presets:
        torch.manual_seed(0)
        generator = build(name).eval()
        ws = generator.mapping(torch.randn(1, generator.z_dim), CAMERAS["ffhq"].frontal())
        exact = generator.synthesis(ws, camera, options).image
        for precision in ("fp32", "bf16"):
            set_precision(generator, precision, torch.device("cpu"))
            seconds, spread = median_seconds(
                lambda g=generator, w=ws: g.synthesis(w, camera, options), arguments.repeats
            )
            error = generator.synthesis(ws, camera, options).image - exact
            percent = 100 * error.square().mean().sqrt() / exact.std()
            print(
                f"{name:>12} {precision}  {seconds:.3f} s per frame (spread {spread:.3f}), "
                f"difference to float32 {percent:.2f} %"
            )


if __name__ == "__main__":
    main()
