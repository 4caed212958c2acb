"""Any cost against any hand-written gradient of it; neither needs to come from fnnets.

    explicit:    gradient(params, *args)
    automatic:   jax.grad(cost)(params, *args)
    differences: (cost(params + h) − cost(params − h)) / 2h

With `verify.tap("z", z)` in the cost each row names the quantity by which its leaf reaches C, nearest to the output
first, and wrong values are compared with contractions with that quantity's true δ. With `verify.delta("z", d_z)` in the
gradient as well each marked quantity has a row of its own, at every step of a scan, and what follows from it is
computed from its true value: a fault is named where it is.

| symbol | name in code | shape |
|---|---|---|
| C | `cost(params, *args)` | () |
| ∂C/∂params | `gradient(params, *args)` | as `params` |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from fnnets.core import calls, validate
from fnnets.verify.checks.run import Case, run
from fnnets.verify.judging import properties
from fnnets.verify.reference import arguments
from fnnets.verify.reference.subject import Subject, paths
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import dependence, interpreter, precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

REMEDIES = {
    "cost": "write it as cost(params, *args) -> a scalar",
    "gradient": "write it as gradient(params, *args) -> a tree like params",
}


@calls.strict("gradient")
def gradient(
    cost: Callable[..., Array], gradient: Callable[..., PyTree], params: PyTree, *args: PyTree, x64: bool = True
) -> Report:
    """Hold a hand-written gradient against `jax.grad`, mark by mark and leaf by leaf.

    Args:
        cost: `(params, *args) -> C`, a scalar. Both functions are traced with arrays for `params` and for the
            arrays in `args`; numbers, strings and functions among `args` arrive as they are. Randomness is an
            argument: with a PRNG key among `args`, all sides see the same draws.
        gradient: `(params, *args) -> ∂C/∂params`, of the structure, shapes and dtypes of `params`.
        params: a pytree of floating arrays.
        args: whatever else the two take.
        x64: let float64 decide; False judges by the rounding of the parameters' own precision.

    Raises:
        TypeError, ValueError: a leaf of `params` that is no floating array or not finite, a cost that is not a finite
            scalar or not the same twice, a function that JAX cannot trace, a tap where none can be followed.
        Exception: whatever the two functions raise themselves, as it is.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.verify.gradient(lambda w: jnp.sum(w**3), lambda w: 3 * w**2, jnp.array([1.0, 2.0])).ok
    True
    >>> fn.verify.gradient(lambda w: jnp.sum(w**3), lambda w: 3 * w, jnp.array([1.0, 2.0])).first_wrong.worst
    (1,)
    """
    arguments.functions("verify.gradient", REMEDIES, cost=cost, gradient=gradient)
    validate.flag(x64, "verify.gradient: x64", arguments.DECIDES)
    arguments.ordered("verify.gradient: params", params, "verify.gradient(cost, gradient, params, *args)")
    arguments.taken("verify.gradient", args, cost=cost, gradient=gradient)
    params = arguments.floating(params, "params")
    arrays, rebuild = arguments.separate(args)
    with precision.pinned():
        of_arrays = (params, arrays)
        arguments.scalar(lambda params, arrays: cost(params, *rebuild(arrays)), "cost", *of_arrays, like=params)
        arguments.repeatable(lambda params, arrays: cost(params, *rebuild(arrays)), "cost", *of_arrays)
        came = arguments.traced(lambda params, arrays: gradient(params, *rebuild(arrays)), "gradient", *of_arrays)
        if came is None:
            raise TypeError("gradient returns None, expected one array for each of params; return what it computes")
        where = paths(params, "gradient")
        subject = Subject(
            "gradient", where, ("",) * len(where),
            lambda at, rest: cost(at, *rebuild(rest)), lambda at, rest: gradient(at, *rebuild(rest)),
        )  # fmt: skip
        tests = properties.hygiene(subject), properties.calculus(subject)
        case = Case("gradient", (subject,), lambda inputs: [inputs], (params, arrays), "cost", tests)
        report = run(case, x64)
        return _from_the_output(
            report, dependence.first_taps(interpreter.trace(subject.terms, params, arrays), len(where))
        )


def _from_the_output(report: Report, found: list[tuple[int, str]]) -> Report:
    """The rows of leaves ordered by the tap by which they reach the cost, the last one first, and so called."""
    marked, leaves = report.rows[: -len(found)], report.rows[-len(found) :]
    if len(report.rows) < len(found) or not any(name for _, name in found):
        return report
    named = [
        row._replace(where=f"{row.where} via {tap}" if tap else row.where)
        for row, (_, tap) in zip(leaves, found, strict=True)
    ]
    order = sorted(range(len(found)), key=lambda i: -found[i][0])
    return dataclasses.replace(report, rows=(*marked, *(named[i] for i in order)))
