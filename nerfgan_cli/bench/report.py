"""What was measured: for people as tables, for programs as plain data, and figure 1."""

from collections.abc import Iterator, Sequence
from math import ceil, log2
from typing import Any

import numpy as np

from nerfgan_cli.bench.largest import Largest
from nerfgan_cli.bench.measure import Measured, Plan
from nerfgan_cli.bench.memory import MB, PUBLISHED_LIMIT, size_text
from nerfgan_cli.bench.networks import is_preset
from nerfgan_cli.bench.parts import PARTS
from nerfgan_cli.bench.turns import Spread
from nerfgan_cli.chart import Axes, Line, line_chart
from nerfgan_cli.markdown import table
from nerfgan_cli.media import Picture

STEPS = 24  # of a line that is bent by logarithmic axes
PUBLISHED = "arXiv 2303.12865, RTX 3090 of 24 GiB: EG3D 14, its student 96"


def as_data(found: Sequence[Measured], plan: Plan) -> list[dict[str, Any]]:
    """One object per generator."""
    return [_data_of(one, plan) for one in found]


def as_text(found: Sequence[Measured], plan: Plan) -> str:
    lines = [*_batches(found), "", *_parts(found), "", *_growths(found)]
    if plan.limit is not None and any(one.largest for one in found):
        lines += ["", f"largest batch within {_limit(plan)}:"]
        lines += [f"  {one.name}: {_pictures(one.largest)}" for one in found if one.largest]
    return "\n".join(lines)


def figure(found: Sequence[Measured], plan: Plan) -> Picture | None:
    """Memory against the batch size, up to the largest; None where no memory is known."""
    lines = []
    for one in found:
        points = [(float(batch), taken.whole / MB) for batch, taken in one.memory.items()]
        if points:
            lines.append(Line(one.name, points, _extrapolated(points, one.largest, plan)))
    if not lines:
        return None
    what = "reserved on the GPU" if plan.device.type == "cuda" else "resident"
    marks = _marks(plan, max(x for line in lines for x, _ in (*line.points, *line.continued)))
    axes = Axes("pictures at once", "MB", log_x=True, log_y=True, marks=marks)
    level = None if plan.room is None else (size_text(plan.room), plan.room / MB)
    return line_chart(f"Memory against batch size ({what})", axes, lines, level)


def _extrapolated(
    points: Sequence[tuple[float, float]], largest: Largest | None, plan: Plan
) -> list[tuple[float, float]]:
    """From the last measured point straight to the largest batch, which fills the limit."""
    batch, size = points[-1]
    if largest is None or plan.room is None or largest.batch <= batch:
        return []
    shares = np.geomspace(batch, largest.batch, STEPS) - batch
    rise = (plan.room / MB - size) / (largest.batch - batch)
    return [(batch + share, size + rise * share) for share in shares.tolist()]


def _marks(plan: Plan, most: float) -> list[float]:
    """The batches that were asked for, and powers of two beyond, in search of the largest."""
    powers = (2.0**power for power in range(ceil(log2(most)) + 1))
    return [*plan.batches, *(power for power in powers if plan.batches[-1] < power <= most)]


def _limit(plan: Plan) -> str:
    """Of memory, with what was published of the same."""
    assert plan.limit is not None
    assert plan.room is not None
    text = size_text(plan.limit)
    if plan.room < plan.limit:
        text += f", of which {size_text(plan.limit - plan.room)} are left to CUDA itself (assumed)"
    return text + f" ({PUBLISHED})" * (plan.limit == PUBLISHED_LIMIT)


def _batches(found: Sequence[Measured]) -> list[str]:
    header = (
        "generator",
        "batch",
        "pictures/s",
        "ms per picture",
        "ms per view",
        "MB",
        "MB in all",
    )
    rows = []
    for one in found:
        for row in one.rows:
            known = row.memory
            memory = (f"{known.own / MB:.0f}", f"{known.whole / MB:.0f}") if known else ("–", "–")
            times = (_ms(row.picture, row.batch), _ms(row.view, row.batch))
            rows.append((one.name, str(row.batch), f"{row.rate:.2f}", *times, *memory))
    return table(header, rows)


