"""How identity fades as a head turns: cosine to the front over yaw and over pitch (figure 3).

Yaw is the camera's, with pitch 0, and the other way round. Points are means over heads with their
standard errors. The metric's numbers are those of the farthest angles, a head's from both sides
taken together; their protocols hold the curves, from which the figure and a table of its points are
made.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.chart import COLOURS, Axes, Line, line_chart
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.faces import CURVES, find_face_obstacle, open_reader
from nerfgan_cli.evaluation.looks import IDENTITY, Array, FaceReader, standard_error
from nerfgan_cli.evaluation.metric import HIGHER, Setting, Value
from nerfgan_cli.evaluation.samples import beside_teacher, drawn_with, short
from nerfgan_cli.evaluation.sittings import (
    Sitting,
    conditioning,
    look_at_heads,
    mark,
    of_teacher,
)
from nerfgan_cli.files import replacing
from nerfgan_cli.media import Picture, write_png
from nerfgan_cli.metrics.identity import cosines

# The paper's figure has no numbers on its axes; these are metrics.md 5's.
YAWS = tuple(round(0.1 * step, 2) for step in range(-5, 6))  # radians
PITCHES = tuple(round(0.05 * step, 2) for step in range(-6, 7))
HEADS, QUICK = 200, 8  # at most, and of a bare evaluation
CSV = "identity.csv"
COLUMNS = ("model", "axis", "radians", "cosine", "error", "heads", "network")

# Angle, mean cosine, its standard error (None of a single head), heads found from there and front.
Point: TypeAlias = list[Any]


class Curve(NamedTuple):
    """Of one model over one axis."""

    model: str
    axis: str
    network: str
    heads: int
    points: list[Point]


class IdentityCurves:
    """Entry of `table.METRICS`."""

    name = CURVES

    def obstacle(self, setting: Setting) -> str | None:
        if setting.generator is None:
            return "it turns heads: give a --model, not pictures"
        return find_face_obstacle(setting, IDENTITY)

    def measure(self, setting: Setting) -> list[Value]:
        reader = open_reader(setting, IDENTITY).only(IDENTITY)
        heads = min(beside_teacher(setting, QUICK), HEADS)
        faded = cosines_to_front(setting, reader, heads)
        theirs = None
        if setting.teacher is not None:
            theirs = cosines_to_front(of_teacher(setting), reader, heads)
        source = reader.sources[IDENTITY]
        values = []
        for axis, found in faded.items():
            protocol: dict[str, object] = {
                "heads": heads,
                **source.told("network"),
                **drawn_with(conditioning(setting)),
                "axis": axis,
                "curve": points_of(found),
            }
            if theirs is not None:
                protocol["teacher"] = points_of(theirs[axis])
            first, last = min(found), max(found)
            ends = (found[first] + found[last]) / 2
            ends = ends[np.isfinite(ends)]
            if not len(ends):
                raise InputError(
                    f"of {heads} heads no face was found from both {axis} {first:g} and {last:g} "
                    "rad: evaluate more heads with --num, or take another pack."
                )
            name = f"identity_{axis}{last:g}_{short(heads)}{mark(setting)}:{source.name}"
            mean, error = float(ends.mean()), standard_error(ends)
            values.append(Value(name, mean, error, "", HIGHER, protocol))
        return values


def cosines_to_front(
    setting: Setting, reader: FaceReader, heads: int
) -> dict[str, dict[float, Array]]:  # by axis and angle, of each head; NaN where none was found
    assert setting.generator is not None
    preset = PRESETS[setting.generator.camera_preset]
    views = [(yaw, 0.0) for yaw in YAWS] + [(0.0, pitch) for pitch in PITCHES if pitch]
    cameras = [preset.at(*view) for view in views]
    sitting = Sitting(f"yaw {YAWS}, pitch {PITCHES}", lambda some: cameras)
    looks = look_at_heads(setting, reader, sitting, heads)
    front = looks[views.index((0.0, 0.0))]
    fronts: dict[tuple[float, float], Array] = {}
    for view, look in zip(views, looks, strict=True):
        both = look.found & front.found
        if not both.any():
            raise InputError(
                f"no face was found in {heads} heads from yaw {view[0]:g} and pitch {view[1]:g} "
                "rad: evaluate more heads with --num, or take another pack."
            )
        fronts[view] = np.full(heads, np.nan)
        fronts[view][both] = cosines(look.codes[both], front.codes[both])
    return {
        "yaw": {yaw: fronts[yaw, 0.0] for yaw in YAWS},
        "pitch": {pitch: fronts[0.0, pitch] for pitch in PITCHES},
    }


def points_of(curve: Mapping[float, Array]) -> list[Point]:
    points: list[Point] = []
    for angle, each in sorted(curve.items()):
        found = each[np.isfinite(each)]
        points.append([angle, float(found.mean()), standard_error(found), len(found)])
    return points


def write_identity(
    values: Mapping[str, Sequence[dict[str, Any]]],  # of reports, by who was judged
    folder: Path,
) -> list[Path]:
    """Figure 3 of all, and its points: entry of `table.FIGURES`."""
    curves = list(_curves_of(values))
    written = []
    for axis in dict.fromkeys(curve.axis for curve in curves):
        written.append(folder / f"identity_{axis}.png")
        write_png(_chart([curve for curve in curves if curve.axis == axis]), written[-1])
    if written:
        written.append(folder / CSV)
        with replacing(written[-1]) as unfinished, unfinished.open("w", newline="") as file:
            rows = ((c.model, c.axis, *point, c.network) for c in curves for point in c.points)
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return written


def _curves_of(values: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Curve]:
    """Of each model; then of their teachers, but for those that are among the models."""
    own: list[Curve] = []
    teachers: list[Curve] = []
    for model, told in values.items():
        for protocol in (value["protocol"] for value in told if value["metric"] == CURVES):
            axis, network, heads = (protocol[key] for key in ("axis", "network", "heads"))
            own.append(Curve(model, axis, network, heads, protocol["curve"]))
            if "teacher" in protocol:
                name = "teacher" if len(values) == 1 else f"teacher of {model}"
                teachers.append(own[-1]._replace(model=name, points=protocol["teacher"]))
    yield from own
    seen = [curve.points for curve in own]
    for curve in teachers:
        if curve.points not in seen:
            seen.append(curve.points)
            yield curve


def _chart(curves: Sequence[Curve]) -> Picture:
    """Of those that are comparable with the first, as many as it has colours for."""
    axis, network, heads = curves[0].axis, curves[0].network, curves[0].heads
    alike = [curve for curve in curves if (curve.network, curve.heads) == (network, heads)]
    lines = [
        Line(model, [(angle, cosine) for angle, cosine, *_ in points], bars=_bars(points))
        for model, *_, points in alike[: len(COLOURS)]
    ]
    title = f"Identity as from the front over {axis} ({network}, {heads} heads)"
    return line_chart(title, Axes(f"{axis} of the camera, rad", "cosine"), lines)


def _bars(points: Iterable[Point]) -> list[float]:
    """None is drawn where the error is not known."""
    return [error or 0.0 for _, _, error, _ in points]
