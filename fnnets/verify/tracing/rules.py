"""Whether a function has a derivative rule of its own: a `jax.custom_vjp` or the like, in itself or within.

custom_vjp_call, custom_jvp_call, custom_linear_solve, …    by the beginning of their names
linear_call, and calls in JAX's opaque form                 by name
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax

from fnnets.core import jaxprs

if TYPE_CHECKING:
    from jaxtyping import PyTree

RULES = ("linear_call", jaxprs.OPAQUE)


def has_rule(function: Callable[..., PyTree], *args: PyTree) -> bool:
    """Whether the function, traced with these arguments, has an equation with a derivative rule of its own.

    >>> import jax.numpy as jnp
    >>> has_rule(jax.nn.relu, 1.0), has_rule(jnp.sin, 1.0)
    (True, False)
    """
    names = (each.primitive.name for each in jaxprs.equations(jax.make_jaxpr(function)(*args).jaxpr))
    return any(name.startswith("custom_") or name in RULES for name in names)
