"""Equations with a derivative rule of their own, and the programs that their functions are.

    rule            custom_vjp_call, custom_jvp_call, custom_linear_solve, linear_call, or an opaque call with a rule
    plain           the function that the rule belongs to: the body of the equation
    bare            the same with no rule in it: each rule within is replaced by its own body

| symbol | name in code | shape |
|---|---|---|
| inputs of an equation | `inputs` | a list, as the equation has them |
| size of a linear system | `UNKNOWNS` at most | |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from fnnets.core import jaxprs
from fnnets.verify.tracing import interpreter, places, primitives, rules, widening
from fnnets.verify.tracing.rules import Rule

if TYPE_CHECKING:
    from jaxtyping import Array

SOLVE = "custom_linear_solve"
UNKNOWNS = 256
DRAWING = ("random_bits", "threefry2x32", "random_gamma", "rng_bit_generator", "rng_uniform", "random_unwrap")
Step = Callable[[jaxprs.Equation, "list[Array]"], "Sequence[Array]"]


class Site(NamedTuple):
    """An equation with a rule.

    Attributes:
        equation: the equation.
        rule: name, file and line of the function that has the rule.
        call: the innermost line outside of JAX that calls it, None where there is none.
        within: names of the rules in whose bodies the equation stands.
        is_looped: whether it stands in a while loop, through which no cotangent comes back.
    """

    equation: jaxprs.Equation
    rule: Rule
    call: jaxprs.Line | None
    within: tuple[str, ...] = ()
    is_looped: bool = False


def is_rule(equation: jaxprs.Equation) -> bool:
    """Whether an equation has a derivative rule of its own."""
    name = equation.primitive.name
    if name == jaxprs.OPAQUE:
        operation = equation.params.get("_prim")
        return hasattr(operation, "traced") or hasattr(operation, "tangent_solve")
    return name in (*places.CUSTOM, SOLVE, rules.LINEAR) or name.startswith(("custom_vjp_call", "custom_jvp_call"))


def of(equation: jaxprs.Equation, within: tuple[str, ...] = (), is_looped: bool = False) -> Site:
    """The site that an equation is."""
    if equation.primitive.name == SOLVE:
        functions = equation.params["jaxprs"]
        defined = [places.defined(jaxprs.opened(each).jaxpr) for each in functions if each is not None]
        users = [each for each in defined if each is not None and not places.is_of_jax(each.file)]
        place = (users[-1:] or [each for each in defined if each is not None] or [jaxprs.Line("", 0, "")])[0]
        rule: Rule | None = Rule(SOLVE, place.file, place.number)
    else:
        rule = rules.of(equation)
        if rule is None and equation.primitive.name == jaxprs.OPAQUE:
            rule = Rule(type(equation.params["_prim"]).__name__, "", 0)
    return Site(equation, rule or Rule(equation.primitive.name, "", 0), places.line(equation), within, is_looped)


def is_moved(x: Any) -> bool:
    """Whether a value is of a dtype that is differentiated: floating, real or complex."""
    dtype = getattr(x, "dtype", None)
    return bool(jnp.issubdtype(jnp.result_type(x) if dtype is None else dtype, jnp.inexact))


def foreign(jaxpr: jaxprs.Jaxpr) -> dict[str, str]:
    """Primitives that are not JAX's own, which have rules that no equation shows; and the first line of each."""
    found: dict[str, str] = {}
    for equation in jaxprs.equations(jaxpr):
        if not primitives.is_of_jax(equation.primitive):
            found.setdefault(equation.primitive.name, places.shown(places.line(equation)))
    return found


def traced(function: Callable[..., Any], *args: Any) -> jaxprs.Body:
    """The program of a function.

    Raises:
        jax.errors.UnexpectedTracerError: it holds a value of a trace that has ended.
    """
    program = jax.make_jaxpr(function)(*args)
    if any(isinstance(each, jax.core.Tracer) for each in jaxprs.constants(program)):
        raise jax.errors.UnexpectedTracerError("a value of a trace that has ended")
    return jaxprs.opened(program)


