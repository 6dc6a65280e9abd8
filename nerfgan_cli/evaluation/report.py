"""`eval.json`: what was measured, of whom, how, and what could not be (metrics.md 13)."""

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
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.metric import MissingWeights, Setting, Value
from nerfgan_cli.files import replacing

FILE = "eval.json"
LINES = "metrics.jsonl"  # one line for each metric ever measured into the folder
LIBRARIES = ("torch", "numpy", "torch-fidelity", "lpips", "insightface", "onnxruntime")


@dataclass
class Report:
    """Grows while metrics are measured; `facts` say who was judged and on what."""

    facts: dict[str, Any]
    values: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)  # metric and why
    figures: list[str] = field(default_factory=list)
    seconds: float = 0.0

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

    def write(self, folder: Path) -> None:
        with replacing(folder / FILE) as unfinished:
            unfinished.write_text(json.dumps(self.to_json(), indent=2) + "\n", "utf-8")


def describe(setting: Setting, more: Mapping[str, Any]) -> dict[str, Any]:
    """Of a report's facts: who, against what, on which machine."""
    data = setting.data
    return {
        "name": setting.name,
        **more,
        "data": None if data is None else data.name,
        "data_fingerprint": None if data is None else data.fingerprint(),
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
            f"{file} is no report of nerfgan eval ({error}): evaluate the model again."
        ) from error


def has_report(path: Path) -> bool:
    return path.suffix == ".json" or (path / FILE).is_file()
