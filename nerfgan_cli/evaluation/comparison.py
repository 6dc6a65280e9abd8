"""Reports side by side, with what was published of the baselines: the tables of both papers.

A column is one protocol: published numbers stand beside ours only where N, data rule and network
are the same.
"""

from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

from nerfgan_cli.evaluation.metric import LOWER
from nerfgan_cli.evaluation.report import Report
from nerfgan_cli.evaluation.tables import Row, Table
from nerfgan_cli.training.recipe_reader import parse_toml

FILE = "published.toml"


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
    networks: dict[str, str] = {}  # name, and the checksum of who measured it first
    for report in reports:
        for value in report.values:
            value["name"] = distinct(value, networks)
            columns.setdefault(value["name"], heading(value))
    for row in published:
        for name in row.values:
            columns.setdefault(name, name)
    rows = []
    for report in reports:
        labels = [report.name, str(report.facts["data"] or ""), ""]
        rows.append(Row([*labels, *cells(report, columns)]))
    for row in published:
        found = [number(row.values[name]) if name in row.values else "" for name in columns]
        rows.append(Row([row.method, row.data, row.source, *found], published=True))
    return Table(["model", "data", "source", *columns.values()], rows, labels=3)


def distinct(value: dict[str, Any], networks: dict[str, str]) -> str:
    """The name of a number; if another network has it already, with the network's checksum."""
    protocol = value["protocol"]
    found = str(protocol.get("extractor_sha256") or protocol.get("network_sha256") or "")
    first = networks.setdefault(value["name"], found)
    return str(value["name"]) + (f"@{found[:8]}" if found != first else "")


def heading(value: dict[str, Any]) -> str:
    arrow = "↓" if value["better"] == LOWER else "↑"
    unit = f" {value['unit']}" if value["unit"] else ""
    return f"{value['name']}{unit} {arrow}"


def cells(report: Report, columns: dict[str, str]) -> list[str]:
    found = {value["name"]: value["value"] for value in report.values}
    return [number(found[name]) if name in found else "" for name in columns]


def number(value: float) -> str:
    """Four digits that mean something."""
    return f"{value:.4g}"