def draws(jaxpr: jaxprs.Jaxpr) -> bool:
    """Whether a program draws random numbers."""
    return any(equation.primitive.name in DRAWING for equation in jaxprs.equations(jaxpr))


def rejects(jaxpr: jaxprs.Jaxpr) -> bool:
    """Whether a program may draw numbers again and again until one is accepted, which is no smooth function."""
    names = {equation.primitive.name for equation in jaxprs.equations(jaxpr)}
    return "random_gamma" in names or ("while" in names and draws(jaxpr))


def iterates(equation: jaxprs.Equation) -> bool:
    """Whether the function of a rule is a solver, which is no better than its tolerance."""
    within = [each.primitive.name for inner in jaxprs.inner(equation) for each in jaxprs.equations(inner)]
    return equation.primitive.name == SOLVE or any(name in ("while", SOLVE, *rules.CALLBACKS) for name in within)


def inner(equation: jaxprs.Equation) -> jaxprs.Body | None:
    """The body of a rule, with the inputs of its equation; None where no program has these inputs."""
    name = equation.primitive.name
    if name == SOLVE:
        return None
    if name == jaxprs.OPAQUE:
        return jaxprs.expanded(equation)
    return jaxprs.opened(equation.params["callee"]) if name == rules.LINEAR else jaxprs.body(equation)


def plain(equation: jaxprs.Equation, inputs: Sequence[Array], step: Step) -> list[Array]:
    """The function of a rule, `step` at each of its equations.

    Raises:
        NotImplementedError: a linear system of more than `UNKNOWNS` unknowns.
    """
    body = inner(equation)
    if body is not None:
        return jaxprs.evaluate(_usable(body), inputs, step)
    return _solved(equation, list(inputs), step)


def _usable(body: jaxprs.Body) -> jaxprs.Body:
    """The body with JAX's arrays for constants: a rule may index a NumPy array with what is traced."""
    return jaxprs.Body(body.jaxpr, [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in body.consts])


def bare(equation: jaxprs.Equation, inputs: list[Array]) -> list[Array]:
    """An equation with every rule in it replaced by the body of the rule, for `jaxprs.evaluate`."""
    name = equation.primitive.name
    if is_rule(equation):
        return plain(equation, inputs, bare)
    if not has_rule(equation):
        return jaxprs.bind(equation, inputs)
    if name == "scan":
        return interpreter.looped(equation, inputs, None, lambda body, args, _: (_bared(body, args), ()))[0]
    if name == "cond":
        index, *operands = inputs
        branches = [
            lambda *args, each=each: tuple(_bared(each, args))
            for each in map(jaxprs.opened, equation.params["branches"])
        ]
        return list(jax.lax.switch(index, branches, *operands))
    if name == "while":
        return widening.while_loop(equation, inputs, _bared)
    return _bared(jaxprs.inlined(equation), inputs) if name in jaxprs.INLINED else jaxprs.bind(equation, inputs)


def has_rule(equation: jaxprs.Equation) -> bool:
    """Whether a rule stands anywhere in the bodies of an equation."""
    return any(is_rule(each) for body in jaxprs.inner(equation) for each in jaxprs.equations(body))


def _bared(body: jaxprs.Body, args: Sequence[Array]) -> list[Array]:
    return jaxprs.evaluate(body, args, bare)


def _solved(equation: jaxprs.Equation, inputs: list[Array], step: Step) -> list[Array]:
    """The solution of the linear system of an equation, by its matrix."""
    lengths, functions = equation.params["const_lengths"], equation.params["jaxprs"]
    matvec = jaxprs.opened(functions.matvec)
    of_matvec, right = inputs[: lengths.matvec], inputs[sum(lengths) :]
    flat, unravel = ravel_pytree(list(right))
    if flat.size > UNKNOWNS:
        raise NotImplementedError(f"a linear system of {flat.size} unknowns, of which at most {UNKNOWNS} are looked at")

    def times(vector):
        outs = jaxprs.evaluate(matvec, [*of_matvec, *unravel(vector)], step)
        return ravel_pytree(list(outs))[0]

    return list(unravel(jnp.linalg.solve(jax.vmap(times, out_axes=1)(jnp.eye(flat.size, dtype=flat.dtype)), flat)))
