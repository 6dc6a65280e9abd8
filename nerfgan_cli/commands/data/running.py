"""What the commands about data share: options, a progress bar, writing a zip with its notes."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from json import dumps
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer
from tqdm import tqdm

from nerfgan_cli import __version__
from nerfgan_cli.commands.options import counted, print_result
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.data.preparation import Finish, Plan, draw_cuts, make_entries
from nerfgan_cli.data.storage import Storage, open_storage
from nerfgan_cli.data.writing import Bad, BadPicturesError, write_data_set
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.files import replacing

Item = TypeVar("Item")
Watch = Callable[[Iterable[Item], int], Iterable[Item]]

Source = Annotated[Path, typer.Argument(metavar="SRC", help="A folder or a zip of pictures.")]
Out = Annotated[str, typer.Option("--out", "-o", metavar="OUT.zip", help="The data set to write.")]
Side = Annotated[
    int, typer.Option("--resolution", min=4, max=4096, metavar="R", help="Side in pixels.")
]
Cameras = Annotated[
    Path | None,
    typer.Option("--cameras", metavar="FILE", help="The cameras; else those found in SRC."),
]
Mirror = Annotated[
    bool, typer.Option("--mirror", help="Add each picture's mirror image, its camera mirrored.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=256, metavar="N", help="Worked on at once; else one per core."
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out pictures that cannot be used.")
]


class Axis(str, Enum):
    """Of the source's world."""

    x = "x"
    y = "y"
    z = "z"
    minus_x = "-x"
    minus_y = "-y"
    minus_z = "-z"


class Job(NamedTuple):
    """A data set to be prepared."""

    out: Path
    finish: Finish
    workers: int
    skip_bad: bool
    json: bool


def watch(what: str) -> Watch[Any]:
    """A progress bar on a terminal."""

    def show(items: Iterable[Item], total: int) -> Iterable[Item]:
        return tqdm(items, total=total, unit=what, disable=not sys.stderr.isatty())

    return show


def count_workers(workers: int | None) -> int:
    """As many as there are cores for us, unless told."""
    if hasattr(os, "sched_getaffinity"):
        return workers or len(os.sched_getaffinity(0))
    return workers or os.cpu_count() or 1


def begin(
    source: Path, out: str, finish: Finish, workers: int | None, skip_bad: bool, json: bool
) -> tuple[Storage, Job]:
    """Opens the source, and refuses a bad -o before any work."""
    path = parse_file(out, ".zip")
    if path.exists() and source.exists() and path.samefile(source):
        raise UsageError(f"{path} is the input: give -o another name.")
    return open_storage(source), Job(path, finish, count_workers(workers), skip_bad, json)


def carry_out(storage: Storage, plan: Plan, job: Job) -> None:
    """Writes the planned data set, and says what was done."""
    entries = make_entries(storage, plan.cuts, job.finish)
    if plan.bad and not (job.skip_bad and plan.cuts):
        refuse(plan.bad, len(plan.cuts) + len(plan.bad), job.json)
    draw = partial(draw_cuts, storage, plan.cuts, job.finish)
    group = 1 + job.finish.mirror
    notes_file = job.out.with_name(f"{job.out.name}.json")
    try:
        with replacing(notes_file) as notes_path:
            written, bad = write_data_set(
                job.out, entries, draw, group, job.workers, job.skip_bad, watch("picture")
            )
            bad = [*plan.bad, *bad]
            notes = {
                "nerfgan": __version__,
                "out": str(job.out),
                "source": str(storage.path),
                "pictures": len(written),
                "resolution": job.finish.resolution,
                "mirrored": job.finish.mirror,
                "notes": plan.notes,
                "world": plan.world and plan.world.to_json(),
                "left_out": [problem._asdict() for problem in bad],
            }
            sources = [entry.name for entry in written]
            notes_path.write_text(dumps(notes | {"sources": sources}, indent=1) + "\n")
    except BadPicturesError as error:
        refuse(error.bad, len(plan.cuts), job.json)
    lines = [f"{name}: {text}: left out" for name, text in bad] + plan.notes
    lines.append(
        f"wrote {counted(len(written), 'picture')} of {job.finish.resolution}² to {job.out}"
    )
    print_result(notes, "\n".join(lines), job.json)


def refuse(bad: Sequence[Bad], total: int, as_json: bool) -> None:
    """Lists what cannot be used."""
    listed = {"left_out": [problem._asdict() for problem in bad]}
    print_result(listed, "\n".join(f"{name}: {text}" for name, text in bad), as_json)
    raise InputError(
        f"{len(bad)} of {counted(total, 'picture')} cannot be used, as listed: mend or remove "
        "them, or leave them out with --skip-bad."
    )
