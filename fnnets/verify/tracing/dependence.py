"""Dependence of marked quantities on parameters: where a gradient without marks of its own goes wrong.

    dependence       every value of a traced function depends on the inputs of the equation that gives it
    first tap of w   the first, in the order of execution, whose value depends on w

Rows stand from the output backwards, so the first wrong one is the nearest to the cost; all leaves behind a tap
being right and those before it wrong says that the fault is between them.

| symbol | name in code | shape |
|---|---|---|
| inputs that a value depends on | a set of positions | |
"""

from __future__ import annotations

from collections.abc import Sequence

from jax.extend import core

from fnnets.core import jaxprs
from fnnets.verify.tracing import interpreter

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
        carries = slice(loop.consts, loop.consts + loop.carries)
        while True:  # what a carry depends on grows until it has been around the loop
            outs, found = _depending(loop.body.jaxpr, given)
            grown = [x | y for x, y in zip(given[carries], outs[: loop.carries], strict=True)]
            if grown == given[carries]:
                return outs, found
            given = [*given[: carries.start], *grown, *given[carries.stop :]]
    if name in jaxprs.INLINED:
        return _depending(jaxprs.inlined(equation).jaxpr, given)
    return [frozenset().union(*given)] * len(equation.outvars), []
