"""`nerfgan data toyheads`: a data set of procedural heads."""

from functools import partial
from json import dumps
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

from nerfgan_cli import __version__
from nerfgan_cli.commands.data import running as r
from nerfgan_cli.commands.options import Json, counted, print_result
from nerfgan_cli.commands.parsing import LARGEST_SEED, parse_file
from nerfgan_cli.data.parallel import ordered_map_in_processes
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.data.writing import Entry, write_data_set
from nerfgan_cli.files import replacing

PIXELS = 32 * 64**2  # that are drawn at once


def command(
    out: r.Out,
    num: Annotated[int, typer.Option("--num", min=1, metavar="N", help="Heads.")] = 10_000,
    resolution: r.Side = 128,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, metavar="S", help="Which family of heads.")
    ] = 0,
    workers: r.Workers = None,
    json: Json = False,
) -> None:
    """Draws a data set of stylised heads, without any download.

    Head I of a family is always the same, however many are drawn at once. An interrupted command,
    given again, goes on where it was.
    """
    path = parse_file(out, ".zip")
    heads = ToyHeads(resolution, num, seed)
    family = ToyHeads(resolution, 1, seed).fingerprint()  # however many of it are drawn
    labels = heads.labels(np.arange(num))
    entries = [Entry(f"head {i}", f"{family} {i}", labels[i]) for i in range(num)]
    group = max(PIXELS // resolution**2, 1)
    count, work = r.count_workers(workers), partial(draw, heads)
    with replacing(path.with_name(f"{path.name}.json")) as notes_path:
        write_data_set(
            path, entries, work, group, count, False, r.watch("batch"), ordered_map_in_processes
        )
        notes = {
            "nerfgan": __version__,
            "out": str(path),
            "source": "toyheads",
            "seed": seed,
            "pictures": num,
            "resolution": resolution,
        }
        notes_path.write_text(dumps(notes, indent=1) + "\n")
    print_result(notes, f"wrote {counted(num, 'head')} of {resolution}² to {path}", json)


@torch.inference_mode()
def draw(heads: ToyHeads, numbers: list[int]) -> list[Image.Image]:
    items = heads.__getitems__(numbers)
    return [Image.fromarray(item.image.permute(1, 2, 0).numpy()) for item in items]
