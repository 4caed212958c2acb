"""From evidence to rows: the verdict on each leaf.

    wrong         another structure, shape or dtype; not finite in either precision; apart in float64
    downstream    wrong, but just as the faults found before it predict
    convention    apart in float64, at kinks alone: another subgradient, such as that of a tie in max-pooling
    inconclusive  agreed in float64 while central differences contradict both
    approximation the same, where the layer says that it departs from the gradient on purpose
    rounding      agreed in float64, apart in the parameters' precision (or below what float64 can resolve)
    ok            agreed in both

| symbol | name in code | shape |
|---|---|---|
| the two tolerances | `Tolerances(native, double)` | () |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnets.verify import compare, evidence, witness
from fnnets.verify.evidence import Evidence, Subject
from fnnets.verify.report import Row

EXPLAINED = 1e-9
NEITHER = "both agree, but central differences contradict them: a derivative rule inside the cost may be wrong"
KINK = "both values lie between the two slopes of a kink, wherever they differ: another convention, as valid"
UNRESOLVED = "the difference is below what float64 resolves here"


class Tolerances(NamedTuple):
    """Largest relative errors that count as agreement."""

    native: float
    double: float


def rows(
    subject: Subject,
    problems: str | list[str],
    sides: Sequence[Evidence],
    estimates: list[witness.Estimate],
    tolerances: Tolerances,
    is_after_fault: bool,
) -> list[Row]:
    """The rows of one piece of evidence, given as `sides` in the parameters' precision and in float64."""
    if isinstance(problems, str):
        is_downstream = is_after_fault and _is_as_unusable(sides[1])
        return [Row("", subject.name, "downstream" if is_downstream else "wrong", note=problems)]
    judged = []
    for position, (statement, where) in enumerate(zip(subject.statements, subject.where, strict=True)):
        row = Row(statement, where, "wrong", note=problems[position])
        if not problems[position]:
            row = _judge(
                row, [_leaf(side, position) for side in sides], sides[1].scale, estimates[position], tolerances
            )
        if row.note == NEITHER and subject.approximation:
            row = row._replace(verdict="approximation", note=f"not the gradient, on purpose: {subject.approximation}")
        if row.verdict == "wrong" and is_after_fault and _is_explained(sides[1], position):
            row = row._replace(verdict="downstream")
        judged.append(row)
    return judged


def _leaf(side: Evidence, position: int) -> tuple[np.ndarray, np.ndarray]:
    return jax.tree.leaves(side.explicit)[position], jax.tree.leaves(side.automatic)[position]


def _judge(row: Row, sides: Any, scale: float, estimate: witness.Estimate, tolerances: Tolerances) -> Row:
    """The verdict on a leaf of the right structure, shape and dtype."""
    native, double = (compare.discrepancy(*side) for side in sides)
    voice = compare.supports(estimate, *sides[1])
    numeric = float(estimate.value[0]) if len(estimate.value) else math.nan
    row = row._replace(error=native.relative, error_float64=double.relative, numeric=numeric, supports=voice)
    row = row._replace(**{field: getattr(double, field) for field in ("absolute", "worst", "explicit", "automatic")})
    if math.isnan(native.relative) or math.isnan(double.relative):
        return row._replace(verdict="wrong", note=_not_finite(native, double))
    is_resolved = double.relative <= tolerances.double
    if not is_resolved and double.absolute > compare.floor(sides[1][1], sides[0][1], scale):
        at_kink = voice == "kink" and compare.between_slopes(estimate, *sides[1])
        return row._replace(verdict="convention", note=KINK) if at_kink else row._replace(verdict="wrong")
    if voice == "neither":
        return row._replace(verdict="inconclusive", note=NEITHER)
    is_ok = is_resolved and native.relative <= tolerances.native
    return row._replace(verdict="ok" if is_ok else "rounding", note="" if is_resolved else UNRESOLVED)


def _not_finite(native: compare.Discrepancy, double: compare.Discrepancy) -> str:
    where, found = ("float64", double) if math.isnan(double.relative) else ("the parameters' precision", native)
    return f"not finite in {where}: explicit {found.explicit}, automatic {found.automatic} at {list(found.worst)}"


def _is_explained(side: Evidence, position: int) -> bool:
    """Whether earlier faults alone give this leaf, to rounding; NaN in the same places counts as the same."""
    explained = side.explained
    if explained is None or isinstance(evidence.problems(side.explicit, explained), str):
        return False
    came, predicted = (jax.tree.leaves(tree)[position] for tree in (side.explicit, explained))
    if came.shape != predicted.shape:
        return False
    room = EXPLAINED * float(np.abs(np.nan_to_num(predicted)).max(initial=0.0))
    return np.allclose(came, predicted, rtol=0, atol=room, equal_nan=True)


def _is_as_unusable(side: Evidence) -> bool:
    """Whether earlier faults alone give a gradient that is of no use either."""
    return side.explained is not None and isinstance(evidence.problems(side.explained, side.automatic), str)
