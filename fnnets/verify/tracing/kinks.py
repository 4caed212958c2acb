"""How near a computation stands to its nearest kink: the smallest gap between two numbers that it compares.

    max(x, y), x > y, …     abs(x − y)                  a ReLU's zero, a tie in max-pooling, a branch of `jnp.where`
    abs(x), sign(x)         abs(x)
    argmax x, argmin x      the extreme number less the next one           the winner of a window

Comparisons with an infinite number, and numbers that are equal because they are the same, count like all others. The
branches within smooth functions of JAX count for nothing: softplus and its relatives, by name, and the magnitude of a
sum of exponentials. One's own smooth function that branches inside shows its branches. So the gap is a hint of how far
a verdict at this point reaches, and never a verdict.

| symbol | name in code | shape |
|---|---|---|
| gap | result; infinite where nothing is compared | () |
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax.extend import core

from fnnets.core import jaxprs
from fnnets.verify.tracing import interpreter, precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

COMPARED, CENTRED = ("max", "min", "gt", "ge", "lt", "le"), ("abs", "sign")
CHOOSING = {"argmax": 1, "argmin": -1}
CUTTING = (
    "clamp", "reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min", "cummax", "cummin"
)  # fmt: skip
INLINED = (*jaxprs.INLINED, "custom_jvp_call")
SMOOTH = ("logaddexp", "logaddexp2")
"""Functions of JAX that compare numbers and are smooth: softplus is the first."""
POSITIVE = ("exp", "exp2", "logistic")
KEEPING = ("reduce_sum", "add", "mul", "convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "transpose")
"""What is positive where all that goes in is."""


def gap(closed: core.ClosedJaxpr, args: PyTree) -> Array:
    """The smallest gap of a traced function at `args`, a scalar."""
    return _evaluated(jaxprs.opened(closed), jax.tree.leaves(args))[1]


def _evaluated(program: jaxprs.Body, args: Sequence[Array]) -> tuple[list[Array], Array]:
    gaps = [jnp.asarray(jnp.inf, jnp.float32)]
    positive: set[int] = set()

    def at(equation, inputs):
        outs, here = _step(equation, inputs)
        name, is_positive = equation.primitive.name, [id(each) in positive for each in equation.invars]
        if name in POSITIVE or (name in KEEPING and all(is_positive)):
            positive.update(map(id, equation.outvars))
        if not (name in CENTRED and all(is_positive)):
            gaps.append(here)
        return outs

    outs = jaxprs.evaluate(program, args, at)
    return outs, functools.reduce(jnp.minimum, gaps)


def _step(equation: core.JaxprEqn, inputs: list[Array]) -> tuple[list[Array], Array]:
    name = equation.primitive.name
    if is_smooth(equation):
        return jaxprs.bind(equation, inputs), jnp.asarray(jnp.inf, jnp.float32)
    if name == "scan" and any(map(compares, jaxprs.inner(equation))):
        outs, least = interpreter.looped(equation, inputs, None, lambda program, args, here: _evaluated(program, args))
        return outs, least.min()
    if name in INLINED and any(map(compares, jaxprs.inner(equation))):
        return _evaluated(jaxprs.inlined(equation), inputs)
    return jaxprs.bind(equation, inputs), _gap(equation, inputs)


def _gap(equation: core.JaxprEqn, inputs: list[Array]) -> Array:
    name = equation.primitive.name
    if name in COMPARED and precision.is_floating(inputs[0]):
        return _smallest(inputs[0] - inputs[1])
    if name in CENTRED and precision.is_floating(inputs[0]):
        return _smallest(inputs[0])
    if name in CHOOSING and precision.is_floating(inputs[0]):
        (axis,) = equation.params["axes"]
        ranked = jnp.sort(jnp.moveaxis(CHOOSING[name] * inputs[0], axis, 0), axis=0)
        return _smallest(jnp.diff(ranked[-2:], axis=0))
    return jnp.asarray(jnp.inf, jnp.float32)


def _smallest(difference: Array) -> Array:
    return jnp.abs(difference).min(initial=jnp.inf).astype(jnp.float32)


def compares(jaxpr: core.Jaxpr) -> bool:
    """Whether a program compares numbers anywhere."""
    return any(
        equation.primitive.name in (*COMPARED, *CENTRED, *CHOOSING, *CUTTING)
        or any(map(compares, jaxprs.inner(equation)))
        for equation in jaxpr.eqns
        if not is_smooth(equation)
    )


def is_smooth(equation: core.JaxprEqn) -> bool:
    """Whether an equation is a call of a function of JAX that compares numbers and is smooth."""
    return equation.primitive.name == "custom_jvp_call" and _source(equation)[0] in SMOOTH and is_of_jax(equation)


def is_of_jax(equation: core.JaxprEqn) -> bool:
    """Whether the function of an equation with a rule of its own is one of JAX."""
    return "jax" in Path(_source(equation)[1]).parts


def _source(equation: core.JaxprEqn) -> tuple[str, str]:
    """The name of an equation's function, and where it stands."""
    about = getattr(jaxprs.body(equation).jaxpr, "debug_info", None)
    name, _, place = str(getattr(about, "func_src_info", "")).partition(" at ")
    return name, place
