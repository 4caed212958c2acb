"""The hand-written side heard, and each leaf given its row.

    heard       every explicit gradient, in both precisions or in the one that decides
    rows        from the output backwards; marks nearest to the cost come behind the first subject
    downstream  rows that are wrong just as earlier faults predict

| symbol | name in code | shape |
|---|---|---|
| the oracle's side | `known.native`, `known.double` | a `Side` each, or None |
| the accused's | `coarse`, `fine` | a tuple of `Accused` each, or None |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnets.verify import course, explain, judge, marks, noise, precision, witness
from fnnets.verify.course import Accused, Side
from fnnets.verify.evidence import Failure, problems
from fnnets.verify.report import Row


class Hearing(NamedTuple):
    """Both sides of a case, and the relative error that passes in float64."""

    case: Any
    known: Any
    coarse: Any
    fine: Any
    tolerance: float


def heard(case: Any, known: Any, is_quick: bool = False) -> Hearing:
    """The hand-written side, run in both precisions, or in the one that decides."""
    coarse = fine = None
    if not (is_quick and known.double):
        coarse = course.accuse(case.subjects, known.native)
    tolerance = 0.0
    if known.double is not None:
        with precision.double():
            fine = course.accuse(case.subjects, known.double)
            tolerance = precision.tolerance("float32" if course.is_narrow(known.double, fine) else "float64")
    return Hearing(case, known, coarse, fine, tolerance)


def rows(hearing: Hearing, is_quick: bool = False) -> list[Row]:
    """The rows of all subjects; marks nearest to the cost come before the layers.

    `is_quick` leaves open whether a wrong row is downstream of another, for those who ask for the first alone.
    """
    subjects = hearing.case.subjects
    parts = [of_subject(hearing, i) for i in range(len(subjects))]
    rows: list[Row] = []
    ahead = [row for part, subject in zip(parts, subjects, strict=True) for row in part[0] if subject.ahead]
    for i, (subject, (marked, leaves)) in enumerate(zip(subjects, parts, strict=True)):
        here = leaves if subject.ahead else [*marked, *leaves]
        if not is_quick and any(row.verdict == "wrong" for row in rows) and subject.explained is not None:
            here = excused(hearing, i, here)
        rows += here
        if i + 1 == len(subjects) or not subjects[i + 1].is_near:
            rows += _following(hearing, rows, ahead)
            ahead = []
    return rows


def of_subject(hearing: Hearing, i: int) -> tuple[list[Row], list[Row]]:
    """Rows of the marks of subject i, and of its leaves."""
    subject = hearing.case.subjects[i]
    accused: list[Accused] = [side[i] for side in (hearing.coarse, hearing.fine) if side is not None]
    sides = [
        side for side, ran in ((hearing.known.native, hearing.coarse), (hearing.known.double, hearing.fine)) if ran
    ]
    complaints = _complaints(accused, [side.found[i].automatic for side in sides])
    marked, leaves = (_pairs(hearing, i, part) for part in ("marks", "leaves"))
    before = "" if subject.ahead else f"{subject.name} "
    names = [(subject.number(match.statement), f"{before}{match.label}") for match in accused[-1].matches]
    estimates = _testimony(hearing, i, marked, leaves if isinstance(complaints, list) else None)
    count = len(marked)
    stepped = ["sequence" if match.is_stepped else "" for match in accused[-1].matches]
    found = zip(names, marked, estimates[:count], stepped, strict=True)
    head = [
        _row(hearing, i, name, leaf, estimate, axes=axes, place=("marks", n))
        for n, (name, leaf, estimate, axes) in enumerate(found)
    ]
    if accused[-1].trouble:
        head.append(Row("", f"{subject.name} marks", "wrong", note=accused[-1].trouble, decided="names and shapes"))
    if isinstance(complaints, str):
        return head, [Row("", subject.name, "wrong", note=complaints, decided="structure")]
    named = zip(subject.statements, subject.where, strict=True)
    rest = zip(named, leaves, estimates[count:], complaints, strict=True)
    return head, [_row(hearing, i, *each, place=("leaves", n)) for n, each in enumerate(rest)]


def _row(
    hearing: Hearing, i: int, name: tuple[str, str], leaf: Any, estimate: Any, complaint: str = "", axes: str = "",
    *, place: tuple[str, int],
) -> Row:  # fmt: skip
    row, subject = Row(name[0], name[1], "wrong", note=complaint), hearing.case.subjects[i]
    if complaint:
        return row._replace(decided="shape or dtype")
    row = judge.judged(row, leaf._replace(estimate=estimate))
    if row.verdict == "wrong" and row.supports in ("both", "undecided"):
        row = judge.by_rounding(row, leaf, _rounding(hearing, i, *place))
    if row.note == judge.NEITHER and subject.approximation:
        row = row._replace(verdict="approximation", note=f"not the gradient, on purpose: {subject.approximation}")
    known = explain.Known(hearing.case.setting, subject, hearing.known.double or hearing.known.native, i)
    return explain.explained(row, leaf, known, axes)


def _complaints(accused: Sequence[Accused], expected: Sequence[Any]) -> str | list[str]:
    """What is wrong with the type of the gradient, in either precision: the first complaint."""
    found = [problems(each.explicit, automatic) for each, automatic in zip(accused, expected, strict=True)]
    sentence = next((complaint for complaint in found if isinstance(complaint, str)), None)
    return sentence or [next(filter(None, leaf), "") for leaf in zip(*found, strict=True)]


def _pairs(hearing: Hearing, i: int, part: str) -> list[judge.Leaf]:
    """All leaves of one part of subject i, on both sides and in both precisions."""
    found = [
        None if accused is None else _both(side, accused[i], i, part)
        for side, accused in ((hearing.known.native, hearing.coarse), (hearing.known.double, hearing.fine))
    ]
    side = hearing.known.double or hearing.known.native
    epsilon = precision.epsilon(hearing.known.column)
    count = len(next(pairs for pairs in found[::-1] if pairs is not None))
    moved = None
    if hearing.known.double is None:
        moved = _noise(hearing, i, part, is_full=False)
        if not _within(found[0] or [], moved):  # the explicit side may be the noisier one
            moved = _noise(hearing, i, part, is_full=True)
    scale = float(side.found[i].scale)

    def leaf(n):
        native, double = (pairs[n] if pairs is not None and n < len(pairs) else None for pairs in found)
        return judge.Leaf(native, double, scale, None, epsilon, hearing.tolerance, moved[n] if moved else math.nan)

    return [leaf(n) for n in range(count)]


def _noise(hearing: Hearing, i: int, part: str, is_full: bool) -> list[float]:
    """What rounding explains of each mark or leaf, absolutely: of the oracle, or of both sides; measured once."""
    accused, programs = hearing.coarse[i], hearing.known.programs
    key = "noise", i, None if is_full else accused.matches
    if key not in programs or (is_full and programs[key][0] is not accused):
        epsilon = precision.epsilon(hearing.known.column)
        found = noise.spreads(hearing.case.subjects[i], hearing.known.native, accused, i, epsilon, is_full)
        programs[key] = accused, found
    return programs[key][1][part == "leaves"]


def _rounding(hearing: Hearing, i: int, part: str, n: int) -> np.ndarray:
    """What float64 rounds away of each element of a mark or leaf; measured once, since the oracle's side decides it."""
    accused, programs = hearing.fine[i], hearing.known.programs
    key = "rounding", i, accused.matches
    if key not in programs:
        with precision.double():
            programs[key] = noise.rounding(hearing.case.subjects[i], hearing.known.double, accused, i)
    return programs[key][part == "leaves"][n]


