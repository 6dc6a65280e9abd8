"""Reports side by side, with what was published of the baselines: the tables of both papers.

A column is one protocol: published numbers stand beside ours only where N, data rule and network
are the same, and ours beside each other only where teacher, correction, resolution, precision,
seed and cameras are too; costs depend on no seed. The data set is told by the label of the row.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple
from zlib import crc32

from nerfgan_cli.evaluation.efficiency import NAME as EFFICIENCY
from nerfgan_cli.evaluation.metric import HIGHER, LOWER
from nerfgan_cli.evaluation.report import Report
from nerfgan_cli.evaluation.tables import Row, Table
from nerfgan_cli.training.recipe_reader import parse_toml

FILE = "published.toml"

CHECKSUMS = ("extractor_sha256", "network_sha256", "estimator_sha256")
DESCRIPTIONS = ("network_description", "estimator_description", "field")  # of networks, of a scene
OF_PROTOCOL = (
    *("teacher", "teacher_branch", "corrected_by", "resolution", "side", "machine", "precision"),
)
OF_REPORT = ("precision", "seed")  # of what is measured on pictures
UNITS = {  # of published numbers, by the first word of their name
    "fid": ("", LOWER),
    "kid": ("", LOWER),
    "pose": ("rad²", LOWER),
    "landmarks": ("", LOWER),
    "identity": ("", HIGHER),
    "psnr": ("dB", HIGHER),
    "ssim": ("", HIGHER),
    "largest": ("", HIGHER),
    "parameters": ("M", LOWER),
    "memory": ("GB", LOWER),
}


class Baseline(NamedTuple):
    """What a paper says of a method."""

    method: str
    data: str
    source: str
    values: dict[str, float]


def read_published() -> list[Baseline]:
    text = resources.files("nerfgan_cli.evaluation").joinpath(FILE).read_text("utf-8")
    return [Baseline(**row) for row in parse_toml(text, FILE)["rows"]]


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


def compare(reports: Sequence[Report], published: Sequence[Baseline]) -> Table:
    """A row for each report, then the published ones."""
    columns: dict[str, str] = {}  # name, and its head
    firsts: dict[tuple[str, str], str] = {}  # name and condition, and the first that had it
    rows = []
    for report in reports:
        found = {distinct(report, value, firsts): value for value in report.values}
        for name, value in found.items():
            columns.setdefault(name, heading({**value, "name": name}))
        numbers = {name: value["value"] for name, value in found.items()}
        rows.append(([report.name, str(report.facts["data"] or ""), ""], numbers, False))
    for row in published:
        for name in row.values:
            columns.setdefault(name, published_heading(name))
        rows.append(([row.method, row.data, row.source], row.values, True))
    table = [Row([*labels, *cells(own, columns)], published=grey) for labels, own, grey in rows]
    return Table(["model", "data", "source", *columns.values()], table, labels=3)


def distinct(report: Report, value: dict[str, Any], firsts: dict[tuple[str, str], str]) -> str:
    """The name of a number; if another protocol has it already, with what differs."""
    own = name = str(value["name"])
    for condition, mark, found in conditions(report, value):
        if firsts.setdefault((own, condition), found) != found:
            name += f"@{mark}{found}"
    return name


def conditions(
    report: Report, value: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:  # what, how that is written in a name, and its value
    """What a number depends on beside what its name tells, as far as it is known."""
    facts, label, protocol = report.facts, report.facts.get("data"), value["protocol"]
    for key in CHECKSUMS:
        if key in protocol:
            yield key, "", str(protocol[key])[:8]
    for key in DESCRIPTIONS:
        if key in protocol:
            yield key, "described=", f"{crc32(str(protocol[key]).encode()):08x}"
    for key in OF_PROTOCOL:
        # Under "teacher" some keep the teacher's own number: nothing depends on it.
        if key in protocol and not isinstance(protocol[key], float):
            yield key, f"{key}=", str(protocol[key])
    for key in OF_REPORT if value["metric"] != EFFICIENCY else ():
        if facts.get(key) is not None and "images" not in facts:
            yield key, f"{key}=", str(facts[key])
    cameras = protocol.get("cameras")
    if cameras is not None and "images" not in facts:
        yield "cameras", "cameras=", "of the data" if cameras == f"of {label}" else str(cameras)
    if "data_fingerprint" in protocol:
        yield f"data {label}", "data=", str(protocol["data_fingerprint"])[:8]


def heading(value: dict[str, Any]) -> str:
    arrow = "↓" if value["better"] == LOWER else "↑"
    unit = f" {value['unit']}" if value["unit"] else ""
    return f"{value['name']}{unit} {arrow}"


def published_heading(name: str) -> str:
    word = re.match("[a-z]*", name)
    assert word is not None
    if word.group() not in UNITS:
        return name
    unit, better = UNITS[word.group()]
    return heading({"name": name, "unit": unit, "better": better})


def cells(found: Mapping[str, float], columns: Iterable[str]) -> list[str]:
    return [number(found[name]) if name in found else "" for name in columns]


def number(value: float) -> str:
    """Four digits that mean something."""
    return f"{value:.4g}"
