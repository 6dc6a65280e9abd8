"""Charts show what they are given, where it belongs."""

import numpy as np
import pytest

from nerfgan_cli import chart
from nerfgan_cli.chart import COLOURS, Axes, Line, line_chart


def places(picture: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a colour, legend and axes apart."""
    found = (np.abs(picture.astype(int) - colour).sum(axis=2) < 12).nonzero()
    below = found[0] > 110
    return found[0][below], found[1][below]


def test_lines_rise_where_values_do() -> None:
    rising = Line("up", [(0, 0.0), (1, 1.0), (2, 2.0)])
    falling = Line("down", [(0, 2.0), (2, 0.0)])
    picture = line_chart("both", Axes("x", "y"), [rising, falling])
    for colour, sign in zip(COLOURS[:2], (-1, 1), strict=True):
        rows, columns = places(picture, colour)
        assert np.corrcoef(columns, rows)[0, 1] * sign > 0.99


@pytest.mark.parametrize("log", [True, False])
def test_powers_are_straight_on_logarithmic_axes(log: bool) -> None:
    square = Line("square", [(side, side**2.0) for side in (1, 2, 4, 8, 16, 32, 64)])
    picture = line_chart("square", Axes("side", "cost", log, log), [square])
    rows, columns = places(picture, COLOURS[0])
    assert (abs(np.corrcoef(columns, rows)[0, 1]) > 0.999) == log


def test_what_is_not_measured_is_dashed_and_has_no_dots() -> None:
    ends = [(0.0, 1.0), (10.0, 1.0)]
    whole, dashes = (
        places(line_chart("one", Axes("x", "y"), [line], ("limit", 2.0)), COLOURS[0])[1]
        for line in (Line("a", ends), Line("a", [], ends))
    )
    assert 0.3 < len(set(dashes.tolist())) / len(set(whole.tolist())) < 0.8


def written(monkeypatch: pytest.MonkeyPatch, axes: Axes, line: Line) -> tuple[list[str], list[str]]:
    """The numbers below the chart, and those beside it."""
    texts: dict[str, list[str]] = {"ma": [], "rm": []}  # by where of their place they stand
    write = chart._text

    def note(draw, place, text, anchor, *more) -> None:
        texts.setdefault(anchor, []).append(text)
        write(draw, place, text, anchor, *more)

    monkeypatch.setattr(chart, "_text", note)
    line_chart("", axes, [line])
    return texts["ma"][:-1], texts["rm"]  # without the title


def test_every_axis_has_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a logarithmic one on which no 1, 2 or 5 lies."""
    line = Line("", [(1, 322.0), (4, 387.0)])
    across, up = written(monkeypatch, Axes("", "", True, True), line)
    assert across == ["1", "2", "3", "4"]
    assert up == ["320", "340", "360", "380"]


def test_what_is_to_be_marked_is_marked_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line("", [(1, 1.0), (64, 2.0)])
    axes = Axes("", "", log_x=True, marks=[1, 3, 4, 48, 49, 64])
    assert written(monkeypatch, axes, line)[0] == ["1", "3", "4", "48", "64"]


def test_points_stand_alone_with_their_names() -> None:
    """Nothing is drawn between them; names of near ones are not written over each other."""
    points, names = [(0.0, 1.0), (1.0, 0.0), (1.01, 0.0)], ["first", "second", "third"]

    def chart(*labels: str) -> np.ndarray:
        alone = Line("points", points, labels=labels, joined=False)
        return line_chart("places", Axes("x", "y"), [alone])

    def ink(picture: np.ndarray) -> int:
        return int((255.0 - picture.mean(axis=2)).sum())

    bare = chart()
    _, columns = places(bare, COLOURS[0])
    assert 6 < len(set(columns.tolist())) < 25  # of two dots
    each = [ink(chart(*(name if name == one else "" for name in names))) for one in names]
    assert min(each) > ink(bare) + 1000
    assert ink(chart(*names)) - ink(bare) == pytest.approx(sum(each) - 3 * ink(bare), rel=0.03)


@pytest.mark.parametrize("title", ["dB", "a title that has no room beside its axis"])
def test_what_is_written_along_an_axis_is_whole(title: str) -> None:
    line = Line("line", [(0.0, 0.0), (1.0, 1.0)])
    bare = line_chart("", Axes("", ""), [line])
    across, up = (line_chart("", axes, [line]) for axes in (Axes(title, ""), Axes("", title)))
    assert (up[:, :5] == 255).all()
    ink = [(bare.astype(float) - picture).sum() for picture in (across, up)]
    assert ink[1] == pytest.approx(ink[0], rel=0.02)
