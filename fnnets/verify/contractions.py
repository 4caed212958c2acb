"""Which values a weight's gradient was contracted with: Σ δ ⊗ u over all that comes before the last axis.

    right:  dW = Σ_t Σ_n δ[t,n] ⊗ u[t,n],   db = Σ_t Σ_n δ[t,n]
    wrong:  with another u: another layer's, of the step before or behind, transposed
            with some of the sum left out: the first or the last step, padding, all but one example

| symbol | name in code | shape |
|---|---|---|
| δ | a true cotangent, by name | (T, N, q) or (N, q) |
| u | a forward value, by name | (T, N, p) or (N, p) |
| dW, db | the leaf | (q, p), (q,) |

The gates of a cell may be parts of one δ: a leaf is held against each δ alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

LARGEST = 1_000_000


def named(
    e: Any, a: Any, values: Mapping[str, Any], deltas: Mapping[str, Any], mask: Any, close: Callable[[Any, Any], bool]
) -> str:
    """Which contraction e is where a is another one, "" if none is."""
    if e.ndim == 2:
        return _of_weights(e, a, values, deltas, mask, close)
    return _of_biases(e, a, deltas, close) if e.ndim == 1 else ""


def _of_weights(e, a, values, deltas, mask, close) -> str:
    q, p = a.shape
    candidates = [
        (delta, d, name, u)
        for delta, d in deltas.items()
        for name, u in values.items()
        if d.shape[-1] == q and u.shape[-1] == p and d.shape[:-1] == u.shape[:-1] and d.size * p <= LARGEST
    ]
    right = next(((n, how) for _, d, n, u in candidates for how, v in _shifts(n, u) if close(_contract(d, v), a)), None)
    for delta, d, name, u in candidates:
        for how, shifted in _shifts(name, u):
            if close(_contract(d, shifted), e):
                instead = f" in place of {right[1]}" if right and right[1] != how else ""
                return f"is the contraction of δ({delta}) with {how}{instead}"
            for what, part in _parts(d):
                if close(_contract(part, shifted), e):
                    return f"is the contraction of δ({delta}) with {how}, {what}"
        if p == q and close(_contract(d, u).T, e) and not close(_contract(d, u), e):
            return f"is the transpose of the contraction of δ({delta}) with {name}"
    return ""


def _of_biases(e, a, deltas, close) -> str:
    for delta, d in deltas.items():
        if d.shape[-1] != len(a) or d.ndim < 2 or not close(_total(d), a):
            continue
        for what, part in _parts(d):
            if close(_total(part), e):
                return f"is the sum of δ({delta}), {what}"
        for axis in range(d.ndim - 1):
            for i in range(d.shape[axis]):
                if close(_total(np.take(d, [i], axis)), e):
                    return f"is the sum of δ({delta}) over one part alone, index {i} of axis {axis}"
    return ""


def _shifts(name: str, u: Any) -> Iterator[tuple[str, Any]]:
    """u as it is, and at the step before and behind."""
    yield name, u
    if u.ndim >= 3 and len(u) > 1:
        yield f"{name} of the step before", np.concatenate([np.zeros_like(u[:1]), u[:-1]])
        yield f"{name} of the step behind", np.concatenate([u[1:], np.zeros_like(u[:1])])


def _parts(d: Any) -> Iterator[tuple[str, Any]]:
    """δ with a part of the sum left out."""
    if d.ndim >= 3 and len(d) > 1:
        for what, i in (("without the first step", 0), ("without the last step", -1)):
            part = d.copy()
            part[i] = 0
            yield what, part
    axis = 1 if d.ndim >= 3 else 0
    if d.ndim >= 2 and d.shape[axis] > 1:
        for what, i in (("without the first example", 0), ("without the last example", -1)):
            part = d.copy()
            part[(slice(None),) * axis + (i,)] = 0
            yield what, part


def _contract(d, u):
    return d.reshape(-1, d.shape[-1]).T @ u.reshape(-1, u.shape[-1])


def _total(d):
    return d.reshape(-1, d.shape[-1]).sum(axis=0)
