"""Do inversions recover what a model drew itself? Its own samples, and a view that was held out.

    python benchmarks/inversion_proof.py [--samples 20] [--model MODEL ...] [--preset fast] [-o DIR]

Each sample is a seed at truncation 1 and a camera of the model's usual spread; the picture that it
draws, as a PNG would hold it, is inverted with the defaults of `nerfgan invert`. Then the tuned
model, read back from its file, is compared with the truth at that camera and at another one. All of
these are drawn with as many depth samples as the inversion draws with: twice the model's. With
-o also a sheet of each sample: truth, pivot and tuned, at the camera and, below, at the other one;
and proof.jsonl, a line for each sample, from which the same command goes on.
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.delta import base_of, write_tuned
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, TUNED, find_model
from nerfgan_cli.files import make_folder
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.inversion.distances import Distances, open_distances
from nerfgan_cli.inversion.photos import View, to_target
from nerfgan_cli.inversion.run import Job, invert
from nerfgan_cli.inversion.settings import Settings
from nerfgan_cli.latent_files import fit_latent
from nerfgan_cli.media import Picture, tile, to_pixels, write_png
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.training.randomness import keyed
from nerfgan_cli.training.viewpoints import spread_cameras, usual_spread

FIRST = 2_000_000  # seed of the first sample
GOALS = (30.0, 24.0)  # dB after tuning, and of the view that was held out


class Found(NamedTuple):
    """Of one sample, in dB; then seconds."""

    pivot: float
    tuned: float
    pivot_aside: float
    tuned_aside: float
    seconds: float


def recover(
    model: str, generator: Generator, distances: Distances, settings: Settings, seed: int
) -> tuple[Found, Picture]:
    device = generator.latent_space().w_avg.device
    preset = PRESETS[generator.camera_preset]
    draw_cameras = spread_cameras(preset, usual_spread(generator.camera_preset, None, None, None))
    cameras = draw_cameras(2, keyed("cpu", seed, "cameras")).to(device)
    options = DrawOptions(depth_multiplier=settings.depth_multiplier)
    truth = draw(generator, Person(seed).codes(generator), cameras, options)
    views = [View(to_target(truth[0]).to(device), cameras[0])]
    path = find_model(model)
    base = base_of(model, path, generator)
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        job = Job(str(seed), generator, base, Provenance(model), views, distances, settings)
        inversion = invert(job, Path(folder), print)
        assert inversion is not None
        seconds = time.perf_counter() - start
        file = Path(folder) / TUNED
        samples = settings.depth_multiplier  # which the tuned model then has of its own
        write_tuned(file, generator, inversion.tuned, base, job.provenance, samples)
        tuned = load_model(file, device)
    ws = fit_latent(inversion.pivot, generator)
    drawn = [
        draw(inversion.projecting, ws, cameras, options),
        draw(tuned, ws, cameras, DrawOptions()),
    ]
    pivot, final = (psnr(pictures, truth) for pictures in drawn)
    rows = [part for view in range(2) for part in (truth[view], *(each[view] for each in drawn))]
    found = Found(*(float(x) for x in (pivot[0], final[0], pivot[1], final[1])), seconds)
    return found, tile(rows, 3)


@torch.inference_mode()
def draw(
    generator: Generator, ws: torch.Tensor, cameras: Camera, options: DrawOptions
) -> np.ndarray:  # [N, H, W, 3]
    subject = generator.prepare(ws, options)
    images = [generator.draw(subject, cameras[k], options).image for k in range(len(cameras))]
    return to_pixels(torch.cat(images))


def summary(name: str, found: list[Found]) -> str:
    table = np.array(found)
    mean, worst = table.mean(axis=0), table.min(axis=0)
    cells = [f"{mean[k]:.2f} ({worst[k]:.2f})" for k in range(4)]
    reached = [int((table[:, k] >= goal).sum()) for k, goal in zip((1, 3), GOALS, strict=True)]
    shares = [f"{count} of {len(found)}" for count in reached]
    return f"| {name} | {' | '.join(cells)} | {' | '.join(shares)} | {mean[4]:.0f} |"


class Record:
    """What was found so far, of each model, preset and seed, in a file if there is a folder."""

    def __init__(self, folder: Path | None, preset: str) -> None:
        self.path = None if folder is None else folder / "proof.jsonl"
        self.preset = preset
        self.found: dict[tuple[str, str, int], Found] = {}
        if self.path is not None and self.path.is_file():
            for line in self.path.read_text("utf-8").splitlines():
                model, own, seed, *numbers = json.loads(line)
                self.found[model, own, seed] = Found(*numbers)

    def get(self, model: str, seed: int) -> Found | None:
        return self.found.get((model, self.preset, seed))

    def add(self, model: str, seed: int, one: Found) -> None:
        if self.path is not None:
            make_folder(self.path.parent)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([model, self.preset, seed, *one]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=[STUDENT, TEACHER], metavar="MODEL")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--first", type=int, default=FIRST, metavar="SEED")
    parser.add_argument("--preset", default="full", choices=("full", "fast"))
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="for sheets and proof.jsonl"
    )
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    settings = Settings().with_steps(arguments.preset, None, None)
    summaries, record = [], Record(arguments.output, arguments.preset)
    for model in arguments.model:
        generator = load_model(find_model(model), device).requires_grad_(False)
        distances = open_distances(generator, "auto", None, None, device)
        found = []
        for seed in range(arguments.first, arguments.first + arguments.samples):
            one = record.get(model, seed)
            if one is None:
                one, sheet = recover(model, generator, distances, settings, seed)
                record.add(model, seed, one)
                if arguments.output:
                    write_png(sheet, arguments.output / f"{Path(model).stem}-{seed}.png")
            found.append(one)
            print(f"{model} {seed}: " + ", ".join(f"{value:.2f}" for value in one), flush=True)
        summaries.append(summary(Path(model).name, found))
    least = " | ".join(f"≥ {goal:g} dB" for goal in GOALS)
    print(f"\nPSNR in dB, with {settings.depth_multiplier:g}× depth samples: mean (least)\n")
    print(f"| model | pivot | tuned | held-out: pivot | tuned | {least} | seconds |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    print("\n".join(summaries))


if __name__ == "__main__":
    main()
