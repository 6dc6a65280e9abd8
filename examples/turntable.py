"""Draws one subject from eight sides with any model, through the library.

    python examples/turntable.py MODEL.safetensors OUT.png [--seed 7]

What does not depend on the camera (a volumetric model's planes) is computed once.
"""

import argparse
from math import radians
from pathlib import Path

import torch

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.media import captioned_grid, pictures_of, write_png

YAWS = [-60, -40, -20, 0, 20, 40, 60, 80]  # degrees


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    generator = load_model(arguments.model, torch.device("cpu")).eval()
    cameras = PRESETS[generator.camera_preset]
    with torch.inference_mode():
        z = latent(arguments.seed, generator.z_dim)
        ws = generator.mapping(z.float(), cameras.frontal(), truncation=0.7)
        subject = generator.prepare(ws)
        drawn = generator.draw(subject, cameras.at(yaw=[radians(yaw) for yaw in YAWS]))
    captions = [f"yaw {yaw:+d}" for yaw in YAWS]
    write_png(captioned_grid(pictures_of(drawn, "image"), captions, columns=4), arguments.out)


if __name__ == "__main__":
    main()
