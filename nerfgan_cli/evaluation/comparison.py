"""Reports side by side, with what was published of the baselines: the tables of both papers.

A column is one protocol: published numbers stand beside ours only where N, data rule and network
are the same, and ours beside each other only where teacher, correction and resolution are too. The
data set is told by the label of the row.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from nerfgan_cli.evaluation.metric import LOWER
from nerfgan_cli.evaluation.report import Report
from nerfgan_cli.evaluation.tables import Row, Table
from nerfgan_cli.training.recipe_reader import parse_toml

FILE = "published.toml"

DATA = "data_fingerprint"
CONDITIONS = {  # of a protocol, beside what the name of the number tells; and how they are named
    "extractor_sha256": "",
    "network_sha256": "",
    "estimator_sha256": "",
    "teacher": "teacher=",
    "corrected_by": "corrected_by=",
    "resolution": "resolution=",
    DATA: "data=",
}


class Published(NamedTuple):
    """What a paper says of a method."""

    method: str
    data: str
    source: str
    values: dict[str, float]


def read_published() -> list[Published]:
    text = resources.files("nerfgan_cli.evaluation").joinpath(FILE).read_text("utf-8")
    return [Published(**row) for row in parse_toml(text, FILE)["rows"]]


def summary(report: Report) -> Table:
    """One report for people: a line for each number, then what was not measured."""
    rows = [
        Row(
            [
                heading(value),
                number(value["value"]),
                "" if value["error"] is None else f"± {value['error']:.2g}",
                str(value["protocol"].get("note", "")),
            ]
        )
        for value in report.values
    ]
    missed = [Row([skip["metric"], "–", "", skip["reason"]]) for skip in report.skipped]
    return Table(["metric", "value", "error", "note"], rows + missed)


def compare(reports: Sequence[Report], published: Sequence[Published]) -> Table:
    """A row for each report, then the published ones."""
    columns: dict[str, str] = {}  # name, and its head
    firsts: dict[str, dict[str, Any]] = {}  # name, and the protocol of who has it first
    rows = []
    for report in reports:
        found = {distinct(value, firsts): value for value in report.values}
        for name, value in found.items():
            columns.setdefault(name, heading({**value, "name": name}))
        numbers = {name: value["value"] for name, value in found.items()}
        rows.append(([report.name, str(report.facts["data"] or ""), ""], numbers, False))
    for row in published:
        for name in row.values:
            columns.setdefault(name, name)
        rows.append(([row.method, row.data, row.source], row.values, True))
    table = [Row([*labels, *cells(own, columns)], published=grey) for labels, own, grey in rows]
    return Table(["model", "data", "source", *columns.values()], table, labels=3)


def distinct(value: dict[str, Any], firsts: dict[str, dict[str, Any]]) -> str:
    """The name of a number; if another protocol has it already, with what differs."""
    protocol, name = value["protocol"], str(value["name"])
    first = firsts.setdefault(name, protocol)
    for condition, mark in CONDITIONS.items():
        found, other = protocol.get(condition), first.get(condition)
        # Under "teacher" some keep the teacher's own number: nothing depends on it.
        means = isinstance(found, float) or isinstance(other, float)
        told = condition == DATA and protocol.get("data") != first.get("data")  # by the row's label
        if found != other and not means and not told:
            name += f"@{mark}{str(found or 'unknown')[:8]}"
    return name


def heading(value: dict[str, Any]) -> str:
    arrow = "↓" if value["better"] == LOWER else "↑"
    unit = f" {value['unit']}" if value["unit"] else ""
    return f"{value['name']}{unit} {arrow}"


def cells(found: Mapping[str, float], columns: Iterable[str]) -> list[str]:
    return [number(found[name]) if name in found else "" for name in columns]


def number(value: float) -> str:
    """Four digits that mean something."""
    return f"{value:.4g}"
