"""Products of matrices, one for each example, with the wrong transpose: those of attention.

    right:  dV = Aᵀ dO,  dK = dSᵀ Q
    wrong:  A dO,  dS Q,  and others of a known value and a known δ

| symbol | name in code | shape |
|---|---|---|
| X, Y | a value and a true cotangent, in either order | (N, s, r), (N, r, p) |
| dV, … | the leaf | (N, s, p) |
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from fnnets.verify.diagnosis.clues import Clues, delta

LARGEST = 4_000_000
MOST = 64


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The product that e is a multiple of where a is the same multiple of another one, "" if there is none."""
    if a.ndim != 3:
        return ""
    products = list(itertools.islice(_products(a.shape, clues), MOST))
    right = next(((how, c) for how, each in products if (c := _multiple(a, each, clues))), None)
    if right is None:
        return ""
    for how, each in products:
        c = _multiple(e, each, clues)
        if c and how != right[0] and abs(c / right[1] - 1) < max(1e-6, 10 * clues.tolerance):
            return (
                f"is a multiple of {how} in place of {right[0]}"
                if abs(c - 1) > 1e-6
                else f"is {how} in place of {right[0]}"
            )
    return ""


def _products(shape: tuple[int, ...], clues: Clues) -> Iterator[tuple[str, np.ndarray]]:
    """Products of a value and a δ of that shape, each factor as it is or transposed."""
    values = [(name, v) for name, v in clues.values.items() if v.ndim == 3]
    deltas = [(delta(name), d) for name, d in clues.deltas.items() if d.ndim == 3]
    for (n, v), (m, d) in itertools.product(values, deltas):
        for (x, left), (y, right) in (((n, v), (m, d)), ((m, d), (n, v))):
            for turned in itertools.product((False, True), repeat=2):
                one, two = (np.swapaxes(z, 1, 2) if t else z for z, t in zip((left, right), turned, strict=True))
                fits = one.shape[0] == two.shape[0] and one.shape[2] == two.shape[1]
                if fits and (one.shape[0], one.shape[1], two.shape[2]) == shape and one.size * two.shape[2] <= LARGEST:
                    yield " ".join(map(_factor, (x, y), turned)), one @ two


def _factor(name: str, is_turned: bool) -> str:
    return name if not is_turned else f"({name})ᵀ" if "/" in name else f"{name}ᵀ"


def _multiple(array: np.ndarray, product: np.ndarray, clues: Clues) -> float:
    """The factor by which a product gives an array, 0 where none does."""
    size = float(np.vdot(product, product))
    factor = float(np.vdot(product, array)) / size if size else 0.0
    return factor if factor and np.count_nonzero(array) > 2 and clues.close(array, factor * product) else 0.0
