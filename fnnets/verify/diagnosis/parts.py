"""A part of a sum that is missing, too much, or has its sign turned: the difference e − a says which.

    e − a = c · δ_k                  one of two paths forgotten, or turned
    e − a = c · θ                    a penalty of θ itself, such as λ θ
    e − a the same at every index    the derivative of a mean, taken as a constant
    e − a in the span of 1 and v     the derivatives of mean and variance over an axis, taken as constants
    e − a = c (v − v[π])             a term with a value of another example or step
    e − a = p · s, s over no unit    the sum in softmax's Jacobian: p ⊙ (d − Σ d p)
    e − a at rows that come twice    set in place of added, as in the gradient of a look-up

| symbol | name in code | shape |
|---|---|---|
| e, a | explicit and automatic values | as the leaf |
| v, z | values of the leaf's shape | as the leaf |
| p | softmax of z over its last axis | as the leaf |
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fnnets.verify.diagnosis import numbers
from fnnets.verify.diagnosis.clues import CLEAR, ENOUGH, Clues, delta

SHORTEST, MOST = 4, 12
PERPENDICULAR = 1e-2
"""A mean that is subtracted leaves sums of zero, and a variance almost: up to what is added below its root."""


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The part by which e differs, "" if there is none."""
    return (
        _path(e, a, clues)
        or _penalty(e, a, clues)
        or _of_another(e, a, clues)
        or _softmax(e, a, clues)
        or _statistics(e, a, clues)
        or _gathered(e, a, clues)
        or _shifted_by_one_number(e, a, clues)
    )


