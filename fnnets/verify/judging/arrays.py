"""Differences and sizes of arrays on the host, of which a large one is copied as rarely as can be.

| symbol | name in code | shape |
|---|---|---|
| e, a | `explicit`, `automatic` | any |
"""

from __future__ import annotations

import numpy as np


def apart(explicit: np.ndarray, automatic: np.ndarray) -> np.ndarray:
    """abs(e − a).

    >>> apart(np.array([1.0, 2.0]), np.array([3.0, 2.0])).tolist()
    [2.0, 0.0]
    """
    found = np.asarray(np.subtract(explicit, automatic))
    return np.abs(found, out=found)


def largest(array: np.ndarray) -> float:
    """max abs, 0 of nothing; NaN where an element is NaN.

    >>> largest(np.array([1.0, -3.0])), largest(np.zeros(0))
    (3.0, 0.0)
    """
    return abs(float(np.maximum(array.max(initial=0.0), -array.min(initial=0.0))))


def are_finite(array: np.ndarray) -> bool:
    """Whether all elements are finite.

    >>> are_finite(np.ones(2)), are_finite(np.array([1.0, -np.inf]))
    (True, False)
    """
    return not array.size or bool(np.isfinite(array.max()) and np.isfinite(array.min()))
