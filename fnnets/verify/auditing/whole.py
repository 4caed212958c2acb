"""The gradient of a whole function against differences, along one direction for each argument.

A rule may be right and what it is used for wrong. Where a rule that an argument reaches does not agree, the whole
follows from it, and the row says so; a function that stops a gradient on purpose has the verdict of a rule of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.auditing import elements, judge, sites
from fnnets.verify.auditing.candidates import Equation
from fnnets.verify.auditing.elements import AGREES, DIFFERS, UNDECIDED, Element, Point
from fnnets.verify.auditing.report import FOLLOWS, SKIPPED, UNSEEN, WHOLE, AuditRow
from fnnets.verify.auditing.sites import Site
from fnnets.verify.tracing import places
from fnnets.verify.tracing.rules import Rule

Key = tuple[str, str, int]


class Whole(NamedTuple):
    """What was found.

    Attributes:
        elements: the worst of each argument.
        reached: for each of them, the rules that the argument reaches.
        stopped: the line at which a gradient is stopped on purpose, "" for none.
    """

    elements: list[Element]
    reached: list[set[Key]]
    stopped: str


def examined(
    function: Callable[..., Any],
    name: str,
    leaves: list[Any],
    args: list[Any],
    moving: list[int],
    draw: Callable[..., Any],
) -> Whole | None:
    """The findings; None where there is nothing to difference.

    `leaves` are the arguments as they were given, `args` the same as arrays; `draw(avals, is_one)` gives cotangents.
    """
    flat = lambda *args: jax.tree.leaves(function(*args))  # noqa: E731
    jaxpr = jax.make_jaxpr(jax.jit(flat, keep_unused=True))(*leaves).jaxpr
    equation = jaxpr.eqns[-1] if jaxpr.eqns else None
    if equation is None or equation.primitive.name not in jaxprs.INLINED or list(equation.invars) != jaxpr.invars:
        return None
    whole = Equation(Site(equation, Rule(name, "", 0), None), moving, leaves, flat)
    if not whole.outs:
        return None
    body, cotangents = jaxprs.opened(equation.params["jaxpr"]).jaxpr, draw(whole.outputs, whole.is_scalar)
    found = judge.every(whole, args, cotangents) if "rule" in whole.traced else _untraced(whole, flat, args, cotangents)
    if sites.rejects(body):
        found = [each._replace(verdict=UNDECIDED) if each.verdict == DIFFERS else each for each in found]
    reached = [_reached(body, [n in whole.places[each.moved] for n in range(len(leaves))])[1] for each in found]
    return Whole(found, reached, _stop(body))


def _untraced(whole: Equation, flat: Callable[..., Any], args: list[Any], cotangents: list[Any]) -> list[Element]:
    """The same, one argument at a time, where the backward pass of all cannot be traced, as its tracers escape."""
    point, found = Point(whole, args, cotangents), []
    for n, places_of_one in enumerate(whole.places):

        def of_one(x, j=places_of_one[0]):
            return [out for out in flat(*args[:j], x, *args[j + 1 :]) if sites.is_moved(out)]

        try:
            outs, back = jax.vjp(of_one, args[places_of_one[0]])
            if not any(np.iscomplexobj(x) for x in (*outs, args[places_of_one[0]])):
                found.append(elements.along(point, n, np.asarray(back(cotangents)[0])))
        except Exception:  # whatever a rule raises; the remarks say so
            continue
    return found


def row(whole: Whole, others: Sequence[AuditRow], accept: Sequence[str]) -> AuditRow:
    """The row of the whole function, given those of the rules."""
    rows = [
        _row(element, reached, whole.stopped, others)
        for element, reached in zip(whole.elements, whole.reached, strict=True)
    ]
    order = (DIFFERS, judge.ZERO, UNDECIDED, FOLLOWS, AGREES)
    worst = min(rows, key=lambda each: order.index(each.verdict), default=AuditRow(WHOLE))
    return worst._replace(visits=1, is_accepted=WHOLE in accept)


def _row(element: Element, reached: set[Key], stopped: str, others: Sequence[AuditRow]) -> AuditRow:
    row = AuditRow(
        WHOLE, verdict=element.verdict, place=element.place, rule=element.rule, expected=element.expected,
        reason=element.reason,
    )  # fmt: skip
    if element.verdict == AGREES:
        return AuditRow(WHOLE)
    causes = [
        other.name
        for other in others
        if (other.name, other.file, other.line) in reached and other.verdict not in (AGREES, UNSEEN, SKIPPED)
    ]
    if causes and element.verdict == DIFFERS:
        return row._replace(verdict=FOLLOWS, note=f"it differs from differences as {', '.join(causes)} does")
    if stopped and element.verdict == DIFFERS:
        return row._replace(verdict=judge.ZERO, reason=f"the function stops a gradient at {stopped}")
    return row


def _reached(jaxpr: jaxprs.Jaxpr, given: Sequence[bool]) -> tuple[list[bool], set[Key]]:
    """Which outputs of a program depend on its given inputs, and the rules on the way."""
    moved = {variable for variable, is_given in zip(jaxpr.invars, given, strict=True) if is_given}
    found: set[Key] = set()
    for equation in jaxpr.eqns:
        flags = [not jaxprs.is_literal(atom) and atom in moved for atom in equation.invars]
        if not any(flags):
            continue
        if equation.primitive.name in jaxprs.INLINED:
            outs, within = _reached(jaxprs.inlined(equation).jaxpr, flags)
        else:
            inside = [each for body in jaxprs.inner(equation) for each in jaxprs.equations(body)]
            within = {_key(each) for each in (equation, *inside) if sites.is_rule(each)}
            outs = [True] * len(equation.outvars)
        found |= within
        moved.update(variable for variable, is_moved in zip(equation.outvars, outs, strict=True) if is_moved)
    return [not jaxprs.is_literal(atom) and atom in moved for atom in jaxpr.outvars], found


def _key(equation: jaxprs.Equation) -> Key:
    rule = sites.of(equation).rule
    return rule.name, rule.file, rule.line


def _stop(jaxpr: jaxprs.Jaxpr) -> str:
    """The line of the first gradient that is stopped on purpose, "" for none."""
    for equation in jaxprs.equations(jaxpr):
        if equation.primitive.name in (places.STOPPED, *places.STEPPING) and places.is_own(equation):
            return places.shown(places.line(equation)) or "an operation of JAX"
    return ""


def is_finite(args: Sequence[Any], moving: Sequence[int]) -> bool:
    """Whether all arguments that are moved are finite."""
    return all(np.all(np.isfinite(np.asarray(args[n]))) for n in moving)
