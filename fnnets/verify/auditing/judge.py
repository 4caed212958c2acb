"""The verdict on a rule at one visit: its derivative against that of its own function.

    value       under differentiation it must be the plain one
    derivative  it must be the function's own, by automatic differentiation or by slopes
    precision   in the program's own dtype the rule may not lose what the function itself keeps
    meant       flat and identity primals, rules of zeros and drawn samples have verdicts of their own

| symbol | name in code | shape |
|---|---|---|
| candidates in float64, in the program's own dtype | `wide`, `narrow` | |
| outputs where nothing is differentiated | `plain`, `plain_narrow` | |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fnnets.verify.auditing import elements, sites
from fnnets.verify.auditing.candidates import Derivative, Equation
from fnnets.verify.auditing.elements import (
    AGREES,
    DIFFERS,
    DTYPE,
    INFINITY,
    UNDECIDED,
    VALUE,
    Element,
    Point,
    is_infinite,
    largest,
    numbers,
    scale,
)
from fnnets.verify.reference import raised

FLAT, ZERO, IDENTITY, IMPLICIT = MEANT = (
    "flat primal", "rule gives zero", "identity primal", "implicit reparameterisation",
)  # fmt: skip
OF_VALUE, OF_ROUNDING, OF_ZERO = 1e-4, 1e-5, 1e-12
RANKS = (DIFFERS, *MEANT, UNDECIDED, AGREES)
NARROW = {"float32": 1e-2, "bfloat16": 0.3, "float16": 0.1}
"""Relative error of a rule in its own dtype that is a fault where the function itself has a thirtieth of it."""
LARGEST = 1e-3 * float(np.finfo(np.float32).max)


def judged(equation: Equation, inputs: Sequence[Any], cotangents: Sequence[np.ndarray]) -> Element:
    """The verdict at a visit, for the cotangents of its floating outputs; the worst element speaks."""
    found = every(equation, inputs, cotangents)
    return min(found, key=lambda each: RANKS.index(each.verdict), default=Element(AGREES))


def every(equation: Equation, inputs: Sequence[Any], cotangents: Sequence[np.ndarray]) -> list[Element]:
    """The verdicts on a visit: on a value that changes, else on the elements that agree with no other derivative."""
    wide, narrow = (equation.run(inputs, cotangents, is_wide) for is_wide in (True, False))
    plain, plain_narrow = (equation.values(inputs, is_wide) for is_wide in (True, False))
    point = Point(equation, inputs, cotangents)
    if "rule" not in wide:
        return [_raised(equation)]
    # in the program's own dtype a value near zero may be what is left of larger ones
    changed = _value(wide["rule"].outs, plain, OF_ZERO) or _value(narrow["rule"].outs, plain_narrow, OF_ROUNDING)
    if changed is not None:
        return [_meant(point, wide, changed)]
    if not all(np.all(np.isfinite(each)) for each in plain) and any(np.any(np.isnan(each)) for each in plain):
        return [Element(AGREES, reason="the function itself is not a number here")]
    found = [each if each.verdict == AGREES else _meant(point, wide, each) for each in elements.departing(point, wide)]
    if all(each.verdict == AGREES for each in found):
        lost = _in_own_dtype(equation, wide, narrow, plain, plain_narrow)
        return found if lost is None else [lost]
    return found


def _raised(equation: Equation) -> Element:
    error = equation.failures["rule"]
    line = raised.line(error)
    shown = f"{type(error).__name__}: {raised.first_line(error)}{f' ({line})' if line else ''}"
    return Element(DIFFERS, reason=f"the rule raises {shown}")


def _value(under: Sequence[np.ndarray], plain: Sequence[np.ndarray], floor: float) -> Element | None:
    """The output that changes when it is differentiated."""
    for n, (one, other) in enumerate(zip(under, plain, strict=True)):
        one, other = numbers(one), numbers(other)
        with np.errstate(all="ignore"):
            bad = np.abs(one - other) > OF_VALUE * np.maximum(np.abs(one), np.abs(other)) + max(
                1e-6 * scale(other), floor
            )
        bad |= np.isnan(one) != np.isnan(other)
        bad &= ~((one == other) | np.isnan(other))
        if np.any(bad):
            index = largest(np.where(bad, np.abs(one - other), -1.0))
            place = f"output {n} {list(index)}" if index else f"output {n}"
            reason = "the value where nothing is differentiated"
            return Element(DIFFERS, place, float(one[index]), float(other[index]), reason, kind=VALUE)
    return None


def _in_own_dtype(
    equation: Equation,
    wide: dict[str, Derivative],
    narrow: dict[str, Derivative],
    plain: Sequence[np.ndarray],
    plain_narrow: Sequence[np.ndarray],
) -> Element | None:
    """The element that the rule loses in the program's own dtype while its function keeps it."""
    if narrow["rule"].is_along != wide["rule"].is_along or "body" not in narrow or equation.is_quantised:
        return None
    keeps_value = all(_is_kept(one, other) for one, other in zip(plain_narrow, plain, strict=True))
    for n, (own, right) in enumerate(zip(narrow["rule"].gradients, wide["rule"].gradients, strict=True)):
        bound = NARROW.get(str(own.dtype))
        if bound is None or not keeps_value:
            continue
        own, right, base = numbers(own), numbers(right), numbers(narrow["body"].gradients[n])
        if base.shape != own.shape:
            continue
        with np.errstate(all="ignore"):
            size = np.maximum(np.abs(right), 1e-3 * scale(right)) + 1e-30
            error, of_body = np.abs(own - right) / size, np.abs(base - right) / size
            lost = np.isfinite(right) & (np.abs(right) < LARGEST) & (np.abs(right) > 1e-30)
            lost &= ~(error <= bound) & (~np.isfinite(own) | (error > 30 * of_body))
            lost &= np.isfinite(own) | np.isfinite(base)
            lost |= ~np.isfinite(own) & np.isfinite(base) & np.isfinite(right) & (np.abs(right) < LARGEST)
        if np.any(lost):
            index = largest(np.where(lost, np.nan_to_num(error, nan=np.inf, posinf=np.inf), -1.0))
            place, dtype = equation.named(n, index), narrow["rule"].gradients[n].dtype
            reason = (
                f"what the same rule gives in float64; in {dtype} the function keeps its digits, and the rule does not"
            )
            return Element(DIFFERS, place, float(own[index]), float(right[index]), reason, kind=DTYPE)
    return None


