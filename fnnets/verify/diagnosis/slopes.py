"""Elementwise changes of a δ: the slope of an activation missing, too many, or taken elsewhere.

    right:  δ = d ⊙ σ'(z)
    wrong:  d            δ / σ'(z)                 no slope
            d σ'(z)²     δ σ'(z)                   one too many
            d σ'(σ(z))   δ σ'(σ(z)) / σ'(z)        at the activation in place of its weighted input
            d (1 − z²)                             the slope's formula at z in place of the activation
            d σ'(z[t−1])                           at the step before
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

from fnnets.verify.diagnosis.clues import Arrays, Clues, close

FEW = 64
ENOUGH = 12
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
        ("σ", _sigmoid),
    ),
    "tanh": (
        ("σ' at σ({})", lambda z: SLOPES["tanh"](np.tanh(z))),
        ("1 − {}²", lambda z: 1 - z**2),
        ("1 + σ²", lambda z: 1 + np.tanh(z) ** 2),
        ("1 − σ", lambda z: 1 - np.tanh(z)),
    ),
    "softplus": (("σ' at σ({})", lambda z: _sigmoid(np.logaddexp(z, 0))), ("1 − σ'", lambda z: _sigmoid(-z))),
}


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The change that makes e of a, "" if there is none."""
    values = {name: z for name, z in clues.values.items() if z.shape == a.shape}
    deltas = {name: d for name, d in clues.deltas.items() if d.shape == a.shape}
    has_steps = clues.axes[:1] == ("step",)
    return (
        next(filter(None, (_of_slope(e, a, name, z, has_steps) for name, z in values.items())), "")
        or _of_relu(e, a, values, deltas)
        or next(
            (f"equals {_delta(n)}, without a factor that the right one has" for n in deltas if close(e, deltas[n])), ""
        )
        or _inverted(e, a, deltas)
    )


def _of_slope(e: np.ndarray, a: np.ndarray, name: str, z: np.ndarray, has_steps: bool) -> str:
    few = slice(None, None, max(1, a.size // FEW))
    some_e, some_a, some_z = (array.reshape(-1)[few] for array in (e, a, z))
    for phrase, one, other in _changes(name):
        if not close(some_e * one(some_z), some_a * other(some_z)) or np.ptp(one(some_z) - other(some_z)) < 1e-6:
            continue
        if close(e * one(z), a * other(z)):
            return phrase
    if not has_steps or len(z) < 3 or close(e[1:], a[1:]):
        return ""
    few = slice(None, None, max(1, a[0].size // FEW))
    some = [array.reshape(len(a), -1)[:, few] for array in (e, a, z)]
    for activation, slope in SLOPES.items():
        if all(_is_of_step_before(x, y, v, slope) for x, y, v in (some, (e, a, z))):
            return f"has σ'({name}) of {activation} at the step before"
    return ""


def _is_of_step_before(e: np.ndarray, a: np.ndarray, z: np.ndarray, slope: Function) -> bool:
    at = slope(z)
    return close(e[1:] * at[1:], a[1:] * at[:-1])


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


def _of_relu(e: np.ndarray, a: np.ndarray, values: Arrays, deltas: Arrays) -> str:
    """The step is 0 or 1, so that it hides its other factor: d must be given, or the zeros be many."""
    for name, z in values.items():
        at = _step(z)
        if np.count_nonzero(a) >= ENOUGH and 0 < at.mean() < 1 and close(e, a * at):
            return f"has a factor σ'({name}) of relu too many"
        if close(e * at, a) and any(close(e, d) for d in deltas.values()):
            return f"misses the factor σ'({name}) of relu"
    return ""


def _inverted(e: np.ndarray, a: np.ndarray, deltas: Arrays) -> str:
    """Zero just where the right one is not."""
    if e.any() and a.any() and not np.any((e != 0) & (a != 0)):
        for d in deltas.values():
            if close(e + a, d):
                return "is zero where the right one is not, and not zero where that is: a derivative inverted"
    return ""


def _delta(name: str) -> str:
    return name if name == "d_y" else f"δ({name})"