def _within(pairs: list[Any], noise: list[float]) -> bool:
    """Whether all differences are within the noise; what is no number is not."""
    return all(e.shape != a.shape or bool(np.all(np.abs(e - a) <= n)) for (e, a), n in zip(pairs, noise, strict=False))


def _both(side: Side, accused: Accused, i: int, part: str) -> list[Any]:
    """Explicit and automatic values; nothing for leaves whose structure is another."""
    found, forward = side.found[i], side.forward[i]
    if part == "marks":
        true = [marks.joined(forward.sites, found.cotangents, match.taps) for match in accused.matches]
        return [(precision.numbers(e), precision.numbers(a)) for e, a in zip(accused.deltas, true, strict=True)]
    if isinstance(accused.explicit, Failure) or isinstance(problems(accused.explicit, found.automatic), str):
        return []
    leaves = zip(jax.tree.leaves(accused.explicit), jax.tree.leaves(found.automatic), strict=True)
    return [(precision.numbers(e), precision.numbers(a)) for e, a in leaves]


def _testimony(hearing: Hearing, i: int, marked: list, leaves: list | None) -> list[Any]:
    """Central differences for each mark and each leaf of subject i, None where nobody needs them."""
    count = len(marked) + len(leaves or [])
    if hearing.fine is None or not count:
        return [None] * count
    pairs = [leaf.double for leaf in [*marked, *(leaves or [])]]
    if hearing.coarse is None and hearing.known.gap == math.inf:
        return [None] * count  # what differs where there are no kinks is wrong, whoever is right
    if hearing.coarse is None and all(_is_close(pair, hearing.tolerance) for pair in pairs):
        return [None] * count
    with precision.double():
        return witness.testimony(
            hearing.case.subjects[i], hearing.known.double, hearing.fine[i].matches, i,
            pairs[: len(marked)], pairs[len(marked) :] if leaves else None, hearing.known.programs,
        )  # fmt: skip


