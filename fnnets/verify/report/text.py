"""A report as a table of plain text, 110 columns wide at most.

    statement where                  verdict float32 float64 absolute worst  differences
    4, 6      layer 1 dense .weights ok      1.2e-07 3.1e-16 8.9e-16  [3,17] both
    3, 5      layer 1 dense .biases  wrong   1.0e-02 1.0e-02 2.0e-03  [4]    automatic
        explicit 0.202, automatic 0.2, central differences 0.2 at unit 4

`float32` stands for the parameters' dtype; `differences` names the values that central differences support. Rows that
are not ok show the values of their worst element.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from fnnets.verify.report.data import Findings, Row

WIDTH = 110
STATEMENT, WHERE, INDEX = 13, 32, 10


def table(report: Findings) -> str:
    """The table, its notes below their rows, and the verdict with the first wrong row at the end."""
    columns = heads(report)
    cells = _fitting([columns, *map(_cut_cells, report.rows)])
    widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
    lines = [_line(columns, widths), "-" * (sum(widths) + len(widths) - 1)]
    for row, line in zip(report.rows, cells[1:], strict=True):
        lines.append(_line(line, widths))
        for note in notes(row):
            lines += textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="    ")
    lines += [of_property(row) for row in report.properties]
    for remark in report.remarks:
        lines += textwrap.wrap(of_remark(remark), WIDTH, subsequent_indent="    ")
    return "\n".join([*lines, *textwrap.wrap(summary(report), WIDTH)])


def heads(report: Findings) -> tuple[str, ...]:
    """The names of the columns."""
    return "statement", "where", "verdict", report.precision, "float64", "absolute", "worst", "differences"


def cells(row: Row) -> tuple[str, ...]:
    """A row's cells, uncut."""
    errors = map(_error, (row.error, row.error_float64, row.absolute))
    index = str(list(row.worst)).replace(" ", "") if row.worst else ""
    return row.statement, row.where, row.verdict, *errors, index, row.supports


def _cut_cells(row: Row) -> tuple[str, ...]:
    statement, where, *others, index, supports = cells(row)
    return cut(statement, STATEMENT), where, *others, cut(index, INDEX), supports


def _fitting(lines: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The lines with their names as wide as the other columns leave them room for, at least `WHERE`."""
    others = [column for column in range(len(lines[0])) if column != 1]
    taken = sum(1 + max(len(line[column]) for line in lines) for column in others)
    return [(line[0], cut(line[1], max(WHERE, WIDTH - taken)), *line[2:]) for line in lines]


def notes(row: Row) -> list[str]:
    """The lines below a row: note, diagnosis and values; nothing where it is ok."""
    found = [row.note] if row.note else []
    if row.diagnosis:
        found.append(f"explicit {row.diagnosis}")
    if row.verdict != "ok" and not math.isnan(row.absolute):
        found.append(_values(row))
    return found


def of_property(row: Row) -> str:
    """A property in one line."""
    note = f"; {row.note}" if row.note else ""
    return f"property: {row.where}: {row.verdict}, {row.decided}{note}"


def of_remark(remark: str) -> str:
    """A remark in one line."""
    return f"note: {remark}"


def _values(row: Row) -> str:
    numeric = "" if math.isnan(row.numeric) else f", central differences {row.numeric:.6g}"
    return f"explicit {row.explicit:.6g}, automatic {row.automatic:.6g}{numeric} at {row.place or list(row.worst)}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def cut(text: str, width: int) -> str:
    """A name without its middle: the beginning says which layer it is, the end which of its numbers."""
    head = (width - 1) // 3
    return text if len(text) <= width else f"{text[:head]}…{text[head + 1 - width :]}"


def _error(number: float) -> str:
    return f"{number:.1e}" if math.isfinite(number) and number else f"{number:.0f}"


def summary(report: Findings) -> str:
    """The verdict, with the first wrong row, or the first undecided one, on one line."""
    first, count = report.first_wrong, len(report.rows)
    wrong = sum(row.verdict == "wrong" for row in report.rows)
    if first is None:
        reason = _undecided(report)
        return f"{report.subject}: {report.verdict}{f', {reason}' if reason else ''} ({_counted(report)})"
    if first not in report.rows:
        others = f"{wrong} of {count} rows" if wrong else f"all {count} rows agree"
        return f"{report.subject}: wrong ({others}), first at the property {first.where!r}: {first.decided}"
    diagnosis = f"; it {first.diagnosis}" if first.diagnosis else f"; {first.note}" if first.note else ""
    supported = f"; central differences support {first.supports}" if first.supports in ("explicit", "automatic") else ""
    return f"{report.subject}: wrong ({wrong} of {count} rows), first at {_named(first)}{diagnosis}{supported}"


def _named(row: Row) -> str:
    """A row's place with its statement: a number is called so, a symbol stands beside the name."""
    if not row.statement:
        return row.where
    is_number = row.statement[0].isdigit()
    return f"{row.where}, statement ({row.statement})" if is_number else f"{row.where} ({row.statement})"


def _undecided(report: Findings) -> str:
    """Why nothing was decided, "" where it was."""
    first = report.first_undecided
    if first is not None:
        place = f", {first.place}" if first.place else ""
        reason = first.note or first.decided
        return f"at {_named(first)}{place}{f': {reason}' if reason else ''}"
    return "every gradient is zero here, so that nothing was compared" if report.is_zero else ""


def _counted(report: Findings) -> str:
    """How many rows there are, and how near they are."""
    right = [row for row in report.rows if row.verdict == "ok"]
    errors = [row.error_float64 for row in right if math.isfinite(row.error_float64)]
    native = [row.error for row in right if math.isfinite(row.error)]
    column = "float64" if errors else report.precision
    found = f"{len(report.rows)} rows"
    found += f", largest relative error {_error(max(errors or native))} in {column}" if errors or native else ""
    approximate = sum(row.verdict == "approximation" for row in report.rows)
    found += f"; {approximate} rows approximate the gradient on purpose" if approximate else ""
    return found + (f"; the nearest kink is {_error(report.kink)} away" if math.isfinite(report.kink) else "")
