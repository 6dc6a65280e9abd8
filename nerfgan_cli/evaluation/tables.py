"""Tables of results for people, Markdown, LaTeX and CSV. Published rows are grey.

A column holds numbers of one protocol only, whose whole name is its head.
"""

import csv
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nerfgan_cli import markdown

SUFFIXES = {"text": ".txt", "markdown": ".md", "latex": ".tex", "csv": ".csv"}
WIDEST = 110  # characters of a text table; further columns go below
LONGEST_NUMBER = 32  # characters, with its head; what is longer is text
GREY, PLAIN = "\x1b[90m", "\x1b[0m"
LATEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "_%&#${}"},
        **{"\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}"},
        **{"<": "$<$", ">": "$>$", "±": "$\\pm$", "↓": "$\\downarrow$", "↑": "$\\uparrow$"},
        **{"²": "$^2$", "³": "$^3$", "·": "$\\cdot$", "°": "$^\\circ$", "×": "$\\times$"},
        **{"…": "\\dots{}", "–": "--", "−": "$-$"},
    }
)


class Row(NamedTuple):
    cells: list[str]  # "" where there is no number
    published: bool = False


class Table(NamedTuple):
    head: list[str]
    rows: list[Row]
    labels: int = 1  # columns that say whose row it is; one column in a text


def render(table: Table, form: str) -> str:
    """In one of the forms of `WRITERS`, with a line break at its end."""
    return WRITERS[form](table)


def as_text(table: Table, colour: bool = False) -> str:
    """Aligned columns. Those that find no room go below, without rows that are empty there."""
    table = _one_label(table)
    parts = []
    for columns in _blocks(table):
        shown = _shown(table, columns)
        widths = _widths(table, columns)
        lines = [_line(table.head, columns, widths)]
        for row in shown:
            line = _line(row.cells, columns, widths)
            lines.append(f"{GREY}{line}{PLAIN}" if colour and row.published else line)
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def as_markdown(table: Table) -> str:
    """Published rows are in italics: Markdown has no grey."""
    rows = [
        [f"*{cell}*" if cell and row.published else cell for cell in row.cells]
        for row in table.rows
    ]
    return "\n".join(markdown.table(table.head, rows)) + "\n"


def as_latex(table: Table) -> str:
    """Needs the packages booktabs and xcolor."""
    lines = [f"\\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}", "\\toprule"]
    lines += [_latex_line(table.head), "\\midrule"]
    for row in table.rows:
        cells = [_latex(cell) for cell in row.cells]
        if row.published:
            cells = [f"\\textcolor{{gray}}{{{cell}}}" if cell else "" for cell in cells]
        lines.append(" & ".join(cells) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def as_csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.head, "published"])
    writer.writerows([*row.cells, "yes" if row.published else "no"] for row in table.rows)
    return out.getvalue()


WRITERS: dict[str, Callable[[Table], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
}


def _one_label(table: Table) -> Table:
    def join(cells: Sequence[str]) -> list[str]:
        labels = ", ".join(filter(None, cells[: table.labels]))
        return [labels, *cells[table.labels :]]

    rows = [Row(join(row.cells), row.published) for row in table.rows]
    return Table(join(table.head), rows)


def _blocks(table: Table) -> list[list[int]]:
    """Which columns stand side by side: always the first, and as many as fit."""
    blocks: list[list[int]] = [[0]]
    for column in range(1, len(table.head)):
        wider = [*blocks[-1], column]
        room = WIDEST - sum(width + 2 for width in _widths(table, wider).values())
        if room < 0 and len(blocks[-1]) > 1:
            blocks.append([0, column])
        else:
            blocks[-1] = wider
    return blocks


def _shown(table: Table, columns: Sequence[int]) -> list[Row]:
    """Rows with something in these columns beside their label."""
    return [row for row in table.rows if any(row.cells[column] for column in columns[1:])]


def _widths(table: Table, columns: Sequence[int]) -> dict[int, int]:
    rows = [table.head, *(row.cells for row in _shown(table, columns))]
    return {column: max(len(row[column]) for row in rows) for column in columns}


def _line(cells: Sequence[str], columns: Sequence[int], widths: dict[int, int]) -> str:
    """Numbers end below one another, sentences begin so."""
    first = cells[0].ljust(widths[0])
    others = (
        cells[c].ljust(widths[c]) if widths[c] > LONGEST_NUMBER else cells[c].rjust(widths[c])
        for c in columns[1:]
    )
    return "  ".join([first, *others]).rstrip()


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + " \\\\"


def _latex(text: str) -> str:
    return text.translate(LATEX)
