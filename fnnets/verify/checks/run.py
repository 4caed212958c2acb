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

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.verify.checks import near, rows
from fnnets.verify.checks.case import Case, References
from fnnets.verify.judging import properties, taylor
from fnnets.verify.judging.excuses import Comparison
from fnnets.verify.reference import arguments, chunks, evaluate, settings
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Failure, Point, Subject, problems, size
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import compiled, exercise, kinks, precision
from fnnets.verify.tracing.compiled import Programs


def run(case: Case, x64: bool = True) -> Report:
    """The report on a case; a large one is run chunk by chunk, so that little of it is held at a time."""
    if size(case.inputs) > chunks.LARGE:
        return _by_chunks(case, x64)
    kept = compiled.keeping({}) if case.key is None else compiled.shared((case.key, x64))
    with settings.allowing(), np.errstate(all="ignore"), kept:
        known = reference(case, x64)
        if known.double and known.native and known.narrow is None:
            with known.scope():
                fails = _fails(case.subjects, known.double)
            if fails and not _fails(case.subjects, known.native):
                known = reference(case, x64, is_narrow=True)
        return compared(case, known)


def reference(case: Case, x64: bool = True, is_quick: bool = False, is_narrow: bool = False) -> References:
    """The references of a case, in the parameters' precision and, where it may be used, in float64.

    `is_quick` leaves the former out where there is the latter; `is_narrow` traces functions with the parameters' dtype
    and widens their programs.
    """
    single = precision.to_single(case.inputs)
    native, double, column = None, None, precision.name(single)
    programs: Programs = {}
    points: Sequence[Point] = ()
    if not (is_quick and x64):
        points = case.place(single)
        evaluate.begin(case.subjects, points, programs)
        column = precision.name([at for at, _ in points])
    narrow = precision.common(single) if is_narrow else None
    if x64:
        try:
            with precision.double(narrow):
                wide = precision.to_double(points) if points else case.place(precision.to_double(case.inputs))
                double = evaluate.references(case.subjects, wide, programs)
        except Exception:  # code that fixes a dtype may raise anything; what it raises with its own dtype goes on
            if is_narrow:
                raise
            return reference(case, x64, is_quick, is_narrow=True)
    native = evaluate.references(case.subjects, points, programs) if points else None
    known = References(case, native, double, None, column, programs, narrow)
    arguments.finite(known.decisive[-1].value, case.value_name)
    known = known._replace(near=near.references(known))
    return known._replace(gap=_gap(known)) if is_quick and x64 else known


def compared(case: Case, known: References, is_quick: bool = False) -> Report:
    """The report on the hand-written side of a case whose references are known.

    `is_quick` leaves the parameters' own precision out where float64 decides, and the properties where a row is wrong.
    """
    programs: Programs = {}
    comparisons = rows.comparisons(case, known, programs, is_quick)
    listed = rows.of_case(case, comparisons, is_quick)
    if not (is_quick and rows.is_wrong(listed)):
        listed = near.rows_with(case, known, comparisons, listed, programs)
    if is_quick and rows.is_wrong(listed):
        return Report(case.name, known.column, tuple(listed), remarks=case.remarks)
    return _with_properties(case, known, comparisons[-1], listed)


def _fails(subjects: Sequence[Subject], known: Sequence[Reference]) -> bool:
    """Whether a hand-written side raises where it is traced."""
    return any(isinstance(each.traced, Failure) for each in evaluate.traced_candidates(subjects, known))


def _gap(known: References) -> float:
    """The distance of the whole to its nearest kink."""
    whole = known.decisive[-1]
    with known.scope():
        return float(compiled.call("kink", lambda *point: kinks.gap(whole.forward.closed, point), *whole.point))


