"""From both sides of a subject to its rows, each with a verdict.

    wrong         another structure, shape or dtype; not finite in either precision; apart in float64
    convention    apart in float64, at kinks alone: another subgradient, such as that of a tie in max-pooling
    inconclusive  agreed in float64 while central differences contradict both
    approximation the same, where the layer says that it departs from the gradient on purpose
    rounding      agreed in float64, apart in the parameters' precision (or below what float64 can resolve)
    ok            agreed in both

    relative   max abs(e − a) / max abs(a), over the leaf            0 where both are zero throughout
    agreement  in float64: relative ≤ 1e-10, or abs(e − a) ≤ floor everywhere
    floor      16 · max(ε₆₄ · scale, ε₆₄/ε₃₂ · max abs(a₃₂ − a₆₄))   what float64 itself rounds away
               in the parameters' precision: abs(e − a) ≤ max(16 · max abs(a₃₂ − a₆₄), 8 ε₃₂ · max abs(a₆₄))

The scale is that of the numbers that the leaf is computed from: a saturated unit passes 1e-13 of what it gets, and
those 1e-13 carry the rounding of numbers of order one. The floor's second part is the rounding that the automatic
gradient shows between float32 and float64, scaled to float64: sums that cancel. Without float64,
`fnnets.verify.judging.rounding` gives what rounding may have moved a leaf by, and what is farther is wrong.

| symbol | name in code | shape |
|---|---|---|
| e, a | `leaf.native`, `leaf.double`, pairs in the parameters' precision and in float64 | as the leaf |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from fnnets.verify.judging import finite_differences, rounding
from fnnets.verify.judging.finite_differences import Estimate, Pair
from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Candidate, Reference
from fnnets.verify.reference.subject import Failure, Subject, problems
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import precision
from fnnets.verify.tracing.compiled import Programs
from fnnets.verify.tracing.precision import EPSILON

EXPLAINED = 1e-9
NEITHER = "both agree, but central differences contradict them: a derivative rule inside the cost may be wrong"
KINK = "both values lie between the two slopes of a kink, wherever they differ: another convention, as valid"
UNRESOLVED = "the difference is below what float64 resolves here"
MARKS, LEAVES = 0, 1


class Comparison(NamedTuple):
    """One subject on both sides.

    Attributes:
        subject: what is compared.
        native, double: both sides in the parameters' precision and in float64; None for one that was not run.
        epsilon: of the parameters' precision.
        tolerance: relative error in float64 that passes.
        programs: what is compiled or measured once for all candidates.
        is_smooth: whether it is known that there is no kink.
    """

    subject: Subject
    native: tuple[Reference, Candidate] | None
    double: tuple[Reference, Candidate] | None
    epsilon: float
    tolerance: float
    programs: Programs
    is_smooth: bool = False

    @property
    def decisive(self) -> tuple[Reference, Candidate]:
        """Both sides in the precision that decides."""
        found = self.double or self.native
        assert found is not None
        return found


class Leaf(NamedTuple):
    """One mark or leaf on both sides.

    Attributes:
        native, double: explicit and automatic values, NumPy's float64; None where that precision was not run.
        is_stepped: whether it has an axis of time in front.
        rounding: absolute error that rounding explains, where there is no float64.
        estimate: central differences, None where there are none.
        complaint: what is wrong with shape or dtype, "" if nothing.
    """

    native: Pair | None
    double: Pair | None
    is_stepped: bool = False
    rounding: float = math.nan
    estimate: Estimate | None = None
    complaint: str = ""

    @property
    def decisive(self) -> Pair:
        """The values in the precision that decides."""
        found = self.double or self.native
        assert found is not None
        return found


def rows(comparison: Comparison) -> tuple[list[tuple[Row, Leaf | None]], list[tuple[Row, Leaf | None]]]:
    """Rows of the marks and of the leaves; each with its values, None where the row is about their structure."""
    subject, (_, candidate) = comparison.subject, comparison.decisive
    complaints, (marked, leaves) = _complaints(comparison), _leaves(comparison)
    count = len(marked)
    estimates = _estimates(comparison, marked, None if isinstance(complaints, str) else leaves)
    before = "" if subject.marks else f"{subject.name} "
    head: list[tuple[Row, Leaf | None]] = []
    for n, (match, leaf, estimate) in enumerate(zip(candidate.matches, marked, estimates[:count], strict=True)):
        row = Row(subject.number(match.statement), f"{before}{match.label}", "wrong")
        head.append((_judged(row, leaf._replace(estimate=estimate), comparison, MARKS, n), leaf))
    if candidate.trouble:
        note = candidate.trouble
        head.append((Row("", f"{subject.name} marks", "wrong", note=note, decided="names and shapes"), None))
    if isinstance(complaints, str):
        return head, [(Row("", subject.name, "wrong", note=complaints, decided="structure"), None)]
    found: list[tuple[Row, Leaf | None]] = []
    named = zip(subject.statements, subject.where, leaves, estimates[count:], complaints, strict=True)
    for n, (statement, where, leaf, estimate, complaint) in enumerate(named):
        row = Row(statement, where, "wrong", note=complaint, decided="shape or dtype" if complaint else "")
        if complaint:
            found.append((row, leaf._replace(complaint=complaint)))
        else:
            found.append((_judged(row, leaf._replace(estimate=estimate), comparison, LEAVES, n), leaf))
    return head, found


def is_explained(explicit: np.ndarray, predicted: np.ndarray) -> bool:
    """Whether earlier faults alone give this leaf, to rounding; NaN in the same places counts as the same."""
    if explicit.shape != predicted.shape:
        return False
    slack = EXPLAINED * float(np.abs(np.nan_to_num(predicted)).max(initial=0.0))
    return np.allclose(explicit, predicted, rtol=0, atol=slack, equal_nan=True)


def _complaints(comparison: Comparison) -> str | list[str]:
    """What is wrong with the type of the gradient, in either precision: the first complaint."""
    sides = [side for side in (comparison.native, comparison.double) if side is not None]
    found = [problems(candidate.explicit, reference.automatic) for reference, candidate in sides]
    sentence = next((complaint for complaint in found if isinstance(complaint, str)), None)
    return sentence or [next(filter(None, leaf), "") for leaf in zip(*found, strict=True)]


def _leaves(comparison: Comparison) -> tuple[list[Leaf], list[Leaf]]:
    """Marks and leaves, on both sides and in both precisions."""
    native, double = (None if side is None else _values(*side) for side in (comparison.native, comparison.double))
    matches = comparison.decisive[1].matches
    parts = []
    for part in (MARKS, LEAVES):
        coarse, fine = (None if each is None else each[part] for each in (native, double))
        moved = _moved(comparison, part, coarse) if coarse is not None and fine is None else None
        found = []
        for n in range(len((coarse if fine is None else fine) or [])):
            first, second = (each[n] if each is not None and n < len(each) else None for each in (coarse, fine))
            is_stepped = part == MARKS and matches[n].is_stepped
            found.append(Leaf(first, second, is_stepped, moved[n] if moved else math.nan))
        parts.append(found)
    return parts[MARKS], parts[LEAVES]


def _values(reference: Reference, candidate: Candidate) -> tuple[list[Pair], list[Pair]]:
    """Explicit and automatic values of marks and leaves; no leaves where their structure is another."""
    true = evaluate.true_deltas(reference.forward, reference.cotangents, candidate.matches)
    marked = [(precision.numbers(e), precision.numbers(a)) for e, a in zip(candidate.deltas, true, strict=True)]
    if isinstance(candidate.explicit, Failure) or isinstance(problems(candidate.explicit, reference.automatic), str):
        return marked, []
    leaves = zip(jax.tree.leaves(candidate.explicit), jax.tree.leaves(reference.automatic), strict=True)
    return marked, [(precision.numbers(e), precision.numbers(a)) for e, a in leaves]


def _moved(comparison: Comparison, part: int, pairs: list[Pair]) -> list[float]:
    """What rounding explains of each mark or leaf: of the reference, or of both sides if that is not enough."""
    (reference, candidate), programs = comparison.decisive, comparison.programs
    moved: list[float] = []
    for is_full in (False, True):
        key = "moved", comparison.subject.name, None if is_full else candidate.matches
        if key not in programs or (is_full and programs[key][0] is not candidate):
            found = rounding.spreads(comparison.subject, reference, candidate, comparison.epsilon, is_full)
            programs[key] = candidate, found
        moved = programs[key][1][part]
        near = zip(pairs, moved, strict=False)
        if all(e.shape == a.shape and bool(np.all(np.abs(e - a) <= most)) for (e, a), most in near):
            break
    return moved


def _estimates(comparison: Comparison, marked: list[Leaf], leaves: list[Leaf] | None) -> Sequence[Estimate | None]:
    """Central differences for each mark and each leaf, None where they decide nothing."""
    pairs = [leaf.decisive for leaf in [*marked, *(leaves or [])]]
    if comparison.double is None or not pairs:
        return [None] * len(pairs)
    # without the parameters' precision they serve where the two sides differ, and there may be a kink
    is_alone, tolerance = comparison.native is None, comparison.tolerance
    if is_alone and (comparison.is_smooth or all(_is_close(pair, tolerance) for pair in pairs)):
        return [None] * len(pairs)
    (reference, candidate), count = comparison.decisive, len(marked)
    with precision.double():
        return finite_differences.central(
            comparison.subject, reference, candidate.matches, pairs[:count], pairs[count:] if leaves else None,
            comparison.programs,
        )  # fmt: skip


def _is_close(pair: Pair, tolerance: float) -> bool:
    explicit, automatic = pair
    same = explicit.shape == automatic.shape
    return same and bool(np.all(np.abs(explicit - automatic) <= tolerance * np.abs(automatic).max(initial=0.0)))


def _judged(row: Row, leaf: Leaf, comparison: Comparison, part: int, n: int) -> Row:
    """The row with its verdict, for a mark or leaf of the right structure, shape and dtype."""
    native, double = (None if pair is None else _measured(row, *pair) for pair in (leaf.native, leaf.double))
    if double is not None:
        row = double._replace(error_float64=double.error, error=math.nan if native is None else native.error)
    elif native is not None:
        row = native
    if any(each is not None and math.isnan(each.error) for each in (native, double)):
        return row._replace(note=_not_finite(native, double), decided="not a finite number")
    if double is None:
        is_ok = row.absolute <= leaf.rounding
        decided = f"error {row.absolute:.1e} {'<=' if is_ok else '>'} rounding {leaf.rounding:.1e}"
        return row._replace(verdict="ok" if is_ok else "wrong", decided=decided)
    row = _by_float64(row, leaf, comparison, native)
    if row.verdict == "wrong" and row.supports in ("both", "undecided"):
        reference, candidate = comparison.decisive
        most = rounding.rounding(comparison.subject, reference, candidate.matches, comparison.programs)
        row = _by_rounding(row, leaf, most[part][n])
    if row.note == NEITHER and comparison.subject.approximation:
        note = f"not the gradient, on purpose: {comparison.subject.approximation}"
        row = row._replace(verdict="approximation", note=note)
    return row


def _measured(row: Row, explicit: np.ndarray, automatic: np.ndarray) -> Row:
    """The row with the largest difference of two arrays, and where it is; the first element not finite wins."""
    if automatic.size == 0:
        return row._replace(error=0.0, absolute=0.0)
    difference = np.where(np.isfinite(explicit) & np.isfinite(automatic), np.abs(explicit - automatic), np.nan)
    flat = int(np.argmax(difference))  # a NaN counts as the largest
    index = tuple(int(i) for i in np.unravel_index(flat, difference.shape))
    absolute, largest = float(difference.max()), float(np.abs(automatic).max())
    relative = absolute / largest if largest > 0 else math.inf if absolute > 0 else absolute
    row = row._replace(error=relative, absolute=absolute, worst=index)
    return row._replace(explicit=float(explicit[index]), automatic=float(automatic[index]))


def _by_float64(row: Row, leaf: Leaf, comparison: Comparison, native: Row | None) -> Row:
    (explicit, automatic), estimate = leaf.decisive, leaf.estimate
    if estimate is not None:
        numeric = float(estimate.value[0]) if len(estimate.value) else math.nan
        row = row._replace(numeric=numeric, supports=finite_differences.supports(estimate, explicit, automatic))
    moved = 0.0 if leaf.native is None else float(np.abs(automatic - leaf.native[1]).max(initial=0.0))
    error, tolerance = row.error_float64, comparison.tolerance
    floor = _floor(moved, float(comparison.decisive[0].scale))
    if error > tolerance and row.absolute > floor:
        if estimate and row.supports == "kink" and finite_differences.between_slopes(estimate, explicit, automatic):
            slopes = f"{estimate.low[0]:.3g} to {estimate.high[0]:.3g}"
            return row._replace(verdict="convention", note=KINK, decided=f"one-sided slopes {slopes}")
        return row._replace(verdict="wrong", decided=f"float64 error {error:.1e} > {tolerance:.0e}")
    if row.supports == "neither":
        away = abs(row.numeric - row.automatic)
        return row._replace(verdict="inconclusive", note=NEITHER, decided=f"central differences {away:.1e} away")
    if error > tolerance:
        decided = f"absolute error {row.absolute:.1e} <= {floor:.1e}, float64's own rounding"
        return row._replace(verdict="rounding", note=UNRESOLVED, decided=decided)
    decided = f"float64 error {error:.1e} <= {tolerance:.0e}"
    if native is None:
        return row._replace(verdict="ok", decided=decided)
    allowed = max(16 * moved, 8 * comparison.epsilon * float(np.abs(automatic).max(initial=0.0)))
    is_ok = native.absolute <= allowed
    decided = f"{decided}, {native.absolute:.1e} {'<=' if is_ok else '>'} rounding {allowed:.1e}"
    return row._replace(verdict="ok" if is_ok else "rounding", decided=decided)


def _floor(moved: float, scale: float) -> float:
    """The absolute difference below which float64 cannot tell two arrays apart."""
    rounding = moved * EPSILON / float(np.finfo(np.float32).eps)
    return 16 * float(np.nan_to_num(max(EPSILON * scale, rounding), nan=0.0, posinf=0.0))


def _by_rounding(row: Row, leaf: Leaf, most: np.ndarray) -> Row:
    """The row of a leaf that differs in float64, called rounding where each element is within what float64 rounds."""
    explicit, automatic = leaf.decisive
    if not np.all(np.abs(explicit - automatic) <= most):
        return row
    largest = float(most.max(initial=0.0))
    decided = f"absolute error {row.absolute:.1e} <= {largest:.1e}, float64's rounding of the numbers on the way"
    return row._replace(verdict="rounding", note=UNRESOLVED, decided=decided)


def _not_finite(native: Row | None, double: Row | None) -> str:
    where, found = "float64", double
    if native is not None and not (double is not None and math.isnan(double.error)):
        where, found = "the parameters' precision", native
    assert found is not None
    return f"not finite in {where}: explicit {found.explicit}, automatic {found.automatic} at {list(found.worst)}"
