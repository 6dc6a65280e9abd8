"""`nerfgan eval`: the numbers of the papers for any generator, each with its protocol."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.data.prepare.folder import Like
from nerfgan_cli.commands.drawing import open_source
from nerfgan_cli.commands.evaluating import (
    LARGEST_NUMBER,
    Bars,
    Order,
    choose_metrics,
    exact,
    open_judged,
)
from nerfgan_cli.commands.parsing import parse_batch
from nerfgan_cli.errors import NerfganError, UsageError
from nerfgan_cli.evaluation.comparison import compare, read_published, summary
from nerfgan_cli.evaluation.figures import Named, write_poses
from nerfgan_cli.evaluation.metric import Networks, Setting
from nerfgan_cli.evaluation.report import Report, describe, has_report, read_report
from nerfgan_cli.evaluation.run import evaluate
from nerfgan_cli.evaluation.samples import LARGEST_SEED
from nerfgan_cli.evaluation.table import FIGURES, METRICS
from nerfgan_cli.evaluation.tables import SUFFIXES, Table, as_text, render
from nerfgan_cli.files import make_folder, replacing
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.training.distributed import World, open_world

COMPARISON = "comparison"


class Format(str, Enum):
    """Of tables; see `evaluation.tables`."""

    text = "text"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"


def command(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL|REPORT…", help="With --compare: whom to compare."),
    ] = None,
    comparing: Annotated[
        bool,
        typer.Option(
            "--compare", help="A table of all, beside what was published of the baselines."
        ),
    ] = False,
    model: o.Model = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Of a student; else the bundled one of ToyHeads."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Real pictures with cameras: a folder or zip with dataset.json, or toyheads.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help=f"Of {', '.join(METRICS)}; else all that can be had."),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(
            "--num",
            "-n",  # torchrun takes --num for one of its own
            min=1,
            max=LARGEST_NUMBER,
            metavar="N",
            help="Pictures of each metric: 50000 for FID as published, against all of the data. "
            "Others take no more than their own protocols have, as each name says. Else fewer.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Judge these pictures, made by any other system."),
    ] = None,
    cameras: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Cameras of --images, by name; else its dataset.json."),
    ] = None,
    like: Annotated[
        Like, typer.Option("--like", help="Whose cameras those of --images resemble.")
    ] = Like.ffhq,
    extractor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Of FID and KID: inception, discriminator, squeezenet; else those at hand.",
        ),
    ] = None,
    inception: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of the Inception of 2015.")
    ] = None,
    discriminator: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A discriminator whose features are an extractor's."),
    ] = None,
    backbone: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of SqueezeNet 1.1.")
    ] = None,
    lpips: Annotated[
        str, typer.Option(metavar="NAME", help="Network of LPIPS: alex, vgg or squeeze.")
    ] = "alex",
    lpips_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Torchvision's file of that network.")
    ] = None,
    pack: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="InsightFace's pack or a folder, for faces."),
    ] = None,
    pose_network: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Finds the pose.")
    ] = None,
    identity_network: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Tells faces apart.")
    ] = None,
    landmark_network: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Finds landmarks.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="Of latents and cameras.")
    ] = 0,
    batch: o.Batch = "auto",
    precision: o.Precision = o.PrecisionName.fp32,
    form: Annotated[Format, typer.Option("--format", help="Of the table.")] = Format.text,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of features; else in nerfgan's own folder."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write into.")
    ] = Path("eval"),
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Measures a model: without a word, all that this machine can in some minutes.

    Writes eval.json with each number's protocol, a table and figures. The name of a number says
    how many pictures it is of and which network looked at them; only equal names can be compared.
    Features are kept: interrupted, the same command goes on. Under torchrun the processes share
    the work, and the numbers are the same; write -n there, as torchrun has a --num of its own.

    With --compare A B C: models, or the folders of earlier evaluations, in one table.
    """
    extractors = None if extractor is None else tuple(e.strip() for e in extractor.split(","))
    order = Order(
        teacher=teacher,
        data=data,
        metrics=metrics,
        number=number,
        images=images,
        cameras=cameras,
        like=like.value,
        networks=Networks(
            extractors=extractors,
            inception=inception,
            discriminator=discriminator,
            backbone=backbone,
            lpips=lpips,
            lpips_weights=lpips_weights,
            pack=pack,
            pose=pose_network,
            identity=identity_network,
            landmarks=landmark_network,
        ),
        seed=seed,
        batch=parse_batch(batch),
        cache=cache,
        precision=precision,
        device=device,
    )
    judge(order, models or [], comparing, model, out, form, json)


