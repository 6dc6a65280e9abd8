"""psnr_mv_fast and its companions on views that are exact, and on the same with known faults.

    python benchmarks/consistency.py FOLDER [--side 64]

The folder holds renders of one head from many yaws, with a dataset.json; their order is that of the
yaw. Faults: pictures off by up to two pixels, each in another direction; colours that change by an
eighth from one side to the other; one picture for all cameras. The best still picture explains the
last one perfectly, and so does a flat card nearly: only the gain over it tells.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.evaluation.consistency import Scene
from nerfgan_cli.evaluation.folder import PictureFolder
from nerfgan_cli.markdown import table
from nerfgan_cli.reconstruction.fit import explain
from nerfgan_cli.reconstruction.sweep import half_depth, reduced

JITTER = 2  # pixels
TINT = 0.125  # of the brightness, at the ends of the sweep


def spoilt(views: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:  # each [N, H, H, 3]
    """The views, and with each fault."""
    count = len(views)
    offsets = np.random.RandomState(0).randint(-JITTER, JITTER + 1, (count, 2))
    moved = [np.roll(view, by, (0, 1)) for view, by in zip(views, offsets, strict=True)]
    yaws = np.linspace(-1, 1, count)[:, None, None, None] * np.array([1, -1, 1])
    return {
        "exact": views,
        f"off by up to {JITTER} pixels": np.stack(moved),
        "colours change": (views * (1 + TINT * yaws)).clip(0, 255).astype(np.uint8),
        "one picture for all": views[count // 2 :][:1].repeat(count, axis=0),
    }


def read(folder: Path) -> tuple[NDArray[np.uint8], Camera]:
    images = PictureFolder(folder, None, PRESETS["ffhq"])
    items = [images[index] for index in range(len(images))]
    pictures = torch.stack([item.image for item in items]).permute(0, 2, 3, 1).numpy()
    return pictures, Camera.from_label(torch.stack([item.label for item in items]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=64)
    arguments = parser.parse_args()
    pictures, cameras = read(arguments.folder)
    rows = []
    for name, views in spoilt(pictures).items():
        small = reduced(views, arguments.side)
        scene = Scene(small, explain(small, cameras, half_depth("ffhq")))
        rows.append((name, f"{scene.psnr:.2f}", f"{scene.ssim:.4f}", f"{scene.gain:.2f}"))
    header = ("views", "psnr_mv_fast, dB", "ssim_mv_fast", "psnr_mv_gain, dB")
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    main()
