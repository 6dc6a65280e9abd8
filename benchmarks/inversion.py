"""Inversion with students against inversion with their teacher: steps per second, peak memory.

    python benchmarks/inversion.py                     # sizes of ffhq512-128, random weights
    python benchmarks/inversion.py --model light-toyheads --teacher eg3d-toyheads
    python benchmarks/inversion.py --device cuda --repeats 10

One photograph, W, the settings of `nerfgan invert`, LPIPS with random weights (VGG16 for the pivot,
AlexNet for the tuning). Each network works in a process of its own. Seconds are the median of
`--repeats` steps after one that warms up, in float32. Memory is the most that is in use above what
torch itself takes: weights, both generators and Adam of the tuning included. Students of 512²
recompute layers for their gradients, unless --no-recompute says otherwise, and teachers do not: the
rows "again" are teachers that do, the rows "kept" students that do not.
"""

import argparse
import json
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch
from measuring import add_clock, in_child

from nerfgan_cli.bench.memory import MB, Memory
from nerfgan_cli.bench.networks import open_network, title
from nerfgan_cli.bench.turns import take_turns
from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.inversion.photos import View
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.run import recomputes
from nerfgan_cli.inversion.settings import Settings
from nerfgan_cli.inversion.statistics import measure_codes
from nerfgan_cli.inversion.tuning import Tuning
from nerfgan_cli.losses.lpips import Lpips

AGAIN, KEPT = "again ", "kept "  # before the name of a model that does otherwise than by default
STAGES = {"pivot": "vgg", "tuning": "alex"}  # and the network of LPIPS that each asks


class Case(NamedTuple):
    model: str
    teacher: str
    stage: str
    device: str
    repeats: int
    processor: bool  # its time and not the clock's


def open_stage(case: Case) -> Callable[[], object]:
    """One step of the stage, again and again the first that is in full swing."""
    device = torch.device(case.device)
    generator = open_network(bare(case.model), case.teacher, device)
    generator.requires_grad_(False)
    again = recomputes(generator) and not case.model.startswith(KEPT)
    settings = Settings(recompute=again or case.model.startswith(AGAIN))
    side = generator.img_resolution
    target = torch.rand(1, 3, side, side, device=device) * 2 - 1
    views = [View(target, CAMERAS[generator.camera_preset].at(0.3).to(device))]
    distance = random_lpips(STAGES[case.stage], device)
    statistics = measure_codes(generator)
    if case.stage == "pivot":
        search = PivotSearch(generator, views, distance, statistics, settings)
        return lambda: search.step(settings.pivot.steps // 5)
    ws = statistics.w_avg.expand(1, generator.num_ws, -1)
    tuning = Tuning(generator, ws, views, distance, settings, stop=-1.0)
    return lambda: tuning.step(0)


def bare(model: str) -> str:
    return model.removeprefix(AGAIN).removeprefix(KEPT)


def random_lpips(network: str, device: torch.device) -> Lpips:
    """As costly as the trained one."""
    distance = Lpips(network).to_empty(device=device)
    torch.manual_seed(0)
    for name, tensor in distance.state_dict().items():
        tensor.normal_(std=0.05).abs_() if "weight" in name else tensor.fill_(0.5)
    return distance


def measure(case: Case) -> dict[str, float]:
    """Seconds of a step and MB; for a process of its own."""
    memory = Memory(torch.device(case.device))
    before = memory.used()
    memory.reset()
    step = open_stage(case)
    clock = time.process_time if case.processor else time.perf_counter
    seconds = take_turns({"": step}, case.repeats, clock)[""]
    return {"seconds": median(seconds), "mb": (memory.peak() - before) / MB}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["light", "paper"], metavar="STUDENT")
    parser.add_argument("--teacher", default="ffhq512-128", metavar="TEACHER")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--case", help=argparse.SUPPRESS)  # of a child
    add_clock(parser)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(Case(*json.loads(arguments.case)))))
        return
    teacher = arguments.teacher
    device = choose_device(arguments.device).type
    print("| stage | network | steps per second | × | MB | × |\n|---|---|--:|--:|--:|--:|")
    for stage in STAGES:
        its: dict[str, float] = {}
        kept = [KEPT + model for model in arguments.model]
        for model in (teacher, AGAIN + teacher, *arguments.model, *kept):
            case = Case(model, teacher, stage, device, arguments.repeats, arguments.processor)
            own = in_child(__file__, "--case", json.dumps(case))
            its = its or own
            ratios = its["seconds"] / own["seconds"], own["mb"] / its["mb"]
            name = model.removesuffix(bare(model)) + title(bare(model))
            print(
                f"| {stage} | {name} | {1 / own['seconds']:.3g} | {ratios[0]:.1f}× "
                f"| {own['mb']:,.0f} | {ratios[1]:.2f}× |",
                flush=True,
            )


if __name__ == "__main__":
    main()
