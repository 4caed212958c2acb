"""The equations that quantities of a traced program come from."""

from __future__ import annotations

from fnnets.core import jaxprs
from fnnets.core.jaxprs import Atom, Body, Equation

# Equations that move, cut or scale the numbers of one array.
MOVING = ("slice", "split", "transpose", "reshape", "squeeze", "mul", "neg", "convert_element_type", "copy")


def origin(program: Body, position: int) -> Atom:
    """The equation that computes the output at `position`, None for an input.

    Within a scan it is that of the body. What only moves, cuts or scales numbers is passed over.

    >>> import jax
    >>> origin(jaxprs.opened(jax.make_jaxpr(lambda x, y: 2 * (x @ y).T)(*jax.numpy.ones((2, 3, 3)))), 0).primitive.name
    'dot_general'
    """
    makers = {out: (equation, n) for equation in program.jaxpr.eqns for n, out in enumerate(equation.outvars)}
    variable, found = program.jaxpr.outvars[position], None
    while not jaxprs.is_literal(variable) and variable in makers:
        found, n = makers[variable]
        if found.primitive.name == "scan":
            return origin(jaxprs.loop(found).body, n) or found
        made = [atom for atom in found.invars if not jaxprs.is_literal(atom) and atom in makers]
        if found.primitive.name not in MOVING or len(made) != 1:
            return found
        variable = made[0]
    return found


def maker(program: Program, variable: Atom) -> Equation:
    """The equation of a jaxpr, or of the bodies within it, that gives a variable; None for an input of one of them."""
    return next((each for each in jaxprs.equations(program.jaxpr) if variable in each.outvars), None)
