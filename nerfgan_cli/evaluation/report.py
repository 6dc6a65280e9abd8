"""`eval.json`: what was measured, of whom, how, and what could not be (metrics.md 13).

A folder holds the report of one model, or of one set of pictures, measured in one way. What is
measured later joins what is there; a number of the same name takes the place of the old one.
"""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from nerfgan_cli import __version__
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.metric import MissingWeights, Setting, Value
from nerfgan_cli.files import replacing

FILE = "eval.json"
LINES = "metrics.jsonl"  # one line for each metric ever measured into the folder
# What the numbers of a report have in common, as a sentence says it.
COMMON = {
    "nerfgan": "version of nerfgan",  # first: other versions may know other facts
    "checksum": "model",
    "images_fingerprint": "set of pictures",
    "branch": "branch",
    "what": "kind of picture",
    "resolution": "resolution",
    "precision": "precision",
    "teacher_checksum": "teacher",
    "data_fingerprint": "data set",
    "seed": "seed",
    "device": "device",
}
# What some metrics are measured without, and its name: a report may learn it later.
OPTIONAL = {"teacher_checksum": "teacher", "data_fingerprint": "data"}
LIBRARIES = ("torch", "numpy", "torch-fidelity", "lpips", "insightface", "onnxruntime")


@dataclass
class Report:
    """Grows while metrics are measured; `facts` say who was judged and on what."""

    facts: dict[str, Any]
    values: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)  # metric and why
    figures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    earlier: "Report | None" = None  # of the folder that it is written into, as last seen
    written: float = 0.0  # of the seconds, those that `earlier` counts already

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    def add(self, metric: str, values: Sequence[Value], seconds: float) -> None:
        self.seconds += seconds
        self.values += [{"metric": metric, **value._asdict()} for value in values]

    def skip(self, metric: str, reason: str) -> None:
        self.skipped.append({"metric": metric, "reason": reason})

    def to_json(self) -> dict[str, Any]:
        return {
            **self.facts,
            "values": self.values,
            "skipped": self.skipped,
            "figures": self.figures,
            "seconds": round(self.seconds, 1),
        }

    def whole(self) -> "Report":
        """With what was measured earlier, and what is still missing of it."""
        if self.earlier is None:
            return self
        new = {value["name"] for value in self.values}
        dealt_with = {value["metric"] for value in self.values} | {"figures"}
        dealt_with |= {_metric(name) for skip in self.skipped for name in _names(skip)}
        values = [value for value in self.earlier.values if value["name"] not in new]
        skipped = [_without(dealt_with, skip) for skip in self.earlier.skipped]
        return Report(
            _together(self.earlier.facts, self.facts),
            values + self.values,
            [skip for skip in skipped if skip["metric"]] + self.skipped,
            list(dict.fromkeys(self.earlier.figures + self.figures)),
            self.earlier.seconds - self.written + self.seconds,
        )

    def write(self, folder: Path) -> None:
        """Nothing measured changes no earlier report; another process may have written since."""
        self.earlier = find_earlier(self.facts, folder)
        if not self.values and self.earlier is not None:
            return
        whole = self.whole()
        with replacing(folder / FILE) as unfinished:
            unfinished.write_text(json.dumps(whole.to_json(), indent=2) + "\n", "utf-8")
        self.earlier, self.written = whole, round(self.seconds, 1)


def open_report(facts: dict[str, Any], folder: Path) -> Report:
    """One that goes on with what lies in the folder; refused if that is of something else."""
    return Report(facts, earlier=find_earlier(facts, folder))


def find_earlier(facts: Mapping[str, Any], folder: Path) -> Report | None:
    """What lies in the folder, if it has numbers; refused if they are of something else."""
    if not (folder / FILE).exists():
        return None
    earlier = read_report(folder)
    if not earlier.values:
        return None
    for key, what in COMMON.items():
        old, new = earlier.facts.get(key), facts.get(key)
        if key in OPTIONAL and None in (old, new):
            continue
        if old != new:
            old, new = (
                str(fact)[:8] if key.endswith("fingerprint") else fact for fact in (old, new)
            )
            raise InputError(
                f"{folder / FILE} is the report of another {what} ({old}, not {new}): choose "
                "another folder with --out, or move it away."
            )
    return earlier


def _together(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of both; a teacher or a data set that was there before stays known."""
    known = {
        fact: old.get(fact)
        for key, name in OPTIONAL.items()
        for fact in (key, name)
        if new.get(key) is None
    }
    return {**new, **known}


def _without(metrics: set[str], skip: dict[str, str]) -> dict[str, str]:
    return skip | {"metric": ", ".join(n for n in _names(skip) if _metric(n) not in metrics)}


def _names(skip: Mapping[str, str]) -> list[str]:
    return skip["metric"].split(", ")


def _metric(name: str) -> str:
    """Without an extractor, as of fid:inception."""
    return name.partition(":")[0]


def describe(setting: Setting, more: Mapping[str, Any]) -> dict[str, Any]:
    """Of a report's facts: who, against what, on which machine."""
    data, teacher = setting.data, setting.teacher
    return {
        "name": setting.name,
        **more,
        "data": None if data is None else data.name,
        "data_fingerprint": None if data is None else data.fingerprint(),
        "teacher_checksum": None if teacher is None else f"{weights_checksum(teacher):08x}",
        "seed": setting.seed,
        "number": setting.number,
        "device": machine_name(setting.device),
        "processes": setting.world.size,
        "threads": torch.get_num_threads(),
        "nerfgan": __version__,
        **{library: version_of(library) for library in LIBRARIES},
        "python": platform.python_version(),
    }


def version_of(library: str) -> str | None:
    """None: it is not installed under this name."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def machine_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.machine()})"


def append_line(
    folder: Path, metric: str, values: Sequence[Value], seconds: float, report: Report
) -> None:
    """In the form of EG3D's own metric files, and what ours know besides."""
    facts = report.facts
    line = {
        "results": {value.name: value.value for value in values},
        "metric": metric,
        "total_time": seconds,
        "total_time_str": readable(seconds),
        "num_gpus": facts["processes"],
        "snapshot_pkl": facts.get("model"),
        "timestamp": time.time(),
        "seed": facts["seed"],
        "version": __version__,
        "error": {value.name: value.error for value in values},
        "protocol": {value.name: value.protocol for value in values},
        "missing": [skip for skip in report.skipped if isinstance(skip["reason"], MissingWeights)],
    }
    with (folder / LINES).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def readable(seconds: float) -> str:
    """As EG3D writes it: 9s, 2m 05s, 1h 00m 03s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m {rest:02d}s"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def read_report(path: Path) -> Report:
    """An `eval.json`, or the folder that holds one."""
    file = path / FILE if path.is_dir() else path
    try:
        content = json.loads(file.read_text("utf-8"))
        values, skipped = content.pop("values"), content.pop("skipped")
        figures, seconds = content.pop("figures"), content.pop("seconds")
        for value in values:
            Value(**{key: value[key] for key in Value._fields})
        return Report(content | {"name": str(content["name"])}, values, skipped, figures, seconds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file} is no report of nerfgan eval ({error}): move it away, and evaluate again."
        ) from error


def has_report(path: Path) -> bool:
    return path.suffix == ".json" or (path / FILE).is_file()
