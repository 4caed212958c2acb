"""Where a NaN begins in any function, forward or, with `jax.grad(cost)` for the function, backward.

origin = nan_origin(jax.grad(cost), params, x)          None where no result holds a NaN
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax

from fnnets.core import calls, validate
from fnnets.verify.reference import arguments
from fnnets.verify.tracing import nans
from fnnets.verify.tracing.nans import Origin

if TYPE_CHECKING:
    from jaxtyping import PyTree

REMEDY = "give the function itself and its arguments after it, as verify.nan_origin(jax.grad(cost), params, x)"


@calls.strict("nan_origin")
def nan_origin(function: Callable[..., PyTree], *args: PyTree, **kwargs: PyTree) -> Origin | None:
    """Find the operation, and its line of source, at which the first NaN of a function's results begins.

    Loops are followed step by step, branches where they are taken, custom derivative rules into their body. In a
    backward pass, as of `jax.grad(cost)`, the line is that of the forward pass whose derivative it is. Where an
    infinite number makes the NaN, the record says where that number begins. A NaN that reaches no result counts for
    nothing.

    Args:
        function: any function that JAX can trace, of arrays or trees of them.
        args, kwargs: what it is called with; arrays are traced, numbers, strings and functions arrive as they are.

    Returns:
        A record whose `str` is a sentence; None where no result holds a NaN.

    Raises:
        TypeError: something that is no function, a function that JAX cannot trace.
        Exception: whatever the function itself raises, as it is.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> cost = lambda x: jnp.sum(jnp.where(x > 0, jnp.sqrt(x), 0.0))
    >>> origin = fn.verify.nan_origin(jax.grad(cost), jnp.array([0.0, 4.0]))
    >>> origin.primitive, origin.is_backward, origin.is_infinite, origin.cause.primitive
    ('mul', True, True, 'div')
    >>> print(fn.verify.nan_origin(cost, jnp.array([0.0, 4.0])))
    None
    """
    validate.is_function(function, "verify.nan_origin: function", REMEDY)
    given = (args, kwargs)
    arrays, rebuild = arguments.separate(given)

    def of_arrays(*arrays):
        args, kwargs = rebuild(arrays)
        return function(*args, **kwargs)

    with jax.debug_nans(False), jax.debug_infs(False):  # which raise before anything is found
        arguments.traced(of_arrays, "function", *arrays)
        found = nans.origin_of(jax.make_jaxpr(of_arrays)(*arrays), arrays)
    return found if found is None else _named(found, _names(given))


def _named(origin: Origin, names: list[str]) -> Origin:
    """The record with an argument's own name in place of its position."""
    cause = None if origin.cause is None else _named(origin.cause, names)
    name = names[int(origin.argument.split()[1])] if origin.argument else ""
    return origin._replace(cause=cause, argument=name)


def _names(given: PyTree) -> list[str]:
    """The path of each array among the arguments: "args[1]['w']"."""
    leaves = [path for path, leaf in jax.tree_util.tree_leaves_with_path(given) if arguments.is_array(leaf)]
    return [f"{('args', 'kwargs')[path[0].idx]}{jax.tree_util.keystr(path[1:])}" for path in leaves]
