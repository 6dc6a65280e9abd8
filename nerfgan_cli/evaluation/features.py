"""Features of real and of generated pictures: one pass for all extractors, kept on disk.

The rows of a data set or of a generator lie in `Table`s, which depend on nothing but the pictures
and the extractor. Real pictures are decoded by other processes, ahead of the network that looks at
them. A GPU is not waited for: it is given the next part while the rows of the last are copied and
written, pictures that it draws stay on it, and it looks at more of them at once than it draws.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.parallel import ordered_map_in_processes
from nerfgan_cli.evaluation.extractors import Extractor
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.evaluation.rows import (
    Make,
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
    Drawn,
    Indices,
    cameras_name,
    draw_pictures,
    noise_mode,
)
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import heeds_conditioning
from nerfgan_cli.media import refuse_unfinite
from nerfgan_cli.metrics.accumulator import Moments
from nerfgan_cli.metrics.fid import FeatureStatistics
from nerfgan_cli.training.distributed import World

MOST_WORKERS = 8  # that decode real pictures
REAL_BATCH = 16
LOOKED_AT = {"cuda": 128}  # pictures at once; elsewhere REAL_BATCH, more gain nothing
AHEAD = {"cuda": 1}  # parts that a device is given before the one before them is waited for


class Features(NamedTuple):
    """Of one set of pictures, by one extractor."""

    table: Table
    statistics: Callable[[], FeatureStatistics]


def generated_features(
    setting: Setting, extractors: Sequence[Extractor], count: int, frontal: bool
) -> dict[str, Features]:
    """By extractor. `frontal`: see `samples.draw_pictures`."""
    if setting.generator is None:
        assert setting.images is not None
        facts = {"pictures": setting.images.fingerprint()}
        load = _loading(setting, setting.images, np.arange(count), extractors)
        return _fill(setting, extractors, facts, count, load, f"pictures of {setting.name}")
    noise = noise_mode(setting.generator)
    facts = generator_facts(setting, setting.generator, frontal) | {"noise": noise}

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        begun = (
            _begin(draw_pictures(setting, some.indices, frontal), some, extractors) for some in work
        )
        return _finish(begun, AHEAD.get(setting.device.type, 0))

    what = f"pictures of {setting.name}" + ", frontal conditioning" * frontal
    return _fill(setting, extractors, facts, count, make, what)


def generator_facts(setting: Setting, generator: Generator, frontal: bool) -> dict[str, Any]:
    """All that its samples depend on."""
    return {
        **network_facts(setting, generator, setting.options),
        "cameras": setting.data.fingerprint() if setting.data else cameras_name(setting),
        "frontal": frontal and heeds_conditioning(generator),
    }


def network_facts(setting: Setting, generator: Generator, options: DrawOptions) -> dict[str, Any]:
    """The same without the cameras."""
    dtypes = {str(module.compute_dtype) for module in _convolving(generator)}
    raw = {"raw": generator.rays_per_side(options)} if options.raw_only else {}
    return {
        **raw,
        "model": weights_checksum(generator),
        "branch": options.branch or generator.branch,
        "seed": setting.seed,
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
    make = _loading(setting, data, chosen, extractors)
    return _fill(setting, extractors, facts, len(chosen), make, f"pictures of {data.name}")


def _loading(
    setting: Setting, data: ImageSet, chosen: Indices, extractors: Sequence[Extractor]
) -> Make:
    """Looks at pictures that other processes decode."""

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        parts = [np.array_split(chosen[some.indices], _steps(some)) for some in work]
        load = partial(_load, data)
        pictures = ordered_map_in_processes(load, list(chain(*parts)), _workers(setting))
        begun = (
            _begin(map(_stored, islice(pictures, len(steps))), some, extractors)
            for some, steps in zip(work, parts, strict=True)
        )
        return _finish(begun, AHEAD.get(setting.device.type, 0))

    return make


def _fill(
    setting: Setting,
    extractors: Sequence[Extractor],
    facts: Mapping[str, Any],
    count: int,
    make: Make,
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


class Pending(NamedTuple):
    """Rows of a part, at which a GPU may still be at work."""

    rows: dict[str, Tensor]  # [N, D] on the CPU, by extractor
    finite: Tensor  # whether the pictures were; on the CPU
    copied: torch.cuda.Event | None

    def wait(self) -> dict[str, Rows]:
        if self.copied is not None:
            self.copied.synchronize()
        refuse_unfinite(bool(self.finite))
        return {name: rows.numpy() for name, rows in self.rows.items()}


@torch.inference_mode()
def _begin(pictures: Iterable[Drawn], part: Work, extractors: Sequence[Extractor]) -> Pending:
    """Each extractor that lacks the part looks at its pictures."""
    chosen = [extractor for extractor in extractors if extractor.name in part.lacking]
    found: dict[str, list[Tensor]] = {extractor.name: [] for extractor in chosen}
    finite: list[Tensor] = []
    device = chosen[0].device
    for some in regrouped(_noting(pictures, finite), LOOKED_AT.get(device.type, REAL_BATCH)):
        for extractor in chosen:
            found[extractor.name].append(extractor(some))
    early = device.type == "cuda"  # elsewhere nothing tells when a copy is done
    rows = {name: torch.cat(some).to("cpu", non_blocking=early) for name, some in found.items()}
    fine = torch.stack(finite).all().to("cpu", non_blocking=early)
    if not early:
        return Pending(rows, fine, None)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()
    return Pending(rows, fine, copied)


def _noting(pictures: Iterable[Drawn], finite: list[Tensor]) -> Iterator[Tensor]:
    """The pictures alone; whether they were finite is gathered."""
    for drawn in pictures:
        finite.append(drawn.finite)
        yield drawn.pictures


def regrouped(parts: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """The same rows in the same order, `size` at a time."""
    held: list[Tensor] = []
    for part in parts:
        held.append(part)
        while sum(map(len, held)) >= size:
            together = torch.cat(held)
            yield together[:size]
            held = [together[size:]]
    if sum(map(len, held)):
        yield torch.cat(held)


def _finish(begun: Iterator[Pending], ahead: int) -> Iterator[dict[str, Rows]]:
    """Waits for each in turn, when so many more are begun."""
    waiting: deque[Pending] = deque()
    for pending in begun:
        waiting.append(pending)
        if len(waiting) > ahead:
            yield waiting.popleft().wait()
    while waiting:
        yield waiting.popleft().wait()


def _stored(pictures: NDArray[np.uint8]) -> Drawn:
    return Drawn(torch.from_numpy(pictures), torch.tensor(True))


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
