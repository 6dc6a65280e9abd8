"""An evaluation from its first metric to its last; what was done stays when the rest fails."""

import time
from collections.abc import Sequence
from pathlib import Path

from nerfgan_cli.errors import NerfganError, UsageError, WeightsError
from nerfgan_cli.evaluation.distances import DISTANCES
from nerfgan_cli.evaluation.extractors import find_omission
from nerfgan_cli.evaluation.metric import Metric, MissingWeights, Setting
from nerfgan_cli.evaluation.report import Report, append_line
from nerfgan_cli.evaluation.turning import with_companions


def evaluate(
    setting: Setting, metrics: Sequence[Metric], report: Report, folder: Path
) -> list[NerfganError]:
    """Measures what can be measured; returns the obstacles as errors, in the order of metrics."""
    errors: list[NerfganError] = []
    for metric in with_companions(setting, metrics):
        obstacle = metric.obstacle(setting)
        if obstacle is not None:
            kind = WeightsError if isinstance(obstacle, MissingWeights) else UsageError
            error: NerfganError | None = kind(f"{metric.name} was not measured: {obstacle}.")
        else:
            error = _measure(setting, metric, report, folder)
        if error is not None:
            errors.append(error)
            report.skip(metric.name, obstacle or str(error).rstrip("."))
        if setting.world.first:
            report.write(folder)
    _note_omission(setting, report)
    return errors


def _note_omission(setting: Setting, report: Report) -> None:
    """Distances were measured, but not as the papers have them."""
    measured = {value["metric"] for value in report.values}
    names = [distance.name for distance in DISTANCES if distance.name in measured]
    reason = find_omission(setting)
    if names and reason is not None:
        report.skip(", ".join(f"{name}:inception" for name in names), reason)


def _measure(setting: Setting, metric: Metric, report: Report, folder: Path) -> WeightsError | None:
    """Weights that cannot be had keep no other metric from being measured."""
    start = time.perf_counter()
    try:
        values = metric.measure(setting)
    except WeightsError as error:
        return error
    seconds = time.perf_counter() - start
    report.add(metric.name, values, seconds)
    if setting.world.first:
        append_line(folder, metric.name, values, seconds, report.facts)
    return None
