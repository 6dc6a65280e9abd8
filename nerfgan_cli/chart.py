"""Charts of lines and named points as pictures, for figures beside the numbers that they show."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nerfgan_cli.media import Picture

STEPS = (1, 2, 5, 10)  # a tick's distance, times a power of ten
MOST_TICKS, FEWEST_TICKS = 6, 3
APART = 30  # pixels between ticks that are asked for, so that their numbers have room
WIDTH, HEIGHT = 640, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 56, 48  # margins of the axes, the legend apart
ROW = 18  # of the legend
SMOOTH = 2  # drawn at this multiple, then reduced
TEXT_SIZE = 13
DASH = 12  # pixels, half of them empty
PAPER, INK, GRID, LEVEL = (255, 255, 255), (50, 50, 50), (226, 226, 226), (190, 60, 60)
# Okabe and Ito's, which colour-blind people can tell apart.
COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (0, 0, 0))


Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom


class Line(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]  # measured: each has a dot
    continued: Sequence[tuple[float, float]] = ()  # not measured: a line of dashes
    bars: Sequence[float] = ()  # standard error of each point, drawn to both sides
    labels: Sequence[str] = ()  # written beside the points
    joined: bool = True  # else the points stand alone


class Axes(NamedTuple):
    """What is written along them, and whether equal steps are equal ratios."""

    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    marks: Sequence[float] = ()  # ticks of x, ascending, as far as there is room; else round ones


class _Axis(NamedTuple):
    """From values to the pixels between `start` and `end`."""

    low: float
    high: float
    log: bool
    start: float
    end: float
    marks: Sequence[float] = ()

    def place(self, value: float) -> float:
        low, high, at = (log10(x) if self.log else x for x in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.marks:
            return self._roomy()
        if not self.log:
            return round_numbers(self.low, self.high)
        decades = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        steps = STEPS[:3] if len(decades) <= 3 else STEPS[:1]
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if self.low <= tick <= self.high]
        return ticks if len(ticks) >= FEWEST_TICKS else round_numbers(self.low, self.high)

    def _roomy(self) -> list[float]:
        """Those that are asked for, but none too near to the one before it."""
        ticks: list[float] = []
        for mark in self.marks:
            if not ticks or self.place(mark) - self.place(ticks[-1]) >= APART:
                ticks.append(mark)
        return ticks


def line_chart(
    title: str,
    axes: Axes,
    lines: Sequence[Line],
    level: tuple[str, float] | None = None,  # a named height that is marked from side to side
) -> Picture:
    """Up to six lines in colours of their own, with a legend above them."""
    seen = [point for line in lines for point in (*line.points, *line.continued)]
    x = _axis([x for x, _ in seen], axes.log_x, LEFT, WIDTH - RIGHT)._replace(marks=axes.marks)
    heights = [y for _, y in seen] + ([] if level is None else [level[1]])
    for line in lines:
        both = zip(line.points, line.bars, strict=False)
        heights += [y + sign * error for (_, y), error in both for sign in (-1, 1)]
    top = TOP + ROW * len(lines)
    height = HEIGHT + ROW * len(lines)
    y = _axis(heights, axes.log_y, height - BOTTOM, top)
    image = Image.new("RGB", (WIDTH * SMOOTH, height * SMOOTH), PAPER)
    draw = ImageDraw.Draw(image)
    _grid(draw, x, y)
    _text(draw, ((x.start + x.end) / 2, 8), title, "ma")
    _text(draw, ((x.start + x.end) / 2, height - 6), axes.x, "md")
    _text(draw, (max(x.start - 6 - _width(axes.y), 6), top - 6), axes.y, "ld")
    if level is not None:
        at = y.place(level[1])
        _dashes(draw, [(x.start, at), (x.end, at)], LEVEL)
        _text(draw, (x.start + 6, at + 4), level[0], "la", LEVEL)
    for line, colour in zip(lines, COLOURS, strict=False):
        places = [(x.place(at), y.place(value)) for at, value in line.points]
        if line.joined:
            draw.line(_scaled(places), fill=colour, width=2 * SMOOTH, joint="curve")
        _dashes(draw, [(x.place(at), y.place(value)) for at, value in line.continued], colour)
        for (at, value), error in zip(line.points, line.bars, strict=False):
            ends = [(x.place(at), y.place(value + sign * error)) for sign in (-1, 1)]
            draw.line(_scaled(ends), fill=colour, width=SMOOTH)
        for across, down in places:
            dot = (across - 3, down - 3), (across + 3, down + 3)
            draw.ellipse(_scaled(dot), fill=colour)
    everywhere = [(x.place(at), y.place(value)) for line in lines for at, value in line.points]
    names = [name for line in lines for name in line.labels or [""] * len(line.points)]
    _label(draw, everywhere, names, (x.start, x.end))
    _legend(draw, [line.name for line in lines])
    return np.asarray(image.resize((WIDTH, height), Image.Resampling.BOX))


def round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two numbers, not too many."""
    span = (high - low) or 1.0
    power = 10.0 ** floor(log10(span / MOST_TICKS))
    step = next(step * power for step in STEPS if span / (step * power) <= MOST_TICKS)
    return [step * number for number in range(ceil(low / step), floor(high / step) + 1)]


