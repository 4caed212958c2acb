"""Changes of a δ that are made element by element: the slope of an activation missing, twice, or taken elsewhere.

    right:  δ = d ⊙ σ'(z)
    wrong:  d            δ / σ'(z)                 no slope
            d σ'(z)²     δ σ'(z)                   twice
            d σ'(σ(z))   δ σ'(σ(z)) / σ'(z)        at the activation in place of its weighted input
            d σ'(z[t−1])                           at the step before
            d τ'(z)                                of another activation

| symbol | name in code | shape |
|---|---|---|
| z | a value of the leaf's shape, by name | as the leaf |
| d | a true cotangent of the leaf's shape, by name | as the leaf |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def _sigmoid(z):
    return 0.5 * np.tanh(z / 2) + 0.5


ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "softplus": (lambda z: np.logaddexp(z, 0), _sigmoid),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


def named(
    e: Any, a: Any, values: Mapping[str, Any], deltas: Mapping[str, Any], close: Callable[[Any, Any], bool]
) -> str:
    """Which of these changes makes e of a, "" if none does."""
    for name, z in values.items():
        if z.shape != a.shape:
            continue
        for activation, (value, slope) in ACTIVATIONS.items():
            found = _of_slope(e, a, name, activation, z, value, slope, close)
            if found:
                return found
    for name, d in deltas.items():
        if d.shape == a.shape and not close(d, a) and close(e, d):
            return (
                f"equals ∂C/∂{name} without the factor that follows"
                if name != "d_y"
                else "equals d_y: the slope of the activation is missing"
            )
    return _inverted(e, a, deltas, close)


def _of_slope(e, a, name, activation, z, value, slope, close) -> str:
    at, elsewhere = slope(z), slope(value(z))
    if np.ptp(at) < 1e-6:
        return ""
    if np.any(at > 0) and close(np.where(at > 0, e * at, e), a) and not close(e, a):
        return f"misses the factor σ'({name}) of {activation}"
    if close(e, a * at):
        return f"has the factor σ'({name}) of {activation} twice"
    if activation != "relu" and close(e * at, a * elsewhere):
        return f"has σ' of {activation} at σ({name}) in place of {name}"
    if z.ndim >= 2 and len(z) > 2 and close(e[1:] * at[1:], a[1:] * at[:-1]) and activation != "relu":
        return f"has σ' of {activation} at the step before"
    return ""


def _inverted(e, a, deltas, close) -> str:
    """Zero just where the right one is not."""
    if np.any(e) and np.any(a) and not np.any((e != 0) & (a != 0)):
        for d in deltas.values():
            if d.shape == a.shape and close(e + a, d):
                return "is zero where the right one is not, and not zero where that is: a derivative inverted"
    return ""
