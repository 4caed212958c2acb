"""Any cost against any hand-written gradient of it; neither needs to come from fnnets.

    explicit:   gradient(params, *args)
    automatic:  jax.grad(cost)(params, *args)
    witness:    (cost(params + h) − cost(params − h)) / 2h

| symbol | name in code | shape |
|---|---|---|
| C | `cost(params, *args)` | () |
| ∂C/∂params | `gradient(params, *args)` | as `params` |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from fnnets.verify import guard, precision, walk
from fnnets.verify.evidence import Evidence, Failure, Subject, attempt, largest
from fnnets.verify.examine import examine
from fnnets.verify.report import Report


def gradient(cost: Callable[..., Any], gradient: Callable[..., Any], params: Any, *args: Any) -> Report:
    """Hold a hand-written gradient against `jax.grad`, leaf by leaf.

    Args:
        cost: `(params, *args) -> C`, a scalar. Both functions are traced with arrays for `params` and for the
            arrays in `args`; numbers, strings and functions among `args` arrive as they are. Randomness is an
            argument: with a PRNG key among `args`, all sides see the same draws.
        gradient: `(params, *args) -> ∂C/∂params`, of the structure, shapes and dtypes of `params`.
        params: a pytree of floating arrays.
        args: whatever else the two take.

    Raises:
        TypeError, ValueError: a leaf of `params` that is no floating array, a cost that is not a finite scalar,
            a function that fails when JAX traces it.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.verify.gradient(lambda w: jnp.sum(w**3), lambda w: 3 * w**2, jnp.array([1.0, 2.0])).ok
    True
    >>> fn.verify.gradient(lambda w: jnp.sum(w**3), lambda w: 3 * w, jnp.array([1.0, 2.0])).first_wrong.worst
    (1,)
    """
    guard.functions(cost=cost, gradient=gradient)
    params = guard.floating(params, "params")
    arrays, rebuild = precision.separate(args)

    def gather(inputs):
        params, arrays = inputs
        args = rebuild(arrays)
        value, automatic = jax.value_and_grad(cost)(params, *args)
        explicit = attempt(gradient, params, *args)
        return (Evidence(explicit, automatic, params, arrays, largest(value, automatic), value),)

    with precision.pinned():
        guard.scalar(lambda params, arrays: cost(params, *rebuild(arrays)), "cost", params, arrays)
        found = jax.eval_shape(gather, (params, arrays))[0].explicit
        if isinstance(found, Failure):
            raise TypeError(f"gradient {found.message}; {guard.TRACEABLE}")
        where = walk.paths(params, "gradient")
        subject = Subject("gradient", where, ("",) * len(where), lambda at, rest: cost(at, *rebuild(rest)))
        return examine("gradient", gather, [subject], (params, arrays), "cost")
