"""Derivative rules of their own in a function: a `jax.custom_vjp` or the like, in itself or within.

    has_rule        whether there is one
    custom_rules    each that is not JAX's own, by name and line
    has_callback    whether a program calls back to the host
    wrong_rules     those whose derivative is not that of their own function, at the values that reach them

    custom_vjp_call, custom_jvp_call, custom_linear_solve, …    by the beginning of their names
    linear_call, and calls in JAX's opaque form                 by name

| symbol | name in code | shape |
|---|---|---|
| inputs of a rule | `inputs`, those that it may differentiate by `position` | as the function takes them |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from fnnets.core import jaxprs
from fnnets.verify.tracing import compiled, interpreter, places, precision
from fnnets.verify.tracing.interpreter import Traced

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

CALLBACKS = ("pure_callback", "io_callback")
LINEAR = "linear_call"
RULES = (LINEAR, jaxprs.OPAQUE)
STEPS, MOVED = 3, 1e-3


class Rule(NamedTuple):
    """A function with a derivative rule of its own: its name, and where it is defined."""

    name: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"the rule of {self.name} at line {self.line} of {Path(self.file).name}"


def has_rule(function: Callable[..., PyTree], *args: PyTree) -> bool:
    """Whether the function, traced with these arguments, has an equation with a derivative rule of its own.

    >>> import jax.numpy as jnp
    >>> has_rule(jax.nn.relu, 1.0), has_rule(jnp.sin, 1.0)
    (True, False)
    """
    names = (each.primitive.name for each in jaxprs.equations(jax.make_jaxpr(function)(*args).jaxpr))
    return any(name.startswith("custom_") or name in RULES for name in names)


def custom_rules(forward: Traced) -> list[Rule]:
    """All functions with rules of their own that are not JAX's, each once, in the order of execution."""
    found = map(own, jaxprs.equations(jaxprs.opened(forward.closed).jaxpr))
    return list(dict.fromkeys(rule for rule in found if rule is not None))


def own(equation: core.JaxprEqn) -> Rule | None:
    """The rule of an equation, None where it has none, or one of JAX's."""
    rule = of(equation)
    return None if rule is None or places.is_of_jax(rule.file) else rule


def of(equation: core.JaxprEqn) -> Rule | None:
    """The rule of an equation, JAX's own included; None where it has none."""
    body = _body(equation)
    if body is None:
        return None
    defined = places.defined(body.jaxpr)
    if defined is None or places.is_of_jax(defined.file):
        # of `jax.custom_gradient` JAX has the place of its own wrapper: the lines inside it are the user's
        inner = _first_line(body.jaxpr)
        is_wrapper = defined is not None and Path(defined.file).name == "custom_derivatives.py"
        if is_wrapper and inner is not None:
            return Rule(inner.function.rpartition("<locals>.")[2], inner.file, inner.number)
    return None if defined is None else Rule(defined.function.rpartition(".")[2], defined.file, defined.number)


def wrong_rules(forward: Traced, point: PyTree) -> list[Rule]:
    """The rules, not JAX's own, that contradict JAX's derivative of their own functions at the values of this point.

    Both are compared at the values that reach the rule, along a drawn direction, and again a little away from there, so
    that a kink counts for nothing. An argument to which a rule gives no derivative at all, such as a mask, is left out.

    Args:
        forward: a traced function; in float64 where it was traced so.
        point: its arguments.
    """
    found: list[Rule] = []
    for equation, inputs in _reached(forward, point):
        rule = own(equation)
        if rule is not None and rule not in found and _is_wrong(equation, inputs):
            found.append(rule)
    return found


