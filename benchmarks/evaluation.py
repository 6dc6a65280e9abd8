"""What an evaluation costs by part, and how long fid50k takes.

    python benchmarks/evaluation.py [--model light-toyheads] [--teacher eg3d-toyheads]
                                    [--pictures 32] [--device auto] [--processor]
    python benchmarks/evaluation.py --estimate

Milliseconds per picture of each part, the median of three runs after one to warm up, in float32.
Then one pass as `nerfgan eval` makes it, over four times as many pictures (on a GPU 4,096): they
are drawn, looked at and their features written, and what overlaps on this device does. fid50k by
Inception is 50,000 pictures of that pass and the distance itself, with the real pictures' features
at hand, as they are after the first time. Inception has random weights here: its speed does not
depend on them.

--estimate measures nothing. It counts the arithmetic of students of 512² and divides it by what an
H200 is assumed to do: an estimate of fid50k for who has none.
"""

import argparse
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from measuring import add_clock, clock_of
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from nerfgan_cli.bench.networks import TEACHER as PRESET
from nerfgan_cli.bench.networks import open_network
from nerfgan_cli.bench.parts import count_parts
from nerfgan_cli.bench.turns import Clock
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import DISCRIMINATOR, STUDENT, TEACHER, find_model
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.evaluation.extractors import Extractor, open_discriminator
from nerfgan_cli.evaluation.features import LOOKED_AT, REAL_BATCH, generated_features
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.evaluation.rows import PART
from nerfgan_cli.evaluation.samples import noise_mode, render
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import LARGEST_BATCH, choose_batch
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.accumulator import Moments
from nerfgan_cli.metrics.cost import cost
from nerfgan_cli.metrics.fid import frechet_distance
from nerfgan_cli.metrics.kid import kid
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.ssim import ssim
from nerfgan_cli.training.distributed import World

RUNS = 3
FID50K = 50_000
LONGER = 4  # times as many pictures in the pass as for a part
MANY = {"cuda": 32 * PART}  # or so many

STUDENTS = ("paper", "slim", "light")
H200 = 67e12  # FLOP/s in float32, by its data sheet; without tensor cores, as FID has TF32 off
SHARE = 0.35  # of them that convolutions are assumed to reach: a guess
LAUNCHES = 0.005  # seconds that the processor needs to ask for a batch of pictures: a guess
DISTANCE = 20.0  # seconds for the moments and the matrix root of 2048 features: a guess

Part = Callable[[], object]


class Unloaded(FeatureExtractorInceptionV3):
    """The Inception of 2015 with the weights that it began with."""

    def load_state_dict(self, *_: object) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=STUDENT)
    parser.add_argument("--teacher", default=TEACHER)
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--estimate", action="store_true", help="of an H200; measure nothing")
    add_clock(parser)
    arguments = parser.parse_args()
    if arguments.estimate:
        print("\n".join(estimates()))
        return
    clock, device = clock_of(arguments), choose_device(arguments.device)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    models = [load_model(find_model(m), device) for m in (arguments.model, arguments.teacher)]
    for name, part in parts(*models, arguments.pictures, device):
        looked_at = PART if name.startswith("moments") else arguments.pictures
        cost_of_one = 1000 * measure(part, clock, device) / looked_at
        print(f"{name:28} {cost_of_one:9.2f} ms per picture", flush=True)
    ends = {
        name: measure(part, clock, device, runs=1) for name, part in final_parts(np.random.rand)
    }
    for name, seconds in ends.items():
        print(f"{name:28} {seconds:9.2f} s", flush=True)
    count = MANY.get(device.type, LONGER * arguments.pictures)
    rate = pass_rate(models[0], count, clock, device)
    whole = FID50K / rate + ends["FID of 2048 features"]
    print(f"one pass, {count} pictures: {rate:.1f} pictures/s; fid50k in {whole / 60:.1f} min")


