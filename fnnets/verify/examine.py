"""The course of every check: the oracle asked in both precisions, the accused heard, each leaf given its row.

    truth     what does not depend on the hand-written side: compiled and run once
    judged    the hand-written side held against it: again for each one that is accused of the same
    witness   central differences, in float64, at the coordinates where the two sides differ most
    verdict   float64 decides between right and wrong, the parameters' precision between ok and rounding

| symbol | name in code | shape |
|---|---|---|
| evidence in the parameters' precision | `truth.native` | a `Side` |
| evidence in float64 | `truth.double`, None where it is not to be used | a `Side` |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.verify import course, explain, guard, hearing, kinks, pieces, precision, properties, slopes
from fnnets.verify.course import Side
from fnnets.verify.evidence import Subject, problems
from fnnets.verify.report import Report, Row


class Case(NamedTuple):
    """What a door brings.

    Attributes:
        name: what is checked.
        subjects: from the output backwards, the whole last.
        place: `(inputs) -> points`, a pair of θ and rest for each subject.
        inputs: whatever `place` starts from, in the caller's precision.
        value_name: what messages call that which is differentiated.
        tests: properties that are checked beside the subjects.
        setting: numbers, padding and terms that diagnoses may speak of.
        rebuild: makes of the arrays among `inputs` what they were.
    """

    name: str
    subjects: tuple[Subject, ...]
    place: Callable[[Any], Sequence[tuple[Any, Any]]]
    inputs: Any
    value_name: str
    tests: tuple[properties.Property, ...] = ()
    setting: explain.Setting = explain.Setting()
    rebuild: Any = None


class Truth(NamedTuple):
    """What the oracle says of a case; a `Side` for each precision, None for one that was not asked.

    `programs` keeps what is compiled or measured once for those who come again; `gap` is the distance to the nearest
    kink, None where it is not known yet.
    """

    case: Case
    native: Any
    double: Any
    column: str
    programs: dict[Any, Any]
    gap: float | None = None


def examine(case: Case, float64: bool = True) -> Report:
    """The report on a case; a large one is examined piece by piece, so that little of it is held at a time."""
    if pieces.is_large(case.inputs):
        return _piece_by_piece(case, float64)
    return judged(case, truth(case, float64))


def truth(case: Case, float64: bool = True, is_quick: bool = False) -> Truth:
    """The oracle's side of a case, in the parameters' precision and, where it may be used, in float64.

    `is_quick` leaves the former out where there is the latter.
    """
    single = precision.to_single(case.inputs)
    native: Any = None
    if is_quick and float64:
        column = precision.name(single)
    else:
        points = case.place(single)
        native, column = course.oracle(case.subjects, points), precision.name([at for at, _ in points])
    if not float64:
        guard.finite(native.found[-1].value, case.value_name)
        return Truth(case, native, None, column, {})
    with precision.double():
        double = course.oracle(case.subjects, case.place(precision.to_double(case.inputs)))
        guard.finite(double.found[-1].value, case.value_name)
        return Truth(case, native, double, column, {}, _gap(double) if is_quick else None)


def _gap(side: Side) -> float:
    """The distance of the whole to its nearest kink."""
    closed = side.forward[-1].closed
    return float(precision.compiled("kink", lambda *point: kinks.gap(closed, point), *side.points[-1]))


def judged(case: Case, known: Truth, is_quick: bool = False) -> Report:
    """The report on the hand-written side of a case whose oracle is known.

    `is_quick` leaves the parameters' own precision out where float64 decides, and the properties where a row is wrong.
    """
    heard = hearing.heard(case, known, is_quick)
    rows = hearing.rows(heard, is_quick)
    if is_quick and any(row.verdict == "wrong" for row in rows):
        return Report(case.name, known.column, tuple(rows))
    return _with_properties(case, known, heard, rows)


def _piece_by_piece(case: Case, float64: bool) -> Report:
    """The report on a large case: one leaf after another, without the properties that need many gradients at once."""
    native = case.place(precision.to_single(case.inputs))
    column = precision.name([at for at, _ in native])
    double: Any = [None] * len(native)
    if float64:
        with precision.double():
            double = case.place(jax.tree.map(jnp.asarray, precision.to_double(case.inputs)))
    rows: list[Row] = []
    tolerance = precision.tolerance(column)
    for i, part in pieces.ordered(case.subjects, [at for at, _ in native]):
        subject, near, far = pieces.cut(case.subjects[i], part, native[i], double[i])
        one = case._replace(subjects=(subject,))
        sides: Any = course.oracle((subject,), (near,)), None
        if float64:
            with precision.double():
                sides = sides[0], course.oracle((subject,), (far,))
        guard.finite((sides[1] or sides[0]).found[0].value, case.value_name)
        heard = hearing.heard(one, Truth(one, sides[0], sides[1], column, {}))
        marked, leaves = hearing.of_subject(heard, 0)
        if subject.explained is not None and any(row.verdict == "wrong" for row in rows):
            leaves = hearing.excused(heard, 0, leaves)
        if part == pieces.MARKS:
            rows += marked
        else:  # every piece of a layer meets its marks, one tells of them
            rows += leaves if subject.ahead or part > 0 else [*marked, *leaves]
        tolerance = heard.tolerance if float64 else tolerance
    found = _properties_of_pieces(case, double if float64 else native, tolerance, float64)
    return Report(case.name, column, tuple(rows), tuple(found))


def _properties_of_pieces(case: Case, points: Any, tolerance: float, float64: bool) -> list[Row]:
    """Rows for what is linear in a cotangent."""
    with precision.double() if float64 else precision.pinned():
        tests = [test for test in case.tests if not test.needs_smooth]
        return properties.rows(tests, Side(tuple(points), (), ()), tolerance)


def _with_properties(case: Case, known: Truth, heard: hearing.Hearing, rows: list[Row]) -> Report:
    """The report with rows for properties, the Taylor test and the distance to the nearest kink."""
    side, subject = known.double or known.native, case.subjects[-1]
    is_usable = isinstance(problems((heard.fine or heard.coarse)[-1].explicit, side.found[-1].automatic), list)
    gap = properties.fast_products(subject, known.native) if known.native and is_usable else []
    at, rest = side.points[-1]
    if known.double is None:
        tests = [test for test in case.tests if not test.needs_smooth]
        found = properties.rows(tests, side, precision.tolerance(known.column))
        return Report(case.name, known.column, tuple(rows), (*found, *gap))
    with precision.double():
        is_smooth = all(row.verdict in ("ok", "rounding") for row in rows)
        tests = [test for test in case.tests if is_smooth or not test.needs_smooth]
        found = properties.rows(tests, side, heard.tolerance)
        kink = _gap(side)
        taylor = None
        if is_usable:
            taylor = slopes.taylor(subject.terms, subject.explicit, at, rest, side.found[-1].automatic)
    return Report(case.name, known.column, tuple(rows), (*found, *gap), taylor, kink)
