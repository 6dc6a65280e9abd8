"""An evaluation from its first metric to its last; what was done stays when the rest fails."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nerfgan_cli.errors import NerfganError, UsageError, WeightsError, is_out_of_memory
from nerfgan_cli.evaluation.distances import DISTANCES
from nerfgan_cli.evaluation.extractors import find_omission
from nerfgan_cli.evaluation.metric import Metric, MissingWeights, PartlyMeasuredError, Setting
from nerfgan_cli.evaluation.report import Report, append_line
from nerfgan_cli.evaluation.turning import with_companions
from nerfgan_cli.training.distributed import LostError


def evaluate(
    setting: Setting,
    metrics: Sequence[Metric],
    report: Report,
    folder: Path,
    say: Callable[[str], None],  # what will happen, before it does
) -> dict[str, NerfganError]:
    """Measures what can be measured, companions too.

    Returns why the others of `metrics` could not be, by name. Several processes go through it
    alike.
    """
    asked = {metric.name for metric in metrics}
    failures: dict[str, NerfganError] = {}

    def skip(metric: Metric, reason: str, error: NerfganError, part: str = "") -> None:
        report.skip(metric.name + part, reason)
        if metric.name in asked:
            failures[metric.name] = error

    everyone = with_companions(metrics)
    obstacles = find_obstacles(setting, everyone)
    able = [metric for metric, why in zip(everyone, obstacles, strict=True) if why is None]
    if able:
        say(f"measuring {', '.join(metric.name for metric in able)} of {setting.name}")
    for metric, obstacle in zip(everyone, obstacles, strict=True):
        if obstacle is not None:
            kind = WeightsError if isinstance(obstacle, MissingWeights) else UsageError
            skip(metric, obstacle, kind(f"{metric.name} was not measured: {obstacle}."))
            if able:
                say(f"not {metric.name}: {obstacle}")
    _note_omission(setting, able, report)
    for metric in able:
        for part, error in _measure(setting, metric, report, folder).items():
            reason = str(error).rstrip(".")
            lacking = isinstance(error, WeightsError)
            skip(metric, MissingWeights(reason) if lacking else reason, error, part)
        if setting.world.first:
            report.write(folder)
    return failures


def find_obstacles(setting: Setting, metrics: Sequence[Metric]) -> list[str | None]:
    """As the first process finds them, before anything is measured."""
    found: list[str | None] = []
    with setting.world.alike():
        if setting.world.first:
            found = [metric.obstacle(setting) for metric in metrics]
    told: list[str | None] = setting.world.tell(found)
    return told


def _note_omission(setting: Setting, metrics: Sequence[Metric], report: Report) -> None:
    """Distances are measured, but not as the papers have them."""
    names = [distance.name for distance in DISTANCES if distance in metrics]
    reason = find_omission(setting) if names else None
    if reason is not None:
        report.skip(", ".join(f"{name}:inception" for name in names), reason)


def _measure(
    setting: Setting, metric: Metric, report: Report, folder: Path
) -> dict[str, NerfganError]:  # by the part that could not be measured: "", ":inception"
    """What keeps one metric from being measured keeps no other, but for a process that is gone."""
    start, failures = time.perf_counter(), dict[str, NerfganError]()
    try:
        values = metric.measure(setting)
    except LostError:
        raise
    except PartlyMeasuredError as partly:
        values = partly.values
        failures = {f":{name}": error for name, error in partly.failures.items()}
    except NerfganError as error:
        return {"": error}
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error) or setting.world.size > 1:  # which others would wait for
            raise
        reason = f"there was not enough memory for {metric.name}: give a smaller --batch."
        return {"": NerfganError(reason)}
    seconds = time.perf_counter() - start
    report.add(metric.name, values, seconds)
    if setting.world.first:
        append_line(folder, metric.name, values, seconds, report)
    return failures