def judge(
    order: Order,
    models: list[str],
    comparing: bool,
    model: str | None,
    out: Path,
    form: Format,
    json: bool,
) -> None:
    """One model, or several side by side."""
    if models and not comparing:
        raise UsageError(f"{models[0]} is one word too many: give --model, or --compare for more.")
    if comparing and (not models or model is not None or order.images is not None):
        raise UsageError("--compare takes models or reports as words: nerfgan eval --compare A B.")
    if model is not None and order.images is not None:
        raise UsageError("--model and --images are two things to judge: give one of them.")
    if order.cameras is not None and order.images is None:
        raise UsageError("--cameras are those of --images: give both, or neither.")
    choose_metrics(order.metrics)
    make_folder(out)
    with open_world(choose_device(order.device.value)) as world:
        exact(world.device)
        if comparing:
            compare_all(order, world, models, out, form, json)
        else:
            report, errors = evaluate_one(order, world, model, out, form)
            asked = order.metrics is not None
            if world.first and (report.values or not asked):
                o.print_result(report.to_json(), shown_as(summary(report), form), json)
            if errors and (asked or not report.values):
                raise errors[0]


def evaluate_one(
    order: Order, world: World, model: str | None, out: Path, form: Format
) -> tuple[Report, list[NerfganError]]:
    """What was measured is on disk however it ends; what could not be, in order, is returned."""
    with Bars(world.first) as bars:
        setting, facts = open_judged(model, order, world, bars)
        report = Report(describe(setting, facts))
        try:
            errors = evaluate(setting, choose_metrics(order.metrics), report, out)
            if world.first:
                errors += add_figures(setting, report, out)
        finally:
            if world.first:
                report.write(out)
                write_table(summary(report), out / f"table{SUFFIXES[form.value]}", form)
    return report, errors


def add_figures(setting: Setting, report: Report, out: Path) -> list[NerfganError]:
    """A model that cannot draw has numbers nevertheless."""
    try:
        report.figures = [path.name for path in write_figures(setting, report, out)]
    except NerfganError as error:
        report.skip("figures", str(error).rstrip("."))
        return [error]
    return []


def write_figures(setting: Setting, report: Report, out: Path) -> list[Path]:
    """The sheet over poses, and what the metrics that were measured show."""
    found = [path for figure in FIGURES for path in figure(setting, report.values, out)]
    if setting.generator is None:
        return found
    shown = [Named(setting.name, setting.generator)]
    if setting.teacher is not None:
        shown.insert(0, Named("teacher", setting.teacher))
    return [write_poses(shown, out), *found]


def compare_all(
    order: Order, world: World, models: list[str], out: Path, form: Format, json: bool
) -> None:
    """Reports are read, models are evaluated into folders of their own."""
    reports = []
    for name in models:
        path = Path(name).expanduser()
        if path.exists() and has_report(path):
            reports.append(read_report(path))
        else:
            folder = out / path.name.removesuffix(".safetensors")
            make_folder(folder)
            reports.append(evaluate_one(order, world, name, folder, form)[0])
    if not world.first:
        return
    table = compare(reports, read_published())
    write_table(table, out / f"{COMPARISON}{SUFFIXES[form.value]}", form)
    write_sheet(reports, order, out)
    result = {"reports": [report.to_json() for report in reports]}
    o.print_result(result, shown_as(table, form), json)


def write_sheet(reports: list[Report], order: Order, out: Path) -> None:
    """The same subjects by all models whose files are here."""
    shown = []
    for report in reports:
        path = report.facts.get("model")
        if isinstance(path, str) and Path(path).is_file():
            source = open_source(path, order.device, order.precision)
            shown.append(Named(report.name, source.generator))
    if shown:
        write_poses(shown, out)


def shown_as(table: Table, form: Format) -> str:
    if form is Format.text:
        return as_text(table, colour=sys.stdout.isatty()).rstrip("\n")
    return render(table, form.value).rstrip("\n")


def write_table(table: Table, path: Path, form: Format) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(render(table, form.value), "utf-8")
