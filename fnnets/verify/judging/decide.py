"""The verdict of each row, and what may excuse one whose two sides differ.

    in this order, for what is apart in float64
    noise         no more than both sides round away in float64           rounding
    identity      it vanishes as the rounding of float32 data does        rounding
    differences   central differences support the explicit side alone     inconclusive: a rule in the cost is wrong
    choices       another rule at kinks gives the explicit side           convention
    else                                                                  wrong

    and for what agrees there, but is apart in the parameters' precision
    noise         no more than both sides round away in that precision    rounding
    else                                                                  wrong, in that precision alone

| symbol | name in code | shape |
|---|---|---|
| e, a | `leaf.native`, `leaf.double` | as the leaf |
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fnnets.verify.judging import arrays, conventions, finite_differences, rounding
from fnnets.verify.judging.excuses import MARKS, Comparison, Excuses, Item, Leaf
from fnnets.verify.judging.finite_differences import Pair
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import precision

NEITHER = "both agree, but central differences contradict them"
BOTH = "central differences contradict both sides"
RULE = "central differences support the explicit value and contradict the automatic one"
KINK = "another rule at kinks gives these values: another convention, as valid"
ALONE = "right in float64"
UNRESOLVED = "the difference is below what float64 resolves here"
IDENTITY = "equal up to the rounding of the float32 numbers that it is computed from"
SMALL = 1e-3
"""Relative difference above which rounding of float32 data is out of the question."""


def judged(comparison: Comparison, items: Sequence[Item]) -> list[tuple[Row, Item]]:
    """The rows with their verdicts."""
    excuses = Excuses(comparison)
    rows = [item.row if item.leaf.complaint else _judged(item, comparison, excuses) for item in items]
    return list(zip(_by_choices(rows, items, comparison, excuses), items, strict=True))


def is_native(row: Row) -> bool:
    """Whether a row is about the parameters' own precision alone."""
    return row.note.startswith(ALONE)


def is_close(pair: Pair, tolerance: float) -> bool:
    """Whether two arrays agree, relative to the largest of the automatic one."""
    explicit, automatic = pair
    same = explicit.shape == automatic.shape
    return same and bool(np.all(arrays.apart(explicit, automatic) <= tolerance * arrays.largest(automatic)))


def _judged(item: Item, comparison: Comparison, excuses: Excuses) -> Row:
    leaf = item.leaf
    native, double = (None if pair is None else _measured(item.row, *pair) for pair in (leaf.native, leaf.double))
    row = native if double is None else double
    assert row is not None
    if double is not None:
        row = double._replace(error_float64=double.error, error=math.nan if native is None else native.error)
    if leaf.estimate is not None:
        row = _with_differences(row, leaf)
    if math.isnan(row.error_float64 if double is not None else row.error):
        return _not_finite(row, leaf, "float64" if double is not None else comparison.column, excuses)
    if double is None:
        row = _by_native(row, item, comparison, excuses)
    else:
        row = _by_float64(row, item, comparison, excuses)
        if row.verdict in ("ok", "rounding") and native is not None:
            row = _by_both(row, native, item, comparison, excuses)
    if row.verdict == "inconclusive" and comparison.subject.approximation:
        note = f"not the gradient, on purpose: {comparison.subject.approximation}"
        row = row._replace(verdict="approximation", note=note)
    return row


def _with_differences(row: Row, leaf: Leaf) -> Row:
    estimate = leaf.estimate
    assert estimate is not None
    numeric = _difference_at(leaf, row.worst)
    return row._replace(numeric=numeric, supports=finite_differences.supports(estimate, *leaf.decisive))


def _difference_at(leaf: Leaf, index: tuple[int, ...]) -> float:
    """The central difference at an element, NaN where there is none."""
    estimate, shape = leaf.estimate, leaf.decisive[1].shape
    if estimate is None or len(index) != len(shape) or not leaf.decisive[1].size:
        return math.nan
    found = np.flatnonzero(estimate.flat == int(np.ravel_multi_index(index, shape) if shape else 0))
    return float(estimate.value[found[0]]) if len(found) else math.nan


