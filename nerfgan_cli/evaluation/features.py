"""Features of real and of generated pictures: one pass for all extractors, kept on disk.

The rows of a data set or of a generator lie in `Table`s, which depend on nothing but the pictures
and the extractor. Generation, decoding and extraction overlap: real pictures are decoded by other
processes, ahead of the network that looks at them.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.parallel import ordered_map_in_processes
from nerfgan_cli.evaluation.extractors import Extractor
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.evaluation.rows import (
    Rows,
    Table,
    Work,
    fill,
    folder_of,
    parts_of,
    read_checked,
    write_checked,
)
from nerfgan_cli.evaluation.samples import (
    Indices,
    cameras_name,
    draw_indices,
    heeds_conditioning,
)
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.metrics.accumulator import Moments
from nerfgan_cli.metrics.fid import FeatureStatistics
from nerfgan_cli.training.distributed import World

MOST_WORKERS = 4  # that decode real pictures
REAL_BATCH = 16


class Features(NamedTuple):
    """Of one set of pictures, by one extractor."""

    table: Table
    statistics: Callable[[], FeatureStatistics]


def generated_features(
    setting: Setting, extractors: Sequence[Extractor], count: int, frontal: bool
) -> dict[str, Features]:
    """By extractor. `frontal`: see `samples.draw_indices`."""
    if setting.generator is None:
        assert setting.images is not None
        facts = {"pictures": setting.images.fingerprint()}
    else:
        facts = generator_facts(setting, setting.generator, frontal)

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for some in work:
            found: dict[str, list[Rows]] = {name: [] for name in some.lacking}
            for sample in draw_indices(setting, some.indices, frontal):
                _look(sample.pictures, extractors, found)
            yield {name: np.concatenate(rows) for name, rows in found.items()}

    what = f"pictures of {setting.name}" + ", frontal conditioning" * frontal
    return _fill(setting, extractors, facts, count, make, what)


def generator_facts(setting: Setting, generator: Generator, frontal: bool) -> dict[str, Any]:
    """All that its samples depend on."""
    dtypes = {str(module.compute_dtype) for module in _convolving(generator)}
    return {
        "model": weights_checksum(generator),
        "seed": setting.seed,
        "cameras": setting.data.fingerprint() if setting.data else cameras_name(setting),
        "frontal": frontal and heeds_conditioning(generator),
        "precision": sorted(dtypes),
        "device": setting.device.type,
    }


def real_features(
    setting: Setting, extractors: Sequence[Extractor], chosen: Indices
) -> dict[str, Features]:
    """By extractor, of some or all pictures of the data."""
    data = setting.data
    assert data is not None
    in_order = np.array_equal(chosen, np.arange(len(chosen)))
    facts = {"data": data.fingerprint(), "chosen": None if in_order else chosen.tolist()}

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        parts = [np.array_split(chosen[some.indices], _steps(some)) for some in work]
        load = partial(_load, data)
        pictures = ordered_map_in_processes(load, list(chain(*parts)), _workers(setting))
        for some, steps in zip(work, parts, strict=True):
            found: dict[str, list[Rows]] = {name: [] for name in some.lacking}
            for _ in steps:
                _look(next(pictures), extractors, found)
            yield {name: np.concatenate(rows) for name, rows in found.items()}

    return _fill(setting, extractors, facts, len(chosen), make, f"pictures of {data.name}")


def _fill(
    setting: Setting,
    extractors: Sequence[Extractor],
    facts: Mapping[str, Any],
    count: int,
    make: Callable[[Sequence[Work]], Iterator[Mapping[str, Rows]]],
    what: str,
) -> dict[str, Features]:
    folders = {
        extractor.name: folder_of(
            setting.cache, extractor.name, {**facts, "extractor": extractor.checksum}
        )
        for extractor in extractors
    }
    tables = fill(
        setting.world, folders, count, make, lambda done: setting.progress(what, done, count)
    )
    return {
        name: Features(table, partial(_statistics, setting, table))
        for name, table in tables.items()
    }


def _statistics(setting: Setting, table: Table) -> FeatureStatistics:
    """Of all rows, kept beside them."""
    name = f"statistics+{table.count}"
    known = setting.world.tell(read_checked(table.folder, name) if setting.world.first else None)
    if known is not None:
        return FeatureStatistics(known[0], known[1:])
    found = _moments(setting.world, table).statistics()
    if setting.world.first:
        write_checked(table.folder, name, np.concatenate([found.mean[None], found.covariance]))
    return found


def _moments(world: World, table: Table) -> Moments:
    """Each process reads its share, one part at a time."""
    own, total = Moments(table.width), Moments(table.width)
    for rows in table.parts(range(world.rank, parts_of(table.count), world.size)):
        own.add(rows)
    for moments in world.gather(own):
        total.merge(moments)
    return total


def _look(
    pictures: NDArray[np.uint8], extractors: Sequence[Extractor], found: dict[str, list[Rows]]
) -> None:
    for extractor in extractors:
        if extractor.name in found:
            found[extractor.name].append(extractor(pictures))


def _load(data: ImageSet, indices: Indices) -> NDArray[np.uint8]:  # [B, H, W, 3]
    """ToyHeads draw many heads at once, and much faster than one by one."""
    if hasattr(data, "__getitems__"):
        items = data.__getitems__(indices.tolist())
    else:
        items = [data[int(index)] for index in indices]
    return torch.stack([item.image for item in items]).permute(0, 2, 3, 1).numpy()


def _steps(work: Work) -> int:
    return -(-len(work.indices) // REAL_BATCH)


def _workers(setting: Setting) -> int:
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // setting.world.size))


def _convolving(generator: Generator) -> Iterator[Any]:
    return (module for module in generator.modules() if hasattr(module, "compute_dtype"))
