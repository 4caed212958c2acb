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
from jax.flatten_util import ravel_pytree

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
    terms = evaluate.injected(evaluate.differenced(subject, reference), ())

    def measure(at, rest, v, steps):
        flat, unravel = ravel_pytree(at)
        way = ravel_pytree(v)[0]
        return finite_differences.changes(lambda h: terms(([], unravel(flat + h * way)), rest), (steps,))

    at, rest = reference.point
    v = _direction(at)
    found, size = jax.device_get(compiled.call("taylor", measure, at, rest, v, jnp.asarray(STEPS)))
    # with the true δ in place of its own the candidate's gradient is another one
    is_own = subject.marks is not None or not candidate.matches
    by_hand = candidate.explicit if is_own else compiled.call("explicit", subject.explicit, at, rest)
    remainders = [np.abs(found - STEPS * _along(each, v)) for each in (by_hand, reference.automatic)]
    floor = 64 * precision.EPSILON * float(size)
    fitted = _slope(remainders[0], floor), _slope(remainders[1], floor)
    return Taylor(tuple(STEPS.tolist()), tuple(remainders[0].tolist()), tuple(remainders[1].tolist()), fitted)


def _along(gradient: PyTree, v: PyTree) -> float:
    pairs = zip(*map(jax.tree.leaves, (gradient, v)), strict=True)
    return sum(float(np.sum(np.asarray(g, np.float64) * d)) for g, d in pairs)


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