def _reached(forward: Traced, point: PyTree) -> list[tuple[core.JaxprEqn, list[Array]]]:
    """Each equation with a rule, and the values that reach it, at some steps of the loops around it."""
    program = jaxprs.opened(forward.closed)
    equations = _sites(program.jaxpr)

    def values(*args):
        def change(equation, inputs, _):
            kept = [x for x in inputs if not jnp.issubdtype(jnp.result_type(x), jax.dtypes.extended)]
            return jaxprs.bind(equation, inputs), (jnp.ones(()), kept if len(kept) == len(inputs) else [])

        return interpreter.walk(program, args, [None] * len(equations), _is_own, change)[1]

    with compiled.keeping({}):  # the name does not tell one function from another
        seen = jax.device_get(compiled.call("rules", values, *jax.tree.leaves(point))) if equations else []
    reached = []
    for equation, (taken, inputs) in zip(equations, seen, strict=True):
        steps = np.argwhere(np.asarray(taken) > 0)
        if inputs:
            chosen = steps[:: max(1, len(steps) // STEPS)]
            reached += [(equation, [each[tuple(step)] for each in inputs]) for step in chosen]
    return reached


def _sites(jaxpr: core.Jaxpr) -> list[core.JaxprEqn]:
    """The equations with rules, in the order in which they are walked."""
    found: list[core.JaxprEqn] = []
    for equation in jaxpr.eqns:
        if _is_own(equation):
            found.append(equation)
        elif interpreter.is_followed(equation):
            for each in interpreter.bodies(equation):
                found += _sites(each.jaxpr)
    return found


def _is_own(equation: core.JaxprEqn) -> bool:
    return own(equation) is not None


def _is_wrong(equation: core.JaxprEqn, inputs: Sequence[Array]) -> bool:
    """Whether a rule departs from the derivative of its body, at these inputs and near them."""
    random = np.random.default_rng(5)
    near = [
        x + (MOVED * (1 + np.abs(x)) * random.uniform(-1, 1, np.shape(x))).astype(x.dtype) if is_number(x) else x
        for x in inputs
    ]
    try:
        return all(_departs(equation, each) for each in (inputs, near))
    except Exception:  # a rule may raise anything; it is then no rule that can be held against its function
        return False


def _departs(equation: core.JaxprEqn, inputs: Sequence[Array]) -> bool:
    first = equation.params["num_callee_consts"] + equation.params["num_res"] if _name(equation) == LINEAR else 0
    positions = [i for i, x in enumerate(inputs) if i >= first and is_number(x)]
    body = _body(equation)
    assert body is not None

    def of_floats(step):
        def function(floats):
            filled = dict(zip(positions, floats, strict=True))
            outs = step([filled.get(i, x) for i, x in enumerate(inputs)])
            return [out for out in outs if is_number(out)]

        return function

    rule = of_floats(lambda values: jaxprs.bind(equation, values))
    plain = of_floats(lambda values: jaxprs.evaluate(body, values, jaxprs.bind))
    at = [jnp.asarray(inputs[i]) for i in positions]
    pull = _forward if _name(equation) == "custom_jvp_call" else _backward
    pairs = jax.device_get(jax.jit(lambda at: [pull(rule, at), pull(plain, at)])(at))
    apart = [_apart(*pair) for pair in zip(*pairs, strict=True) if np.any(pair[0]) or len(pairs[0]) == 1]
    return any(apart)


def _forward(function: Callable[..., list[Array]], at: list[Array]) -> list[Array]:
    return jax.jvp(function, (at,), (_drawn(at),))[1]


def _backward(function: Callable[..., list[Array]], at: list[Array]) -> list[Array]:
    outs, back = jax.vjp(function, at)
    return back(_drawn(outs))[0]


def _drawn(like: list[Array]) -> list[Array]:
    random = np.random.default_rng(7)
    return [jnp.asarray(random.normal(size=x.shape), x.dtype) for x in like]


def _apart(one: Array, other: Array) -> bool:
    epsilon = 1e-7 if one.dtype == np.float64 else 1e-3
    x, y = precision.numbers(one), precision.numbers(other)
    largest = max(np.abs(x).max(initial=0.0), np.abs(y).max(initial=0.0))
    return bool(np.any(np.abs(x - y) > epsilon * largest))


def _body(equation: core.JaxprEqn) -> jaxprs.Body | None:
    """The function that a rule belongs to, None for an equation without a rule, or of another form."""
    if _name(equation) in places.CUSTOM:
        return jaxprs.body(equation)
    if _name(equation) == LINEAR:
        return jaxprs.opened(equation.params["callee"])
    if _name(equation) == jaxprs.OPAQUE:
        traced = getattr(equation.params.get("_prim"), "traced", None)
        return None if traced is None else jaxprs.opened(traced.jaxpr)
    return None


def _first_line(jaxpr: core.Jaxpr) -> jaxprs.Line | None:
    lines = map(places.line, jaxpr.eqns)
    return next((each for each in lines if each is not None), None)


def is_number(x: object) -> bool:
    """Whether a value is of a real floating dtype."""
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def _name(equation: core.JaxprEqn) -> str:
    return equation.primitive.name


def has_callback(program: jaxprs.Program) -> bool:
    """Whether a traced function calls the host, which has no derivative.

    >>> has_callback(jax.make_jaxpr(lambda x: x)(1.0))
    False
    """
    return any(each.primitive.name in CALLBACKS for each in jaxprs.equations(program.jaxpr))
