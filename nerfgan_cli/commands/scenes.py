"""What `nerfgan consistency` measures, of a model or of pictures of one subject."""

import sys
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from nerfgan_cli import __version__
from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.counterparts import Model
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.consistency import TAKEN, Scene, carry_one, make_scene
from nerfgan_cli.evaluation.folder import PictureFolder
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.drawing import Person, Sitter
from nerfgan_cli.media import Picture, captioned_grid, enlarge, write_png
from nerfgan_cli.reconstruction.export import write_json
from nerfgan_cli.reconstruction.fit import Fitting, explain
from nerfgan_cli.reconstruction.sweep import YAW, half_depth, reduced

SHOWN = 5  # views of the first subject
CELL = 128  # pixels of a shown view


class Found(NamedTuple):
    """Of one subject; means over its views."""

    subject: str
    psnr_mv_fast: float
    ssim_mv_fast: float
    psnr_mv_gain: float
    warped_psnr: float | None  # None: no depth to follow, or no point that both cameras see
    teachers_warped_psnr: float | None


def measure_model(
    judged: Model,
    teacher: Model | None,
    people: Sequence[Sitter],
    views: int,
    side: int,
    options: DrawOptions,
    out: Path,
    as_json: bool,
) -> None:
    generator = judged.generator
    volume = generator if generator.has_depth else teacher.generator if teacher else None
    found, first = [], None
    with replacing(out) as unfinished:
        for person in followed(people, "scene"):
            scene = make_scene(generator, person, views, side, options)
            carried: tuple[float | None, float | None] = None, None
            if volume is not None:
                with torch.inference_mode():
                    own, teachers = carry_one(generator, volume, person, options)
                carried = (own, teachers) if isfinite(own) else carried
            found.append(Found(person.name, scene.psnr, scene.ssim, scene.gain, *carried))
            first = first or scene
        facts = {
            "model": judged.name,
            "teacher": None if volume is None else teacher.name if teacher else judged.name,
            "what": "raw" if options.raw_only else "image",
            "branch": options.branch or generator.branch,
            "yaw_rad": YAW,
            **taken(people),
        }
        report(found, facts | {"views": views, "side": side}, unfinished, out, first, as_json)


def taken(people: Sequence[Sitter]) -> dict[str, object]:
    """How the subjects are drawn; those of inversions as they are."""
    first = people[0]
    own = {"truncation": first.truncation if isinstance(first, Person) else None}
    return TAKEN | own


def measure_pictures(
    folder: Path, file: Path | None, like: str, side: int, out: Path, as_json: bool
) -> None:
    """Of one subject, made elsewhere."""
    images = PictureFolder(folder, file, PRESETS[like])
    if not images.has_cameras:
        raise InputError(
            f"{folder} has no camera for some of its pictures: name the file that has them with "
            "--cameras."
        )
    items = [images[index] for index in range(len(images))]
    pictures = torch.stack([item.image for item in items]).permute(0, 2, 3, 1).numpy()
    cameras = Camera.from_label(torch.stack([item.label for item in items]))
    with replacing(out) as unfinished:
        small = reduced(pictures, side)
        with tqdm(total=Fitting().steps, unit="step", disable=not sys.stderr.isatty()) as bar:
            explained = explain(small, cameras, half_depth(like), follow=lambda _: bar.update())
        scene = Scene(small, explained)
        found = [Found(images.name, scene.psnr, scene.ssim, scene.gain, None, None)]
        facts = {"images": str(folder), "views": len(images), "side": side}
        report(found, facts, unfinished, out, scene, as_json)


def show(scene: Scene) -> Picture:
    """Some views, as they are and as the scene shows them, with their distance."""
    pictures, explained = scene
    chosen = np.linspace(0, len(pictures) - 1, min(SHOWN, len(pictures))).round().astype(int)
    depth = (255 * (1 - explained.depth)).clip(0, 255).astype(np.uint8)
    rows = pictures, explained.pictures, depth[..., None].repeat(3, axis=-1)
    cells = [enlarge(row[index], CELL) for row in rows for index in chosen]
    captions = [f"{name} {index}" for name in ("view", "scene", "near") for index in chosen]
    return captioned_grid(cells, captions, len(chosen))


def report(
    found: Sequence[Found],
    facts: dict[str, Any],
    unfinished: Path,
    out: Path,
    scene: Scene | None,  # that is shown
    as_json: bool,
) -> None:
    picture = out.with_suffix(".png")
    subjects = [one._asdict() for one in found]
    known = {
        name: [one[name] for one in subjects if one[name] is not None] for name in Found._fields[1:]
    }
    means = {f"{name}{len(values)}": fmean(values) for name, values in known.items() if values}
    result = {"nerfgan": __version__, **facts, "mean": means, "subjects": subjects}
    write_json(result, unfinished)
    if scene is not None:
        write_png(show(scene), picture)
    lines = [
        f"{name:26}{value:8.3f}{'' if name.startswith('ssim') else ' dB'}"
        for name, value in means.items()
    ]
    head = f"{o.counted(len(found), 'subject')}, {facts['views']} views of {facts['side']}²"
    o.print_result(result, "\n".join([head, *lines, f"wrote {out} and {picture}"]), as_json)


def followed(people: Sequence[Sitter], unit: str) -> Iterator[Sitter]:
    with tqdm(people, unit=unit, disable=not sys.stderr.isatty()) as bar:
        yield from bar
