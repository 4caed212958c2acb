"""The rows at a second point near the given one, and what they change of those at the given point.

wrong near it            wrong, whatever the given point says
where data alone move    inconclusive: the gradient may count on an identity of the data
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fnnets.verify.checks import rows
from fnnets.verify.checks.case import Case, References
from fnnets.verify.judging.excuses import Comparison
from fnnets.verify.reference import evaluate, nearby
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.report.data import Row
from fnnets.verify.tracing.compiled import Programs

RIGHT = ("ok", "rounding", "convention")
NEAR_IT = "right at this point, wrong near it: the given numbers hide the fault, and those shown are near it"
NEAR_DATA = (
    "right for these data, wrong where they are moved a little: the gradient counts on an identity of the data, or the "
    "data hide a fault; those shown are near them"
)


def references(known: References, has_data: bool = True) -> tuple[Reference, ...] | None:
    """The references at a point near the given one; None where the cost is not finite there."""
    step = nearby.NEAR if known.double else nearby.FAR
    is_data = known.case.name == "custom_vjp"
    points = [nearby.moved(each.point, step, has_data, is_data) for each in known.decisive]
    with known.scope():
        near = evaluate.references(known.case.subjects, points, known.programs, known.decisive)
    return near if all(np.isfinite(each.value) for each in near) else None


def rows_with(
    case: Case, known: References, comparisons: Sequence[Comparison], given: list[Row], programs: Programs
) -> list[Row]:
    """The given rows, those that are right at the given point and wrong near it called wrong."""
    near = known.near
    if near is None or not any(row.verdict in RIGHT for row in given):
        return given
    there = _rows_at(case, known, near, comparisons, programs)
    if len(there) != len(given) or not any(map(_is_hidden, given, there)):
        return given
    # what is wrong only where the data move may count on an identity of theirs
    fixed = references(known, has_data=False)
    again = there if fixed is None else _rows_at(case, known, fixed, comparisons, programs)
    return [_merged(*each) for each in zip(given, there, again, strict=True)]


def _rows_at(
    case: Case,
    known: References,
    near: tuple[Reference, ...],
    comparisons: Sequence[Comparison],
    programs: Programs,
) -> list[Row]:
    """The rows at another point, by the programs of the given one."""
    found = [each.decisive[1] for each in comparisons]
    with known.scope():
        sides = evaluate.candidates(case.subjects, near, programs, found)
    pairs, none = list(zip(near, sides, strict=True)), [None] * len(near)
    native, double = (none, pairs) if known.double else (pairs, none)
    return rows.of_case(case, rows.of_sides(case, known, native, double), False)


def _is_hidden(row: Row, there: Row) -> bool:
    return row.verdict in RIGHT and there.verdict in ("wrong", "downstream")


def _merged(row: Row, there: Row, again: Row) -> Row:
    """The row at the given point, or near it where that shows what the given point hides."""
    if not _is_hidden(row, there):
        return row
    if _is_hidden(row, again):
        return again._replace(note="; ".join(filter(None, (NEAR_IT, again.note))))
    return there._replace(verdict="inconclusive", note=NEAR_DATA)
