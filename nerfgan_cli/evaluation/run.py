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
    """Measures what can be measured, companions too.

    Returns why the others of `metrics` could not be, in the order in which they were tried.
    """
    asked = {metric.name for metric in metrics}
    errors: list[NerfganError] = []
    for metric in with_companions(metrics):
        obstacle = metric.obstacle(setting)
        if obstacle is not None:
            kind = WeightsError if isinstance(obstacle, MissingWeights) else UsageError
            error: NerfganError | None = kind(f"{metric.name} was not measured: {obstacle}.")
        else:
            error = _measure(setting, metric, report, folder)
        if error is not None:
            report.skip(metric.name, obstacle or str(error).rstrip("."))
            if metric.name in asked:
                errors.append(error)
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


def _measure(setting: Setting, metric: Metric, report: Report, folder: Path) -> NerfganError | None:
    """What keeps one metric from being measured keeps no other.

    Of several processes one cannot know whether the others met it too, and where they wait for it:
    there it ends the evaluation.
    """
    start = time.perf_counter()
    try:
        values = metric.measure(setting)
    except NerfganError as error:
        if setting.world.size > 1:
            raise
        return error
    seconds = time.perf_counter() - start
    report.add(metric.name, values, seconds)
    if setting.world.first:
        append_line(folder, metric.name, values, seconds, report.facts)
    return None
