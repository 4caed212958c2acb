"""What a row says of the automatic side where that side is not to be trusted.

    not finite      the primitive and the line at which its first NaN begins
    contradicted    the derivative rule inside the cost that contradicts its own function, or what may be declared

| symbol | name in code | shape |
|---|---|---|
| the automatic side | `reference.forward`, traced | |
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from fnnets.core import jaxprs
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Subject
from fnnets.verify.tracing import declared, nans, precision, rules, widening


def not_finite(subject: Subject, reference: Reference) -> str:
    """Where the automatic gradient's first NaN begins, in a sentence; "" where it is not found."""

    def gradient(at, rest):
        return jax.grad(lambda at: jnp.sum(subject.terms(at, rest)))(at)

    # traced anew: the lines are those of the cost itself
    with precision.traced():
        program = jax.make_jaxpr(gradient)(*precision.like(reference.point))
    args = [
        widening.own(leaf, v.aval.dtype)
        for leaf, v in zip(jax.tree.leaves(reference.point), program.jaxpr.invars, strict=True)
    ]
    try:
        origin = nans.origin_of(program, args)
    except jaxprs.UnknownEquationError:
        return ""
    return "" if origin is None else str(origin)


def contradicted(reference: Reference, expects: Sequence[str] = ()) -> str:
    """Which rule inside the cost is wrong, or what in it may be declared beside `expects`, in a sentence."""
    try:
        wrong = rules.wrong_rules(reference.forward, reference.point)
    except (TypeError, ValueError, NotImplementedError, jax.errors.JaxRuntimeError):
        wrong = []  # a rule that cannot be evaluated by itself is named all the same
    found = wrong or rules.custom_rules(reference.forward)
    if wrong:
        named = f"{' and '.join(map(str, wrong))} contradicts its own function"
    else:
        named = f"look at {' and '.join(map(str, found))}" if found else ""
    return "; ".join(filter(None, (named, "" if wrong else declared.suggestion(reference.forward, expects))))
