"""Students against their teacher: time and memory of drawing, as ratios.

    python benchmarks/inference.py                     # sizes of ffhq512-64, random weights
    python benchmarks/inference.py --model STUDENT --teacher TEACHER
    python benchmarks/inference.py --device cuda --memory-limit 24

A network is a preset with random weights, or a model by its name, file or run folder. Two things
are timed, both without the mapping: pictures of as many subjects as the batch has (the teacher
makes planes for each), and views of one subject that is at hand, as in a video. All networks take
turns; times are medians. Memory is the most that is in use while pictures are drawn, weights
included, in a process of its own for each network (on a CPU, Linux tells it). On a GPU the largest
batch within the limit is looked for too; the paper reports 14 for the teacher and 96 for the
student on 24 GB.

The row "plain" is the same teacher with all rays rendered at once, as the official program does.

The convolution rates say how fast this machine is at 3×3 convolutions with 256 channels: divide a
network's GFLOP (benchmarks/presets.py) by them to see what is left to gain. The difference to
float32 is a root mean square, in percent of the picture's standard deviation.
"""

import argparse
import json
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from measuring import add_clock, clock_of, in_child
from plain import make_plain

from nerfgan_cli.bench.largest import largest_that
from nerfgan_cli.bench.memory import MB, Memory
from nerfgan_cli.bench.networks import open_network, title, works
from nerfgan_cli.bench.probe import SMALL
from nerfgan_cli.bench.turns import median_seconds, take_turns
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d import PRESETS as TEACHERS
from nerfgan_cli.generators.precision import choose_device, set_precision

PLAIN = "plain "  # before the teacher's name
CONTEXT = 0.5  # GiB that CUDA itself takes on a GPU
MOST = 4096  # pictures in a batch
LARGEST = 0  # instead of a batch: the largest one is looked for


class Case(NamedTuple):
    """A network, and how it draws."""

    model: str
    teacher: str  # whose student it is, where `model` is a preset
    precision: str
    batch: int  # or LARGEST
    device: str


def open_generator(model: str, teacher: str, device: torch.device) -> Generator:
    """Also one that renders plainly."""
    if model.startswith(PLAIN):
        return make_plain(open_generator(model.removeprefix(PLAIN), teacher, device))
    return open_network(model, teacher, device)


def named(model: str) -> str:
    plainly = PLAIN if model.startswith(PLAIN) else ""
    return plainly + title(model.removeprefix(PLAIN))


def peak(case: Case) -> float:
    """MB while pictures are drawn, weights included; for a process of its own."""
    device = torch.device(case.device)
    memory = Memory(device)
    small = EG3D(SMALL).eval().to(device)
    set_precision(small, case.precision, device)
    works(small, 1)["picture"]()  # loads code and starts threads
    before = memory.used()
    generator = open_generator(case.model, case.teacher, device)
    set_precision(generator, case.precision, device)
    draw = works(generator, case.batch)["picture"]
    loaded = memory.used() - before
    return (loaded + memory.added(draw)) / MB


def largest(case: Case, limit: float) -> dict[str, float]:
    """The largest batch within so many GiB of a GPU, and seconds per picture of it."""
    device = torch.device(case.device)
    total = torch.cuda.get_device_properties(device).total_memory / 2**30
    torch.cuda.set_per_process_memory_fraction(min(1.0, (limit - CONTEXT) / total), device)
    generator = open_generator(case.model, case.teacher, device)
    set_precision(generator, case.precision, device)

    def fits(batch: int) -> bool:
        try:
            works(generator, batch)["picture"]()
        except torch.OutOfMemoryError:
            return False
        finally:
            torch.cuda.empty_cache()
        return True

    batch = largest_that(fits, MOST)
    seconds = median_seconds(works(generator, batch)["picture"], 3) / batch if batch else 0.0
    return {"batch": batch, "seconds": seconds}


