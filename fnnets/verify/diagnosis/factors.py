"""Factors of a δ that are no slope: a value of the forward pass missing, too many, or another in its place.

    right:  δ = d ⊙ v                                    the other factor of a product: a gate, a state
    wrong:  e = a / v, a v                               missing, one too many
            e = a w / v                                  another value in its place, as i for f
            e = a v[t−1] / v[t]                          at another step, of another example

| symbol | name in code | shape |
|---|---|---|
| v, w | values of the leaf's shape, by name; σ and τ of a weighted input as well | as the leaf |
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from fnnets.verify.diagnosis.clues import CLEAR, ENOUGH, Clues
from fnnets.verify.diagnosis.moves import of_step

FEW, MOST = 64, 40
Named = tuple[str, np.ndarray]


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The factor that e misses or has too many, "" if there is none."""
    values = list(_values(a.shape, clues))[:MOST]
    few = slice(None, None, max(1, a.size // FEW))

    def holds(left: np.ndarray, right: np.ndarray) -> bool:
        """Whether e ⊙ left = a ⊙ right: on a few elements first, then on all."""
        parts = (array.reshape(-1)[few] for array in (e, left, a, right))
        some = next(parts) * next(parts), next(parts) * next(parts)
        return _is_telling(left, right, clues) and clues.close(*some) and clues.close(e * left, a * right)

    ones = np.ones(a.shape)
    for name, v in values:
        if holds(v, ones):
            return f"misses the factor {name}"
        if holds(ones, v):
            return f"has a factor {name} too many"
    for (right, v), (wrong, w) in itertools.permutations(values, 2):
        if holds(v, w):
            return f"has the factor {wrong} in place of {right}"
    return next(filter(None, (_moved(e, a, name, v, clues) for name, v in values)), "")


def _values(shape: tuple[int, ...], clues: Clues) -> Iterator[Named]:
    """Values of the leaf's shape, and activations of those that may be weighted inputs."""
    here = [(name, v) for name, v in clues.values.items() if v.shape == shape]
    yield from here
    for name, v in here:
        if name.startswith("z"):
            yield f"σ({name})", 0.5 * np.tanh(v / 2) + 0.5
            yield f"tanh({name})", np.tanh(v)
            yield f"1 − σ({name})", 0.5 - 0.5 * np.tanh(v / 2)
    for name, v in here:
        if not name.startswith("z"):
            yield f"tanh({name})", np.tanh(v)
            yield f"1 − {name}", 1 - v


def _is_telling(v: np.ndarray, w: np.ndarray, clues: Clues) -> bool:
    """Whether both vary enough that no plain factor takes their place, and are not almost zero in most places."""
    sizes = [np.abs(each) for each in (v, w)]
    if any(not each.any() or np.mean(each > CLEAR * clues.tolerance * each.max()) < 0.5 for each in sizes):
        return False
    return bool(np.ptp(v - w) > CLEAR * clues.tolerance)


def _moved(e: np.ndarray, a: np.ndarray, name: str, v: np.ndarray, clues: Clues) -> str:
    """The factor of another step, or of another example."""
    for axis, called in enumerate(clues.axes):
        if called not in ("step", "example"):
            continue
        x, y, u = (np.moveaxis(array, axis, 0) for array in (e, a, v))
        for k in (1, -1, 2, -2):
            here, there = (slice(k, None), slice(None, -k)) if k > 0 else (slice(None, k), slice(-k, None))
            x_here, y_here, own, other = x[here], y[here], u[here], u[there]
            if len(x) <= 2 * abs(k) or clues.digits(x_here, y_here) < ENOUGH or not _is_telling(own, other, clues):
                continue
            where = of_step(k) if called == "step" else f"of another {called}"
            if clues.close(x_here * own, y_here * other):
                return f"has the factor {name} {where}"
            if clues.close(x_here * other, y_here * own):
                return f"has the factor {name} in place of {name} {where}"
    return ""
