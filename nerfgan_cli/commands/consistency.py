"""`nerfgan consistency`: whether the views of a subject are views of one scene."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from tqdm import tqdm

from nerfgan_cli import __version__
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.counterparts import Model, open_model, open_teacher
from nerfgan_cli.commands.data.prepare.folder import Like
from nerfgan_cli.commands.drawing import Known, Truncation, choose_people
from nerfgan_cli.commands.evaluating import choose_branch
from nerfgan_cli.commands.parsing import LARGEST_SEED, parse_file
from nerfgan_cli.commands.scenes import followed, measure_model, measure_pictures, taken
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.evaluation.consistency import QUICK_SUBJECTS, SIDE, SUBJECTS
from nerfgan_cli.figures.panels import Frame, Labelled, draw_panel, prepare_scene
from nerfgan_cli.files import make_folder
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions
from nerfgan_cli.generators.drawing import Person, Sitter, choose_batch
from nerfgan_cli.generators.precision import choose_device, set_precision
from nerfgan_cli.media import captioned_grid, write_png
from nerfgan_cli.reconstruction.export import PROTOCOL, RENDERED, score, write_json, write_subject
from nerfgan_cli.reconstruction.strips import VIEWS as FRAMES
from nerfgan_cli.reconstruction.sweep import TRUNCATION, VIEWS, YAW, draw_sweep, half_depth, sweep

ROWS = (0.4, 0.5, 0.6)  # of the picture's height, whose strips are shown


def command(
    model: o.Model = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Whose depth views are carried along; else ToyHeads' own."
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Judge these pictures of one subject, with cameras."),
    ] = None,
    cameras: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Cameras of --images, by name; else its dataset.json."),
    ] = None,
    like: Annotated[
        Like | None,
        typer.Option(
            "--like", help="Domain of --images' cameras: their radius and focal length; else ffhq."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write views and cameras for NeuS and others instead."),
    ] = None,
    to_score: Annotated[
        Path | None,
        typer.Option(
            "--score", metavar="DIR", help=f"Score what is in SUBJECT/{RENDERED} of an export."
        ),
    ] = None,
    strips: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.png", help="Draw rows of pixels over a sweep of the camera instead."
        ),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(
            "--num",
            min=1,
            max=10_000,
            metavar="N",
            help=f"Subjects; else {QUICK_SUBJECTS}, or {SUBJECTS} of an export.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            "--seeds",
            min=0,
            max=LARGEST_SEED,
            metavar="N",
            help="The first; without it and --num an inversion's own subject, or from 0 on.",
        ),
    ] = None,
    truncation: o.Truncation = TRUNCATION,
    views: Annotated[
        int, typer.Option(min=2, max=1000, metavar="N", help="Of each subject, side by side.")
    ] = VIEWS,
    side: Annotated[
        int,
        typer.Option(min=16, max=512, metavar="N", help="Pixels of the views that become a scene."),
    ] = SIDE,
    what: Annotated[
        o.Shown, typer.Option("--what", help="The picture, or the one before super-resolution.")
    ] = o.Shown.image,
    branch: o.Branch = None,
    precision: o.Precision = o.PrecisionName.fp32,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE.json", help="What was measured; a picture.")
    ] = "consistency.json",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Measures whether views of a subject are views of one scene.

    Thirty views become a scene, a compact one, in seconds; psnr_mv_fast and ssim_mv_fast say how
    well it explains them, psnr_mv_gain by how much better than a still picture, which explains a
    head that never turns perfectly. warped_psnr carries one view over to another along a teacher's
    depth. Only PSNR_mv and SSIM_mv as published need NeuS: --export writes what it reads, --score
    reads what it rendered.
    """
    modes = {"--images": images, "--export": export, "--score": to_score, "--strips": strips}
    given = [name for name, value in modes.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} ask for different things: give one of them.")
    if to_score is not None:
        score_export(to_score, json)
        return
    if images is not None:
        path = parse_file(out, ".json")
        measure_pictures(images, cameras, (like or Like.ffhq).value, side, path, json)
        return
    for option, value in (("--cameras", cameras), ("--like", like)):
        if value is not None:
            raise UsageError(f"{option} would do nothing without --images: leave it out.")
    path = parse_file(strips or out, ".png" if strips else ".json")
    place = choose_device(device.value)
    judged = open_model(model, place)
    set_precision(judged.generator, precision.value, place)
    options = choose_options(judged, what, branch)
    usual = QUICK_SUBJECTS if export is None else SUBJECTS
    people = choose_subjects(model, seed, number, usual, truncation)
    if strips is not None:
        draw_strips(judged, open_other(judged, teacher, place), people[0], options, path, json)
    elif export is not None:
        export_views(judged, people, views, options, export, json)
    else:
        other = open_other(judged, teacher, place)
        measure_model(judged, other, people, views, side, options, path, json)


