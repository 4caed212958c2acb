"""The numbers that a diagnosis may refer to, and the equality that it rests on.

| symbol | name in code | shape |
|---|---|---|
| N, T, n | `clues.sizes` | () |
| real steps | `clues.mask` | (T, N), or None |
| z, x, … | `clues.values`, by name | (…, p) |
| δ | `clues.deltas`, true ones by name | (…, q) |
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

CLOSE = 1e-8
Arrays = Mapping[str, np.ndarray]


class Clues(NamedTuple):
    """Numbers beside the two values of a leaf.

    Attributes:
        sizes: numbers by name, such as N, T and n.
        axes: the names of the leaf's axes.
        mask: (T, N), True at real steps, or None.
        values: forward values by name.
        deltas: true cotangents by name.
        terms: additive terms of the leaf's shape, by name; one that begins with "stray " does not belong there.
    """

    sizes: Mapping[str, float]
    axes: tuple[str, ...]
    mask: np.ndarray | None = None
    values: Arrays = MappingProxyType({})
    deltas: Arrays = MappingProxyType({})
    terms: Arrays = MappingProxyType({})


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether all elements agree, relative to the largest of either.

    >>> close(np.array([1.0, 1e-12]), np.array([1.0, 0.0])), close(np.array([1.0]), np.array([1.1]))
    (True, False)
    """
    size = max(float(np.abs(one).max(initial=0.0)), float(np.abs(other).max(initial=0.0)))
    return bool(np.all(np.abs(one - other) <= CLOSE * size))
