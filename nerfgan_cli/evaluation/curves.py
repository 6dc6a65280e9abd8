"""How identity fades as a head turns: cosine to the front over yaw and over pitch (figure 3).

Yaw is the camera's, with pitch 0, and the other way round. Points are means over heads with their
standard errors. The metric's numbers are those of the farthest angles; their protocols hold the
curves, from which the figure and a table of its points are made.
"""

import csv
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any, TypeAlias

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.chart import Axes, Line, line_chart
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.faces import find_face_obstacle, open_reader
from nerfgan_cli.evaluation.looks import IDENTITY, FaceReader, standard_error
from nerfgan_cli.evaluation.metric import HIGHER, Setting, Value
from nerfgan_cli.evaluation.samples import available, short
from nerfgan_cli.evaluation.sittings import Sitting, look_at_heads, of_teacher
from nerfgan_cli.files import replacing
from nerfgan_cli.media import write_png
from nerfgan_cli.metrics.identity import cosines

# The paper's figure has no numbers on its axes; these are metrics.md 5's.
YAWS = tuple(round(0.1 * step, 2) for step in range(-5, 6))  # radians
PITCHES = tuple(round(0.05 * step, 2) for step in range(-6, 7))
HEADS, QUICK = 200, 12  # at most, and of a bare evaluation
NAME = "curves"
CSV = "identity.csv"
COLUMNS = ("model", "axis", "radians", "cosine", "error", "heads", "network")

# Of an axis: rows of angle, mean cosine, its standard error, heads found from there and the front.
Curves: TypeAlias = dict[str, list[list[float]]]


class IdentityCurves:
    """Entry of `table.METRICS`."""

    name = NAME

    def obstacle(self, setting: Setting) -> str | None:
        if setting.generator is None:
            return "it turns heads: give a --model, not pictures"
        return find_face_obstacle(setting, IDENTITY)

    def measure(self, setting: Setting) -> list[Value]:
        reader, heads = open_reader(setting), min(available(setting, QUICK), HEADS)
        curves = identity_curves(setting, reader, heads)
        teacher = None
        if setting.teacher is not None:
            teacher = identity_curves(of_teacher(setting), reader, heads)
        source = reader.sources[IDENTITY]
        values = []
        for axis, points in curves.items():
            protocol: dict[str, object] = {
                "heads": heads,
                "network": source.name,
                "network_sha256": source.sha256,
                "conditioning": "frontal",
                "truncation": 1.0,
                "noise": "const",
                "axis": axis,
                "curve": points,
            }
            if teacher is not None:
                protocol["teacher"] = teacher[axis]
            first, last = points[0], points[-1]
            mean, error = (first[1] + last[1]) / 2, sqrt(first[2] ** 2 + last[2] ** 2) / 2
            name = f"identity_{axis}{last[0]:g}_{short(heads)}:{source.name}"
            values.append(Value(name, mean, error, "", HIGHER, protocol))
        return values


def identity_curves(setting: Setting, reader: FaceReader, heads: int) -> Curves:
    assert setting.generator is not None
    preset = PRESETS[setting.generator.camera_preset]
    views = [(yaw, 0.0) for yaw in YAWS] + [(0.0, pitch) for pitch in PITCHES if pitch]
    cameras = [preset.at(*view) for view in views]
    sitting = Sitting(f"yaw {YAWS}, pitch {PITCHES}", lambda some: cameras)
    looks = look_at_heads(setting, reader, sitting, heads)
    front = looks[views.index((0.0, 0.0))]
    points = {}
    for view, look in zip(views, looks, strict=True):
        both = look.found & front.found
        if not both.any():
            raise InputError(
                f"no face was found in {heads} heads from yaw {view[0]:g} and pitch {view[1]:g} "
                "rad: evaluate more heads with --num, or take another pack."
            )
        found = cosines(look.codes[both], front.codes[both])
        points[view] = [float(found.mean()), standard_error(found) or 0.0, float(len(found))]
    return {
        "yaw": [[yaw, *points[yaw, 0.0]] for yaw in YAWS],
        "pitch": [[pitch, *points[0.0, pitch]] for pitch in PITCHES],
    }


def write_identity(setting: Setting, values: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Figure 3 of who is judged and of its teacher, and its points: entry of `table.FIGURES`."""
    protocols = [value["protocol"] for value in values if value["metric"] == NAME]
    rows: list[tuple[object, ...]] = [COLUMNS]
    written = []
    for protocol in protocols:
        axis, network, heads = (protocol[key] for key in ("axis", "network", "heads"))
        curves = {setting.name: protocol["curve"]}
        if "teacher" in protocol:
            curves["teacher"] = protocol["teacher"]
        lines = []
        for name, points in curves.items():
            rows += [(name, axis, *point, network) for point in points]
            places = [(angle, cosine) for angle, cosine, _, _ in points]
            lines.append(Line(name, places, bars=[error for _, _, error, _ in points]))
        title = f"Identity as from the front over {axis} ({network}, {heads} heads)"
        axes = Axes(f"{axis} of the camera, rad", "cosine")
        written.append(folder / f"identity_{axis}.png")
        write_png(line_chart(title, axes, lines), written[-1])
    if written:
        written.append(folder / CSV)
        with replacing(written[-1]) as unfinished, unfinished.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return written