def _is_kept(one: np.ndarray, other: np.ndarray) -> bool:
    one, other = numbers(one), numbers(other)
    with np.errstate(all="ignore"):
        return bool(np.all((one == other) | (np.abs(one - other) <= 1e-2 * np.abs(other) + 1e-4 * scale(other))))


def _meant(point: Point, wide: dict[str, Derivative], worst: Element) -> Element:
    """The verdict for what is usually meant: a flat or an identity primal, a rule of zeros, a drawn sample."""
    (equation, inputs, cotangents), rule, references = point, wide["rule"], _references(wide)
    if worst.kind in (VALUE, INFINITY) or not references:
        return worst
    if sites.draws(_jaxpr(equation)):
        return worst._replace(verdict=IMPLICIT)
    is_zero = [not np.any(numbers(r)) for r in rule.gradients]
    n = worst.moved
    flat = _is_flat(references, n) and _is_flat(_references(equation.run(equation.near(inputs), cotangents, True)), n)
    if worst.verdict == DIFFERS and math.isfinite(worst.rule):
        if flat and worst.expected == 0:
            return worst._replace(verdict=FLAT)
        if is_zero[n] and worst.rule == 0 and worst.expected != 0:
            return worst._replace(verdict=ZERO)
    if math.isfinite(worst.rule) and _is_identity(equation, inputs):
        return worst._replace(verdict=IDENTITY)
    if flat and worst.verdict == UNDECIDED and not all(is_zero):
        return worst._replace(verdict=FLAT)
    return worst


def _references(found: dict[str, Derivative]) -> list[Derivative]:
    return [each for name, each in found.items() if name != "rule"]


def _is_flat(references: list[Derivative], n: int) -> bool:
    """Whether the function does not depend on the n-th of its moved inputs."""
    return not any(np.any(numbers(each.gradients[n])) for each in references)


def _is_identity(equation: Equation, inputs: Sequence[Any]) -> bool:
    """Whether every output is one of the inputs, here and a little away from here."""
    if any(map(is_infinite, inputs)):
        return False
    for moved in (inputs, equation.near(inputs)):
        at, outs = [numbers(x) for x in equation.at(moved)], equation.values(moved, True)
        if not outs or not all(any(np.array_equal(numbers(out), x) for x in at) for out in outs):
            return False
    return True


def _jaxpr(equation: Equation) -> Any:
    inner = sites.inner(equation.site.equation)
    return equation.plain.jaxpr if inner is None else inner.jaxpr
