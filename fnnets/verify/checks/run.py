"""The order of every check: references in both precisions, candidates against them, a row for each leaf.

    reference   what does not depend on the hand-written side: compiled and run once
    compared    the hand-written side against it: again for each candidate of the same reference
    rows        from the output backwards; the output's marks stand behind the subjects nearest to the cost
    downstream  rows that are wrong just as earlier faults predict

Float64 decides between right and wrong, the parameters' precision between ok and rounding; see
`fnnets.verify.judging.verdict`.

| symbol | name in code | shape |
|---|---|---|
| references in the parameters' precision | `known.native`, None where they are not needed | one for each subject |
| references in float64 | `known.double`, None where it is not to be used | one for each subject |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.verify.diagnosis import annotate
from fnnets.verify.judging import properties, taylor, verdict
from fnnets.verify.judging.verdict import LEAVES, MARKS, Comparison, Leaf
from fnnets.verify.reference import arguments, chunks, evaluate
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Point, Subject, problems, size
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import compiled, kinks, precision
from fnnets.verify.tracing.compiled import Programs

if TYPE_CHECKING:
    from jaxtyping import PyTree

Sides = tuple[Reference, evaluate.Candidate]
Rows = list[tuple[Row, Leaf | None]]


class Case(NamedTuple):
    """What a check is of.

    Attributes:
        name: what is checked.
        subjects: from the output backwards, the whole last.
        place: `(inputs) -> points`, a pair of θ and rest for each subject.
        inputs: whatever `place` starts from, in the caller's precision.
        value_name: what messages call that which is differentiated.
        tests: properties that are checked beside the subjects.
        setting: numbers, padding and terms that diagnoses may speak of.
        nearest: how many of the first subjects belong to the cost itself; the rows of the last one's marks follow them.
        rebuild: makes of the arrays among `inputs` what they were.
    """

    name: str
    subjects: tuple[Subject, ...]
    place: Callable[..., Sequence[Point]]
    inputs: PyTree
    value_name: str
    tests: tuple[properties.Property, ...] = ()
    setting: annotate.Setting = annotate.Setting()
    nearest: int = 0
    rebuild: Callable[..., PyTree] | None = None


class References(NamedTuple):
    """The references of a case.

    Attributes:
        case: with the functions that they were made of.
        native, double: those of each subject, in the parameters' precision and in float64; None where not evaluated.
        column: the parameters' dtype.
        programs: what is compiled or measured once for all candidates.
        gap: the distance to the nearest kink, None where it is not measured yet.
    """

    case: Case
    native: tuple[Reference, ...] | None
    double: tuple[Reference, ...] | None
    column: str
    programs: Programs
    gap: float | None = None

    @property
    def decisive(self) -> tuple[Reference, ...]:
        """Those in the precision that decides."""
        return self.double or self.native or ()


def run(case: Case, x64: bool = True) -> Report:
    """The report on a case; a large one is run chunk by chunk, so that little of it is held at a time."""
    if size(case.inputs) > chunks.LARGE:
        return _by_chunks(case, x64)
    return compared(case, reference(case, x64))


def reference(case: Case, x64: bool = True, is_quick: bool = False) -> References:
    """The references of a case, in the parameters' precision and, where it may be used, in float64.

    `is_quick` leaves the former out where there is the latter.
    """
    single = precision.to_single(case.inputs)
    native, double, column = None, None, precision.name(single)
    if not (is_quick and x64):
        points = case.place(single)
        native, column = evaluate.references(case.subjects, points), precision.name([at for at, _ in points])
    if x64:
        with precision.double():
            double = evaluate.references(case.subjects, case.place(precision.to_double(case.inputs)))
    known = References(case, native, double, column, {})
    arguments.finite(known.decisive[-1].value, case.value_name)
    return known._replace(gap=_gap(known.decisive[-1])) if is_quick and x64 else known


def compared(case: Case, known: References, is_quick: bool = False) -> Report:
    """The report on the hand-written side of a case whose references are known.

    `is_quick` leaves the parameters' own precision out where float64 decides, and the properties where a row is wrong.
    """
    comparisons = _comparisons(case.subjects, known, is_quick)
    rows = _rows(case, comparisons, is_quick)
    if is_quick and _is_wrong(rows):
        return Report(case.name, known.column, tuple(rows))
    return _with_properties(case, known, comparisons[-1], rows)


def _comparisons(subjects: tuple[Subject, ...], known: References, is_quick: bool = False) -> list[Comparison]:
    """Both sides of each subject, in both precisions or in the one that decides."""
    native: Sequence[Sides | None] = [None] * len(subjects)
    double, tolerance = native, 0.0
    if known.native and not (is_quick and known.double):
        native = list(zip(known.native, evaluate.candidates(subjects, known.native), strict=True))
    if known.double:
        with precision.double():
            found = evaluate.candidates(subjects, known.double)
        double = list(zip(known.double, found, strict=True))
        tolerance = precision.tolerance("float32" if evaluate.is_narrow(known.double, found) else "float64")
    epsilon, is_smooth = precision.epsilon(known.column), known.gap == math.inf
    sides = zip(subjects, native, double, strict=True)
    return [Comparison(*each, epsilon, tolerance, known.programs, is_smooth) for each in sides]


def _rows(case: Case, comparisons: Sequence[Comparison], is_quick: bool) -> list[Row]:
    """The rows of all subjects.

    `is_quick` leaves open whether a wrong row is downstream of another, where the first alone counts.
    """
    rows: list[Row] = []
    parts = [_annotated(case.setting, each) for each in comparisons]
    for i, (comparison, (marked, leaves)) in enumerate(zip(comparisons, parts, strict=True)):
        here = _bare(leaves if comparison.subject.marks else [*marked, *leaves])
        if not is_quick and _is_wrong(rows) and comparison.subject.explained is not None:
            here = _downstream(comparison, here)
        rows += here
        if i + 1 == case.nearest:
            near, ahead = [part[LEAVES] for part in parts[: i + 1]], parts[-1][MARKS]
            first = [part[0] for part in near][: len(ahead)]
            follows = [_follows(*pair, n == 0) for n, pair in enumerate(zip(first, ahead, strict=False))]
            follows += [False] * (len(ahead) - len(follows))
            rows += [_named_downstream(row, follow) for row, follow in zip(_bare(ahead), follows, strict=True)]
    return rows


def _annotated(setting: annotate.Setting, comparison: Comparison) -> tuple[Rows, Rows]:
    """Rows of marks and of leaves, those of values with their places and diagnoses."""
    (known, _), subject = comparison.decisive, comparison.subject

    def annotated(row: Row, leaf: Leaf | None) -> Row:
        if leaf is None or leaf.complaint:
            return row
        return annotate.annotated(row, leaf.decisive, leaf.is_stepped, setting, subject, known)

    marked, leaves = ([(annotated(*pair), pair[1]) for pair in part] for part in verdict.rows(comparison))
    return marked, leaves


def _downstream(comparison: Comparison, rows: list[Row]) -> list[Row]:
    """Rows that are wrong just as earlier faults predict, called downstream."""
    if not _is_wrong(rows):
        return rows
    known, candidate = comparison.decisive
    predicted = evaluate.explained(comparison.subject, known.point, comparison.double is not None)
    if isinstance(problems(candidate.explicit, known.automatic), str):
        as_bad = isinstance(problems(predicted, known.automatic), str)
        return [row._replace(verdict="downstream") if as_bad else row for row in rows]
    if isinstance(problems(predicted, candidate.explicit), str):
        return rows
    sides = (map(precision.numbers, jax.tree.leaves(tree)) for tree in (candidate.explicit, predicted))
    return [_named_downstream(row, verdict.is_explained(e, p)) for row, e, p in zip(rows, *sides, strict=True)]


def _follows(near: tuple[Row, Leaf | None], ahead: tuple[Row, Leaf | None], is_mean: bool) -> bool:
    """Whether a ∂C/∂output is wrong just as the δ that enters it: as its share of a mean, or as a term of a sum."""
    if near[1] is None or ahead[1] is None:
        return False
    (e, a), (e_out, a_out) = near[1].decisive, ahead[1].decisive
    if e.shape != a.shape or e.shape[1:] != e_out.shape[1:]:
        return False
    if is_mean:
        return e.shape == e_out.shape and verdict.is_explained(e_out * a, a_out * e)
    predicted = a_out.copy()
    predicted[: len(e)] += e - a
    return verdict.is_explained(e_out, predicted)


def _named_downstream(row: Row, is_explained: bool) -> Row:
    return row._replace(verdict="downstream") if row.verdict == "wrong" and is_explained else row


def _bare(rows: Rows) -> list[Row]:
    return [row for row, _ in rows]


def _is_wrong(rows: Sequence[Row]) -> bool:
    return any(row.verdict == "wrong" for row in rows)


def _gap(whole: Reference) -> float:
    """The distance of the whole to its nearest kink, in float64."""
    with precision.double():
        closed = whole.forward.closed
        return float(compiled.call("kink", lambda *point: kinks.gap(closed, point), *whole.point))


def _with_properties(case: Case, known: References, whole: Comparison, rows: list[Row]) -> Report:
    """The report with rows for properties, the Taylor test and the distance to the nearest kink."""
    (last, candidate), subject = whole.decisive, case.subjects[-1]
    points = [each.point for each in known.decisive]
    complaints = problems(candidate.explicit, last.automatic)
    is_usable = isinstance(complaints, list) and not any(complaints)
    gap = properties.fast_products(subject, known.native[-1].point) if known.native and is_usable else []
    if known.double is None:
        tests = [test for test in case.tests if not test.needs_smooth]
        found = properties.rows(tests, points, last.scale, precision.tolerance(known.column))
        return Report(case.name, known.column, tuple(rows), (*found, *gap))
    with precision.double():
        is_smooth = all(row.verdict in ("ok", "rounding") for row in rows)
        tests = [test for test in case.tests if is_smooth or not test.needs_smooth]
        found = properties.rows(tests, points, last.scale, whole.tolerance)
        test = taylor.taylor(subject, last, candidate) if is_usable else None
    return Report(case.name, known.column, tuple(rows), (*found, *gap), test, _gap(last))


def _by_chunks(case: Case, x64: bool) -> Report:
    """The report on a large case: one leaf after another, without the properties that need many gradients at once."""
    native = case.place(precision.to_single(case.inputs))
    column, double = precision.name([at for at, _ in native]), native
    if x64:
        with precision.double():
            double = case.place(jax.tree.map(jnp.asarray, precision.to_double(case.inputs)))
    rows: list[Row] = []
    tolerance = precision.tolerance(column)
    for i, part in chunks.ordered([at for at, _ in native], case.nearest):
        subject, near, far = chunks.cut(case.subjects[i], part, native[i], double[i])
        known = References(case, evaluate.references((subject,), (near,)), None, column, {})
        if x64:
            with precision.double():
                known = known._replace(double=evaluate.references((subject,), (far,)))
        arguments.finite(known.decisive[0].value, case.value_name)
        [comparison] = _comparisons((subject,), known)
        marked, leaves = map(_bare, _annotated(case.setting, comparison))
        if subject.explained is not None and _is_wrong(rows):
            leaves = _downstream(comparison, leaves)
        if part == chunks.MARKS:
            rows += marked
        else:  # each chunk of a layer has its marks, the rows of one suffice
            rows += leaves if subject.marks or part > 0 else [*marked, *leaves]
        tolerance = comparison.tolerance if x64 else tolerance
    with precision.double() if x64 else precision.pinned():
        tests = [test for test in case.tests if not test.needs_smooth]
        found = properties.rows(tests, double if x64 else native, jnp.ones(()), tolerance)
    return Report(case.name, column, tuple(rows), tuple(found))
