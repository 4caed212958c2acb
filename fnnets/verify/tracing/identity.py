"""The identity of a traced program, by which compiled ones are found again.

    the same        equations, shapes, dtypes, numbers written in the code
    left out        the numbers that it closes over, which are arguments of what is compiled
    by its place    a number within an inner program: equal to itself alone

| symbol | name in code | shape |
|---|---|---|
| the n-th variable | `numbers` | |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fnnets.core import jaxprs

CASTING, NEAR = ("convert_element_type", "copy"), 4e-3
"""Primitives that precisions add, and the relative rounding of a number in the code in half precision."""


def identity(jaxpr: Any) -> tuple[object, ...]:
    """What tells a jaxpr from another: its equations, shapes and dtypes, but not the numbers that it closes over.

    Custom derivative rules count by their bodies alone. Numbers within inner programs count by their place in memory;
    the result keeps them there.

    >>> import jax
    >>> trace = lambda c: identity(jax.make_jaxpr(lambda x: jax.nn.relu(x) * c)(1.0).jaxpr)
    >>> trace(2.0) == trace(2.0), trace(2.0) == trace(3.0)
    (True, False)
    """
    numbers: dict[Any, int] = {}

    def place(atom):
        if jaxprs.is_literal(atom):
            return "literal", str(atom.aval), repr(atom.val)
        return numbers.setdefault(atom, len(numbers)), atom.aval.str_short() + str(getattr(atom.aval, "weak_type", ""))

    inputs = tuple(map(place, (*jaxpr.constvars, *jaxpr.invars)))
    equations = tuple(
        (each.primitive.name, tuple(map(place, each.invars)), _identities(each), tuple(map(place, each.outvars)))
        for each in jaxpr.eqns
    )
    return inputs, equations, tuple(map(place, jaxpr.outvars))


def _identities(equation: Any) -> tuple[object, ...]:
    if equation.primitive.name.startswith(("custom_jvp_call", "custom_vjp_call")):
        return (_identity(jaxprs.body(equation)),)
    return tuple((name, _identity(value)) for name, value in sorted(equation.params.items()))


def _identity(value: object) -> object:
    if isinstance(value, jaxprs.Body):
        return identity(value.jaxpr), *map(_Held, value.consts)
    if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
        return _identity(jaxprs.opened(value))
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        return tuple(map(_identity, value))
    if isinstance(value, dict):
        return tuple((key, _identity(each)) for key, each in sorted(value.items(), key=repr))
    try:
        hash(value)
    except TypeError:
        return _Held(value)
    return value


class _Held:
    """A value that equals itself alone, and is kept so that nothing else takes its place in memory."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def same_but_for_dtypes(one: Any, other: Any) -> bool:
    """Whether two programs are the same function in different precision: equations, and numbers up to rounding.

    >>> import jax, numpy as np
    >>> trace = lambda eps, dtype: jax.make_jaxpr(lambda x: x / (x + eps))(np.ones(2, dtype))
    >>> same_but_for_dtypes(trace(0.1, "float32"), trace(0.1, "float16"))
    True
    >>> same_but_for_dtypes(trace(0.1, "float32"), trace(0.2, "float32"))
    False
    """
    sides = [
        [each for each in jaxprs.equations(jaxprs.opened(side).jaxpr) if each.primitive.name not in CASTING]
        for side in (one, other)
    ]
    if len(sides[0]) != len(sides[1]):
        return False
    return all(
        a.primitive.name == b.primitive.name and all(map(_near, a.invars, b.invars))
        for a, b in zip(*sides, strict=True)
    )


def _near(one: Any, other: Any) -> bool:
    """Whether two inputs are variables, or the same number up to the rounding of half precision."""
    if jaxprs.is_literal(one) != jaxprs.is_literal(other):
        return False
    return not jaxprs.is_literal(one) or bool(
        np.allclose(np.asarray(one.val, float), np.asarray(other.val, float), NEAR, 0)
    )
