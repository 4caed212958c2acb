"""The Taylor test, which needs no step size: a remainder falls as h² for a gradient, and as h for what is none.

    r(h) = abs(f(θ + hv) − f(θ) − h⟨g, v⟩)         O(h²) for the gradient g = ∇f, O(h) for any other g
    slope = d log r / d log h                       fitted over the steps where r is above rounding

| symbol | name in code | shape |
|---|---|---|
| h | `steps` | (STEPS,) |
| v | N(0, 1), by the size of each leaf | as θ |
| r | `Taylor.explicit`, `Taylor.automatic` | (STEPS,) |

Source: the Taylor test of PETSc and pyadjoint.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.verify.judging import finite_differences, properties
from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Candidate, Reference
from fnnets.verify.reference.subject import Subject
from fnnets.verify.report.data import Taylor
from fnnets.verify.tracing import compiled, precision

if TYPE_CHECKING:
    from jaxtyping import PyTree

STEPS = 10.0 ** -np.arange(1.0, 6.5, 0.5)


def taylor(subject: Subject, reference: Reference, candidate: Candidate) -> Taylor:
    """The remainders of the explicit and of the automatic gradient along one direction, in float64."""
    terms = evaluate.injected(reference.forward, ())

    def measure(at, rest, gradients, v):
        def moved(h):
            return terms(([], jax.tree.map(lambda x, d: x + h * d, at, v)), rest)

        found, size = finite_differences.changes(moved, (jnp.asarray(STEPS),))
        slopes = [
            sum(jnp.sum(g * d) for g, d in zip(*map(jax.tree.leaves, (each, v)), strict=True))
            for each in (gradients[0] or subject.explicit(at, rest), gradients[1])
        ]
        return [jnp.abs(found - STEPS * slope) for slope in slopes], size

    at, rest = reference.point
    # with the true δ in place of its own the candidate's gradient is another one
    is_own = subject.marks is not None or not candidate.matches
    gradients = [jax.tree.leaves(candidate.explicit)] if is_own else [], reference.automatic
    (hand, auto), size = compiled.call("taylor", measure, at, rest, gradients, _direction(at))
    remainders = [np.asarray(each, float) for each in (hand, auto)]
    floor = 64 * precision.EPSILON * float(size)
    fitted = _slope(remainders[0], floor), _slope(remainders[1], floor)
    return Taylor(tuple(STEPS.tolist()), tuple(remainders[0].tolist()), tuple(remainders[1].tolist()), fitted)


def _slope(remainders: np.ndarray, floor: float) -> float:
    """The fitted slope; NaN where fewer than three remainders stand above rounding, as for a linear f."""
    above = remainders > floor
    if np.count_nonzero(above) < 3 or not np.all(np.isfinite(remainders)):
        return math.nan
    # the smallest steps are the nearest to the limit
    h, r = (np.log(each[above][-4:]) for each in (STEPS, remainders))
    return float(np.polyfit(h, r, 1)[0])


def _direction(at: PyTree) -> PyTree:
    """A direction in which each leaf moves by its own size at h = 1, by one where it is zero."""

    def scaled(leaf, way):
        typical = float(np.sqrt(np.mean(np.square(leaf)))) if leaf.size else 1.0
        return (typical or 1.0) * way

    return jax.tree.map(scaled, jax.tree.map(np.asarray, at), properties.drawn(at, 3))