def _measured(row: Row, explicit: np.ndarray, automatic: np.ndarray) -> Row:
    """The row with the largest difference of two arrays, and where it is; the first element not finite wins."""
    if automatic.size == 0:
        return row._replace(error=0.0, absolute=0.0)
    difference = arrays.apart(explicit, automatic)
    if not (arrays.are_finite(explicit) and arrays.are_finite(automatic)):
        difference[~(np.isfinite(explicit) & np.isfinite(automatic))] = np.nan
    flat = int(np.argmax(difference))  # a NaN counts as the largest
    index = tuple(int(i) for i in np.unravel_index(flat, difference.shape))
    absolute, largest = float(difference[index]), arrays.largest(automatic)
    relative = absolute / largest if largest > 0 else math.inf if absolute > 0 else absolute
    row = row._replace(error=relative, absolute=absolute, worst=index)
    return row._replace(explicit=float(explicit[index]), automatic=float(automatic[index]))


def _by_float64(row: Row, item: Item, comparison: Comparison, excuses: Excuses) -> Row:
    error, tolerance = row.error_float64, comparison.tolerance
    if error <= tolerance:
        if row.supports == "neither":
            estimate = item.leaf.estimate
            assert estimate is not None
            away = float(np.abs(estimate.value - item.leaf.decisive[1].ravel()[estimate.flat]).max())
            return row._replace(
                verdict="inconclusive", note=excuses.note(NEITHER), decided=f"central differences {away:.1e} away"
            )
        return row._replace(verdict="ok", decided=f"float64 error {error:.1e} <= {tolerance:.0e}")
    apart = np.abs(np.subtract(*item.leaf.decisive))
    reference, _ = comparison.decisive
    # a small sum may be what is left of larger numbers
    may_be_noise = error < SMALL or row.absolute <= 1e-7 * max(1.0, float(np.abs(reference.scale)))
    if may_be_noise and row.supports != "automatic" and bool(np.all(apart <= excuses.noise[item.part][item.n])):
        decided = f"absolute error {row.absolute:.1e} within float64's own rounding"
        return row._replace(verdict="rounding", note=UNRESOLVED, decided=decided)
    if error < SMALL and rounding.is_identity(row.absolute, excuses.off[item.part][item.n], comparison.column):
        decided = f"float64 error {error:.1e}, {excuses.off[item.part][item.n]:.1e} where data are rounded coarsely"
        return row._replace(verdict="rounding", note=IDENTITY, decided=decided)
    if row.supports == "explicit" and finite_differences.are_all(item.leaf.estimate, *item.leaf.decisive):
        return row._replace(
            verdict="inconclusive", note=excuses.note(RULE), decided="central differences support explicit"
        )
    decided = f"float64 error {error:.1e} > {tolerance:.0e}"
    note = f"{BOTH}: {excuses.contradicted}" if row.supports == "neither" and excuses.contradicted else ""
    return row._replace(verdict="wrong", note=note, decided=decided)


def _by_both(row: Row, native: Row, item: Item, comparison: Comparison, excuses: Excuses) -> Row:
    """A row that agrees in float64, in the parameters' precision as well; of one up to rounding, that it is finite."""
    (_, true), (e, a) = item.leaf.decisive, item.leaf.native or item.leaf.decisive
    if math.isnan(native.error):
        note = f"not finite in {comparison.column}: explicit {native.explicit}, automatic {native.automatic}"
        is_ours = bool(np.any(~np.isfinite(e) & np.isfinite(a)))
        return row._replace(verdict="wrong" if is_ours else "rounding", note=note, decided="not a finite number")
    if row.verdict == "rounding":
        return row
    moved = arrays.largest(np.subtract(true, a))
    unit = precision.epsilon(comparison.column) * arrays.largest(true)
    allowed = 8 * unit
    if native.absolute > allowed and not excuses.is_another:
        allowed = max(16 * moved, allowed)
    if native.absolute <= allowed:
        return row._replace(decided=f"{row.decided}, {native.absolute:.1e} <= rounding {allowed:.1e}")
    noise = excuses.native_noise[item.part][item.n]
    if np.all(np.abs(e - a) <= np.maximum(noise, allowed)):
        return row._replace(verdict="rounding", decided=f"{row.decided}, {native.absolute:.1e} > {allowed:.1e}")
    note = f"{ALONE}, wrong in {comparison.column} alone: the values shown are those of {comparison.column}"
    decided = f"{comparison.column} error {native.error:.1e}, rounding explains {float(noise.max(initial=0.0)):.1e}"
    numeric = _difference_at(item.leaf, native.worst)
    shown = native._replace(error_float64=row.error_float64, supports=row.supports, numeric=numeric)
    return shown._replace(verdict="wrong", note=note, decided=decided)


