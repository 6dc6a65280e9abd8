"""Converting an official checkpoint: seconds and peak memory, in relation to the file's size.

    python benchmarks/convert.py

Writes a checkpoint in the official format with the generator of FFHQ 512² at full size (and a
discriminator that brings the file to 140 million bytes), converts it in a process of its own, and
does the same with a copy of it that has all three networks.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from official_pickles import checkpoint, network  # noqa: E402

from nerfgan_cli.checkpoints.expected import (  # noqa: E402
    Shape,
    discriminator_tensors,
    generator_tensors,
)
from nerfgan_cli.generators.eg3d_config import EG3DConfig  # noqa: E402
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig  # noqa: E402

SECONDS, RATIO = 20, 3  # the limits that this project has set itself
RUNS = 3

OPTIONS = {
    "superresolution_module": "training.superresolution.SuperresolutionHybrid8XDC",
    "clamp_mode": "softplus",
    "depth_resolution": 48,
    "depth_resolution_importance": 48,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "sr_antialias": True,
    "c_scale": 1.0,
    "avg_camera_radius": 2.7,
    "avg_camera_pivot": [0, 0, 0.2],
}
GENERATOR = {
    "z_dim": 512,
    "c_dim": 25,
    "w_dim": 512,
    "img_resolution": 512,
    "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2},
    "channel_base": 32768,
    "channel_max": 512,
    "conv_clamp": None,
    "sr_num_fp16_res": 4,
    "rendering_kwargs": OPTIONS,
}
DISCRIMINATOR = {"c_dim": 25, "img_resolution": 512, "img_channels": 3}
SMALL = DISCRIMINATOR | {"channel_base": 11264, "channel_max": 176}  # fills up to 140 MB


@dataclass(frozen=True)
class Measured:
    seconds: float
    peak: int  # bytes


def random(shapes: dict[str, Shape]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def write_official(path: Path, whole: bool) -> None:
    """Writes the checkpoint."""
    tensors = random(generator_tensors(EG3DConfig.from_official(GENERATOR)))
    made = network("TriPlaneGenerator", tensors, GENERATOR)
    arguments = DISCRIMINATOR if whole else SMALL
    shapes = discriminator_tensors(2, DiscriminatorConfig.from_release(arguments))
    networks = {"D": network("DualDiscriminator", random(shapes), arguments), "G_ema": made}
    if whole:
        networks = {"G": made} | networks
    path.write_bytes(checkpoint(networks))


def official_file(path: Path, whole: bool) -> int:
    """The size of the checkpoint, written by another process.

    A process that starts children must be small: their peak memory counts what it had then.
    """
    writer = get_context("spawn").Process(target=write_official, args=(path, whole))
    writer.start()
    writer.join()
    return path.stat().st_size


def measure(*arguments: object) -> Measured:
    """Runs a program to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(time.perf_counter() - start, usage.ru_maxrss * unit)


def main() -> None:
    print(f"{'file':>24} {'MB':>6} {'seconds':>8} {'MB/s':>6} {'peak MB':>8} {'peak/file':>10}")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "official.pkl", Path(folder) / "model.safetensors"
        for name, whole in (("G_ema, small D", False), ("G, D, G_ema", True)):
            size = official_file(source, whole)
            convert = ("-m", "nerfgan_cli", "convert", source, "-o", out)
            runs = sorted((measure(*convert) for _ in range(RUNS)), key=lambda run: run.seconds)
            seconds, peak = runs[RUNS // 2].seconds, max(run.peak for run in runs)
            print(
                f"{name:>24} {size / 1e6:6.1f} {seconds:8.2f} {size / 1e6 / seconds:6.0f} "
                f"{peak / 1e6:8.1f} {peak / size:10.2f}"
            )
            if seconds > SECONDS or peak > RATIO * size:
                raise SystemExit(f"too slow or too large: {SECONDS} s and {RATIO}× are the limits")


if __name__ == "__main__":
    main()
