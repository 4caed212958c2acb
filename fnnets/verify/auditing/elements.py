"""The elements of a derivative at which a rule departs from its function, each settled by slopes or by a limit.

    smooth      one slope, which is right
    kink        all between the slopes of the two sides are right
    one side    the function ends there: its slope is right, and others are undecided
    infinity    the limit of the derivatives at growing finite inputs is right

| symbol | name in code | shape |
|---|---|---|
| derivative of the rule, at one element | `r` | () |
| derivatives that it is held against | `refs` | each () |
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fnnets.verify.auditing import sites
from fnnets.verify.auditing.candidates import Derivative, Equation
from fnnets.verify.auditing.slopes import Slope, Slopes, slopes
from fnnets.verify.tracing import rules

AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"
VALUE, DERIVATIVE, DTYPE, INFINITY = KINDS = ("value", "derivative", "precision", "infinity")
RELATIVE, ABSOLUTE, COARSE = 1e-4, 1e-6, 100
OF_SOLVER = 0.03
"""How far the derivative of a solver may be off, whose function is no better than its tolerance."""
CAPPED = 1e4
"""How many times the median element the largest may be that sets the scale of a comparison."""
WORST = 3
GROWING, MOST = (1e2, 1e4, 1e6, 1e8, 1e10), 1e38


class Element(NamedTuple):
    """What was found at one element of one input.

    Attributes:
        verdict: "agrees", "differs" or "undecided".
        place: the element, as "input 0 [2, 1]".
        rule: what the rule gives.
        expected: what is right; NaN where that is not known.
        automatic: what the function's own derivative is, or its own value.
        kind: what the verdict is about, one of `KINDS`.
        moved: the input, among those that are moved.
        reason: where the right value comes from, or why it is not known.
    """

    verdict: str
    place: str = ""
    rule: float = math.nan
    expected: float = math.nan
    reason: str = ""
    automatic: float = math.nan
    kind: str = DERIVATIVE
    moved: int = 0


class Point(NamedTuple):
    """An equation at inputs and cotangents."""

    equation: Equation
    inputs: Sequence[Any]
    cotangents: Sequence[np.ndarray]


def departing(point: Point, wide: dict[str, Derivative]) -> Iterator[Element]:
    """The worst elements of each input at which the rule agrees with no other derivative, settled."""
    rule, references = wide["rule"], [each for name, each in wide.items() if name != "rule"]
    at, ways = point.equation.at(point.inputs), point.equation.directions()
    is_along = rule.is_along or not references or any(each.is_along for each in references)
    if is_along:
        rules_found, *others = [
            [np.asarray(_along(each, ways, n)) for n in range(len(at))] for each in (rule, *references)
        ]
    else:
        rules_found, *others = [each.gradients for each in (rule, *references)]
    limits = _limits(point) if any(map(is_infinite, at)) else None
    for n, gradient in enumerate(rules_found):
        r, refs = numbers(gradient), [numbers(each[n]) for each in others]
        with np.errstate(all="ignore"):
            bad = ~np.isfinite(r) | np.logical_and.reduce(
                [~_close(r, each, point.equation.is_coarse) for each in refs], initial=True
            )
        order = np.argsort(-_severity(r, refs).ravel(), kind="stable")
        for i in [i for i in order if bad.flat[i]][:WORST]:
            index = tuple(int(k) for k in np.unravel_index(i, r.shape))
            values = float(r[index]), [float(x[index]) for x in refs]
            automatic = values[1][0] if refs else math.nan
            yield _settled(point, n, index, is_along, *values, limits)._replace(automatic=automatic, moved=n)


def along(point: Point, n: int, gradient: np.ndarray) -> Element:
    """The verdict on the gradient by the n-th moved input, along its drawn direction."""
    way = point.equation.directions()[n]
    place = point.equation.named(n, ()) + ", along a direction"
    r = float(np.sum(numbers(gradient) * way))
    return _against(_slopes(point, n, (), True), place, r, [], RELATIVE, True)._replace(moved=n)


def _settled(
    point: Point, n: int, index: tuple[int, ...], is_along: bool, r: float, refs: list[float], limits: list | None
) -> Element:
    """The verdict at one element that agrees with no other derivative."""
    place = point.equation.named(n, index) + (", along a direction" if is_along else "")
    if limits is None:
        coarse = OF_SOLVER if sites.iterates(point.equation.site.equation) else RELATIVE
        return _against(_slopes(point, n, index, is_along), place, r, refs, coarse, is_along)
    limit = math.nan if is_along else float(limits[n][index])
    if math.isnan(limit):
        verdict, reason = AGREES if _is_among(r, refs) else UNDECIDED, "no limit was found at an infinite input"
    else:
        is_right = abs(r - limit) <= 1e-3 * max(abs(limit), 1e-2)
        verdict, reason = AGREES if is_right else DIFFERS, "the limit of the derivatives towards the infinite input"
    return Element(verdict, place, r, limit, reason, kind=INFINITY)


def _against(found: Slopes, place: str, r: float, refs: list[float], coarse: float, is_along: bool) -> Element:
    """The verdict on a value at one element, or along a direction, by the slopes there."""
    sides = found.sides
    if found.is_smooth or (found.both.is_known and not sides):
        best = min((found.left, found.right, found.both), key=lambda slope: slope.uncertainty)
        return _at_smooth(best, place, r, refs, coarse)
    if len(sides) == 2 and is_along:  # several kinks at once decide nothing
        shown = f"kinks, with slopes {found.left.value:.4g} from the left and {found.right.value:.4g} from the right"
        low, high = sorted(slope.value for slope in sides)
        return Element(AGREES if low <= r <= high else UNDECIDED, place, r, math.nan, shown)
    if len(sides) == 2:
        low, high = sorted(slope.value for slope in sides)
        slack = 1e-3 * max(abs(low), abs(high), 1e-6) + 8 * sum(each.uncertainty for each in sides)
        shown = f"a kink, with slopes {found.left.value:.4g} from the left and {found.right.value:.4g} from the right"
        if low - slack <= r <= high + slack:
            return Element(AGREES, place, r, math.nan, shown)
        is_far = math.isfinite(r) and not _is_among(r, refs)
        return Element(DIFFERS if is_far else UNDECIDED, place, r, low if r < low else high, shown)
    verdict = AGREES if _is_among(r, refs) else UNDECIDED
    if not sides:
        return Element(verdict, place, r, math.nan, "differences do not resolve a slope here")
    [slope] = sides
    if abs(r - slope.value) <= max(8 * slope.uncertainty, 1e-3 * abs(slope.value), 1e-9):
        return Element(AGREES, place, r, slope.value, "the slope of one side")
    side = "left" if found.left.is_known else "right"
    return Element(verdict, place, r, slope.value, f"the slope from the {side}; the other side has none")


def _at_smooth(best: Slope, place: str, r: float, refs: list[float], coarse: float) -> Element:
    off = max(8 * best.uncertainty, coarse * abs(best.value), 1e-9)
    if abs(r - best.value) <= off:
        return Element(AGREES, place, r, best.value, "differences")
    nearest = min((abs(r - x) for x in refs if math.isfinite(x)), default=math.inf)
    is_far = not math.isfinite(r) or (abs(r - best.value) > 3 * off and nearest >= 0.1 * off)
    if is_far:
        return Element(DIFFERS, place, r, best.value, "differences")
    return Element(UNDECIDED, place, r, best.value, "differences, which do not resolve it")


def _is_among(r: float, refs: list[float]) -> bool:
    return any(x == r or (math.isnan(x) and math.isnan(r)) for x in refs)


def _slopes(point: Point, n: int, index: tuple[int, ...], is_along: bool) -> Slopes:
    """Slopes along one element of the n-th moved input, or along its drawn direction."""
    at = point.equation.at(point.inputs)
    ways = [np.zeros(np.shape(x)) for x in at]
    if is_along:
        ways[n] = point.equation.directions()[n]
        size = float(np.max(np.abs(numbers(at[n])), initial=0.0))
        scales = [1.0, 1e-4] if size == 0 else [1.0, 0.1 * size, 1e-4 * size]
    else:
        ways[n][index] = 1.0
        size = abs(float(numbers(at[n])[index]))
        scales = [1.0, 1e-3] if size == 0 else [*([size, 1.0] if size < 1e3 else [size]), 1e-2 * size]
    return slopes(lambda where: point.equation.along(point.inputs, point.cotangents, ways, where), scales)


def _limits(point: Point) -> list[np.ndarray]:
    """The derivatives as infinite inputs are approached by finite ones; NaN where they do not settle.

    The rule and its function must come to the same, so that nothing but the infinite input is in doubt.
    """
    equation, inputs, cotangents = point
    names = [name for name in ("bare", "body") if name in equation.traced]
    # where two inputs are infinite, the limit depends on the way
    count = sum(int(np.sum(np.isinf(numbers(x)))) for x in inputs if is_infinite(x))
    if count != 1 or not names or any(equation.traced[name].is_along for name in (names[0], "rule")):
        return [np.full(np.shape(x), np.nan) for x in equation.at(inputs)]
    finite = [np.abs(numbers(x)) for x in inputs if rules.is_number(x)]
    unit = min(max(1.0, *(float(np.max(x[np.isfinite(x)], initial=0.0)) for x in finite)), MOST / GROWING[-1])
    found = []
    for size in (unit * size for size in GROWING):
        near = [np.where(np.isinf(x), np.sign(x) * size, x).astype(x.dtype) if is_infinite(x) else x for x in inputs]
        here = equation.run(near, cotangents, True)
        found.append((here[names[0]].gradients, here["rule"].gradients))
    limits = []
    for n in range(len(found[0][0])):
        last = [numbers(own[n]) for own, _ in found[-3:]] + [numbers(found[-1][1][n])]
        with np.errstate(all="ignore"):
            is_settled = np.isfinite(last[-2])
            is_settled &= np.abs(last[-2]) <= 2 * np.abs(last[0]) + 1e-3 * np.abs(last[-2])  # and does not grow
            for each in last:
                is_settled &= np.abs(each - last[-2]) <= 1e-3 * np.maximum(np.abs(last[-2]), 1e-2)
        limits.append(np.where(is_settled, last[-2], np.nan))
    return limits


def _along(derivative: Derivative, ways: list[np.ndarray], n: int) -> float:
    gradient = numbers(derivative.gradients[n])
    return float(gradient) if derivative.is_along else float(np.sum(gradient * ways[n]))


def _close(one: np.ndarray, other: np.ndarray, is_coarse: bool) -> np.ndarray:
    loose = COARSE if is_coarse else 1
    floor = loose * ABSOLUTE * min(scale(one), scale(other))
    size = np.maximum(np.abs(one), np.abs(other))
    return (one == other) | (np.abs(one - other) <= loose * RELATIVE * size + floor)


def _severity(r: np.ndarray, refs: list[np.ndarray]) -> np.ndarray:
    with np.errstate(all="ignore"):
        apart = [np.abs(r - x) / (np.maximum(np.abs(r), np.abs(x)) + 1e-300) for x in refs] or [np.abs(r)]
        least = np.minimum.reduce([np.nan_to_num(each, nan=2.0, posinf=2.0) for each in apart])
    return np.where(np.isfinite(r), least, 3.0)


def scale(x: np.ndarray) -> float:
    """The size of the elements of an array: the largest, unless it stands alone."""
    sizes = np.abs(x[np.isfinite(x) & (x != 0)])
    return float(min(sizes.max(), CAPPED * np.median(sizes))) if sizes.size else 0.0


def numbers(x: Any) -> np.ndarray:
    """An array as float64."""
    return np.asarray(x, np.float64)


def is_infinite(x: Any) -> bool:
    """Whether an array of floating numbers has an infinite element."""
    return rules.is_number(x) and bool(np.any(np.isinf(numbers(x))))


def largest(x: np.ndarray) -> tuple[int, ...]:
    """The index of the largest element."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(x)), x.shape))