def alone(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """A known δ that e equals: without a factor where small stay small, without a term where they do not."""
    for name, d in clues.deltas.items():
        if d.shape != a.shape or not clues.close(e, d):
            continue
        size, apart = np.abs(e), np.abs(a - e)
        small = size <= np.quantile(size, 0.25)
        share = float(apart[small].mean() / apart.mean())
        is_counted = e.size >= 16
        if is_counted and share < 0.4:
            return f"equals {delta(name)}, without a factor that the right one has"
        if is_counted and share > 0.6:
            return f"equals {delta(name)} alone: a term is missing"
        return f"equals {delta(name)} alone, without what else is in the right one"
    return ""


def _is_part(e: np.ndarray, a: np.ndarray, part: np.ndarray, clues: Clues) -> bool:
    """Whether e − a is that part, in the digits of e and a."""
    size = max(np.abs(e).max(), np.abs(a).max())
    is_clear = np.abs(part).max() > CLEAR * clues.tolerance * size
    return bool(is_clear and np.all(np.abs(e - a - part) <= clues.tolerance * size))


def _path(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """A known δ as a term: that of one of two paths."""
    for name, d in clues.deltas.items():
        if d.shape != a.shape or clues.close(d, a):
            continue
        if _is_part(e, a, -d, clues):
            return f"misses the term {delta(name)}: one of several paths"
        if _is_part(e, a, d, clues):
            return f"has the term {delta(name)} once too often"
        if _is_part(e, a, -2 * d, clues):
            return f"has the term {delta(name)} with its sign turned"
    return ""


def _penalty(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """What is proportional to that which the leaf is the gradient of."""
    own = clues.values.get(clues.own)
    if own is None or own.shape != a.shape or np.count_nonzero(own) < 3:
        return ""
    factor = float(np.vdot(own, e - a) / np.vdot(own, own))
    if not factor or not _is_part(e, a, factor * own, clues):
        return ""
    named = numbers.name(abs(factor), clues.sizes, max(10 * clues.tolerance, numbers.EXACT))
    if factor < 0:
        return f"is too small by {named} times {clues.own} itself, as without a penalty of it"
    return f"is too large by {named} times {clues.own} itself, as with a penalty of it too many"


def _of_another(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """A value of another example or step in a term, as the answers in that of a cost."""
    for name, v in clues.values.items():
        if v.shape != a.shape:
            continue
        for axis, called in enumerate(clues.axes):
            if called not in ("example", "step") or a.shape[axis] < 3:
                continue
            for k in (1, -1):
                moved = v - np.roll(v, k, axis)
                factor = float(np.vdot(moved, e - a) / (np.vdot(moved, moved) or 1))
                if factor and np.count_nonzero(moved) > 2 and _is_part(e, a, factor * moved, clues):
                    return f"has a term with {name} of another {called}, rolled by {k}".replace("-", "−")
    return ""


def _softmax(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """Softmax's Jacobian diag(p) − p pᵀ over the last axis: its diagonal alone, or without its sum."""
    if a.ndim == 0 or a.shape[-1] < 3:
        return ""
    for name, z in clues.values.items():
        if z.shape != a.shape:
            continue
        p = np.exp(z - z.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        whole = float(np.abs(a.sum(axis=-1)).max())  # the right one sums to zero
        if whole > 1e3 * clues.tolerance * np.abs(a).max():
            continue
        if _is_along(e - a, p, e, a, clues):
            return f"misses the sum over units in the Jacobian of softmax({name})"
        if _is_along(e / (1 - p) - a, p, e, a, clues):
            return f"has the diagonal of the Jacobian of softmax({name}) alone"
        for delta_of, known in clues.deltas.items():
            for axis in range(a.ndim - 1) if known.shape == a.shape else ():
                if clues.close(e, p * (known - np.sum(known * p, axis=axis, keepdims=True))):
                    right = f"of softmax({name}) with {delta(delta_of)}"
                    return f"has the sum in the Jacobian {right} over {clues.axes[axis]} in place of {clues.axes[-1]}"
    return ""


def _is_along(apart: np.ndarray, basis: np.ndarray, e: np.ndarray, a: np.ndarray, clues: Clues) -> bool:
    """Whether a difference is one number at each row times a basis, over the last axis."""
    along = np.sum(apart * basis, axis=-1, keepdims=True) / np.sum(basis * basis, axis=-1, keepdims=True)
    size = max(np.abs(e).max(), np.abs(a).max())
    return bool(along.any() and np.all(np.abs(apart - along * basis) <= clues.tolerance * size))


def _statistics(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """Mean, variance or mean square over some axes, taken as constants: the right one has none of their directions."""
    for axes in _sets(a.ndim):
        others = tuple(i for i in range(a.ndim) if i not in axes)
        one, two = (np.transpose(x, (*others, *axes)).reshape(*(a.shape[i] for i in others), -1) for x in (e, a))
        if one.shape[-1] < SHORTEST:
            continue
        called = " and ".join(clues.axes[i] for i in axes)
        constant = np.ones_like(two)
        if _is_without(one, two, [constant], clues):
            return f"takes the mean over {called} as a constant"
        for name, v in [each for each in clues.values.items() if each[1].shape == a.shape][:MOST]:
            v = np.transpose(v, (*others, *axes)).reshape(one.shape)
            if np.ptp(v, axis=-1).min() <= 1e-6 * np.abs(v).max():
                continue
            centred = v - v.mean(axis=-1, keepdims=True)
            if _is_without(one, two, [centred], clues):
                return f"takes the variance of {name} over {called} as a constant"
            if _is_without(one, two, [constant, centred], clues):
                return f"takes the mean and the variance of {name} over {called} as constants"
            if _is_without(one, two, [v], clues):
                return f"takes the mean square of {name} over {called} as a constant"
    return ""


def _sets(ndim: int) -> Iterator[tuple[int, ...]]:
    """Axes that statistics are taken over: each alone, all but the last, all but the first."""
    found: list[tuple[int, ...]] = [(i,) for i in range(ndim)]
    if ndim > 2:
        found += [tuple(range(ndim - 1)), tuple(range(1, ndim)), tuple(range(1, ndim - 1))]
    yield from dict.fromkeys(found)


def _is_without(e: np.ndarray, a: np.ndarray, basis: list[np.ndarray], clues: Clues) -> bool:
    """Whether e − a lies along the basis, row by row, where a has next to nothing along it."""
    apart, rest = e - a, e - a
    size = max(np.abs(e).max(), np.abs(a).max())
    freedom = len(basis) * a.size // a.shape[-1]
    # numbers that are fitted agree by themselves
    if clues.digits(e, a) * (1 - freedom / a.size) < ENOUGH or a.size - freedom < 2:
        return False
    for each in basis:
        norm = np.sum(each * each, axis=-1, keepdims=True)
        along = np.sum(apart * each, axis=-1, keepdims=True) / norm
        rest = rest - along * each
        left = np.abs(np.sum(a * each, axis=-1)) > PERPENDICULAR * np.sum(np.abs(a * each), axis=-1)
        is_part = np.abs(along * each).max() > CLEAR * clues.tolerance * size
        if left.any() or not is_part:
            return False
    return bool(np.all(np.abs(rest) <= clues.tolerance * size))


def _gathered(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The gradient of a look-up, wrong just at the rows that are looked up more than once."""
    if a.ndim != 2:
        return ""
    off = np.any(np.abs(e - a) > CLEAR * clues.tolerance * np.abs(a).max(), axis=1)
    for name, indices in clues.indices.items():
        if indices.size < 2 or indices.min() < 0 or indices.max() >= len(a):
            continue
        counts = np.bincount(indices.ravel(), minlength=len(a))
        if (counts > 1).any() and (counts == 1).any() and np.array_equal(off, counts > 1):
            return f"is wrong just at the rows that {name} has more than once: set there in place of added"
    return ""


def _shifted_by_one_number(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The same number added everywhere."""
    number = float(np.mean(e - a))
    if a.size < 3 or np.ptp(a) <= CLEAR * clues.tolerance * np.abs(a).max():
        return ""
    if not _is_part(e, a, np.full(a.shape, number), clues):
        return ""
    return f"is the right one {'plus' if number > 0 else 'minus'} {numbers.plain(abs(number), clues.tolerance)}"
