"""What an evaluation costs by part, and what it adds up to.

    python benchmarks/evaluation.py [--model light-toyheads] [--teacher eg3d-toyheads]
                                    [--pictures 32] [--device auto] [--processor]

Milliseconds per picture of each part, the median of three runs after one to warm up, in float32.
Inception has random weights here: its speed does not depend on them. The last lines add up a bare
`nerfgan eval` (its FID, KID, FID3D, PSNR and SSIM) and fid50k by Inception, with the real pictures'
features at hand as they are after the first time.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from measuring import add_clock, clock_of  # noqa: E402
from torch_fidelity.feature_extractor_inceptionv3 import (  # noqa: E402
    FeatureExtractorInceptionV3,
)

from nerfgan_cli.bench.turns import Clock  # noqa: E402
from nerfgan_cli.cameras import PRESETS  # noqa: E402
from nerfgan_cli.checkpoints.format import load_model  # noqa: E402
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model  # noqa: E402
from nerfgan_cli.data.toyheads.dataset import ToyHeads  # noqa: E402
from nerfgan_cli.evaluation import distances, likeness  # noqa: E402
from nerfgan_cli.evaluation.extractors import Extractor, open_discriminator  # noqa: E402
from nerfgan_cli.evaluation.rows import PART  # noqa: E402
from nerfgan_cli.evaluation.samples import render  # noqa: E402
from nerfgan_cli.generators.contract import Generator  # noqa: E402
from nerfgan_cli.generators.drawing import choose_batch  # noqa: E402
from nerfgan_cli.generators.precision import choose_device  # noqa: E402
from nerfgan_cli.inversion.distances import BUNDLED_DISCRIMINATOR  # noqa: E402
from nerfgan_cli.media import to_pixels  # noqa: E402
from nerfgan_cli.metrics.accumulator import Moments  # noqa: E402
from nerfgan_cli.metrics.fid import frechet_distance  # noqa: E402
from nerfgan_cli.metrics.kid import kid  # noqa: E402
from nerfgan_cli.metrics.psnr import psnr  # noqa: E402
from nerfgan_cli.metrics.ssim import ssim  # noqa: E402

RUNS = 3
FID50K = 50_000

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
    add_clock(parser)
    arguments = parser.parse_args()
    clock, device = clock_of(arguments), choose_device(arguments.device)
    models = [load_model(find_model(m), device) for m in (arguments.model, arguments.teacher)]
    costs = {}
    for name, part in parts(*models, arguments.pictures, device):
        looked_at = PART if name.startswith("moments") else arguments.pictures
        costs[name] = 1000 * measure(part, clock, device) / looked_at
        print(f"{name:28} {costs[name]:9.2f} ms per picture", flush=True)
    ends = {
        name: measure(part, clock, device, runs=1) for name, part in final_parts(np.random.rand)
    }
    for name, seconds in ends.items():
        print(f"{name:28} {seconds:9.2f} s", flush=True)
    add_up(costs, ends)


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
    discriminator = open_discriminator(find_model(BUNDLED_DISCRIMINATOR), device)
    yield "discriminator looks", lambda: look(discriminator, pictures, size)
    inception = Extractor("inception", "", random_inception(device), device)
    yield "Inception looks", lambda: look(inception, pictures, size)
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


def look(extractor: Extractor, pictures: np.ndarray, size: int) -> None:
    for some in np.split(pictures, range(size, len(pictures), size)):
        extractor(some)


def random_inception(device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    nothing = BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    network = Unloaded("inception", ["2048"], nothing).to(device)
    return lambda pixels: network(pixels)[0]


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


def add_up(costs: dict[str, float], ends: dict[str, float]) -> None:
    real_count = distances.TOYHEADS_SHARE * distances.QUICK
    reals = real_count * (costs["ToyHeads, one process"] + costs["discriminator looks"])
    drawn = distances.QUICK * (costs["student draws"] + costs["discriminator looks"])
    pair = costs["student draws"] + costs["teacher draws"] + 2 * costs["PSNR and SSIM"]
    bare = (reals + drawn + likeness.QUICK * pair) / 1000
    bare += 2 * ends["FID of 128 features"] + ends["KID of 128 features"]
    picture = costs["student draws"] + costs["Inception looks"] + costs["moments of 2048 features"]
    full = FID50K * picture / 1000 + ends["FID of 2048 features"]
    print(f"a bare evaluation: {bare:.0f} s, of which {reals / 1000:.0f} s real pictures")
    print(f"fid50k: {full / 60:.0f} min")


if __name__ == "__main__":
    main()
