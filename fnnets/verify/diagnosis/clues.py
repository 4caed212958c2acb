"""The numbers that a diagnosis may refer to, and the equality that it rests on.

    equality   max abs(x − y) ≤ tolerance · max(abs x, abs y), over all elements
    clear      a change must move the values by `CLEAR` tolerances, and agree in `ENOUGH` digits, all elements together

| symbol | name in code | shape |
|---|---|---|
| N, T, n | `clues.sizes` | () |
| real steps | `clues.mask` | (T, N), or None |
| z, x, … | `clues.values`, by name | (…, p) |
| δ | `clues.deltas`, true ones by name | (…, q) |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

CLOSE = 1e-8
CLEAR = 10
ENOUGH, FEW = 8.0, 5.0
"""Digits that a change must agree in, and those that suffice for the simplest changes."""
Arrays = Mapping[str, np.ndarray]
LEADING = {2: ("example",), 3: ("step", "example"), 4: ("example", "row", "column")}


class Clues(NamedTuple):
    """Numbers beside the two values of a leaf.

    Attributes:
        sizes: numbers by name, such as N, T and n.
        axes: the names of the leaf's axes.
        mask: (T, N), True at real steps, or None.
        values: forward values by name.
        deltas: true cotangents by name.
        terms: additive terms of the leaf's shape, by name; one that begins with "stray " does not belong there.
        tolerance: relative difference that is none, in the precision of the values.
        own: the name of that which the leaf is the gradient of; its value is among `values`.
        is_batch_first: whether sequences are (N, T, …) in place of (T, N, …).
        indices: integer arguments by name, such as the rows that an embedding looks up.
    """

    sizes: Mapping[str, float]
    axes: tuple[str, ...]
    mask: np.ndarray | None = None
    values: Arrays = MappingProxyType({})
    deltas: Arrays = MappingProxyType({})
    terms: Arrays = MappingProxyType({})
    tolerance: float = CLOSE
    own: str = ""
    is_batch_first: bool = False
    indices: Arrays = MappingProxyType({})

    def close(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Whether all elements agree to the tolerance."""
        return close(one, other, self.tolerance)

    def digits(self, explicit: np.ndarray, automatic: np.ndarray) -> float:
        """How many digits a change can agree in, over the elements that clearly differ."""
        size = max(_size(explicit), _size(automatic))
        telling = np.count_nonzero(np.abs(explicit - automatic) > CLEAR * self.tolerance * size)
        return -math.log10(self.tolerance) * telling

    def leading(self, ndim: int) -> tuple[str, ...]:
        """The names of all axes of a value but the last."""
        return ("example", "step") if ndim == 3 and self.is_batch_first else LEADING[ndim]


def close(one: np.ndarray, other: np.ndarray, tolerance: float = CLOSE) -> bool:
    """Whether all elements agree, relative to the largest of either.

    >>> close(np.array([1.0, 1e-12]), np.array([1.0, 0.0])), close(np.array([1.0]), np.array([1.1]))
    (True, False)
    """
    return bool(np.all(np.abs(one - other) <= tolerance * max(_size(one), _size(other))))


def delta(name: str) -> str:
    """The gradient by what is named so: that of a weighted input has a letter of its own.

    >>> delta("z"), delta("z_o"), delta("z of layer 0"), delta("h"), delta("d_y")
    ('δ', 'δ_o', 'δ of layer 0', '∂C/∂h', 'd_y')
    """
    first, *rest = name.partition(" of ")
    if first in ("d_y", "d_t"):
        return name
    is_weighted = first == "z" or (first.startswith("z") and (first[1] == "_" or first[1:].isdigit()))
    return ("δ" + first[1:] if is_weighted else f"∂C/∂{first}") + "".join(rest)


def _size(array: np.ndarray) -> float:
    return float(np.abs(array).max(initial=0.0))
