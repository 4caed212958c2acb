"""The rows of a case, from the output backwards; those that earlier faults explain are called downstream.

rows        the output's marks stand behind the subjects nearest to the cost
downstream  rows that are wrong just as earlier faults predict
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax

from fnnets.verify.checks.case import Case, References
from fnnets.verify.diagnosis import annotate
from fnnets.verify.judging import decide, verdict
from fnnets.verify.judging.excuses import LEAVES, MARKS, Comparison, Leaf
from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import problems
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import precision
from fnnets.verify.tracing.compiled import Programs

Sides = tuple[Reference, evaluate.Candidate]
Rows = list[tuple[Row, Leaf | None]]


def comparisons(case: Case, known: References, programs: Programs, is_quick: bool = False) -> list[Comparison]:
    """Both sides of each subject, in both precisions or in the one that decides."""
    native: Sequence[Sides | None] = [None] * len(case.subjects)
    double = native
    coarse = None if is_quick and known.double else known.native
    if coarse:
        evaluate.begin_candidates(case.subjects, coarse, programs)
    if known.double:
        with known.scope():
            found = evaluate.candidates(case.subjects, known.double, programs)
        double = list(zip(known.double, found, strict=True))
    if coarse:
        found = evaluate.candidates(case.subjects, coarse, programs)
        native = list(zip(coarse, found, strict=True))
    return of_sides(case, known, native, double)


def of_sides(
    case: Case, known: References, native: Sequence[Sides | None], double: Sequence[Sides | None]
) -> list[Comparison]:
    """The comparisons of the sides of each subject."""
    tolerance, is_smooth = max(precision.tolerance("float64"), case.tolerance), known.gap == math.inf
    sides = enumerate(zip(case.subjects, native, double, strict=True))
    # the whole of a network passes through all its parts
    last = len(case.subjects) - 1 if case.nearest else -1
    return [
        Comparison(
            *each,
            known.column,
            tolerance,
            known.programs,
            is_smooth,
            known.narrow,
            # what departs from the gradient on purpose is seen by central differences alone
            is_sampled=last in (n, -1) or bool(each[0].approximation),
        )
        for n, each in sides
    ]


def of_case(case: Case, comparisons: Sequence[Comparison], is_quick: bool) -> list[Row]:
    """The rows of all subjects.

    `is_quick` leaves open whether a wrong row is downstream of another, where the first alone counts.
    """
    found: list[Row] = []
    parts = [annotated_rows(case.setting, each) for each in comparisons]
    for i, (comparison, (marked, leaves)) in enumerate(zip(comparisons, parts, strict=True)):
        here = bare(leaves if comparison.subject.marks else [*marked, *leaves])
        if not is_quick and is_wrong(found) and comparison.subject.explained is not None:
            here = downstream(comparison, here)
        found += here
        if i + 1 == case.nearest:
            near, ahead = [part[LEAVES] for part in parts[: i + 1]], parts[-1][MARKS]
            first = [part[0] for part in near][: len(ahead)]
            follows = [
                _follows(*pair, n == 0, comparison.column) for n, pair in enumerate(zip(first, ahead, strict=False))
            ]
            follows += [False] * (len(ahead) - len(follows))
            found += [_named(row, follow) for row, follow in zip(bare(ahead), follows, strict=True)]
    return found


def annotated_rows(setting: annotate.Setting, comparison: Comparison) -> tuple[Rows, Rows]:
    """Rows of marks and of leaves, those of values with their places and diagnoses."""
    (known, _), subject = comparison.decisive, comparison.subject

    def annotated(row: Row, leaf: Leaf | None) -> Row:
        if leaf is None or leaf.complaint:
            return row
        pair = leaf.native if leaf.native and decide.is_native(row) else leaf.decisive
        return annotate.annotated(row, pair, leaf.is_stepped, setting, subject, known)

    marked, leaves = ([(annotated(*pair), pair[1]) for pair in part] for part in verdict.rows(comparison))
    return marked, leaves


def downstream(comparison: Comparison, rows: list[Row]) -> list[Row]:
    """Rows that are wrong just as earlier faults predict, called downstream."""
    if not is_wrong(rows):
        return rows
    known, candidate = comparison.decisive
    with comparison.double_scope():
        predicted = evaluate.explained(comparison.subject, known.point)
    if isinstance(problems(candidate.explicit, known.automatic), str):
        as_bad = isinstance(problems(predicted, known.automatic), str)
        return [row._replace(verdict="downstream") if as_bad else row for row in rows]
    if isinstance(problems(predicted, candidate.explicit), str):
        return rows
    sides = (map(precision.numbers, jax.tree.leaves(tree)) for tree in (candidate.explicit, predicted))
    return [_named(row, verdict.is_explained(e, p)) for row, e, p in zip(rows, *sides, strict=True)]


def _follows(near: tuple[Row, Leaf | None], ahead: tuple[Row, Leaf | None], is_mean: bool, column: str) -> bool:
    """Whether a ∂C/∂output is wrong just as the δ that enters it: as its share of a mean, or as a term of a sum.

    They need not agree further than outputs do that were rounded to the column's precision in between.
    """
    if near[1] is None or ahead[1] is None or near[0].verdict != "wrong":
        return False
    (e, a), (e_out, a_out) = near[1].decisive, ahead[1].decisive
    slack = 64 * precision.epsilon(column)
    if e.shape != a.shape or e.shape[1:] != e_out.shape[1:]:
        return False
    if is_mean:
        return e.shape == e_out.shape and verdict.is_explained(e_out * a, a_out * e, slack)
    predicted = a_out.copy()
    predicted[: len(e)] += e - a
    return verdict.is_explained(e_out, predicted, slack)


def _named(row: Row, is_explained: bool) -> Row:
    return row._replace(verdict="downstream") if row.verdict == "wrong" and is_explained else row


def bare(rows: Rows) -> list[Row]:
    """Rows without their values."""
    return [row for row, _ in rows]


def is_wrong(rows: Sequence[Row]) -> bool:
    """Whether a row is wrong of itself."""
    return any(row.verdict == "wrong" for row in rows)