def _parts(found: Sequence[Measured]) -> list[str]:
    """Of one picture: milliseconds, and billions of multiply-adds."""
    header = ("one picture: ms, GMAC", *PARTS, "GMAC", "parameters, M")
    rows = []
    for one in found:
        counts = one.counted.multiply_adds
        cells = [f"{_ms(one.parts[part])}, {counts[part] / 1e9:.2f}" for part in PARTS]
        total = f"{one.counted.total / 1e9:.1f}", f"{one.counted.parameters / 1e6:.1f}"
        rows.append((one.name, *cells, *total))
    return table(header, rows)


def _growths(found: Sequence[Measured]) -> Iterator[str]:
    for one in found:
        seconds, memory = one.batch_growth
        takes = []
        if seconds is not None:
            each = f"{1e3 * seconds.once:.1f} ms + {1e3 * seconds.each:.1f} ms a picture"
            takes.append(f"{each} (points off by up to {seconds.off:.0%})")
        if memory is not None:
            each = f"{memory.once / MB:.0f} MB + {memory.each / MB:.1f} MB a picture"
            takes.append(f"{each} ({memory.off:.0%})")
        if takes:
            yield f"{one.name}: a batch takes {', '.join(takes)}"
        if one.growth is None:
            yield f"{one.name}: draws features of {one.raw_resolution}² only"
            continue
        sides = ", ".join(f"{side}²" for side in one.growth.sides)
        yield (
            f"{one.name}: rendering grows with the side of the features ({sides}) to the power of "
            f"{one.growth.time.power:.2f} in time, {one.growth.arithmetic.power:.2f} in "
            f"arithmetic, {one.growth.memory.power:.2f} in memory"
        )


def _ms(seconds: Spread, batch: int = 1) -> str:
    """The median, and how far half of all lie from one another."""
    each = 1e3 / batch
    return f"{each * seconds.median:.2f} ±{each * (seconds.high - seconds.low) / 2:.2f}"


def _pictures(largest: Largest) -> str:
    text = f"{largest.batch:,} pictures"
    if not largest.batch:
        text = "not even one picture"
    elif largest.at_least:
        text = f"at least {text}"
    elif not largest.measured:
        text = f"about {text}"
    return text if largest.caveat is None else f"{text}, {largest.caveat}"


def _data_of(one: Measured, plan: Plan) -> dict[str, Any]:
    counted = one.counted
    whole, own = ("reserved", "allocated") if plan.device.type == "cuda" else ("resident", "added")
    return {
        "model": one.model,
        "random_weights": is_preset(one.model),
        "resolution": one.resolution,
        "raw_resolution": one.raw_resolution,
        "parameters": counted.parameters,
        "weight_bytes": counted.weight_bytes,
        "multiply_adds": counted.multiply_adds | {"all": counted.total},
        "activation_bytes": counted.activations,
        "batches": [
            {
                "batch": row.batch,
                "pictures_per_second": row.rate,
                "picture_seconds": row.picture._asdict(),
                "view_seconds": row.view._asdict(),
                "memory": row.memory and {own: row.memory.own, whole: row.memory.whole},
            }
            for row in one.rows
        ],
        "memory": {
            str(batch): {own: taken.own, whole: taken.whole} for batch, taken in one.memory.items()
        },
        "part_seconds": {name: taken._asdict() for name, taken in one.parts.items()},
        "growth": {
            "batch_seconds": one.batch_growth.seconds and one.batch_growth.seconds._asdict(),
            "batch_bytes": one.batch_growth.memory and one.batch_growth.memory._asdict(),
            "resolution": one.growth
            and {
                "sides": one.growth.sides,
                "seconds": one.growth.seconds,
                "multiply_adds": one.growth.multiply_adds,
                "power_of_seconds": one.growth.time.power,
                "power_of_multiply_adds": one.growth.arithmetic.power,
                "activation_bytes": one.growth.activations,
                "power_of_activation_bytes": one.growth.memory.power,
            },
        },
        "largest_batch": one.largest and one.largest._asdict(),
    }
