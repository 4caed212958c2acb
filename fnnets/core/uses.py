"""Which inputs a traced program uses."""

from __future__ import annotations

from fnnets.core import jaxprs


def is_read(jaxpr: jaxprs.Jaxpr, variable: jaxprs.Atom) -> bool:
    """Whether an equation reads a variable, or it is a result; the bodies of calls are looked into.

    >>> import jax
    >>> inner = jax.jit(lambda x, y: 2 * x)
    >>> jaxpr = jax.make_jaxpr(lambda x, y: inner(x, y))(1.0, 1.0).jaxpr
    >>> [is_read(jaxpr, variable) for variable in jaxpr.invars]
    [True, False]
    """
    for equation in jaxpr.eqns:
        for place, atom in enumerate(equation.invars):
            if atom is not variable:
                continue
            if equation.primitive.name not in jaxprs.INLINED:
                return True
            found = jaxprs.inlined(equation).jaxpr
            if is_read(found, found.invars[place]):
                return True
    return any(atom is variable for atom in jaxpr.outvars)
