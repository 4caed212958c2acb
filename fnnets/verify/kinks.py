"""How near a computation stands to its nearest kink: the smallest gap between two numbers that it compares.

    max(x, y), x > y, …     abs(x − y)                  a ReLU's zero, a tie in max-pooling, a branch of `jnp.where`
    abs(x), sign(x)         abs(x)

Comparisons with an infinite number, and numbers that are equal because they are the same, count like all others; a
smooth function that branches inside (a logarithm of a sum of exponentials) shows its branches as well. So the gap is
a hint of how far a verdict at this point reaches, and never a verdict.

| symbol | name in code | shape |
|---|---|---|
| gap | result; infinite where nothing is compared | () |
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from fnnets.verify import precision, sites

COMPARED, CENTRED = ("max", "min", "gt", "ge", "lt", "le"), ("abs", "sign")
INLINED = (*sites.INLINED, "custom_jvp_call")


def gap(closed: Any, args: Any) -> Any:
    """The smallest gap of a traced function at `args`, a scalar."""
    return _evaluated(closed.jaxpr, closed.consts, jax.tree.leaves(args))[1]


def _evaluated(jaxpr: Any, consts: Any, args: Any) -> tuple[list[Any], Any]:
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    least = jnp.asarray(jnp.inf, jnp.float32)
    for equation in jaxpr.eqns:
        inputs = [atom.val if isinstance(atom, core.Literal) else values[atom] for atom in equation.invars]
        outs, here = _step(equation, inputs)
        least = jnp.minimum(least, here)
        values.update(zip(equation.outvars, outs, strict=True))
    return [atom.val if isinstance(atom, core.Literal) else values[atom] for atom in jaxpr.outvars], least


def _step(equation: Any, inputs: list[Any]) -> tuple[list[Any], Any]:
    name = equation.primitive.name
    if name == "scan" and any(map(_compares, precision.inner(equation))):
        outs, least = sites.looped(equation, inputs, None, lambda *step: _evaluated(*step[:3]))
        return outs, least.min()
    if name in INLINED and any(map(_compares, precision.inner(equation))):
        return _evaluated(*sites.within(equation), inputs)
    return sites.bound(equation, inputs), _gap(name, inputs)


def _gap(name: str, inputs: list[Any]) -> Any:
    if name in COMPARED and precision.is_floating(inputs[0]):
        return _smallest(inputs[0] - inputs[1])
    return _smallest(inputs[0]) if name in CENTRED and precision.is_floating(inputs[0]) else jnp.inf


def _smallest(difference: Any) -> Any:
    return jnp.abs(difference).min(initial=jnp.inf).astype(jnp.float32)


def _compares(jaxpr: Any) -> bool:
    return any(
        equation.primitive.name in (*COMPARED, *CENTRED) or any(map(_compares, precision.inner(equation)))
        for equation in jaxpr.eqns
    )
