"""A video costs little more than its frames: mapping and planes once, encoding included.

Prints the time that `nerfgan video` takes, once the model is loaded, over that of as many bare
renders (planes at hand, no pixels, no file). Both are timed in turn, in one process; the ratio of
processor times, the encoder's included, is the one to trust on a busy machine.

    python benchmarks/video.py                  # an EG3D generator of full size, random weights
    python benchmarks/video.py --small          # one of 1/30 of its work
    python benchmarks/video.py --model FILE
"""

import argparse
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from nerfgan_cli.camera_paths import swing
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.commands.video import Panel, draw_frames
from nerfgan_cli.encoder import video_writer
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person, draw_views, prepare_subject
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.precision import set_precision

PERSON = Person(seed=7, truncation=0.7)
SMALL = EG3DConfig(
    img_resolution=256,
    raw_resolution=32,
    channel_base=4096,
    channel_max=64,
    superresolution="SuperresolutionHybrid4X",
)


class Seconds(NamedTuple):
    wall: float
    processor: float  # of this process and its children

    @staticmethod
    def now() -> "Seconds":
        return Seconds(time.perf_counter(), sum(os.times()[:4]))

    def since(self, start: "Seconds") -> "Seconds":
        return Seconds(self.wall - start.wall, self.processor - start.processor)


@torch.inference_mode()
def time_bare_renders(panel: Panel) -> Seconds:
    """Drawing all views of a subject that is prepared."""
    subject = prepare_subject(panel.generator, PERSON, panel.options)
    start = Seconds.now()
    for _ in draw_views(panel.generator, subject, panel.cameras, panel.options, panel.batch):
        pass
    return Seconds.now().since(start)


def time_video(panel: Panel, path: Path) -> Seconds:
    """From the seed to the finished file."""
    start = Seconds.now()
    with video_writer(path, fps=30) as write:
        for frame in draw_frames([panel], [PERSON], "image"):
            write(frame)
    return Seconds.now().since(start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, help="a .safetensors file")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    generator: Generator
    if arguments.model is not None:
        generator = load_model(arguments.model)
    else:
        generator = EG3D(SMALL if arguments.small else EG3DConfig())
    generator.eval().requires_grad_(False)
    precision = set_precision(generator, arguments.precision, torch.device("cpu"))
    cameras = swing(PRESETS[generator.camera_preset], arguments.frames, yaw=0.5, pitch=0.0)
    panel = Panel(generator, cameras, DrawOptions(), arguments.batch)
    time_bare_renders(panel._replace(cameras=cameras[:2]))  # warms up
    walls, processors = [], []
    with TemporaryDirectory() as folder:
        for _ in range(arguments.repeats):
            bare, video = time_bare_renders(panel), time_video(panel, Path(folder) / "a.mp4")
            walls.append(video.wall / bare.wall)
            processors.append(video.processor / bare.processor)
            print(f"{arguments.frames} bare renders {bare.wall:.2f} s, video {video.wall:.2f} s")
    print(
        f"{generator.kind} {generator.img_resolution}², {precision}, video / bare renders: "
        f"{median(walls):.3f} by the clock, {median(processors):.3f} of processor time "
        f"(medians of {arguments.repeats})"
    )


if __name__ == "__main__":
    main()
