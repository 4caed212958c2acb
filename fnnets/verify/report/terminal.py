"""A report on a terminal: verdicts in colour, a row's notes below it; elsewhere the plain table.

    statement  where                   verdict  float32  float64  absolute  worst   differences
    4, 6       layer 1 dense .weights  ok       1.2e-07  3.1e-16  8.9e-16   [3,17]  both
    3, 5       layer 1 dense .biases   wrong    1.0e-02  1.0e-02  2.0e-03   [4]     automatic
        explicit 0.202, automatic 0.2, central differences 0.2 at unit 4

Content and order are those of `fnnets.verify.report.text`; names are not cut, but fold into more lines. Needs rich, of
the extra `cli`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fnnets.verify.report import text
from fnnets.verify.report.data import Findings

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

COLOURS = {
    "ok": "green", "pass": "bold green", "rounding": "green", "convention": "cyan", "approximation": "cyan",
    "wrong": "bold red", "downstream": "yellow", "inconclusive": "magenta", "departs": "cyan",
}  # fmt: skip
FOLDING, NARROWEST = 1, 12
"""The column that folds on a narrow terminal, and the least that is left of it."""


def show(report: Findings, console: Console | None = None) -> None:
    """Print a report: in colour on a terminal, else as the plain text of `text.table`.

    Args:
        report: what a check found.
        console: where; None for standard output.

    Raises:
        ImportError: rich is not installed.

    >>> from fnnets.verify import Report, Row
    >>> show(Report("gradient", "float32", (Row("2", "gradient", "ok", 1e-7, 1e-16, 1e-17, (0,), 1.0, 1.0),)))
    statement where    verdict float32 float64 absolute worst differences
    ---------------------------------------------------------------------
    2         gradient ok      1.0e-07 1.0e-16 1.0e-17  [0]
    gradient: pass (1 rows, largest relative error 1.0e-16 in float64)
    """
    if console is None:
        try:
            from rich.console import Console
        except ImportError:
            message = "show needs rich, which is not installed; run: pip install 'fnnets[cli]'"
            raise ImportError(message, name="rich") from None
        console = Console()
    if not console.is_terminal:
        console.file.write(text.table(report) + "\n")
        return
    for part in _parts(report, console.width):
        console.print(part, highlight=False)


def _parts(report: Findings, width: int) -> Iterator[RenderableType]:
    """Rows, each with its notes, then properties, remarks and the verdict."""
    from rich.padding import Padding
    from rich.rule import Rule
    from rich.text import Text

    heads, cells = text.heads(report), [text.cells(row) for row in report.rows]
    widths, gap = _widths([heads, *cells], width)
    yield _line(heads, ["bold"] * len(heads), widths, gap)
    yield Rule(style="dim")
    for row, line in zip(report.rows, cells, strict=True):
        yield _line(line, ["", "", COLOURS.get(row.verdict, ""), *[""] * 5], widths, gap)
        for note in text.notes(row):
            style = "bold" if row.diagnosis and note.endswith(row.diagnosis) else "dim"
            yield Padding(Text(note, style=style), (0, 0, 0, 4))
    for row in report.properties:
        yield _coloured(text.of_property(row), row.verdict)
    for remark in report.remarks:
        yield Text(text.of_remark(remark), style="italic")
    yield _coloured(text.summary(report), report.verdict)


def _line(cells: Sequence[str], styles: list[str], widths: list[int], gap: int) -> Table:
    """A grid of one line; its columns have the same widths in every line."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, gap, 0, 0), pad_edge=False)
    for width in widths:
        grid.add_column(width=width, overflow="fold")
    grid.add_row(*(Text(cell, style=style) for cell, style in zip(cells, styles, strict=True)))
    return grid


def _coloured(sentence: str, verdict: str) -> Text:
    """A sentence with the first occurrence of its verdict in colour."""
    from rich.text import Text

    shown, start = Text(sentence), sentence.find(f": {verdict}")
    if start >= 0:
        shown.stylize(COLOURS.get(verdict, ""), start + 2, start + 2 + len(verdict))
    return shown


def _widths(cells: list[tuple[str, ...]], width: int) -> tuple[list[int], int]:
    """Each column as wide as its widest cell, but the one that folds where the terminal is narrower; and their gap."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    gap = 2 if sum(widths) + 2 * len(widths) <= width else 1
    spare = width - sum(widths) - gap * (len(widths) - 1)
    widths[FOLDING] = min(widths[FOLDING], max(NARROWEST, widths[FOLDING] + spare))
    return widths, gap
