"""Slopes of a function along a line, from either side, extrapolated to a step of zero, with what they may be off by.

    F(h)     = (f(h) − f(0)) / h                               one side: error a₁h + a₂h² + …
    D(h)     = (f(h) − f(−h)) / 2h                             both sides: error a₂h² + a₄h⁴ + …
    R(k, 0)  = F(h/3ᵏ) or D(h/3ᵏ)
    R(k, j)  = (pʲ R(k, j−1) − R(k−1, j−1)) / (pʲ − 1)         p = 3 for F, 9 for D
    u(k, j)  = max abs(R(k, j) − R(k, j−1)), abs(R(k, j) − R(k−1, j−1)) + noise / (h/3ᵏ)

The R of the smallest u counts. The noise is measured: it is what f changes by within the nearest points.

f(0) is taken off before the terms of f are summed, so that a large term that stays the same adds no noise.

| symbol | name in code | shape |
|---|---|---|
| h/3ᵏ, both signs, with 0 and the nearest points | `offsets` | (4 · LEVELS + 2 · NEAREST + 1,) |
| R, u | `Slope.value`, `.uncertainty` | () |

Source: [Richardson1911]; the choice among the entries of the table is Ridders'.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

LEVELS, STEP, RATIO, NEAREST = 11, 0.1, 3.0, 3
NEAR = 3e-14
EPSILON = float(np.finfo(np.float64).eps)


class Slope(NamedTuple):
    """A slope and what it may be off by; NaN and infinite where there is none."""

    value: float
    uncertainty: float

    @property
    def is_known(self) -> bool:
        """Whether the slope is known to two in a hundred of its size, or to be small."""
        return math.isfinite(self.uncertainty) and self.uncertainty <= 0.02 * max(abs(self.value), 1e-3)


class Slopes(NamedTuple):
    """The slopes from the left, from the right and from both sides, and how much f jumps at the point."""

    left: Slope
    right: Slope
    both: Slope

    @property
    def is_smooth(self) -> bool:
        """Whether both sides are known and agree."""
        if not (self.left.is_known and self.right.is_known):
            return False
        apart = abs(self.left.value - self.right.value)
        off = 4 * (self.left.uncertainty + self.right.uncertainty)
        return apart <= off + 1e-6 * max(abs(self.left.value), abs(self.right.value), 1e-12)

    @property
    def sides(self) -> list[Slope]:
        """Those of the two sides that are known."""
        return [each for each in (self.left, self.right) if each.is_known]


def offsets(scale: float) -> np.ndarray:
    """Where a function is evaluated, for steps down from a tenth of `scale`; zero comes first."""
    steps = scale * STEP / RATIO ** np.arange(LEVELS)
    near = scale * NEAR * np.arange(1, NEAREST + 1)
    return np.concatenate([[0.0], steps, -steps, near, -near])


def slopes(function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], scales: list[float]) -> Slopes:
    """The slopes at 0 of a function of offsets, which gives values and the sizes of their terms.

    Args:
        function: offsets of shape (n,) -> values and sizes, both (n,).
        scales: lengths over which the function may be smooth; the finest that resolves the slopes counts.

    >>> found = slopes(lambda t: (np.abs(t) + t, np.abs(t)), [1.0])
    >>> round(found.left.value, 9), round(found.right.value, 9), found.is_smooth
    (0.0, 2.0, False)
    """
    seen = [(where, *function(where)) for where in map(offsets, sorted(scales))]
    # a term that changes anywhere has its rounding everywhere
    sizes = np.concatenate([np.asarray(each[2], np.float64) for each in seen])
    rounding = 4 * EPSILON * float(np.max(sizes[np.isfinite(sizes)], initial=0.0))
    with np.errstate(all="ignore"):
        found = [_at_scale(where, np.asarray(values, np.float64), rounding) for where, values, _ in seen]
    return Slopes(*(_chosen([each[n] for each in found]) for n in range(3)))


def _chosen(found: list[Slope]) -> Slope:
    """The least uncertain of the slopes that agree with the one at the finest scale at which it is known.

    A coarse scale may step over what the function does near the point.
    """
    known = [each for each in found if each.is_known]
    if known:
        first = known[0]
        found = [each for each in known if abs(each.value - first.value) <= 4 * (each.uncertainty + first.uncertainty)]
    return min(found, key=lambda slope: slope.uncertainty)


def _at_scale(where: np.ndarray, values: np.ndarray, rounding: float) -> Slopes:
    steps, base = where[1 : LEVELS + 1], values[0]
    up, down = values[1 : LEVELS + 1], values[LEVELS + 1 : 2 * LEVELS + 1]
    above, below = values[2 * LEVELS + 1 : 2 * LEVELS + 1 + NEAREST], values[2 * LEVELS + 1 + NEAREST :]
    noise = [max(rounding, _spread(np.concatenate([[base], near]))) for near in (below, above)]
    left = _extrapolated((base - down) / steps, noise[0] / steps, RATIO)
    right = _extrapolated((up - base) / steps, noise[1] / steps, RATIO)
    both = _extrapolated((up - down) / (2 * steps), max(noise) / steps, RATIO**2)
    return Slopes(left, right, both)


def _spread(values: np.ndarray) -> float:
    changes = np.abs(np.diff(values, n=2)) if np.all(np.isfinite(values)) else np.zeros(1)
    return float(changes.max())


def _extrapolated(slopes: np.ndarray, noise: np.ndarray, power: float) -> Slope:
    table, best = slopes, Slope(math.nan, math.inf)
    for j in range(1, len(slopes)):
        fine, coarse = table[1:], table[:-1]
        here = (power**j * fine - coarse) / (power**j - 1)
        off = np.maximum(np.abs(here - fine), np.abs(here - coarse)) + noise[j:]
        if np.any(np.isfinite(off)):
            k = int(np.nanargmin(np.where(np.isfinite(off), off, np.nan)))
            best = min(best, Slope(float(here[k]), float(off[k])), key=lambda slope: slope.uncertainty)
        table = here
    return best
