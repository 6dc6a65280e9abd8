"""`nerfgan eval --compare`: models, or the reports of earlier evaluations, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.drawing import open_source
from nerfgan_cli.commands.eval_options import Order
from nerfgan_cli.commands.evaluating import check_folder, evaluate_one, name_of, say
from nerfgan_cli.commands.tables import Format, shown_as, write_table
from nerfgan_cli.errors import NerfganError, UsageError
from nerfgan_cli.evaluation.comparison import compare, read_published
from nerfgan_cli.evaluation.figures import FILE, Named, write_poses
from nerfgan_cli.evaluation.report import Report, has_report, read_report
from nerfgan_cli.evaluation.table import FIGURES
from nerfgan_cli.files import make_folder
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.training.distributed import World

COMPARISON = "comparison"


class Entry(NamedTuple):
    """One word of the command line."""

    word: str
    label: str  # told apart from the others
    report: Report | None  # None: a model, which is to be evaluated


def compare_all(
    order: Order, world: World, words: Sequence[str], out: Path, form: Format, json: bool
) -> None:
    """Reports are read, models are evaluated into folders of their own."""
    entries = open_entries(words)
    for entry in entries:
        if entry.report is None:
            check_folder(order, world, entry.word, entry.label, out)
    make_folder(out)
    reports: list[Report] = []
    failures: list[Mapping[str, NerfganError]] = []
    for entry in entries:
        if entry.report is not None:
            reports.append(entry.report)
            continue
        report, failed = evaluate_one(order, world, entry.word, None, form, entry.label, out)
        reports.append(report.whole())  # with what was measured earlier
        if order.metrics is not None or not report.values:
            failures.append(failed)
    if not world.first:
        return
    table = compare(reports, read_published())
    write_table(table, out, COMPARISON, form)
    for figure in FIGURES:
        figure({report.name: report.values for report in reports}, out)
    result = {"reports": [report.to_json() for report in reports]}
    o.print_result(result, shown_as(table, form), json)
    write_sheet(reports, order, out)
    error = find_failure(failures, reports)
    if error is not None:
        raise error


def open_entries(words: Sequence[str]) -> list[Entry]:
    """Whatever is missing is told before anything is measured."""
    reports: list[Report | None] = []
    for word in words:
        path = Path(word).expanduser()
        if path.exists() and has_report(path):
            reports.append(read_report(path))
        else:
            find_model(word)
            reports.append(None)
    names = [
        name_of(word) if report is None else report.name
        for word, report in zip(words, reports, strict=True)
    ]
    entries = []
    for word, label, report in zip(words, tell_apart(names, words), reports, strict=True):
        if report is not None:
            report = replace(report, facts=report.facts | {"name": label})
        entries.append(Entry(word, label, report))
    return entries


def tell_apart(names: Sequence[str], words: Sequence[str]) -> list[str]:
    """Names, with the part of the path that tells one from others of the same name."""
    labels = []
    for name, word in zip(names, words, strict=True):
        rivals = [words[index] for index, other in enumerate(names) if other == name]
        labels.append(name if len(rivals) == 1 else f"{name} ({_difference(word, rivals)})")
    return labels


def _difference(word: str, rivals: Sequence[str]) -> str:
    """The shortest end of a path that no rival has, but for what ends all of them."""
    paths = [Path(rival).expanduser().resolve().parts for rival in rivals]
    own = Path(word).expanduser().resolve().parts
    if paths.count(own) > 1:
        raise UsageError(f"{word} is there twice: name it once.")
    while len({path[-1] for path in paths}) == 1 and min(map(len, paths)) > 1:
        paths, own = [path[:-1] for path in paths], own[:-1]
    ends = (own[-count:] for count in range(1, len(own) + 1))
    return "/".join(next((e for e in ends if [p[-len(e) :] for p in paths].count(e) == 1), own))


def write_sheet(reports: Sequence[Report], order: Order, out: Path) -> None:
    """The same subjects by all models whose files are here as they were when they were judged."""
    write_poses(_open_again(reports, order), out)


def _open_again(reports: Sequence[Report], order: Order) -> Iterator[Named]:
    """One after the other, so that not all are in memory."""
    for report in reports:
        path = report.facts.get("model")
        if not isinstance(path, str) or not Path(path).is_file():
            continue
        generator = open_source(path, order.device, order.precision).generator
        if f"{weights_checksum(generator):08x}" == report.facts.get("checksum"):
            raw = report.facts.get("what") == "raw"
            side = report.facts["resolution"] if raw else None
            options = DrawOptions(side, raw, branch=report.facts.get("branch"))
            yield Named(report.name, generator, options)
        else:
            say(f"{path} is no longer the model of the report: it is not drawn in {FILE}")


def find_failure(
    failures: Sequence[Mapping[str, NerfganError]], reports: Sequence[Report]
) -> NerfganError | None:
    """What makes the command fail: not a metric that makes no sense for some of the models."""
    measured = {value["metric"] for report in reports for value in report.values}
    for metric, error in chain.from_iterable(failed.items() for failed in failures):
        if not isinstance(error, UsageError) or metric not in measured:
            return error
    return None
