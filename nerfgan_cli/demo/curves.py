"""Curves of a run as SVG, from its log.

Colours and fonts are the page's (`style.py`): the class of a curve is its name.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from nerfgan_cli.chart import STEPS, round_numbers
from nerfgan_cli.training.distill_recipe import Loss
from nerfgan_cli.training.log import LOG, LOSS

Record: TypeAlias = Mapping[str, Any]

WIDTH, HEIGHT = 400, 240  # of the viewBox: small, so that a phone shows letters that one can read
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 20, 38  # margins of the axes


class Curve(NamedTuple):
    name: str
    points: list[tuple[float, float]]  # pictures seen, value


class Axis(NamedTuple):
    """From values to the pixels between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def read_log(run: Path) -> list[Record]:
    """The records of a run."""
    return [json.loads(line) for line in (run / LOG).read_text("utf-8").splitlines()]


def curves_of(records: Sequence[Record], prefix: str) -> list[Curve]:
    """A curve for each number whose name begins so, in the order in which they appear."""
    names = dict.fromkeys(key for record in records for key in record if key.startswith(prefix))
    return [
        Curve(name.removeprefix(prefix), [(r["images"], r[name]) for r in records if name in r])
        for name in names
    ]


def second_stage(records: Sequence[Record]) -> int | None:
    """Pictures seen before the record in which stage 2 began; None: there was no stage 2."""
    before = 0
    for record in records:
        if record["schedule/stage"] > 1:
            return before
        before = record["images"]
    return None


def plot_losses(records: Sequence[Record], table: Loss) -> str:
    """What the student makes small, which is what the table has a weight for.

    Logarithmic, as losses are of different sizes.
    """
    curves = [curve for curve in curves_of(records, LOSS) if hasattr(table, curve.name)]
    powers = [
        Curve(name, [(images, log10(max(value, 1e-6))) for images, value in points])
        for name, points in curves
    ]
    values = [value for curve in powers for _, value in curve.points]
    low, high = min(values), max(values)
    decades = range(floor(low), ceil(high) + 1)
    ticks = [
        (log10(step * 10.0**decade), f"{step * 10.0**decade:g}")
        for decade in decades
        for step in (STEPS[:3] if high - low < 2 else STEPS[:1])
    ]
    return plot("losses", powers, ticks, records) + legend(curves, "{:.3g}")


def plot_psnr(records: Sequence[Record]) -> str:
    """Of pictures that were kept out of training, in dB."""
    curves = curves_of(records, "psnr/")
    values = [value for curve in curves for _, value in curve.points]
    ticks = [(tick, f"{tick:g}") for tick in round_numbers(min(values), max(values))]
    return plot("PSNR", curves, ticks, records) + legend(curves, "{:.1f} dB")


def plot(
    about: str,
    curves: Sequence[Curve],
    ticks: Sequence[tuple[float, str]],
    records: Sequence[Record],
) -> str:
    """Curves over the pictures seen; `ticks` are values and how they are written."""
    values = [value for curve in curves for _, value in curve.points]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 1.0
    last = records[-1]["images"]
    x = Axis(0, last, LEFT, WIDTH - RIGHT)
    y = Axis(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
    drawn = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{about} over pictures seen">',
        *stage_band(second_stage(records), x),
        *grid(x, y, [tick for tick in ticks if y.low <= tick[0] <= y.high], last),
    ]
    for name, values_seen in curves:
        points = " ".join(f"{x.place(at)},{y.place(value)}" for at, value in values_seen)
        drawn.append(f'<polyline class="{name}" points="{points}"><title>{name}</title></polyline>')
    return "\n".join([*drawn, "</svg>"])


def stage_band(began: int | None, x: Axis) -> Iterable[str]:
    if began is not None:
        left, width = x.place(began), x.end - x.place(began)
        yield f'<rect class="stage" x="{left}" y="{TOP}" width="{width:g}" '
        yield f'height="{HEIGHT - TOP - BOTTOM}"/>'
        yield f'<text class="before" x="{x.end}" y="{TOP - 6}">stage 2</text>'


def grid(x: Axis, y: Axis, ticks: Sequence[tuple[float, str]], last: float) -> Iterable[str]:
    for value, text in ticks:
        height = y.place(value)
        yield f'<path d="M{x.start} {height}H{x.end}"/>'
        yield f'<text class="before" x="{x.start - 6}" y="{height + 4}">{text}</text>'
    for value in round_numbers(0, last):
        yield f'<text class="below" x="{x.place(value)}" y="{y.start + 16}">{value:,.0f}</text>'
    middle = (x.start + x.end) / 2
    yield f'<text class="below" x="{middle}" y="{HEIGHT - 4}">pictures seen</text>'


def legend(curves: Sequence[Curve], form: str) -> str:
    """What each colour is, and its last value."""
    entries = [
        f'<li><i class="{name}"></i>{name} <b>{form.format(points[-1][1])}</b></li>'
        for name, points in curves
    ]
    return "\n".join(['<ul class="legend">', *entries, "</ul>"])
