"""From both sides of a subject to its rows, each with a verdict.

    wrong         another structure, shape or dtype; not finite where the automatic value is; apart in float64; apart in
                  the parameters' precision by more than either side rounds there
    convention    apart in float64, as another rule at kinks would have it, such as for a tie in max-pooling
    inconclusive  the automatic side is not finite, or central differences contradict it
    approximation the same, where the layer says that it departs from the gradient on purpose
    rounding      apart by no more than what either side rounds away, in float64 or in the parameters' precision
    ok            agreed in both

    relative   max abs(e − a) / max abs(a), over the leaf            0 where both are zero throughout
    agreement  in float64: relative ≤ 1e-10
               in the parameters' precision: abs(e − a) ≤ max(16 · max abs(a₃₂ − a₆₄), 8 ε₃₂ · max abs(a₆₄))

What is apart is judged by `fnnets.verify.judging.decide`.

| symbol | name in code | shape |
|---|---|---|
| e, a | `leaf.native`, `leaf.double`, pairs in the parameters' precision and in float64 | as the leaf |
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from fnnets.verify.judging import decide, finite_differences
from fnnets.verify.judging.excuses import LEAVES, MARKS, Comparison, Item, Leaf
from fnnets.verify.judging.finite_differences import Estimate, Pair
from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Candidate, Reference
from fnnets.verify.reference.subject import Failure, problems
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import precision

EXPLAINED = 1e-9
Rows = list[tuple[Row, Leaf | None]]


def rows(comparison: Comparison) -> tuple[Rows, Rows]:
    """Rows of the marks and of the leaves; each with its values, None where the row is about their structure."""
    subject, (_, candidate) = comparison.subject, comparison.decisive
    complaints, (marked, leaves) = _complaints(comparison), _leaves(comparison)
    estimates = _estimates(comparison, marked, None if isinstance(complaints, str) else leaves)
    before = "" if subject.marks else f"{subject.name} "
    named = [Row(subject.number(m.statement), f"{before}{m.label}", "wrong") for m in candidate.matches]
    items = [
        Item(row, leaf._replace(estimate=estimate), MARKS, n)
        for n, (row, leaf, estimate) in enumerate(zip(named, marked, estimates[: len(marked)], strict=True))
    ]
    tail: Rows = []
    if isinstance(complaints, str):
        tail = [(Row("", subject.name, "wrong", note=complaints, decided="structure"), None)]
        complaints, leaves = [], []
    ends = zip(subject.statements, subject.where, leaves, estimates[len(marked) :], complaints, strict=False)
    for n, (statement, where, leaf, estimate, complaint) in enumerate(ends):
        row = Row(statement, where, "wrong", note=complaint, decided="shape or dtype" if complaint else "")
        items.append(Item(row, leaf._replace(estimate=estimate, complaint=complaint), LEAVES, n))
    judged = decide.judged(comparison, items)
    head: Rows = [(row, item.leaf) for row, item in judged if item.part == MARKS]
    if candidate.trouble:
        where = f"{before}{candidate.trouble.name}"
        head.append((Row("", where, "wrong", note=candidate.trouble.note, decided="names and shapes"), None))
    return head, [*((row, item.leaf) for row, item in judged if item.part == LEAVES), *tail]


def is_explained(explicit: np.ndarray, predicted: np.ndarray, relative: float = EXPLAINED) -> bool:
    """Whether earlier faults alone give this leaf, to rounding; NaN in the same places counts as the same."""
    if explicit.shape != predicted.shape:
        return False
    slack = relative * float(np.abs(np.nan_to_num(predicted)).max(initial=0.0))
    return np.allclose(explicit, predicted, rtol=0, atol=slack, equal_nan=True)


def _complaints(comparison: Comparison) -> str | list[str]:
    """What is wrong with the type of the gradient: the dtype in the parameters' precision, all else in either."""
    sides = [side for side in (comparison.native, comparison.double) if side is not None]
    is_strict = [comparison.native is not None, comparison.native is None]
    found = [
        problems(candidate.explicit, reference.automatic, has_dtype)
        for (reference, candidate), has_dtype in zip(sides, is_strict, strict=False)
    ]
    sentence = next((complaint for complaint in found if isinstance(complaint, str)), None)
    return sentence or [next(filter(None, leaf), "") for leaf in zip(*found, strict=True)]


def _leaves(comparison: Comparison) -> tuple[list[Leaf], list[Leaf]]:
    """Marks and leaves, on both sides and in both precisions."""
    native, double = (None if side is None else _values(*side) for side in (comparison.native, comparison.double))
    matches = comparison.decisive[1].matches
    parts = []
    for part in (MARKS, LEAVES):
        coarse, fine = (None if each is None else each[part] for each in (native, double))
        found = []
        for n in range(len((coarse if fine is None else fine) or [])):
            first, second = (each[n] if each is not None and n < len(each) else None for each in (coarse, fine))
            found.append(Leaf(first, second, part == MARKS and matches[n].is_stepped))
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


def _estimates(comparison: Comparison, marked: list[Leaf], leaves: list[Leaf] | None) -> Sequence[Estimate | None]:
    """Central differences for each mark and each leaf, None where they decide nothing."""
    pairs = [leaf.decisive for leaf in [*marked, *(leaves or [])]]
    if comparison.double is None or not pairs:
        return [None] * len(pairs)
    # a second point, and the parts of a whole, have them where the two sides differ
    is_alone = comparison.native is None or not comparison.is_sampled
    if is_alone and (comparison.is_smooth or all(decide.is_close(pair, comparison.tolerance) for pair in pairs)):
        return [None] * len(pairs)
    (reference, candidate), count = comparison.decisive, len(marked)
    with comparison.double_scope():
        return finite_differences.central(
            comparison.subject, reference, candidate.matches, pairs[:count], pairs[count:] if leaves else None,
            comparison.programs,
        )  # fmt: skip