def choose_subjects(
    model: str | None, seed: int | None, number: int | None, usual: int, truncation: float
) -> list[Sitter]:
    """An inversion's own, or those of seeds in a row."""
    if seed is None and number is None:
        own = choose_people(model, None, None, Truncation())[0]
        if isinstance(own, Known):
            return [own]
    first = seed or 0
    return [Person(index, truncation) for index in range(first, first + (number or usual))]


def open_other(judged: Model, teacher: str | None, place: torch.device) -> Model | None:
    """The teacher of a student; a volumetric model is its own."""
    if not judged.generator.has_depth:
        return open_teacher(judged, teacher, place)
    if teacher is not None:
        raise UsageError(f"{judged.name} has depth of its own: leave --teacher out.")
    return None


def choose_options(judged: Model, what: o.Shown, branch: o.BranchName | None) -> DrawOptions:
    if what is o.Shown.depth:
        raise UsageError("distances are not judged: use --what image or raw.")
    chosen = choose_branch(judged.generator, judged.name, branch and branch.value)
    return replace(chosen, raw_only=what is o.Shown.raw)


def export_views(
    judged: Model,
    people: Sequence[Sitter],
    views: int,
    options: DrawOptions,
    folder: Path,
    as_json: bool,
) -> None:
    generator = judged.generator
    preset = generator.camera_preset
    cameras = sweep(preset, views)
    make_folder(folder)
    if any(folder.iterdir()):
        raise InputError(f"{folder} has files already: choose another folder, or empty it.")
    for person in followed(people, "subject"):
        pictures = draw_sweep(generator, person, cameras, choose_batch(generator), options)
        write_subject(folder / f"{person.seed:06d}", pictures, cameras, half_depth(preset))
    protocol = {
        "nerfgan": __version__,
        "model": judged.name,
        "subjects": [person.name for person in people],
        "views": views,
        "yaw_rad": YAW,
        "what": "raw" if options.raw_only else "image",
        "branch": options.branch or generator.branch,
        **taken(people),
        "protocol": "GRAM-HD's, as Mimic3D follows it: 50 subjects, 30 yaws, no masks",
    }
    write_json(protocol, folder / PROTOCOL)  # last: without it nothing is scored
    text = (
        f"wrote {o.counted(len(people), 'subject')} of {views} views to {folder}: let NeuS "
        f"reconstruct each, put its renderings of the same views into SUBJECT/{RENDERED}, then "
        f"nerfgan consistency --score {folder}"
    )
    o.print_result(protocol | {"folder": str(folder)}, text, as_json)


def score_export(folder: Path, as_json: bool) -> None:
    scores = list(score(folder))
    if not scores:
        raise InputError(f"{folder} has no subjects: give the folder that --export wrote.")
    means = {name: float(np.mean([getattr(s, name) for s in scores])) for name in ("psnr", "ssim")}
    result = {
        "folder": str(folder),
        "psnr_mv": means["psnr"],
        "ssim_mv": means["ssim"],
        "subjects": [one._asdict() for one in scores],
    }
    text = (
        f"{o.counted(len(scores), 'subject')}: PSNR_mv {means['psnr']:.2f} dB, "
        f"SSIM_mv {means['ssim']:.4f}"
    )
    if len(scores) != SUBJECTS or any(one.views != VIEWS for one in scores):
        text += f" (as published they are of {SUBJECTS} subjects from {VIEWS} views each)"
    o.print_result(result, text, as_json)


def draw_strips(
    judged: Model,
    teacher: Model | None,
    person: Sitter,
    options: DrawOptions,
    out: Path,
    as_json: bool,
) -> None:
    """Of the model, and of its teacher beside it."""
    shown = [(judged, options)] + ([] if teacher is None else [(teacher, DEFAULT_OPTIONS)])
    side = max(model.generator.img_resolution for model, _ in shown)
    frame = Frame(yaw=0.0, pitch=0.0, size=side, views=FRAMES, rows=ROWS)
    cells: list[Labelled] = []
    for model, drawn in tqdm(shown, "models", disable=not sys.stderr.isatty()):
        scene, name = prepare_scene(model.generator, person, drawn, frame), Path(model.name).stem
        for panel in ("rows", "strip"):
            cells += [Labelled(f"{name} {label}", one) for label, one in draw_panel(scene, panel)]
    pictures, captions = [cell.picture for cell in cells], [cell.label for cell in cells]
    write_png(captioned_grid(pictures, captions, 1 + len(ROWS)), out)
    result = {"model": judged.name, "subject": person.name, "frames": FRAMES, "file": str(out)}
    o.print_result(result, f"wrote {out}: rows of pixels, time runs downwards", as_json)