def parts(
    student: Generator, teacher: Generator, count: int, device: torch.device
) -> Iterator[tuple[str, Part]]:
    side = student.img_resolution
    pictures = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    size = choose_batch(student)
    indices = np.arange(count)
    for name, generator in (("student", student), ("teacher", teacher)):
        yield (
            f"{name} draws",
            lambda generator=generator: [
                draw(generator, some) for some in np.split(indices, range(size, count, size))
            ],
        )
    toyheads = ToyHeads(side, count)
    yield "ToyHeads, one process", lambda: toyheads.__getitems__(indices.tolist())
    shown = torch.from_numpy(pictures).to(device)
    discriminator = open_discriminator(find_model(DISCRIMINATOR), device)
    yield "discriminator looks", lambda: look(discriminator, shown)
    inception = random_inception(device)
    yield "Inception looks", lambda: look(inception, shown)
    yield "PSNR and SSIM", lambda: (psnr(pictures, pictures), ssim(pictures, pictures))
    rows = np.random.default_rng(0).random((PART, 2048), dtype=np.float32)
    yield "moments of 2048 features", lambda: Moments(2048).add(rows)


def final_parts(random: Callable[..., np.ndarray]) -> Iterator[tuple[str, Part]]:
    """What is done once, however many pictures there are."""
    few, many = random(1000, 128), random(1000, 2048)
    for name, features in (("128", few), ("2048", many)):
        moments = Moments(features.shape[1])
        moments.add(features)
        one = moments.statistics()
        yield f"FID of {name} features", lambda one=one: frechet_distance(one, one)
        yield f"KID of {name} features", lambda f=features: kid(f, f)


@torch.inference_mode()
def draw(generator: Generator, indices: np.ndarray) -> np.ndarray:
    cameras = PRESETS[generator.camera_preset].frontal().expand(len(indices))
    return to_pixels(render(generator, 0, indices, cameras).image)


def look(extractor: Extractor, pictures: torch.Tensor) -> None:
    for some in pictures.split(LOOKED_AT.get(extractor.device.type, REAL_BATCH)):
        extractor(some).cpu()


def random_inception(device: torch.device) -> Extractor:
    network = Unloaded("inception", ["2048"], _empty()).to(device)
    return Extractor("inception", "", lambda pixels: network(pixels)[0], device)


def pass_rate(generator: Generator, count: int, clock: Clock, device: torch.device) -> float:
    """Pictures per second, drawn and looked at by Inception as an evaluation does it."""
    inception = random_inception(device)
    with TemporaryDirectory() as folder:

        def features(seed: int, number: int) -> None:
            setting = Setting(
                name="",
                generator=generator,
                images=None,
                teacher=None,
                data=None,
                number=None,
                seed=seed,
                batch=None,
                world=World(device),
                cache=Path(folder),
                progress=lambda what, done, of: None,
            )
            generated_features(setting, [inception], number, frontal=False)

        features(1, min(count, PART))  # warms up
        start = clock()
        features(0, count)  # rows are written: the device has done its work
        return count / (clock() - start)


def measure(part: Part, clock: Clock, device: torch.device, runs: int = RUNS) -> float:
    """Seconds."""
    found = []
    for _ in range(runs + (runs > 1)):
        start = clock()
        part()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(clock() - start)
    return median(found[-runs:])


def estimates() -> Iterator[str]:
    yield (
        f"fid50k on one H200: an ESTIMATE, nothing of it was measured. 50,000 pictures at "
        f"{SHARE:.0%} (a guess) of {H200 / 1e12:g} TFLOP/s in float32, {1000 * LAUNCHES:g} ms (a "
        f"guess) to ask for a batch, and {DISTANCE:g} s (a guess)"
    )
    inception = inception_flops()
    for name in STUDENTS:
        student = open_network(name, PRESET, torch.device("cpu"))
        flops = 2 * count_parts(student).total
        at_once = 1 if noise_mode(student) == "random" else LARGEST_BATCH["cuda"]
        minutes = estimate(flops, inception, at_once) / 60
        yield (
            f"{name:6} 50,000 × ({flops / 1e9:.0f} GFLOP to draw {student.img_resolution}², "
            f"{at_once} at once, + {inception / 1e9:.0f} for Inception): {minutes:.1f} min"
        )


def estimate(draws: float, looks: float, at_once: int) -> float:
    """Seconds of fid50k at so many FLOPs a picture, and so many pictures in a batch."""
    speed = SHARE * H200
    return FID50K * (max(draws / speed, LAUNCHES / at_once) + looks / speed) + DISTANCE


def inception_flops() -> int:
    network = Unloaded("inception", ["2048"], _empty()).to("meta")
    pictures = torch.zeros(1, 3, 299, 299, dtype=torch.uint8, device="meta")
    return cost(lambda: network(pictures)).flops


def _empty() -> BytesIO:
    """A file of no weights."""
    nothing = BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    return nothing


if __name__ == "__main__":
    main()