def _axis(values: Sequence[float], log: bool, start: float, end: float) -> _Axis:
    """With a little room beyond the values."""
    low, high = min(values), max(values)
    if log:
        room = (high / low) ** 0.05 if high > low else 2.0
        return _Axis(low / room, high * room, log, start, end)
    room = 0.06 * (high - low) or 1.0
    return _Axis(low - room, high + room, log, start, end)


def _grid(draw: ImageDraw.ImageDraw, x: _Axis, y: _Axis) -> None:
    for tick in x.ticks():
        at = x.place(tick)
        draw.line(_scaled([(at, y.start), (at, y.end)]), fill=GRID, width=SMOOTH)
        _text(draw, (at, y.start + 5), f"{tick:,.6g}", "ma")
    for tick in y.ticks():
        at = y.place(tick)
        draw.line(_scaled([(x.start, at), (x.end, at)]), fill=GRID, width=SMOOTH)
        _text(draw, (x.start - 6, at), f"{tick:,.6g}", "rm")


def _dashes(
    draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: tuple[int, int, int]
) -> None:
    for start, end in pairwise(points):
        steps = max(int(np.hypot(end[0] - start[0], end[1] - start[1]) / DASH), 1)
        ends = np.linspace(start, end, 2 * steps + 1)
        for index in range(0, 2 * steps, 2):
            piece = [(float(across), float(down)) for across, down in ends[index : index + 2]]
            draw.line(_scaled(piece), fill=colour, width=2 * SMOOTH)


def _legend(draw: ImageDraw.ImageDraw, names: Sequence[str]) -> None:
    for index, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        height = TOP - ROW + ROW * index
        ends = [(LEFT, height), (LEFT + 24, height)]
        draw.line(_scaled(ends), fill=colour, width=3 * SMOOTH)
        _text(draw, (LEFT + 32, height), name, "lm")


def _label(
    draw: ImageDraw.ImageDraw,
    places: Sequence[tuple[float, float]],
    names: Sequence[str],
    limits: tuple[float, float],  # left and right
) -> None:
    """Beside each point, where nothing is written yet and no other point is."""
    taken = [(across - 4, down - 4, across + 4, down + 4) for across, down in places]
    for (across, down), name in zip(places, names, strict=True):
        width = _width(name)
        boxes = [
            (left, middle - 7, left + width, middle + 7)
            for middle in (down, down - 14, down + 14, down - 28, down + 28)
            for left in (across + 7, across - 7 - width, across - width / 2)
        ]
        free = [box for box in boxes if _fits(box, limits, taken)]
        left, top, *_ = box = next(iter(free), boxes[0])
        taken.append(box)
        _text(draw, (left, top + 7), name, "lm")


def _fits(box: Box, limits: tuple[float, float], taken: Sequence[Box]) -> bool:
    left, top, right, bottom = box
    if left < limits[0] or right > limits[1]:
        return False
    return not any(
        left < its[2] and its[0] < right and top < its[3] and its[1] < bottom for its in taken
    )


def _text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    anchor: str,
    colour: tuple[int, int, int] = INK,
) -> None:
    (at,) = _scaled([place])
    font = ImageFont.load_default(TEXT_SIZE * SMOOTH)
    draw.text(at, text, fill=colour, font=font, anchor=anchor)


def _width(text: str) -> float:
    return ImageFont.load_default(TEXT_SIZE).getlength(text)


def _scaled(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(SMOOTH * across, SMOOTH * down) for across, down in points]
