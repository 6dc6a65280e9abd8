"""`nerfgan data check`: everything that is wrong with a data set, at once, and a contact sheet."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from nerfgan_cli.commands.data.running import Workers, count_workers, watch
from nerfgan_cli.commands.options import Json, counted, print_result
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.data.check import Report, check
from nerfgan_cli.data.contact_sheet import draw_sheet
from nerfgan_cli.errors import InputError
from nerfgan_cli.media import write_png


def command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A zip or a folder.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="SHEET.png", help="Contact sheet; else NAME-check.png."
        ),
    ] = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Reports everything that is wrong with a data set, and draws a contact sheet.

    The sheet shows pictures with the world's axes and the cube of the volume as each camera sees
    them, and all cameras in 3D from three sides. Ends with code 3 if anything is wrong.
    """
    sheet = parse_file(out or f"{path.resolve().stem}-check.png", ".png")
    report = check(path, count_workers(workers), watch("picture"))
    write_png(np.asarray(draw_sheet(report)), sheet)
    print_result(as_json(report, sheet), as_text(report, sheet), json)
    if report.problems:
        found = counted(len(report.problems), "problem")
        files = counted(len({problem.name for problem in report.problems}), "file")
        raise InputError(f"{path} has {found} in {files}: mend what is listed above.")


def as_text(report: Report, sheet: Path) -> str:
    lines = [f"{name}: {text}" for name, text in report.problems]
    lines += [f"warning: {text}" for text in report.warnings]
    side = f" of {report.resolution}²" if report.resolution else ""
    lines.append(f"{counted(len(report.pictures), 'picture')}{side}, {len(report.healthy())} fine")
    if report.cameras:
        lines += [f"cameras like those of {report.cameras.preset}", *report.cameras.lines()]
    return "\n".join([*lines, f"contact sheet: {sheet}"])


def as_json(report: Report, sheet: Path) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "pictures": len(report.pictures),
        "fine": len(report.healthy()),
        "resolution": report.resolution,
        "problems": [problem._asdict() for problem in report.problems],
        "warnings": report.warnings,
        "cameras": report.cameras and report.cameras.to_json(),
        "sheet": str(sheet),
    }
