"""Primitives of JAX itself, and those of other libraries, whose rules no equation shows."""

from __future__ import annotations

import sys

from jax.extend import core

_OWN: dict[int, bool] = {}


def is_of_jax(primitive: core.Primitive) -> bool:
    """Whether a primitive stands in one of JAX's own modules.

    >>> import jax
    >>> [equation] = jax.make_jaxpr(jax.numpy.sin)(1.0).jaxpr.eqns
    >>> is_of_jax(equation.primitive), is_of_jax(core.Primitive("sin"))
    (True, False)
    """
    if id(primitive) not in _OWN:
        modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "jax"]
        values = (value for module in modules for value in list(vars(module).values()))
        _OWN.update((id(value), True) for value in values if isinstance(value, core.Primitive))
        _KEPT.append(primitive)  # so that no other one gets its id
        _OWN.setdefault(id(primitive), False)
    return _OWN[id(primitive)]


_KEPT: list[core.Primitive] = []
