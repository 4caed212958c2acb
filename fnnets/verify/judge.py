"""From two values of one leaf to its verdict.

    wrong         another structure, shape or dtype; not finite in either precision; apart in float64
    downstream    wrong, but just as the faults found before it predict
    convention    apart in float64, at kinks alone: another subgradient, such as that of a tie in max-pooling
    inconclusive  agreed in float64 while central differences contradict both
    approximation the same, where the layer says that it departs from the gradient on purpose
    rounding      agreed in float64, apart in the parameters' precision (or below what float64 can resolve)
    ok            agreed in both

In the parameters' precision agreement is measured by the noise of each leaf and not by one number for all:

    noise = max(16 · max abs(a₃₂ − a₆₄), 8 ε₃₂ · max abs(a₆₄))

Without float64, `fnnets.verify.noise` says how far rounding may have moved a leaf, and what is farther is wrong.

| symbol | name in code | shape |
|---|---|---|
| explicit and automatic values | `pair`, in the parameters' precision and in float64 | as the leaf |
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fnnets.verify import compare
from fnnets.verify.report import Row

EXPLAINED = 1e-9
NEITHER = "both agree, but central differences contradict them: a derivative rule inside the cost may be wrong"
KINK = "both values lie between the two slopes of a kink, wherever they differ: another convention, as valid"
UNRESOLVED = "the difference is below what float64 resolves here"


class Leaf(NamedTuple):
    """What is known of one leaf.

    Attributes:
        native, double: pairs of explicit and automatic values, NumPy's float64; None where that precision was not run.
        scale: size of the numbers that the leaf is computed from, in float64.
        estimate: a `witness.Estimate` of central differences, None where there is none.
        epsilon: of the parameters' precision.
        tolerance: relative error in float64 that passes.
        noise: absolute error that rounding explains, where there is no float64.
    """

    native: Any
    double: Any
    scale: float
    estimate: Any
    epsilon: float
    tolerance: float
    noise: float = math.nan


def judged(row: Row, leaf: Leaf) -> Row:
    """The row with its verdict, for a leaf of the right structure, shape and dtype."""
    native, double = (None if pair is None else compare.discrepancy(*pair) for pair in (leaf.native, leaf.double))
    best = double or native
    row = row._replace(**{field: getattr(best, field) for field in ("absolute", "worst", "explicit", "automatic")})
    if native is not None:
        row = row._replace(error=native.relative)
    if double is not None:
        row = row._replace(error_float64=double.relative)
    if any(each is not None and math.isnan(each.relative) for each in (native, double)):
        return row._replace(verdict="wrong", note=_not_finite(native, double), decided="not a finite number")
    return _by_noise(row, leaf, native) if double is None else _by_float64(row, leaf, native, double)


def is_explained(explicit: np.ndarray, predicted: np.ndarray) -> bool:
    """Whether earlier faults alone give this leaf, to rounding; NaN in the same places counts as the same."""
    if explicit.shape != predicted.shape:
        return False
    room = EXPLAINED * float(np.abs(np.nan_to_num(predicted)).max(initial=0.0))
    return np.allclose(explicit, predicted, rtol=0, atol=room, equal_nan=True)


def _by_float64(row: Row, leaf: Leaf, native: Any, double: Any) -> Row:
    voice = ""
    if leaf.estimate is not None:
        voice = compare.supports(leaf.estimate, *leaf.double)
        row = row._replace(numeric=float(leaf.estimate.value[0]) if len(leaf.estimate.value) else math.nan)
    row = row._replace(supports=voice)
    is_resolved = double.relative <= leaf.tolerance
    native_values = leaf.native[1] if leaf.native is not None else leaf.double[1]
    floor = compare.floor(leaf.double[1], native_values, leaf.scale)
    if not is_resolved and double.absolute > floor:
        decided = f"float64 error {double.relative:.1e} > {leaf.tolerance:.0e}"
        at_kink = voice == "kink" and compare.between_slopes(leaf.estimate, *leaf.double)
        if at_kink:
            slopes = f"{leaf.estimate.low[0]:.3g} to {leaf.estimate.high[0]:.3g}"
            return row._replace(verdict="convention", note=KINK, decided=f"one-sided slopes {slopes}")
        return row._replace(verdict="wrong", decided=decided)
    if voice == "neither":
        away = abs(row.numeric - row.automatic)
        return row._replace(verdict="inconclusive", note=NEITHER, decided=f"central differences {away:.1e} away")
    decided = f"float64 error {double.relative:.1e} <= {leaf.tolerance:.0e}"
    if not is_resolved:
        decided = f"absolute error {double.absolute:.1e} <= {floor:.1e}, float64's own rounding"
        return row._replace(verdict="rounding", note=UNRESOLVED, decided=decided)
    if native is None:
        return row._replace(verdict="ok", decided=decided)
    noise = native_noise(leaf)
    is_ok = native.absolute <= noise
    sign = "<=" if is_ok else ">"
    return row._replace(
        verdict="ok" if is_ok else "rounding", decided=f"{decided}, {native.absolute:.1e} {sign} noise {noise:.1e}"
    )


def by_rounding(row: Row, leaf: Leaf, rounding: np.ndarray) -> Row:
    """The row of a leaf that differs in float64, called rounding where each element is within what float64 rounds."""
    explicit, automatic = leaf.double
    if not np.all(np.abs(explicit - automatic) <= rounding):
        return row
    largest = float(rounding.max(initial=0.0))
    decided = f"absolute error {row.absolute:.1e} <= {largest:.1e}, float64's rounding of the numbers on the way"
    return row._replace(verdict="rounding", note=UNRESOLVED, decided=decided)


def native_noise(leaf: Leaf) -> float:
    """How far rounding may move the oracle itself, at its worst element."""
    (_, coarse), (_, fine) = leaf.native, leaf.double
    moved = float(np.abs(coarse - fine).max(initial=0.0))
    return max(16 * moved, 8 * leaf.epsilon * float(np.abs(fine).max(initial=0.0)))


def _by_noise(row: Row, leaf: Leaf, native: Any) -> Row:
    """Without float64: right as far as rounding can tell."""
    is_ok = native.absolute <= leaf.noise
    decided = f"error {native.absolute:.1e} {'<=' if is_ok else '>'} noise {leaf.noise:.1e}"
    return row._replace(verdict="ok" if is_ok else "wrong", decided=decided)


def _not_finite(native: Any, double: Any) -> str:
    is_double = double is not None and math.isnan(double.relative)
    where, found = ("float64", double) if is_double else ("the parameters' precision", native)
    return f"not finite in {where}: explicit {found.explicit}, automatic {found.automatic} at {list(found.worst)}"
