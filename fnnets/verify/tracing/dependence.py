"""Dependence of marked quantities on parameters: where a gradient without marks of its own goes wrong.

    dependence       every value of a traced function depends on the inputs of the equation that gives it
    first tap of w   the first, in the order of execution, whose value depends on w

Rows stand from the output backwards, so the first wrong one is the nearest to the cost; all leaves behind a tap
being right and those before it wrong says that the fault is between them. Taps inside `cond`, `while_loop` and custom
derivative rules count as well, though their values are not compared everywhere.

| symbol | name in code | shape |
|---|---|---|
| inputs that a value depends on | a set of positions | |
"""

from __future__ import annotations

from collections.abc import Sequence

from jax.extend import core

from fnnets.core import jaxprs
from fnnets.verify.tracing import interpreter, places

Found = list[tuple[str, frozenset[int]]]


def first_taps(traced: interpreter.Traced, count: int) -> list[tuple[int, str]]:
    """(position among the taps, its name) for each of the first `count` inputs; behind all taps with "" for none."""
    jaxpr = traced.closed.jaxpr
    _, found = _depending(jaxpr, [frozenset([i]) for i in range(len(jaxpr.invars))])
    end = (len(found), "")
    return [next(((n, name) for n, (name, on) in enumerate(found) if i in on), end) for i in range(count)]


def _depending(jaxpr: core.Jaxpr, inputs: Sequence[frozenset[int]]) -> tuple[list[frozenset[int]], Found]:
    """What each result depends on, and each tap, in the order of execution."""
    on: dict[core.Var, frozenset[int]] = dict(zip(jaxpr.invars, inputs, strict=True))
    found: Found = []

    def read(atom):
        return frozenset() if jaxprs.is_literal(atom) else on.get(atom, frozenset())

    for equation in jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        tag = interpreter.tag_of(equation)
        if tag is not None and tag.kind == "tap":
            found.append((tag.name, given[0]))
        outs, inner = _of_equation(equation, given)
        found += inner
        on.update(zip(equation.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars], found


def _of_equation(equation: core.JaxprEqn, given: list[frozenset[int]]) -> tuple[list[frozenset[int]], Found]:
    name = equation.primitive.name
    if name == "scan":
        loop = jaxprs.loop(equation)
        return _around(loop.body.jaxpr, given, loop.consts, loop.carries)
    if name == "while":
        first, second = equation.params["cond_nconsts"], equation.params["body_nconsts"]
        decides = frozenset().union(*given[:first])
        body, inputs = jaxprs.opened(equation.params["body_jaxpr"]), given[first:]
        outs, found = _around(body.jaxpr, inputs, second, len(inputs) - second)
        return [out | decides for out in outs], found
    if name == "cond":
        parts = [_depending(each.jaxpr, given[1:]) for each in interpreter.bodies(equation)]
        outs = [given[0].union(*each) for each in zip(*(outs for outs, _ in parts), strict=True)]
        return outs, [each for _, found in parts for each in found]
    if name in (*jaxprs.INLINED, *places.CUSTOM):
        return _depending(jaxprs.inlined(equation).jaxpr, given)
    return [frozenset().union(*given)] * len(equation.outvars), []


def _around(
    body: core.Jaxpr, given: list[frozenset[int]], consts: int, count: int
) -> tuple[list[frozenset[int]], Found]:
    """What the results of a loop depend on, and its taps: what a carry depends on grows until it has been around."""
    carries = slice(consts, consts + count)
    while True:
        outs, found = _depending(body, given)
        grown = [x | y for x, y in zip(given[carries], outs[:count], strict=True)]
        if grown == given[carries]:
            return outs, found
        given = [*given[:consts], *grown, *given[carries.stop :]]
