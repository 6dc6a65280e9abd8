"""FID, KID and FID3D: how far the pictures of a generator are from real ones (metrics.md 2, 3).

    fid    Fréchet distance; a picture's own camera is also that of its mapping network
    fid3d  the same with the frontal camera in the mapping network for all: the person cannot
           depend on where the camera stands
    kid    kernel distance, of the pictures of `fid`

Pictures of the data are those stored: nothing is mirrored. "_full" in a name says that all of them
were looked at; without --num, when a bare evaluation has to be quick, some are.

Noise images, and depths along a ray within their bins, are drawn anew for each picture, as EG3D's
program does; elsewhere in nerfgan they are the constant ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nerfgan_cli.data.selections import random_subset
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.extractors import Extractor, find_obstacle, open_extractors
from nerfgan_cli.evaluation.features import Features, generated_features, real_features
from nerfgan_cli.evaluation.metric import LOWER, PartlyMeasuredError, Setting, Value
from nerfgan_cli.evaluation.samples import (
    Indices,
    available,
    cameras_name,
    drawn_with,
    noise_mode,
    short,
)
from nerfgan_cli.generators.drawing import heeds_conditioning
from nerfgan_cli.metrics.fid import frechet_distance
from nerfgan_cli.metrics.kid import SUBSET_SIZE, SUBSETS, kid_with_error

QUICK = 500  # pictures of a bare evaluation, generated
QUICK_REAL = 2000
TOYHEADS_SHARE = 2  # ToyHeads go on for ever: so many real ones for each that is generated
LEAST = 2
SAME = 1e-6  # a distance of statistics that rounding alone tells apart
UNHEEDED = "none: this mapping network does not look at cameras"
AS_FID = "the same as fid, since this mapping network does not look at cameras"

Compared = tuple[float, float | None, dict[str, Any]]  # value, standard error, more protocol


@dataclass(frozen=True)
class FeatureDistance:
    """FID, FID3D or KID."""

    name: str
    compare: Callable[[Features, Features, int], Compared]  # real, generated, seed
    frontal: bool = False  # conditioning

    def obstacle(self, setting: Setting) -> str | None:
        if setting.data is None:
            return "it compares with real pictures: give their folder or zip with --data"
        if setting.data.resolution != setting.side:
            return (
                f"the pictures of {setting.data.name} are {setting.data.resolution}² and those of "
                f"{setting.name} {setting.side}²: prepare the data at {setting.side}² with nerfgan "
                "data"
            )
        if self.frontal and setting.generator is None:
            return "pictures in a folder have no mapping network: give a --model"
        return find_obstacle(setting)

    def measure(self, setting: Setting) -> list[Value]:
        count = available(setting, QUICK)
        chosen, full = choose_reals(setting, count)
        real_count = len(chosen)
        if min(count, real_count) < LEAST:
            raise InputError(
                f"{self.name} of {count} and {real_count} pictures is undefined: "
                f"give at least {LEAST} of each."
            )
        extractors, failures = open_extractors(setting)
        real = real_features(setting, extractors, chosen)
        drawn = generated_features(setting, extractors, count, self.frontal)
        values = []
        for extractor in extractors:
            ours, theirs = drawn[extractor.name], real[extractor.name]
            value, error, more = self.compare(theirs, ours, setting.seed)
            name = f"{self.name}{short(count)}{'_full' * full}{setting.shown}:{extractor.name}"
            protocol = self._protocol(setting, extractor, count, real_count) | more
            if self.frontal and protocol["conditioning"] == UNHEEDED:
                protocol["note"] = "; ".join(filter(None, [AS_FID, protocol["note"]]))
            values.append(Value(name, value, error, "", LOWER, protocol))
        if failures:
            raise PartlyMeasuredError(values, failures)
        return values

    def _protocol(
        self, setting: Setting, extractor: Extractor, count: int, real_count: int
    ) -> dict[str, Any]:
        assert setting.data is not None
        facts: dict[str, Any] = {
            "generated": count,
            "real": real_count,
            "data": setting.data.name,
            "data_fingerprint": setting.data.fingerprint(),
            "extractor": extractor.name,
            "extractor_sha256": extractor.checksum,
            "cameras": cameras_name(setting),
        }
        if setting.generator is None:
            return facts
        noise = {"noise": noise_mode(setting.generator)}
        return facts | drawn_with(self._conditioning(setting)) | noise

    def _conditioning(self, setting: Setting) -> str:
        assert setting.generator is not None
        if not heeds_conditioning(setting.generator):
            return UNHEEDED
        return "frontal" if self.frontal else "the camera of the picture"


def compare_moments(real: Features, drawn: Features, seed: int) -> Compared:
    first, second = real.statistics(), drawn.statistics()
    dims, least = len(first.mean), min(real.table.count, drawn.table.count)
    value = frechet_distance(first, second)
    notes = []
    if least <= dims:
        notes.append(
            f"{least} pictures for {dims} features: the covariance is singular and the value for "
            "tracking only"
        )
    if value < SAME:
        notes.append("both sets have the same mean and covariance")
    return value, None, {"features": dims, "note": "; ".join(notes)}


def compare_kernels(real: Features, drawn: Features, seed: int) -> Compared:
    first, second = real.table, drawn.table
    value, error = kid_with_error(
        first.__getitem__, first.count, second.__getitem__, second.count, seed
    )
    size = min(first.count, second.count, SUBSET_SIZE)
    note = f"mean of {SUBSETS} subsets of {size}"
    if value < 0:
        note += ", unbiased, so it may be negative where the two sets are alike"
    facts = {"subsets": SUBSETS, "subset_size": size, "kernel": "(x·y/d + 1)³", "note": note}
    return value, error, facts


def choose_reals(setting: Setting, count: int) -> tuple[Indices, bool]:
    """Which real pictures are looked at, and whether they are all."""
    data = setting.data
    assert data is not None
    if isinstance(data, ToyHeads):
        return np.arange(min(TOYHEADS_SHARE * count, len(data))), False
    if setting.number is None and len(data) > QUICK_REAL:
        return random_subset(len(data), QUICK_REAL, setting.seed), False
    return np.arange(len(data)), True


DISTANCES = [
    FeatureDistance("fid", compare_moments),
    FeatureDistance("fid3d", compare_moments, frontal=True),
    FeatureDistance("kid", compare_kernels),
]
