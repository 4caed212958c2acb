"""Diagnoses of a wrong gradient: the right one under a known change, such as a missing factor.

    e = c a                       a ratio: N, 1/T, n/N, 2, −1, nothing at all
    e = aᵀ, a flipped, a shifted  axes exchanged, filters not turned, another step of time
    e = a at some places, else 0  steps, examples or padding left out
    e = clip(a, −c, c)            cut off
    e − a = c · term              a term missing, twice, with another factor, or where it does not belong
    e = a σ'(z), a / σ'(z), …     the slope of an activation missing, twice, or taken elsewhere
    e = Σ δ ⊗ u                   a contraction with another value: another step, another layer, fewer steps

Each change is a function of its own, and holds only where every element agrees; without one that holds there is no
diagnosis.

| symbol | name in code | shape |
|---|---|---|
| e, a | `explicit`, `automatic` | as the leaf |
| the others | `clues` | as `fnnets.verify.diagnosis.clues` has them |
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from fnnets.verify.diagnosis import contractions, slopes
from fnnets.verify.diagnosis.clues import CLOSE, Arrays, Clues, close

STRAY = "stray "


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
    if not (np.isfinite(explicit).all() and np.isfinite(automatic).all()) or close(explicit, automatic):
        return ""
    clues = _usable(clues, explicit.shape)
    return next(filter(None, (change(explicit, automatic, clues) for change in CHANGES)), "")


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


def _terms(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """An additive term that is missing, has another factor, or is too much."""
    for name, term in clues.terms.items():
        if np.count_nonzero(term) < 2:
            continue
        factor = float(np.vdot(term, e - a) / np.vdot(term, term))
        if not close(e - a, factor * term) or abs(factor) < 1e-6:
            continue
        if name.startswith(STRAY):
            return f"has {_named(factor, clues.sizes)}{name.removeprefix(STRAY)} in it, which does not belong there"
        if abs(factor + 1) < 1e-6:
            return f"misses the term {name}"
        if abs(factor + 2) < 1e-6:
            return f"has the term {name} with its sign turned"
        return f"has the term {name} {_name(1 + factor, clues.sizes)} times"
    return ""


def _ratio(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    size = float(np.vdot(a, a))
    if not size:
        return ""
    ratio = float(np.vdot(a, e)) / size
    if not ratio or not close(e, ratio * a):
        return ""
    if abs(ratio + 1) < 1e-7:
        return "has the sign of the right one turned"
    name = _name(ratio, clues.sizes)
    # One number is some multiple of every other.
    if np.count_nonzero(a) < 2 and name == _plain(ratio):
        return ""
    return f"is {name} times the right one{_values(ratio, clues.sizes)}"


def _transposed(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    for first, second in itertools.combinations(range(a.ndim), 2):
        if a.shape[first] != a.shape[second] or close(a, np.swapaxes(a, first, second)):
            continue
        if close(e, np.swapaxes(a, first, second)):
            names = f"{clues.axes[first]} and {clues.axes[second]}"
            return "is the transpose of the right one" if a.ndim == 2 else f"has the axes {names} exchanged"
    return ""


def _flipped(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    for count in range(1, a.ndim + 1):
        for chosen in itertools.combinations(range(a.ndim), count):
            turned = np.flip(a, chosen)
            if close(e, turned) and not close(a, turned):
                return f"is the right one turned along {' and '.join(clues.axes[i] for i in chosen)}"
    return ""


def _shifted(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    if "step" not in clues.axes:
        return ""
    axis = clues.axes.index("step")
    e, a = np.moveaxis(e, axis, 0), np.moveaxis(a, axis, 0)
    if len(a) < 3:
        return ""
    if close(e[1:], a[:-1]) and not close(e[1:], a[1:]):
        return "is the right one of the step before"
    return "is the right one of the step behind" if close(e[:-1], a[1:]) and not close(e[:-1], a[:-1]) else ""


def _left_out(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """Zero where the right one is not, and right everywhere else; or the other way round, at padding."""
    off = np.abs(e - a) > CLOSE * np.abs(a).max()
    if not off.any() or off.all():
        return ""
    if not e[off].any():
        return "is zero where it differs"
    return "is not zero where the right one is zero" if not a[off].any() else ""


def _clipped(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    limit = float(np.abs(e).max())
    is_cut = np.abs(a) > limit
    # A single wrong element that is the largest sets the limit itself.
    if is_cut.sum() < 2 or is_cut.all():
        return ""
    return f"is the right one clipped at {limit:.3g}" if close(e, np.clip(a, -limit, limit)) else ""


CHANGES: tuple[Callable[[np.ndarray, np.ndarray, Clues], str], ...] = (
    _nothing, _terms, _ratio, _transposed, contractions.named, slopes.named, _flipped, _shifted, _clipped, _left_out,
)  # fmt: skip


def _products(sizes: Mapping[str, float]) -> Iterator[tuple[str, float, tuple[float, ...]]]:
    """(name, number, sizes in it) for numbers made of named sizes, from the simplest on; sizes of one name nothing.

    Of sizes that coincide the first stands for all.
    """
    known = {2.0: "2"}
    for name, value in sizes.items():
        if value not in (0, 1):
            known.setdefault(float(value), name)
    yield from ((name, value, (value,)) for value, name in known.items())
    yield from ((f"1/{name}", 1 / value, (value,)) for value, name in known.items())
    for x, y in itertools.permutations(known, 2):
        yield f"{known[x]}/{known[y]}", x / y, (x, y)
    for x, y in itertools.combinations_with_replacement(known, 2):
        if x == y == 2:
            continue
        name = f"{known[x]}²" if x == y else f"{known[x]}·{known[y]}"
        yield name, x * y, (x, y)
        yield f"1/{name}" if x == y else f"1/({name})", 1 / (x * y), (x, y)


def _found(number: float, sizes: Mapping[str, float]) -> tuple[str, tuple[float, ...]]:
    """The simplest name of a number, with the sizes in it; its digits where it has no name."""
    for name, value, used in _products(sizes):
        if abs(abs(number) / value - 1) < 1e-7:
            return ("−" if number < 0 else "") + name, used
    return _plain(number), ()


def _name(number: float, sizes: Mapping[str, float]) -> str:
    return _found(number, sizes)[0]


def _plain(number: float) -> str:
    return f"{number:.6g}".replace("-", "−")


def _named(factor: float, sizes: Mapping[str, float]) -> str:
    return "" if abs(factor - 1) < 1e-6 else f"{_name(factor, sizes)} times "


def _values(ratio: float, sizes: Mapping[str, float]) -> str:
    """The values of the sizes in a name: " (N = T = 5, n = 60)"."""
    groups = (
        [*(name for name, size in sizes.items() if size == value), f"{value:g}"]
        for value in dict.fromkeys(_found(ratio, sizes)[1])
    )
    used = [" = ".join(group) for group in groups if len(group) > 1]
    return f" ({', '.join(used)})" if used else ""