def convolution_rates(device: torch.device, repeats: int) -> Iterator[tuple[str, float]]:
    """GFLOP/s of a 3×3 convolution, 256 to 256 channels on 128²."""
    for name, dtype, layout in (
        ("float32 as usually called", torch.float32, torch.contiguous_format),
        ("float32 channels-last", torch.float32, torch.channels_last),
        ("bfloat16 channels-last", torch.bfloat16, torch.channels_last),
    ):
        x = torch.randn(1, 256, 128, 128).to(device, dtype, memory_format=layout)
        w = torch.randn(256, 256, 3, 3).to(device, dtype, memory_format=layout)
        seconds = median_seconds(lambda x=x, w=w: F.conv2d(x, w, padding=1), repeats)
        yield name, 2 * 9 * 256 * 256 * 128 * 128 / seconds / 1e9


def difference(generator: Generator, precision: str, device: torch.device) -> float:
    """Of a picture to that of float32, in percent."""
    draw = works(generator, 1)["picture"]
    set_precision(generator, "fp32", device)
    exact = draw().image
    set_precision(generator, precision, device)
    error = draw().image - exact
    return (100 * error.square().mean().sqrt() / exact.std()).item()


def compare(names: list[str], precision: str, arguments: argparse.Namespace) -> None:
    """A table: the teacher, the first of the names, then how much better the others are."""
    device = torch.device(arguments.device)
    options = "--threads", arguments.threads, "--memory-limit", arguments.memory_limit

    def in_own_process(name: str, batch: int) -> Any:
        case = Case(name, names[0], precision, batch, arguments.device)
        return in_child(__file__, "--child", json.dumps(case), *options)

    generators = {name: open_generator(name, names[0], device) for name in names}
    for name, generator in generators.items():
        if precision != "fp32":
            percent = difference(generator, precision, device)
            print(f"{named(name)}, {precision}: {percent:.2f} % from float32")
        set_precision(generator, precision, device)
    print("\n| batch | network | ms per picture | faster | ms per view | faster | MB | smaller |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|")
    for batch in arguments.batches:
        drawing = {name: works(generator, batch) for name, generator in generators.items()}
        ways = {(name, what): drawing[name][what] for name in names for what in drawing[name]}
        seconds = take_turns(ways, arguments.repeats, clock_of(arguments))
        del drawing, ways
        first: tuple[float, ...] = ()
        for name in names:
            times = (1000 * median(seconds[name, what]) / batch for what in ("picture", "view"))
            row = (*times, in_own_process(name, batch))
            first = first or row
            cells = (f"{own:.1f} | {its / own:.1f}×" for own, its in zip(row, first, strict=True))
            print(f"| {batch} | {named(name)} | {' | '.join(cells)} |", flush=True)
    for name in names if device.type == "cuda" else ():
        found = in_own_process(name, LARGEST)
        print(
            f"{named(name)}: at most {found['batch']} pictures in {arguments.memory_limit:g} GiB, "
            f"{1000 * found['seconds']:.1f} ms each"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["paper", "slim", "light"], metavar="MODEL")
    parser.add_argument("--teacher", default="ffhq512-64", metavar="MODEL")
    parser.add_argument("--batches", type=int, nargs="+", help="default: 1 4; of models 1 4 16")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--repeats", type=int, default=5)
    add_clock(parser)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-limit", type=float, default=24.0, help="GiB of a GPU")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        case = Case(*json.loads(arguments.child))
        limit = arguments.memory_limit
        print(json.dumps(largest(case, limit) if case.batch == LARGEST else peak(case)))
        return
    device = choose_device(arguments.device)
    arguments.device = device.type
    presets = arguments.teacher in TEACHERS and device.type == "cpu"
    arguments.batches = arguments.batches or ([1, 4] if presets else [1, 4, 16])
    print(f"{device}, {torch.get_num_threads()} threads, medians of {arguments.repeats}")
    for name, rate in convolution_rates(device, arguments.repeats):
        print(f"{rate:8.0f} GFLOP/s  3×3 convolution, {name}")
    for precision in arguments.precisions:
        names = [arguments.teacher, f"{PLAIN}{arguments.teacher}", *arguments.model]
        compare(names, precision, arguments)


if __name__ == "__main__":
    main()
