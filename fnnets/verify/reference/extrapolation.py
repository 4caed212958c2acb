"""Derivatives of a function that runs on the host alone: central differences, extrapolated, at every coordinate.

    D(h)     = (f(θ + h) − f(θ − h)) / 2h                        error a₂h² + a₄h⁴ + …
    R(k, 0)  = D(h/2ᵏ)
    R(k, j)  = (4ʲ R(k, j−1) − R(k−1, j−1)) / (4ʲ − 1)           the terms up to h²ʲ removed
    u(k, j)  = max abs(R(k, j) − R(k, j−1)), abs(R(k, j) − R(k−1, j−1)) + rounding of D(h/2ᵏ)

The R of the smallest u counts. What it may be off by is the tolerance of a check that has no other derivative.

| symbol | name in code | shape |
|---|---|---|
| θ | `leaves` | a list of float64 arrays |
| R, u | `Slopes.values`, `.uncertainties` | as θ |
| abs f | `.scale` | () |
| steps | `LEVELS` | |

Source: [Richardson1911]; the choice among the entries of the table is Ridders'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

LEVELS, STEP, MOST = 6, 0.1, 4096
EPSILON = float(np.finfo(np.float64).eps)


class Slopes(NamedTuple):
    """Derivatives at all coordinates, what each may be off by, and the size of the function."""

    values: list[np.ndarray]
    uncertainties: list[np.ndarray]

    scale: float

    @property
    def resolution(self) -> float:
        """The largest uncertainty of a leaf, relative to its derivatives; where they are below it, to all, or to f."""
        pairs = zip(self.values, self.uncertainties, strict=True)
        sizes = [(np.abs(value).max(initial=0.0), most.max(initial=0.0)) for value, most in pairs]
        top, worst = (max(each[i] for each in sizes) for i in (0, 1))
        others = top if top > worst else max(top, self.scale, 1e-300)
        return float(max(most / (size if size > most else others) for size, most in sizes))


def slopes(function: Callable[[Sequence[np.ndarray]], np.ndarray | np.generic], leaves: Sequence[np.ndarray]) -> Slopes:
    """The derivatives of a function of float64 arrays, whose own dtype says how it rounds.

    >>> found = slopes(lambda leaves: np.sum(np.sin(leaves[0])), [np.array([0.3, -1.2])])
    >>> bool(np.allclose(found.values[0], np.cos([0.3, -1.2]), rtol=1e-11)), found.resolution < 1e-9
    (True, True)
    """
    value = np.asarray(function(leaves))
    size = float(np.abs(value.astype(np.float64)))
    epsilon = float(np.finfo(value.dtype).eps) if value.dtype in (np.float16, np.float32) else EPSILON
    wide = lambda leaves: float(np.asarray(function(leaves)))  # noqa: E731
    found = [_of_leaf(wide, leaves, n, 4 * epsilon * size) for n in range(len(leaves))]
    return Slopes([value for value, _ in found], [most for _, most in found], size)


def _of_leaf(
    function: Callable[[Sequence[np.ndarray]], float], leaves: Sequence[np.ndarray], n: int, rounding: float
) -> tuple[np.ndarray, np.ndarray]:
    flat = leaves[n].ravel()
    typical = float(np.sqrt(np.mean(np.square(flat)))) or 1.0
    steps = STEP * np.maximum(np.abs(flat), typical)[:, None] / 2.0 ** np.arange(LEVELS)
    central = np.zeros_like(steps)
    for i, k in np.ndindex(steps.shape):
        there = [_at(leaves, n, i, sign * steps[i, k]) for sign in (1, -1)]
        (up, high), (down, low) = there
        central[i, k] = (function(up) - function(down)) / (high - low)
    values, most = _extrapolated(central, rounding / steps)
    return values.reshape(leaves[n].shape), most.reshape(leaves[n].shape)


def _at(leaves: Sequence[np.ndarray], n: int, i: int, offset: float) -> tuple[list[np.ndarray], float]:
    """The leaves with one coordinate moved, and that coordinate."""
    moved = leaves[n].copy()
    moved.flat[i] += offset
    return [*leaves[:n], moved, *leaves[n + 1 :]], float(moved.flat[i])


def _extrapolated(central: np.ndarray, rounding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entry of the least uncertainty in the table of each coordinate, from (coordinates, levels)."""
    table, values, most = [central], [], []
    for j in range(1, central.shape[1]):
        before = table[-1]
        fine, coarse = before[:, 1:], before[:, :-1]
        here = (4.0**j * fine - coarse) / (4.0**j - 1)
        table.append(here)
        values.append(here)
        with np.errstate(all="ignore"):
            most.append(np.maximum(np.abs(here - fine), np.abs(here - coarse)) + rounding[:, j:])
    value, uncertainty = np.concatenate(values, axis=1), np.concatenate(most, axis=1)
    best = np.argmin(np.nan_to_num(uncertainty, nan=np.inf, posinf=np.inf), axis=1)[:, None]
    return tuple(np.take_along_axis(each, best, axis=1)[:, 0] for each in (value, uncertainty))  # type: ignore[return-value]
