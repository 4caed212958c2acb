"""Diagnoses of a wrong gradient: the right one under a known change, such as a missing factor.

    e = c a                       a ratio: N, 1/T, n/N, 2, −1, nothing at all
    e = aᵀ, a flipped, a shifted  axes exchanged, filters not turned, another step, another example   `moves`
    e = a at some places, else 0  steps, examples or padding left out
    e = clip(a, −c, c)            cut off
    e − a = c · term              a term missing, twice, with another factor, or where it does not belong
    e − a = d v (τ(z) − σ'(z))    the same within one term of a sum                                  `terms`
    e − a                         a path, a sum or the statistics of a batch left out                 `parts`
    e = a σ'(z), a / σ'(z), …     the slope of an activation missing, twice, or taken elsewhere       `slopes`
    e = a v, a / v, a v / w       another factor missing, twice, or in place of another               `factors`
    e = Σ δ ⊗ u                   a contraction with another value: another step, another layer       `contractions`
    e = X Y, Xᵀ Y                 the products of attention, with the wrong transpose                 `products`

Each change is a function of its own, and holds only where every element agrees; without one that holds there is no
diagnosis. Where the values have few digits there must be more of them: see `clues`.

| symbol | name in code | shape |
|---|---|---|
| e, a | `explicit`, `automatic` | as the leaf |
| the others | `clues` | as `fnnets.verify.diagnosis.clues` has them |
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fnnets.verify.diagnosis import contractions, factors, moves, numbers, parts, products, slopes, terms
from fnnets.verify.diagnosis.clues import ENOUGH, FEW, Arrays, Clues

STRAY = "stray "
Change = Callable[[np.ndarray, np.ndarray, Clues], str]


def diagnose(explicit: np.ndarray, automatic: np.ndarray, clues: Clues) -> str:
    """The change that makes the explicit values, as the end of a sentence that begins with "it"; "" where none fits.

    >>> a = np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> diagnose(a.T, a, Clues({"N": 7}, ("unit", "input")))
    'is the transpose of the right one'
    >>> diagnose(a / 7, a, Clues({"N": 7}, ("unit", "input")))
    'is 1/N times the right one (N = 7)'
    """
    if explicit.shape != automatic.shape or not explicit.size:
        return ""
    if not (np.isfinite(explicit).all() and np.isfinite(automatic).all()) or clues.close(explicit, automatic):
        return ""
    clues = _usable(clues, explicit.shape)
    digits = clues.digits(explicit, automatic)
    changes = CHANGES if digits >= ENOUGH else SIMPLE if digits >= FEW else ALWAYS
    with np.errstate(all="ignore"):  # a number that is none equals nothing
        return next(filter(None, (change(explicit, automatic, clues) for change in changes)), "")


def _usable(clues: Clues, shape: tuple[int, ...]) -> Clues:
    """The clues without scalars, NaN, terms of another shape, and arrays so large that they take long."""
    most = max(contractions.LARGEST, math.prod(shape))

    def finite(arrays: Arrays) -> Arrays:
        known = {name: each for name, each in arrays.items() if np.ndim(each) and np.size(each) <= most}
        return {name: each for name, each in known.items() if np.isfinite(each).all()}

    terms = {name: term for name, term in finite(clues.terms).items() if term.shape == shape}
    return clues._replace(values=finite(clues.values), deltas=finite(clues.deltas), terms=terms)


def _nothing(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    return "is zero" if not e.any() else ""


def _independent(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    return "is not zero, but the cost does not depend on it here" if not a.any() else ""


def _terms(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """An additive term that is missing, has another factor, or is too much."""
    slack = 100 * clues.tolerance
    for name, term in clues.terms.items():
        if np.count_nonzero(term) < 2:
            continue
        factor = float(np.vdot(term, e - a) / np.vdot(term, term))
        if not clues.close(e - a, factor * term) or abs(factor) < slack:
            continue
        if name.startswith(STRAY):
            before = numbers.times(factor, clues.sizes, slack / 10)
            return f"has {before}{name.removeprefix(STRAY)} in it, which does not belong there"
        if abs(factor + 1) < slack:
            return f"misses the term {name}"
        if abs(factor + 2) < slack:
            return f"has the term {name} with its sign turned"
        return f"has the term {name} {numbers.name(1 + factor, clues.sizes, slack / 10)} times"
    return ""


def _ratio(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    size = float(np.vdot(a, a))
    if not size:
        return ""
    ratio = float(np.vdot(a, e)) / size
    if not ratio or not clues.close(e, ratio * a):
        return ""
    # a ratio is fitted to all elements, and so has more digits than one of them
    exact = 10 * clues.tolerance if clues.tolerance <= numbers.EXACT else clues.tolerance / 5
    if abs(ratio + 1) < exact:
        return "has the sign of the right one turned"
    # One number is some multiple of every other.
    if np.count_nonzero(a) < 2 and not numbers.is_named(ratio, clues.sizes, exact):
        return ""
    named = numbers.name(ratio, clues.sizes, exact)
    return f"is {named} times the right one{numbers.values(ratio, clues.sizes, exact)}"


def _left_out(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """Zero where the right one is not, and right everywhere else; or the other way round, at padding."""
    off = np.abs(e - a) > clues.tolerance * np.abs(a).max()
    if not off.any() or off.all():
        return ""
    if not e[off].any():
        is_square = a.ndim == 2 and a.shape[0] == a.shape[1] > 1
        if is_square and np.array_equal(off | (a == 0), ~np.eye(len(a), dtype=bool) | (a == 0)):
            return "is the diagonal of the right one alone"
        return "is zero where it differs"
    return "is not zero where the right one is zero" if not a[off].any() else ""


def _clipped(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    limit = float(np.abs(e).max())
    is_cut = np.abs(a) > limit * (1 + clues.tolerance)
    # A single wrong element that is the largest sets the limit itself.
    if is_cut.sum() < 2 or is_cut.all():
        return ""
    return f"is the right one clipped at {limit:.3g}" if clues.close(e, np.clip(a, -limit, limit)) else ""


def _through_time(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """What comes from the next step, or from above, in a δ of a loop: at the last step there is no next one."""
    if clues.axes[:1] != ("step",) or len(a) < 3 or not a[-1].any():
        return ""
    is_right = [clues.close(x, y) for x, y in zip(e, a, strict=True)]
    if is_right[-1] and not any(is_right[:-1]):
        return "is right at the last step alone: the part that comes from the next step is missing or wrong"
    return (
        "is zero at the last step: the part that comes from the step's own output is missing" if not e[-1].any() else ""
    )


ALWAYS: tuple[Change, ...] = (_nothing, _independent)
SIMPLE: tuple[Change, ...] = (*ALWAYS, _ratio)
CHANGES: tuple[Change, ...] = (
    *ALWAYS, _terms, _ratio, moves.transposed, contractions.named, products.named, slopes.named, factors.named,
    moves.flipped, moves.shifted, moves.reordered, parts.named, _clipped, _left_out, terms.named, parts.alone,
    _through_time,
)  # fmt: skip