def _with_properties(case: Case, known: References, whole: Comparison, listed: list[Row]) -> Report:
    """The report with rows for properties, the Taylor test and the distance to the nearest kink."""
    (last, candidate), subject = whole.decisive, case.subjects[-1]
    points = [each.point for each in known.decisive]
    complaints = problems(candidate.explicit, last.automatic, has_dtype=False)
    is_usable = isinstance(complaints, list) and not any(complaints)
    gap = properties.fast_products(subject, known.native[-1].point) if known.native and is_usable else []
    if known.double is None:
        tests = [test for test in case.tests if not test.needs_smooth]
        found = properties.rows(tests, points, last.scale, precision.tolerance(known.column))
        return Report(case.name, known.column, tuple(listed), (*found, *gap), remarks=_remarks(case, known, candidate))
    with known.scope():
        is_smooth = all(row.verdict in ("ok", "rounding") for row in listed)
        tests = [test for test in case.tests if is_smooth or not test.needs_smooth]
        # what rounding explains of the rows it explains of their properties
        rounding = max((row.error_float64 for row in listed if row.verdict == "rounding"), default=0.0)
        found = properties.rows(tests, points, last.scale, max(whole.tolerance, rounding))
        test = taylor.taylor(subject, last, candidate) if is_usable else None
    remarks = _remarks(case, known, candidate)
    return Report(case.name, known.column, tuple(listed), (*found, *gap), test, _gap(known), remarks)


def _remarks(case: Case, known: References, candidate: evaluate.Candidate) -> tuple[str, ...]:
    """Sentences on what is not compared, and on what the given numbers do not exercise."""
    whole, back = known.decisive[-1], candidate.traced
    unfollowed = (*whole.forward.unfollowed, *(() if isinstance(back, Failure) else back.unfollowed))
    with known.scope():
        unseen = exercise.remarks(
            whole.forward,
            whole.point,
            case.subjects[-1].where,
            case.setting.names,
            whole.automatic,
            is_moved=known.near is not None,
        )
    return tuple(dict.fromkeys((*case.remarks, *map(str, unfollowed), *unseen)))


def _by_chunks(case: Case, x64: bool) -> Report:
    """The report on a large case: one leaf after another, without the properties that need many gradients at once."""
    points = case.place(precision.to_single(case.inputs))
    column = precision.name([at for at, _ in points])
    listed: list[Row] = []
    for i, part in chunks.ordered([at for at, _ in points], case.nearest):
        marked, leaves = _of_chunk(case, column, (i, part), points, x64, rows.is_wrong(listed))
        if part == chunks.MARKS:
            listed += marked
        else:  # each chunk of a layer has its marks, the rows of one suffice
            listed += leaves if case.subjects[i].marks or part > 0 else [*marked, *leaves]
    tests = [test for test in case.tests if not test.needs_smooth]
    tolerance = precision.tolerance("float64" if x64 else column)
    with precision.double() if x64 else precision.pinned():
        wide = jax.tree.map(jnp.asarray, precision.to_double(points)) if tests and x64 else points
        found = properties.rows(tests, wide, jnp.ones(()), tolerance)
    return Report(case.name, column, tuple(listed), tuple(found), remarks=case.remarks)


def _of_chunk(
    case: Case, column: str, chunk: tuple[int, int], points: Sequence[Point], x64: bool, is_wrong: bool
) -> tuple[list[Row], list[Row]]:
    """The rows of one part of a large case, marks and leaves; `is_wrong` where one before them is."""
    i, part = chunk
    subject, point = chunks.cut(case.subjects[i], part, points[i])
    one = case._replace(subjects=(subject,))
    known = References(one, evaluate.references((subject,), (point,)), None, None, column, {})
    if x64:
        with precision.double():
            known = known._replace(double=evaluate.references((subject,), (chunks.wide(part, point),)))
    arguments.finite(known.decisive[0].value, case.value_name)
    [comparison] = rows.comparisons(one, known, {})
    marked, leaves = map(rows.bare, rows.annotated_rows(case.setting, comparison))
    if subject.explained is not None and is_wrong:
        leaves = rows.downstream(comparison, leaves)
    return marked, leaves
