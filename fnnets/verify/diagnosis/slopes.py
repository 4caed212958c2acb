"""Elementwise changes of a δ: the slope of an activation missing, too many, or taken elsewhere.

    right:  δ = d ⊙ σ'(z)
    wrong:  d            δ / σ'(z)                 no slope
            d σ'(z)²     δ σ'(z)                   one too many
            d σ'(σ(z))   δ σ'(σ(z)) / σ'(z)        at the activation in place of its weighted input
            d (1 − z²)                             the slope's formula at z in place of the activation
            d σ'(z[t−1])                           at another step, or at another example
            d τ'(z)                                of another activation

Each is tried on a few elements first, as large leaves would cost a product for every activation.

| symbol | name in code | shape |
|---|---|---|
| z | a value of the leaf's shape, by name | as the leaf |
| d | a true cotangent of the leaf's shape, by name | as the leaf |
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from fnnets.verify.diagnosis.clues import CLEAR, ENOUGH, Arrays, Clues
from fnnets.verify.diagnosis.moves import of_step

FEW = 64
MANY = 12
"""Elements from which on a pattern of zeros is no accident."""
Function = Callable[[np.ndarray], np.ndarray]


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(z / 2) + 0.5


def _step(z: np.ndarray) -> np.ndarray:
    return (z > 0) * 1.0


SLOPES: dict[str, Function] = {
    "sigmoid": lambda z: _sigmoid(z) * _sigmoid(-z),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "softplus": _sigmoid,
}
FORMS: dict[str, tuple[tuple[str, Function], ...]] = {
    "sigmoid": (
        ("σ' at σ({})", lambda z: SLOPES["sigmoid"](_sigmoid(z))),
        ("{0} (1 − {0})", lambda z: z * (1 - z)),
        ("σ (1 + σ)", lambda z: _sigmoid(z) * (1 + _sigmoid(z))),
        ("1 − σ²", lambda z: 1 - _sigmoid(z) ** 2),
        ("σ", _sigmoid),
    ),
    "tanh": (
        ("σ' at σ({})", lambda z: SLOPES["tanh"](np.tanh(z))),
        ("1 − {}²", lambda z: 1 - z**2),
        ("1 + σ²", lambda z: 1 + np.tanh(z) ** 2),
        ("σ (1 − σ)", lambda z: np.tanh(z) * (1 - np.tanh(z))),
        ("1 − σ", lambda z: 1 - np.tanh(z)),
    ),
    "softplus": (("σ' at σ({})", lambda z: _sigmoid(np.logaddexp(z, 0))), ("1 − σ'", lambda z: _sigmoid(-z))),
}


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The change that makes e of a, "" if there is none."""
    values = {name: z for name, z in clues.values.items() if z.shape == a.shape}
    deltas = {name: d for name, d in clues.deltas.items() if d.shape == a.shape}
    return (
        next(filter(None, (_of_slope(e, a, name, z, clues) for name, z in values.items())), "")
        or _of_relu(e, a, values, deltas, clues)
        or _inverted(e, a, deltas, clues)
    )


def _of_slope(e: np.ndarray, a: np.ndarray, name: str, z: np.ndarray, clues: Clues) -> str:
    few = slice(None, None, max(1, a.size // FEW))
    some_e, some_a, some_z = (array.reshape(-1)[few] for array in (e, a, z))
    least = max(1e-6, CLEAR * clues.tolerance)
    for phrase, one, other in _changes(name):
        at, there = one(some_z), other(some_z)
        if not clues.close(some_e * at, some_a * there) or np.ptp(at - there) < least:
            continue
        if clues.close(e * one(z), a * other(z)):
            return phrase
    return next(filter(None, (_elsewhere(e, a, name, z, *each, clues) for each in enumerate(clues.axes))), "")


def _elsewhere(e: np.ndarray, a: np.ndarray, name: str, z: np.ndarray, axis: int, called: str, clues: Clues) -> str:
    """The slope at another step, or at another example."""
    if called not in ("step", "example") or len(np.moveaxis(z, axis, 0)) < 3:
        return ""
    e, a, z = (np.moveaxis(array, axis, 0) for array in (e, a, z))
    for k in (1, -1, 2, -2):
        here, there = (slice(k, None), slice(None, -k)) if k > 0 else (slice(None, k), slice(-k, None))
        if len(z) <= 2 * abs(k) or clues.digits(e[here], a[here]) < ENOUGH:
            continue
        for activation, slope in SLOPES.items():
            at = slope(z)
            if clues.close(e[here] * at[here], a[here] * at[there]):
                where = of_step(k) if called == "step" else "of another example"
                return f"has σ'({name}) of {activation} {where.replace('of the step', 'at the step')}"
    return ""


def _changes(name: str) -> Iterator[tuple[str, Function, Function]]:
    """(phrase, f, g) for e ⊙ f(z) = a ⊙ g(z)."""
    for activation, slope in SLOPES.items():
        yield f"misses the factor σ'({name}) of {activation}", slope, np.ones_like
        yield f"has a factor σ'({name}) of {activation} too many", np.ones_like, slope
        for form, other in FORMS[activation]:
            yield f"has {form.format(name)} of {activation} in place of σ'({name})", slope, other
        yield f"has σ'({name}) of relu in place of {activation}", slope, _step
    for right, wrong in itertools.permutations(SLOPES, 2):
        yield f"has σ'({name}) of {wrong} in place of {right}", SLOPES[right], SLOPES[wrong]


def _of_relu(e: np.ndarray, a: np.ndarray, values: Arrays, deltas: Arrays, clues: Clues) -> str:
    """The step is 0 or 1, so that it hides its other factor: d must be given, or the zeros be many."""
    for name, z in values.items():
        at = _step(z)
        if np.count_nonzero(a) >= MANY and 0 < at.mean() < 1 and clues.close(e, a * at):
            return f"has a factor σ'({name}) of relu too many"
        if clues.close(e * at, a) and any(clues.close(e, d) for d in deltas.values()):
            return f"misses the factor σ'({name}) of relu"
    return ""


def _inverted(e: np.ndarray, a: np.ndarray, deltas: Arrays, clues: Clues) -> str:
    """Zero just where the right one is not."""
    if e.any() and a.any() and not np.any((e != 0) & (a != 0)):
        for d in deltas.values():
            if clues.close(e + a, d):
                return "is zero where the right one is not, and not zero where that is: a derivative inverted"
    return ""
