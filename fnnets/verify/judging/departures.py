"""Departures of a gradient from what every right one does, computed on the host, where nothing is compiled for it.

    linear     max abs(backward(αg)/α − backward(g), …) / (max abs(backward(g), backward(h)) + slack)
    slope      abs(⟨g, v⟩ − slope) / ((‖g‖ + slack) ‖v‖), and likewise for second derivatives
    apart      max abs(x − y) / (max abs x + slack)

| symbol | name in code | shape |
|---|---|---|
| α | `LITTLE`, `LARGE` | () |
| g, h | the first two of the stacked gradients | as the parameters |
| u, v | directions | as the parameters |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import PyTree

LITTLE, LARGE = 2.0**-10, 2.0**10
ROUNDING = 1e-5
"""Of the numbers that a value is computed from: what is smaller than that is judged relative to them."""


def nonlinear(one_by_one: list[np.ndarray], at_once: list[np.ndarray], point: tuple[PyTree, ...]) -> np.ndarray:
    """How far gradients of six cotangents are from linear ones, and two of them from those of `vmap`; on the host."""
    _, rest, cotangents = point
    # the numbers that a leaf is computed from leave their rounding in it
    slack = ROUNDING * greatest(rest[-1], cotangents)

    def of(out, same):
        g, h, little, large, both, none = out
        apart = greatest(little / LITTLE - g, large / LARGE - g, both - g - h, none)
        return np.array([apart, greatest(out[:2] - same[:2])]) / (greatest(g, h) + slack)

    with np.errstate(all="ignore"):
        return np.stack([of(*pair) for pair in zip(one_by_one, at_once, strict=True)]).max(axis=0)


def slope(v: PyTree, slack: float, g: PyTree, along: np.ndarray) -> float:
    """The departure of the first derivative along v; on the host."""
    with np.errstate(all="ignore"):
        length = np.sqrt(_inner(v, v))
        return float(np.abs(_inner(g, v) - along) / not_zero((np.sqrt(_inner(g, g)) + slack) * length))


def curvature(u: PyTree, v: PyTree, slack: float, second: np.ndarray, hu: PyTree, hv: PyTree) -> tuple[float, float]:
    """The departures of second derivatives along u and v, and of the Hessian from a symmetric one; on the host."""
    u, v = ([np.concatenate([np.ravel(each) for each in jax.tree.leaves(way)])] for way in (u, v))
    with np.errstate(all="ignore"):
        length = np.sqrt(_inner(u, u))
        total = not_zero((np.sqrt(_inner(hv, hv)) + slack * length) * length + np.abs(second))
        ends = np.abs(_inner(u, hv) - second) / total, np.abs(_inner(u, hv) - _inner(v, hu)) / total
    return float(ends[0]), float(ends[1])


def apart(x: np.ndarray, y: np.ndarray, slack: float) -> float:
    """How far two arrays are apart, relative to the first; on the host, where nothing is compiled for it."""
    with np.errstate(all="ignore"):
        return greatest(x - y) / (greatest(x) + slack)


def _inner(x: PyTree, y: PyTree) -> np.ndarray | int:
    """The inner product of two trees, on the host: a program has no operations for it."""
    return sum(np.sum(np.asarray(a) * b) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))


def greatest(*trees: PyTree) -> float:
    """The largest magnitude among all leaves, on the host; NaN where there is one."""
    leaves = [np.abs(np.asarray(leaf)).max(initial=0) for leaf in jax.tree.leaves(trees)]
    return float(np.max([float(each) for each in leaves], initial=0.0))


def not_zero(number: np.ndarray) -> np.ndarray:
    """The number to divide by: one in place of zero, and of NaN."""
    return np.where(number > 0, number, 1)
