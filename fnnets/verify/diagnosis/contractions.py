"""Contractions Σ δ ⊗ u, over all axes but the last, with the wrong values or the wrong terms.

    right:  dW = Σ_t Σ_n δ[t,n] ⊗ u[t,n],   db = Σ_t Σ_n δ[t,n]
    wrong:  with another u: another layer's, of the step before or behind, transposed
            with some of the sum left out, or alone in it: a step, an example, a row of pixels, padding

| symbol | name in code | shape |
|---|---|---|
| δ | a true cotangent, by name | (T, N, q), (N, q) or (N, H, W, q) |
| u | a forward value, by name | as δ, with p in place of q |
| dW, db | the leaf | (q, p), (q,) |
| real steps | `clues.mask` | (T, N), or None |

The gates of a cell may be parts of one δ: a leaf is held against each δ alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fnnets.verify.diagnosis.clues import Clues, close

LARGEST = 1_000_000
LARGEST_SUM = 200_000
LEADING = {2: ("example",), 3: ("step", "example"), 4: ("example", "row", "column")}


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The contraction that e is where a is another one, "" if there is none."""
    if e.ndim == 2:
        return _of_weights(e, a, clues)
    return _of_biases(e, a, clues) if e.ndim == 1 else ""


def _of_weights(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    q, p = a.shape
    candidates = [
        (delta, d, name, u)
        for delta, d in clues.deltas.items()
        for name, u in clues.values.items()
        if d.shape[-1] == q and u.shape == (*d.shape[:-1], p) and d.ndim in LEADING and d.size * p <= LARGEST
    ]
    is_, right = "", ""
    for delta, d, name, u in candidates:
        for how, contraction in _contractions(d, name, u, clues.mask):
            is_ = is_ or f"δ({delta}) with {how}" * close(contraction, e)
            right = right or f"δ({delta}) with {how}" * (bool(a.any()) and close(contraction, a))
        if not is_ and p == q and close(_contract(d, u).T, e):
            is_ = f"δ({delta}) with {name}, transposed"
    return f"is the contraction of {is_}{_instead(is_, right)}" if is_ else ""


def _of_biases(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    for delta, d in clues.deltas.items():
        if d.shape[-1] != len(a) or d.ndim not in LEADING or d.size > LARGEST_SUM:
            continue
        sums = list(_sums(d, clues.mask))
        right = next((how for how, total in sums if a.any() and close(total, a)), None)
        found = next((how for how, total in sums if close(total, e)), None)
        if right is not None and found is not None:
            return f"is the sum of δ({delta}){found or ' over all'}{_instead(found, f'that{right}') if right else ''}"
    return ""


def _instead(found: str, right: str) -> str:
    """The words " in place of" the right contraction; none where the found one names it already."""
    is_part = found.startswith((f"{right} without", f"{right} at"))
    return f" in place of {right}" if right and not is_part else ""


def _contractions(d: np.ndarray, name: str, u: np.ndarray, mask: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    """With all of u, with parts of it, and with u at the step before and behind."""
    whole = _contract(d, u)
    yield name, whole
    for axis, called in enumerate(LEADING[d.ndim]):
        for i in {0: "first", d.shape[axis] - 1: "last"} if d.shape[axis] > 1 else ():
            which = "first" if i == 0 else "last"
            part = _contract(np.take(d, i, axis), np.take(u, i, axis))
            yield f"{name} without the {which} {called}", whole - part
            yield f"{name} at the {which} {called} alone", part
    if mask is not None and _is_of(d, mask):
        yield f"{name} without padding", _contract(d * mask[..., None], u)
    if d.ndim == 3 and len(d) > 1:
        yield f"{name} of the step before", _contract(d[1:], u[:-1])
        yield f"{name} of the step behind", _contract(d[:-1], u[1:])


def _sums(d: np.ndarray, mask: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    """Σ δ: whole, without a part, and a part alone."""
    whole = _total(d)
    yield "", whole
    if mask is not None and _is_of(d, mask):
        yield " without padding", _total(d * mask[..., None])
    leading = LEADING[d.ndim]
    for axis, called in enumerate(leading):
        parts = d.sum(axis=tuple(i for i in range(d.ndim - 1) if i != axis))
        if len(parts) > 1:
            yield f" without the first {called}", whole - parts[0]
            yield f" without the last {called}", whole - parts[-1]
            yield from ((f" at {called} {i} alone", part) for i, part in enumerate(parts))
    if d.ndim == 4:
        pixels = d.sum(axis=0)
        yield from ((f" at row {i}, column {j} alone", pixels[i, j]) for i, j in np.ndindex(pixels.shape[:2]))


def _is_of(d: np.ndarray, mask: np.ndarray) -> bool:
    return d.ndim == 3 and d.shape[:2] == mask.shape and not mask.all()


def _contract(d: np.ndarray, u: np.ndarray) -> np.ndarray:
    return d.reshape(-1, d.shape[-1]).T @ u.reshape(-1, u.shape[-1])


def _total(d: np.ndarray) -> np.ndarray:
    return d.reshape(-1, d.shape[-1]).sum(axis=0)
