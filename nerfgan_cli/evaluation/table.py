"""All metrics by the name that `--metrics` calls them, and their figures: a new one is one line."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from nerfgan_cli.evaluation.consistency import CONSISTENCY
from nerfgan_cli.evaluation.curves import IdentityCurves, write_identity
from nerfgan_cli.evaluation.distances import DISTANCES
from nerfgan_cli.evaluation.efficiency import Efficiency, write_memory
from nerfgan_cli.evaluation.likeness import LIKENESS
from nerfgan_cli.evaluation.metric import Metric
from nerfgan_cli.evaluation.turning import TURNING

METRICS: dict[str, Metric] = {
    **{metric.name: metric for metric in DISTANCES},
    **{metric.name: metric for metric in LIKENESS},
    **{metric.name: metric for metric in TURNING},
    IdentityCurves.name: IdentityCurves(),
    **{metric.name: metric for metric in CONSISTENCY},
    Efficiency.name: Efficiency(),
}

# Draws what it can of the values of reports (`Value`s as tables, with their "metric"), which are
# given by who was judged, into a folder; returns the files.
Figure: TypeAlias = Callable[[Mapping[str, Sequence[dict[str, Any]]], Path], list[Path]]
FIGURES: list[Figure] = [write_identity, write_memory]
