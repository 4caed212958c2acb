"""The slope within one term of a sum: the difference e − a is that term's, and the other terms are right.

    right:  δ = d ⊙ v ⊙ σ'(z) + …            as in d_c = d_h ⊙ o ⊙ tanh'(c) + d_c[t+1] ⊙ f[t+1]
    wrong:  e − a = d ⊙ v ⊙ (τ(z) − σ'(z))   with another form τ in place of the slope, or with none

| symbol | name in code | shape |
|---|---|---|
| z | a value of the leaf's shape, by name | as the leaf |
| d | a true cotangent of the leaf's shape, by name | as the leaf |
| v | nothing, a value or its σ or tanh, or a part of one whose last axis is some times as long | as the leaf |
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fnnets.verify.diagnosis.clues import CLEAR, Clues, delta
from fnnets.verify.diagnosis.slopes import FORMS, SLOPES

FEW, LEAST, MOST = 64, 12, 40


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The slope that is another one in a term of e, "" if there is none."""
    apart, size = e - a, max(np.abs(e).max(), np.abs(a).max())
    slack = clues.tolerance * size
    if np.count_nonzero(np.abs(apart) > CLEAR * slack) < LEAST:
        return ""
    few = slice(None, None, max(1, a.size // FEW))
    gains = list(_gains(a.shape, clues))[:MOST]
    deltas = [(name, d) for name, d in clues.deltas.items() if d.shape == a.shape and not clues.close(d, a)]
    for phrase, change in _changes(a.shape, clues):
        for name, d in deltas:
            base = d * change
            for v in gains:
                some = np.abs(apart.reshape(-1)[few] - (base.reshape(-1)[few] * v.reshape(-1)[few]))
                if some.max() <= slack and np.abs(apart - base * v).max() <= slack:
                    return f"{phrase}, in the term with {delta(name)}"
    return ""


def _changes(shape: tuple[int, ...], clues: Clues) -> Iterator[tuple[str, np.ndarray]]:
    """(phrase, τ(z) − σ'(z))."""
    for name, z in clues.values.items():
        if z.shape != shape:
            continue
        for activation, slope in SLOPES.items():
            yield f"misses the factor σ'({name}) of {activation}", 1 - slope(z)
            for form, other in FORMS[activation]:
                yield f"has {form.format(name)} of {activation} in place of σ'({name})", other(z) - slope(z)


def _gains(shape: tuple[int, ...], clues: Clues) -> Iterator[np.ndarray]:
    """What may stand beside a slope."""
    yield np.ones(shape)
    for value in clues.values.values():
        if value.shape[:-1] != shape[:-1] or not shape or value.shape[-1] % shape[-1]:
            continue
        for part in np.split(value, value.shape[-1] // shape[-1], axis=-1):
            yield from (part, 0.5 * np.tanh(part / 2) + 0.5, np.tanh(part))