def _is_close(pair: tuple[Any, Any], tolerance: float) -> bool:
    explicit, automatic = pair
    same = explicit.shape == automatic.shape
    return same and bool(np.all(np.abs(explicit - automatic) <= tolerance * np.abs(automatic).max(initial=0.0)))


def excused(hearing: Hearing, i: int, rows: list[Row]) -> list[Row]:
    """Rows that are wrong just as earlier faults predict, called downstream."""
    if not any(row.verdict == "wrong" for row in rows):
        return rows
    side, accused = (
        (hearing.known.native, hearing.coarse) if hearing.fine is None else (hearing.known.double, hearing.fine)
    )
    predicted = explain.predicted(hearing.case.subjects[i], side.points[i], hearing.fine is not None)
    automatic = side.found[i].automatic
    if isinstance(accused[i].explicit, Failure) or isinstance(problems(accused[i].explicit, automatic), str):
        as_bad = isinstance(predicted, Failure) or isinstance(problems(predicted, automatic), str)
        return [row._replace(verdict="downstream") if as_bad else row for row in rows]
    if isinstance(predicted, Failure) or isinstance(problems(predicted, accused[i].explicit), str):
        return rows
    sides = (map(precision.numbers, jax.tree.leaves(tree)) for tree in (accused[i].explicit, predicted))
    pairs = zip(rows, *sides, strict=True)
    return [
        row._replace(verdict="downstream") if row.verdict == "wrong" and judge.is_explained(e, p) else row
        for row, e, p in pairs
    ]


def _following(hearing: Hearing, near: list[Row], ahead: list[Row]) -> list[Row]:
    """Marks behind the subjects nearest to the cost, called downstream where they are wrong just as those are."""
    if not ahead or not any(row.verdict == "wrong" for row in near):
        return ahead
    subjects = hearing.case.subjects
    last = _pairs(hearing, len(subjects) - 1, "marks")
    pairs = [_pairs(hearing, i, "leaves") for i in range(len(subjects)) if i == 0 or subjects[i].is_near]
    if not last or not all(pairs):
        return ahead
    (e, a), *others = (leaf[0].double or leaf[0].native for leaf in pairs)
    e_out, a_out = last[0].double or last[0].native
    width = e.shape[-1]
    if e.shape[:-1] != e_out.shape[:-1] or e.shape != a.shape:
        return ahead
    predicted = a_out[..., width:].copy()
    for e_near, a_near in others:
        predicted[: len(e_near), ..., -e_near.shape[-1] :] += e_near - a_near
    is_same = judge.is_explained(e_out[..., :width] * a, a_out[..., :width] * e)
    is_same = is_same and judge.is_explained(e_out[..., width:], predicted)
    return [row._replace(verdict="downstream") if row.verdict == "wrong" and is_same else row for row in ahead]
