"""`nerfgan bench`: what drawing costs, for one or more generators in one run."""

import json as plain
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from nerfgan_cli import __version__
from nerfgan_cli.bench.measure import Measured, Plan, measure, usual_repeats
from nerfgan_cli.bench.memory import driver_version, machine_name
from nerfgan_cli.bench.networks import TEACHER as PRESET
from nerfgan_cli.bench.report import as_data, as_text, figure
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d_config import PRESETS as TEACHERS
from nerfgan_cli.generators.precision import choose_device, set_precision, tf32_is_on
from nerfgan_cli.media import write_png

UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
LARGEST_BATCH = 4096


def command(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A model, or a preset with random weights (ffhq512-64, paper, slim, light …); "
            "give it several times to compare. Else the bundled teacher and student.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Whose students presets are: a preset or a model; else the first preset of a "
            f"teacher that is measured, or {PRESET}.",
        ),
    ] = None,
    batches: Annotated[
        str, typer.Option(metavar="LIST", help="Pictures at once, as 1,2,4.")
    ] = "1,2,4,8",
    repeats: Annotated[
        int | None,
        typer.Option(min=1, max=1000, metavar="N", help="Timed draws; else 20 on a GPU, or 5."),
    ] = None,
    memory_limit: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Within which the largest batch is looked for: 24GiB (2³⁰ bytes each), "
            "24GB (10⁹), 800MiB, none.",
        ),
    ] = "24GiB",
    processor: Annotated[
        bool,
        typer.Option(
            "--processor", help="Take the processor's time of this process: for a busy machine."
        ),
    ] = False,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE.json", help="What was measured; its plot.")
    ] = "bench.json",
    branch: o.Branch = None,
    precision: o.Precision = o.PrecisionName.auto,
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Measures time, memory and arithmetic of drawing, and the largest batch within a limit.

    Seconds are medians of draws that alternate between the generators, ± half of the range that
    the middle half of them spans, of pictures without the mapping, which is among the parts.
    MB are those of the network and its work, at their peak; MB in all count the whole process, or
    what a GPU has reserved. Memory of a batch that would take long on a CPU is extrapolated.
    GMAC are multiply-adds of convolutions and matrix products; looking up planes is not counted.
    """
    path = parse_file(out, ".json")
    place = choose_device(device.value)
    chosen = list(dict.fromkeys(models or [TEACHER, STUDENT]))
    precision_name = set_precision(torch.nn.Identity(), precision.value, place)  # auto resolved
    usual, warm_up = usual_repeats(place)
    plan = Plan(
        chosen,
        teacher or next((name for name in chosen if name in TEACHERS), PRESET),
        parse_batches(batches),
        repeats or usual,
        warm_up,
        parse_size("--memory-limit", memory_limit),
        place,
        precision_name,
        DrawOptions(branch=branch and branch.value),
        time.process_time if processor else time.perf_counter,
    )
    with replacing(path) as unfinished:
        found = measure(plan, follow)
        result = facts(plan) | {"generators": as_data(found, plan)}
        result |= write_figure(found, plan, path)
        unfinished.write_text(plain.dumps(result, indent=2) + "\n")
    head = f"{result['machine']}, {precision_name}, medians of {plan.repeats}"
    text = f"{head}\n\n{as_text(found, plan)}\n\nwrote {path}"
    o.print_result(result, text + (f" and {result['plot']}" if result["plot"] else ""), json)


def write_figure(found: list[Measured], plan: Plan, path: Path) -> dict[str, Any]:
    """Beside the numbers."""
    picture = figure(found, plan)
    if picture is None:
        return {"plot": None}
    write_png(picture, path.with_suffix(".png"))
    return {"plot": str(path.with_suffix(".png"))}


def facts(plan: Plan) -> dict[str, Any]:
    """On which the numbers depend."""
    return {
        "nerfgan": __version__,
        "torch": torch.__version__,
        "machine": machine_name(plan.device),
        "driver": driver_version(),
        "device": plan.device.type,
        "precision": plan.precision,
        "tf32": tf32_is_on(plan.device),
        "branch": plan.options.branch,
        "clock": plan.clock.__name__,
        "repeats": plan.repeats,
        "warm_up": plan.warm_up,
        "teacher_of_presets": plan.teacher,
        "memory_limit": plan.limit,
        "memory_limit_of_work": plan.room,  # less what CUDA itself is assumed to take
    }


def parse_batches(text: str) -> list[int]:
    """ "1,2,4", ascending, each once"""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[1-9]\d{0,3}", part, re.ASCII) for part in parts):
        raise UsageError(f"--batches {text!r} is no list of batch sizes: write 1,2,4 or 16.")
    sizes = sorted({int(part) for part in parts})
    if sizes[-1] > LARGEST_BATCH:
        raise UsageError(f"--batches {text!r}: more than {LARGEST_BATCH} are too many: give fewer.")
    return sizes


def parse_size(option: str, text: str) -> int | None:
    """ "24GB" (10⁹ bytes each) or "24GiB" (2³⁰); None for "none"."""
    if text == "none":
        return None
    match = re.fullmatch(r"(\d+\.?\d*)\s*([KMG]i?B)", text, re.ASCII)
    if not match or match[2] not in UNITS or not float(match[1]):
        raise UsageError(
            f"{option} {text!r} is no size: write a number and {', '.join(UNITS)}, or none."
        )
    return round(float(match[1]) * UNITS[match[2]])


def follow(what: str) -> None:
    """What is measured now, if a person looks on."""
    if sys.stderr.isatty():
        typer.echo(what, err=True)