def _by_native(row: Row, item: Item, comparison: Comparison, excuses: Excuses) -> Row:
    """A row in the parameters' precision alone."""
    e, a = item.leaf.decisive
    allowed = 8 * precision.epsilon(comparison.column) * float(np.abs(a).max(initial=0.0))
    if row.absolute > allowed:
        allowed = np.maximum(excuses.noise[item.part][item.n], allowed)
    is_ok = bool(np.all(np.abs(e - a) <= allowed))
    most = float(np.max(allowed, initial=0.0))
    decided = f"error {row.absolute:.1e} {'<=' if is_ok else '>'} rounding {most:.1e}"
    return row._replace(verdict="ok" if is_ok else "wrong", decided=decided)


def _by_choices(rows: list[Row], items: Sequence[Item], comparison: Comparison, excuses: Excuses) -> list[Row]:
    """The rows, those that differ as another rule at kinks would have them called conventions."""
    wrong = [
        i
        for i, (row, item) in enumerate(zip(rows, items, strict=True))
        if row.verdict == "wrong" and not item.leaf.complaint and not math.isnan(row.absolute)
        and row.decided.startswith(("float64", "error")) and item.leaf.decisive[0].shape == item.leaf.decisive[1].shape
    ]  # fmt: skip
    if not wrong or comparison.is_smooth or excuses.choices is None:
        return rows
    errors = [rows[i].error if math.isnan(rows[i].error_float64) else rows[i].error_float64 for i in wrong]
    chosen = [(items[i].part, items[i].n, items[i].leaf.decisive[0], e) for i, e in zip(wrong, errors, strict=True)]
    # one rule for the rows that lie within the choices; the others are wrong whatever the rule
    within = [conventions.lies_between(excuses.choices, *each) for each in chosen]
    inside = [each for each, is_within in zip(chosen, within, strict=True) if is_within]
    is_one = bool(inside) and conventions.equals_one(excuses.choices, inside)
    for i, each, is_within in zip(wrong, chosen, within, strict=True):
        if is_within and (is_one or _keeps_slopes(each, items, excuses)):
            rows[i] = rows[i]._replace(verdict="convention", note=KINK, decided="within the choices at kinks")
    return rows


def _keeps_slopes(row: conventions.Chosen, items: Sequence[Item], excuses: Excuses) -> bool:
    """Whether a row has the slope of the cost along (1, …, 1), where that is one number."""
    part, n, explicit, _ = row
    count = sum(item.part == MARKS for item in items)
    ahead, behind, slack = excuses.slopes[n if part == MARKS else count + n]
    here, slack = float(np.sum(explicit)), slack + 1e-6 * float(np.sum(np.abs(explicit)))
    return min(ahead, behind) - slack <= here <= max(ahead, behind) + slack or abs(ahead - behind) > slack


def _not_finite(row: Row, leaf: Leaf, column: str, excuses: Excuses) -> Row:
    """A row with an element that is not finite: whose fault it is."""
    explicit, automatic = leaf.decisive
    place = list(row.worst) or "a single number"
    note = f"not finite in {column}: explicit {row.explicit}, automatic {row.automatic} at {place}"
    row = row._replace(note=note, decided="not a finite number")
    is_finite = np.isfinite(automatic)
    if not np.isfinite(explicit).all() or not is_close((explicit[is_finite], automatic[is_finite]), 1e-6):
        return row._replace(verdict="wrong")
    if leaf.estimate is not None and finite_differences.contradict(leaf.estimate, explicit):
        return row._replace(verdict="wrong")
    return row._replace(verdict="inconclusive", note="; ".join(filter(None, (note, excuses.origin))))
