"""ToyHeads per second, against the plain twin that tests every part with every ray.

    python benchmarks/toyheads.py [--resolution 64] [--images 64]

Both draw items of the set (identity, camera, picture) with 2 × 2 samples per pixel on one thread,
16 and 4 at a time, taking turns; then two worker processes of a `DataLoader` draw, as in training.
The processor's own time tells what a busy machine hides. The target is 40 images/s at 64² on two
cores.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from oracles.toyheads import draw as draw_plainly  # noqa: E402

from nerfgan_cli.data.toyheads.dataset import ToyHeads, cameras  # noqa: E402
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents  # noqa: E402

BATCH = 16
PLAIN_BATCH = 4
WORKERS = 2


def plain(resolution: int, indices: np.ndarray) -> Tensor:  # [B, 3, H, W]
    heads = heads_from_latent(latents(0, indices))
    return draw_plainly(heads, cameras(0, indices), resolution, 2)


def clocked(draw: Callable[[np.ndarray], object], indices: np.ndarray) -> tuple[float, float]:
    """Seconds of the wall and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    draw(indices)
    return time.perf_counter() - wall, time.process_time() - processor


def loaded(data: ToyHeads) -> float:
    """Images per second once the workers run."""
    batches = iter(DataLoader(data, BATCH, num_workers=WORKERS, prefetch_factor=1))
    for _ in range(WORKERS):
        next(batches)
    start = time.perf_counter()
    images = sum(len(item.image) for item in batches)
    return images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--images", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as `draw` does
    data = ToyHeads(arguments.resolution, arguments.images)
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "ours": lambda indices: data.__getitems__(indices.tolist()),
        "plain": lambda indices: plain(arguments.resolution, indices),
    }
    data.__getitems__(list(range(BATCH)))  # what is only paid once
    spent = dict.fromkeys(ways, (0, 0.0, 0.0))
    for start in range(0, arguments.images, BATCH):
        for name, way in ways.items():
            count = BATCH if name == "ours" else PLAIN_BATCH
            wall, processor = clocked(way, np.arange(start, start + count))
            images, walls, processors = spent[name]
            spent[name] = images + count, walls + wall, processors + processor
    print(f"{arguments.resolution}²")
    for name, (images, wall, processor) in spent.items():
        rate, each = images / wall, 1000 * processor / images
        print(f"{name:6} {rate:8.2f} images/s {each:9.1f} ms of a processor per image")
    ratio = spent["plain"][1] / spent["plain"][0] / (spent["ours"][1] / spent["ours"][0])
    print(f"{ratio:.1f} times as fast as the plain twin")
    print(f"{loaded(data):.2f} images/s from {WORKERS} workers")


if __name__ == "__main__":
    main()
