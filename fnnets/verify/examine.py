"""The course of every check: run in both precisions, hear the witness, give each leaf its row.

    evidence   explicit and automatic gradients of the same thing, as the parameters are and in float64
    witness    central differences, in float64, at the coordinates where the two sides differ most
    verdict    float64 decides between right and wrong, the parameters' precision between ok and rounding

A door brings a function that gathers the evidence (traced, and compiled once for each precision) and, for each
piece of evidence, a `Subject`: the names for the rows.

| symbol | name in code | shape |
|---|---|---|
| evidence in the parameters' precision | `coarse` | as `gather` returns |
| evidence in float64 | `fine` | the same |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from fnnets.verify import guard, judge, precision, witness
from fnnets.verify.evidence import Evidence, Subject, problems
from fnnets.verify.report import Report, Row


def examine(
    name: str, gather: Callable[[Any], Any], subjects: Sequence[Subject], inputs: Any, value_name: str
) -> Report:
    """The report on all evidence that `gather(inputs)` gives: a tuple, one piece for each subject, the whole last.

    `value_name` is what messages call that which is differentiated.
    """
    expected = jax.eval_shape(gather, inputs)
    column = precision.name([evidence.at for evidence in jax.eval_shape(gather, precision.to_single(inputs))])
    coarse = [_host(evidence) for evidence in precision.compiled(gather, precision.to_single(inputs))[0]]
    with precision.double():
        found, is_narrow = precision.compiled(gather, precision.to_double(inputs))
        fine = [_host(evidence) for evidence in found]
        guard.finite(fine[-1].value, value_name)
        estimates = _testify(subjects, found, fine)
    tolerances = judge.Tolerances(
        precision.tolerance(column), precision.tolerance("float32" if is_narrow else "float64")
    )
    rows: list[Row] = []
    for subject, types, *sides, estimate in zip(subjects, expected, coarse, fine, estimates, strict=True):
        is_after_fault = any(row.verdict == "wrong" for row in rows)
        rows += judge.rows(subject, _problems(types, *sides), sides, estimate, tolerances, is_after_fault)
    return Report(name, column, tuple(rows))


def _problems(*runs: Evidence) -> str | list[str]:
    """What is wrong with the type of the gradient as it is given, or in either precision: the first complaint."""
    found = [problems(evidence.explicit, evidence.automatic) for evidence in runs]
    sentence = next((complaint for complaint in found if isinstance(complaint, str)), None)
    return sentence or [next(filter(None, leaf), "") for leaf in zip(*found, strict=True)]


def _host(evidence: Evidence) -> Evidence:
    """Evidence as NumPy's float64, for comparison; what the terms need stays on the device."""

    def numbers(tree):
        return jax.tree.map(lambda leaf: np.asarray(np.real(leaf), np.float64), jax.device_get(tree))

    explicit, automatic, explained = map(numbers, (evidence.explicit, evidence.automatic, evidence.explained))
    scale, value = float(evidence.scale), float(evidence.value)
    return Evidence(explicit, automatic, evidence.at, evidence.rest, scale, value, explained)


def _testify(subjects: Sequence[Subject], found: Any, fine: Any) -> list[list[witness.Estimate]]:
    """Central differences for every leaf of every piece of evidence, all in one compiled function."""
    plans = [_plan(evidence) for evidence in fine]
    arguments = [(evidence.at, evidence.rest, *plan[:2]) for evidence, plan in zip(found, plans, strict=True)]

    def testify(arguments):
        return [witness.differences(s.terms, *args) for s, args in zip(subjects, arguments, strict=True)]

    slopes = jax.device_get(precision.compiled(testify, arguments)[0])
    return [witness.estimates(*plan, *slope) for plan, slope in zip(plans, slopes, strict=True)]


def _plan(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """For the witness: raveled coordinates, steps, and the coordinates leaf by leaf."""
    automatic, at = jax.tree.leaves(evidence.automatic), [np.asarray(leaf) for leaf in jax.tree.leaves(evidence.at)]
    is_usable = not isinstance(problems(evidence.explicit, evidence.automatic), str)
    explicit = jax.tree.leaves(evidence.explicit) if is_usable else automatic
    flats = [witness.sample(*pair) for pair in zip(explicit, automatic, strict=True)]
    starts = np.cumsum([0, *(leaf.size for leaf in at)])[:-1]
    points = np.concatenate([start + flat for start, flat in zip(starts, flats, strict=True)])
    return points, np.concatenate([witness.step(*pair) for pair in zip(at, flats, strict=True)]), flats
