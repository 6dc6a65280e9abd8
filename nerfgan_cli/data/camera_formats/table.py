"""A table of angles: name, yaw, pitch and perhaps roll, in degrees, separated by commas.

Cameras stand on a sphere and look at its pivot, as on a turntable. A first line of words names the
columns, in any order.
"""

import csv
from io import StringIO
from math import radians

from nerfgan_cli.cameras import CameraPreset
from nerfgan_cli.data.camera_formats.matrices import numbers, pinhole
from nerfgan_cli.data.views import Units, View
from nerfgan_cli.errors import InputError

COLUMNS = ["name", "yaw", "pitch", "roll"]
FORM = "write name,yaw,pitch lines"


def views_of_table(text: str, preset: CameraPreset) -> list[View]:
    separator = "\t" if "\t" in text else ";" if ";" in text else ","
    try:
        rows = [row for row in csv.reader(StringIO(text), delimiter=separator) if any(row)]
    except csv.Error as error:
        raise InputError(f"it is no table ({error}): {FORM}.") from error
    columns = COLUMNS
    if rows and rows[0][0].strip().lower() in COLUMNS:
        columns = [cell.strip().lower() for cell in rows.pop(0)]
    if not {"name", "yaw"} <= set(columns) <= set(COLUMNS):
        raise InputError(f"its columns are {', '.join(columns)}: {FORM}.")
    return [view_of_row(row, columns, preset) for row in rows]


def view_of_row(row: list[str], columns: list[str], preset: CameraPreset) -> View:
    if not 2 <= len(row) <= len(columns):
        raise InputError(f"its line {','.join(row)!r} has {len(row)} columns: {FORM}.")
    cells = dict(zip(columns, row, strict=False))
    name = cells.pop("name").strip()
    what = f"the line of {name}"
    yaw, pitch, roll = (
        radians(numbers(cells.get(key) or 0, what).item()) for key in ("yaw", "pitch", "roll")
    )
    pose = preset.at(yaw, pitch, roll).cam2world[0].double().numpy()
    return View(name, pose, pinhole(preset.focal, preset.focal, 0.5, 0.5), Units.final)
