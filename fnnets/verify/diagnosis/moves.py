"""The right values at other places: axes exchanged, turned, moved on, in another order.

    e = aᵀ                     two axes exchanged
    e = a[::−1]                turned along some axes: filters
    e[k:] = a[:−k]             of another step; an image moved by a row or a column, as with padding on the other side
    e[i] = a[π(i)]             of another example: rolled by some places, blocks exchanged, or in any other order

| symbol | name in code | shape |
|---|---|---|
| e, a | explicit and automatic values | as the leaf |
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from fnnets.verify.diagnosis.clues import Clues

FARTHEST, LONGEST = 3, 2048
Change = Callable[[np.ndarray, np.ndarray, Clues], str]


def transposed(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """Two axes exchanged."""
    for first, second in itertools.combinations(range(a.ndim), 2):
        if a.shape[first] != a.shape[second] or clues.close(a, np.swapaxes(a, first, second)):
            continue
        if clues.close(e, np.swapaxes(a, first, second)):
            names = f"{clues.axes[first]} and {clues.axes[second]}"
            return "is the transpose of the right one" if a.ndim == 2 else f"has the axes {names} exchanged"
    return ""


def flipped(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """Turned along some axes."""
    for count in range(1, a.ndim + 1):
        for chosen in itertools.combinations(range(a.ndim), count):
            turned = np.flip(a, chosen)
            if clues.close(e, turned) and not clues.close(a, turned):
                return f"is the right one turned along {' and '.join(clues.axes[i] for i in chosen)}"
    return ""


def shifted(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The values of a step before or behind; an image moved by rows and columns. What is moved in may be anything."""
    if "step" in clues.axes:
        axis = clues.axes.index("step")
        for k in _offsets(a.shape[axis]):
            if _is_moved(e, a, {axis: k}, clues):
                return f"is the right one {of_step(k)}"
    if "row" in clues.axes and "column" in clues.axes and a.ndim == 4:
        axes = clues.axes.index("row"), clues.axes.index("column")
        for by in sorted(itertools.product((0, 1, -1, 2, -2), repeat=2), key=lambda by: abs(by[0]) + abs(by[1])):
            moved = {axis: k for axis, k in zip(axes, by, strict=True) if k}
            if moved and _is_moved(e, a, moved, clues):
                parts = (
                    f"{abs(k)} {clues.axes[axis]}{'s' * (abs(k) > 1)} {'down' if k > 0 else 'up'}"
                    if axis == axes[0]
                    else f"{abs(k)} {clues.axes[axis]}{'s' * (abs(k) > 1)} to the {'right' if k > 0 else 'left'}"
                    for axis, k in moved.items()
                )
                return f"is the right one moved by {' and '.join(parts)}, as with padding on the other side"
    return ""


def of_step(k: int) -> str:
    """The step that values are of, k steps before this one.

    >>> of_step(1), of_step(-2)
    ('of the step before', 'of 2 steps behind')
    """
    side = "before" if k > 0 else "behind"
    return f"of the step {side}" if abs(k) == 1 else f"of {abs(k)} steps {side}"


def reordered(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The slices along one axis in another order: those of other examples."""
    for axis, called in enumerate(clues.axes):
        if not 2 <= a.shape[axis] <= LONGEST:
            continue
        order = _order(np.moveaxis(e, axis, 0), np.moveaxis(a, axis, 0))
        if clues.close(e, np.take(a, order, axis)):
            return _of_order(order, called, e, a, axis, clues)
    return ""


def _offsets(length: int) -> list[int]:
    return [sign * k for k in range(1, FARTHEST + 1) if length > 2 * k for sign in (1, -1)]


def _is_moved(e: np.ndarray, a: np.ndarray, by: dict[int, int], clues: Clues) -> bool:
    """Whether e at an index is a at the index less k, wherever both exist, and not a at the same index."""
    here: list[slice] = [slice(None)] * a.ndim
    there = list(here)
    for axis, k in by.items():
        if a.shape[axis] <= abs(k):
            return False
        ahead, behind = slice(abs(k), None), slice(None, -abs(k))
        here[axis], there[axis] = (ahead, behind) if k > 0 else (behind, ahead)
    e, at, moved = e[tuple(here)], a[tuple(here)], a[tuple(there)]
    return clues.close(e, moved) and clues.digits(e, at) >= 8


def _order(e: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The order of a's slices that brings them next to e's: by the size of one number for each slice."""
    rows = [each.reshape(len(each), -1) for each in (e, a)]
    weights = np.cos(1.7 * np.arange(rows[0].shape[1]) + 0.3)
    ranks = [np.argsort(each @ weights, kind="stable") for each in rows]
    order = np.empty(len(e), int)
    order[ranks[0]] = ranks[1]
    return order


def _of_order(order: np.ndarray, called: str, e: np.ndarray, a: np.ndarray, axis: int, clues: Clues) -> str:
    count = len(order)
    by = next((k for k in range(1, count) if clues.close(e, np.roll(a, k, axis))), 0)
    if by:
        by = by if 2 * by <= count else by - count
        step = f"is the right one of another {called}: " if called in ("example", "step") else "is the right one "
        return f"{step}rolled by {by} along {called}".replace("-", "−")
    moved = np.flatnonzero(order != np.arange(count))
    blocks = np.split(moved, np.flatnonzero(np.diff(order[moved]) != 1) + 1)
    if len(blocks) == 2 and len(blocks[0]) == len(blocks[1]):
        spans = [f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in blocks]
        return f"has {called} {spans[0]} and {called} {spans[1]} exchanged"
    return f"has the right values in another order along {called}"
