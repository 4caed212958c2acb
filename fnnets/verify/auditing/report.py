"""The report of an audit: one row for each derivative rule, and one for the whole function.

    agrees                          the rule is the derivative of its function wherever it was reached
    differs                         it is not, or the value changes when it is differentiated, or the rule raises
    undecided                       neither automatic derivatives nor differences decide
    flat primal                     the function is constant and the rule is not zero: straight-through, perturbation
    rule gives zero                 the function is not constant and the rule is zero: a stopped gradient
    identity primal                 the function returns its input, the rule changes what comes back: clipping, scaling
    implicit reparameterisation     the function draws a sample, whose rule is no derivative of its program
    not differentiated              the rule was met, and no derivative passes through it
    not looked at                   it could not be called by itself; the row says why
    as the rules above              the whole function differs where a rule that does not agree is reached

The row of the whole function passes where it is undecided, as at several kinks at once.

Rows that `accept` names are accepted whatever they are. The report passes where all others agree.
"""

from __future__ import annotations

import json
import math
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

WHOLE = "the whole function"
AGREES, UNSEEN, SKIPPED, FOLLOWS = "agrees", "not differentiated", "not looked at", "as the rules above"
PASSING = (AGREES, UNSEEN, SKIPPED, FOLLOWS)
WIDTH, SCHEMA = 110, 1


class AuditRow(NamedTuple):
    """What was found about one rule.

    Attributes:
        name: the function that has the rule.
        file, line: where it is defined; "" and 0 where JAX does not say.
        calls: the lines that call it, as "line 12 of model.py, in cost".
        visits: how many times it was looked at, all points together.
        shapes, dtypes: of its inputs, at the first visit.
        verdict: one of those that this module lists.
        place: the worst element, as "input 0 [2, 1]" or "output 0".
        point: the point of the sweep at which it was found, "" for the given one.
        rule, automatic, expected: what the rule gives there, what automatic differentiation of its function gives, and
            what is right; NaN where that is not known.
        reason: where the right value comes from, or why there is no verdict.
        note: what else was found, such as a second derivative that departs.
        second_order: "agrees", "departs", "raises" or "" where it was not looked at.
        is_accepted: whether `accept` names the rule.
    """

    name: str
    file: str = ""
    line: int = 0
    calls: tuple[str, ...] = ()
    visits: int = 0
    shapes: tuple[tuple[int, ...], ...] = ()
    dtypes: tuple[str, ...] = ()
    verdict: str = AGREES
    place: str = ""
    point: str = ""
    rule: float = math.nan
    automatic: float = math.nan
    expected: float = math.nan
    reason: str = ""
    note: str = ""
    second_order: str = ""
    is_accepted: bool = False

    @property
    def ok(self) -> bool:
        """Whether the row passes."""
        is_open = self.name == WHOLE and self.verdict == "undecided"
        return self.is_accepted or is_open or self.verdict in PASSING

    @property
    def detail(self) -> str:
        """The worst place with its three values, in a sentence; "" where there is nothing to say."""
        if self.verdict in (AGREES, UNSEEN, FOLLOWS):
            return ""
        where = ", ".join(filter(None, [self.place, f"at {self.point}" if self.point else ""]))
        values = (("the rule gives", self.rule), ("automatic", self.automatic), ("expected", self.expected))
        shown = ", ".join(
            f"{name} {value:.6g}" for name, value in values if name[:4] == "the " or not math.isnan(value)
        )
        said = f"{where}: {shown}" if self.place else where
        return "; ".join(filter(None, [said, self.reason]))


@dataclass(frozen=True)
class AuditReport:
    """The findings of an audit; `print(report)` gives the table, and a report is true where it passes.

    Attributes:
        subject: the name of the function.
        rows: one for each rule, in the order in which they are reached, the whole function last.
        points: how many points were looked at.
        remarks: sentences on what was not looked at.
    """

    subject: str
    rows: tuple[AuditRow, ...]
    points: int = 1
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.table()

    @property
    def ok(self) -> bool:
        """Whether every row passes."""
        return all(row.ok for row in self.rows)

    def row(self, name: str) -> AuditRow:
        """The first row of a rule of that name.

        Raises:
            LookupError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        shown = ", ".join(repr(row.name) for row in self.rows) or "none"
        raise LookupError(f"row: no rule has the name {name!r}, expected one of those that were met: {shown}")

    def table(self) -> str:
        """The rows as plain text of at most 110 columns, with what was found below each, and a last line."""
        lines = [("rule", "defined at", "visits", "verdict")]
        for row in self.rows:
            accepted = ", accepted" if row.is_accepted and row.verdict != AGREES else ""
            place = f"{Path(row.file).name}:{row.line}" if row.file else ""
            lines.append((_cut(row.name, 36), _cut(place, 32), str(row.visits or ""), row.verdict + accepted))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = [_line(lines[0], widths), "-" * min(WIDTH, sum(widths) + 3)]
        for row, line in zip(self.rows, lines[1:], strict=True):
            shown.append(_line(line, widths))
            notes = [] if row.ok and row.verdict == AGREES and not row.note else _notes(row)
            for note in notes:
                shown += textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="    ")
        for remark in (*self.remarks, self.summary()):
            shown += textwrap.wrap(remark, WIDTH, subsequent_indent="    ")
        return "\n".join(shown)

    def summary(self) -> str:
        """The verdict in one line."""
        bad = [row for row in self.rows if not row.ok]
        at = f" at {self.points} points" if self.points > 1 else ""
        count = sum(bool(row.file) or row.visits > 0 for row in self.rows)
        verdict = f"{len(bad)} of {count} rows do not pass: " if bad else f"pass ({count} rows{at})"
        return f"audit of {self.subject}: {verdict}{', '.join(f'{row.name} {row.verdict}' for row in bad)}"

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as strict JSON, written to `path` if there is one.

        Numbers that are not finite become the strings "nan", "inf" and "-inf".
        """
        rows = [{**row._asdict(), "ok": row.ok, "detail": row.detail} for row in self.rows]
        content = {
            "schema": SCHEMA, "subject": self.subject, "ok": self.ok, "points": self.points,
            "rows": [{name: _strict(value) for name, value in row.items()} for row in rows], "remarks": self.remarks,
        }  # fmt: skip
        found = json.dumps(content, ensure_ascii=False, allow_nan=False)
        if path is not None:
            Path(path).write_text(found + "\n", encoding="utf-8")
        return found

    def assert_ok(self) -> None:
        """Pass silently, or show the table.

        Raises:
            AssertionError: a row does not pass.
        """
        if not self.ok:
            raise AssertionError("\n" + self.table())


def _notes(row: AuditRow) -> list[str]:
    called = [f"called at {'; '.join(row.calls[:2])}{' …' if len(row.calls) > 2 else ''}"] if row.calls else []
    return [each for each in (row.detail, row.note, *called) if each]


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else "…" + text[1 - width :]


def _strict(value: object) -> object:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
