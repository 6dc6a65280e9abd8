"""Tables of results, as a command shows them and writes them."""

import sys
from enum import Enum
from pathlib import Path

from nerfgan_cli.evaluation.tables import SUFFIXES, Table, as_text, render
from nerfgan_cli.files import replacing


class Format(str, Enum):
    """See `evaluation.tables`."""

    text = "text"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"


def shown_as(table: Table, form: Format) -> str:
    if form is Format.text:
        return as_text(table, colour=sys.stdout.isatty()).rstrip("\n")
    return render(table, form.value).rstrip("\n")


def write_table(table: Table, folder: Path, name: str, form: Format) -> None:
    """With the suffix of its form; an older table in another form is gone then."""
    with replacing(folder / f"{name}{SUFFIXES[form.value]}") as unfinished:
        unfinished.write_text(render(table, form.value), "utf-8")
    for other, suffix in SUFFIXES.items():
        if other != form.value:
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
