"""Contractions Σ δ ⊗ u, over all axes but the last, with the wrong values or the wrong terms.

    right:  dW = Σ_t Σ_n δ[t,n] ⊗ u[t,n],   db = Σ_t Σ_n δ[t,n]
    wrong:  with another u: another layer's, of another step or example, transposed
            with some of the sum left out, or alone in it: a step, an example, a row of pixels, padding
            with another contraction missing, or too much; summed over another axis

| symbol | name in code | shape |
|---|---|---|
| δ | a true cotangent, by name | (T, N, q), (N, q) or (N, H, W, q) |
| u | a forward value, by name | as δ, with p in place of q |
| dW, db | the leaf | (q, p) or (p, q); (q,) |
| real steps | `clues.mask` | (T, N), or None |

The gates of a cell may be parts of one δ: a leaf is held against each δ alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from fnnets.verify.diagnosis.clues import LEADING, Clues, delta
from fnnets.verify.diagnosis.moves import of_step

LARGEST = 1_000_000
LARGEST_SUM = 200_000
PAIRS, FARTHEST = 64, 4
Named = tuple[str, np.ndarray]


def named(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    """The contraction that e is where a is another one, "" if there is none."""
    if e.ndim == 1:
        return _of_biases(e, a, clues)
    if e.ndim != 2:
        return ""
    ways = [(e, a, _candidates(a.shape, clues)), (e.T, a.T, _candidates(a.T.shape, clues))]
    # weights of either layout: one in which the right one is known comes first
    known = [way for way in ways if _among(way[2], way[1], clues)]
    others = [way for way in ways if not _among(way[2], way[1], clues)]
    tried = [
        *(_of_weights(*way, clues) for way in known),
        *(_turned(*way, clues) for way in known),
        *(_of_weights(*way, clues) for way in others),
    ]
    return next(filter(None, tried), "")


def _pairs(shape: tuple[int, ...], clues: Clues) -> list[tuple[str, np.ndarray, str, np.ndarray]]:
    """Each δ with each value of a contraction of that shape."""
    q, p = shape
    return [
        (delta(name), d, value, u)
        for name, d in clues.deltas.items()
        for value, u in clues.values.items()
        if d.ndim in LEADING and d.shape[-1] == q and u.shape == (*d.shape[:-1], p) and d.size * p <= LARGEST
    ][:PAIRS]


def _candidates(shape: tuple[int, ...], clues: Clues) -> list[Named]:
    """Contractions by name, the whole ones first: another δ is simpler than its own in another order."""
    pairs = _pairs(shape, clues)
    found = [(f"{called} with {value}", _contract(d, u)) for called, d, value, u in pairs]
    return found + [
        (f"{called} with {how}", contraction)
        for called, d, value, u in pairs
        for how, contraction in _contractions(d, value, u, clues)
    ]


def _of_weights(e: np.ndarray, a: np.ndarray, all_of: list[Named], clues: Clues) -> str:
    is_, right = _among(all_of, e, clues), _among(all_of, a, clues)
    if is_ and right:
        return f"is the contraction of {is_}{_instead(is_, right)}"
    apart = _part(all_of, e, a, "the contraction of ", clues)
    if apart or not is_:
        return apart
    return f"is the contraction of {is_} alone, which the right one is not"


def _turned(e: np.ndarray, a: np.ndarray, all_of: list[Named], clues: Clues) -> str:
    """The transpose of another contraction."""
    if a.shape[0] != a.shape[1]:
        return ""
    is_ = next((f"{how}, transposed" for how, each in all_of if each.any() and clues.close(each.T, e)), "")
    right = _among(all_of, a, clues)
    return f"is the contraction of {is_}{_instead(is_, right)}" if is_ and right else ""


def _of_biases(e: np.ndarray, a: np.ndarray, clues: Clues) -> str:
    everything: list[Named] = []
    for name, d in clues.deltas.items():
        if d.shape[-1] != len(a) or d.ndim not in LEADING or d.size > LARGEST_SUM:
            continue
        sums = list(_sums(d, clues))
        right = next((how for how, total in sums if a.any() and clues.close(total, a)), None)
        found = next((how for how, total in sums if clues.close(total, e)), None)
        if right is not None and found is not None:
            return (
                f"is the sum of {delta(name)}{found or ' over all'}{_instead(found, f'that{right}') if right else ''}"
            )
        across = _across(d, e, clues) if right is not None else ""
        if across:
            return f"is the sum of {delta(name)} {across}"
        everything += [(f"{delta(name)}{how}", total) for how, total in sums]
    products = [
        (f"{delta(name)} ⊙ {value}", _total(d * v))
        for name, d in clues.deltas.items()
        for value, v in clues.values.items()
        if d.ndim in LEADING and d.shape == v.shape and d.shape[-1] == len(a) and d.size <= LARGEST_SUM
    ]
    is_, right = _among([*products, *everything], e, clues), _among([*products, *everything], a, clues)
    if is_ and right:
        return f"is the sum of {is_} in place of {right}"
    return _part([*everything, *products], e, a, "the sum of ", clues)


def _among(all_of: list[Named], which: np.ndarray, clues: Clues) -> str:
    """The first contraction that equals an array, "" for none, or for an array of zeros."""
    return next((how for how, each in all_of if which.any() and clues.close(each, which)), "")


def _part(all_of: list[Named], e: np.ndarray, a: np.ndarray, kind: str, clues: Clues) -> str:
    """A contraction that is missing in e, is too much there, or has its sign turned."""
    apart, least = e - a, 1e-3 * float(np.abs(a).max(initial=0.0))
    if clues.tolerance > 1e-7 and np.abs(apart).max() < least:
        return ""  # the difference has too few digits
    for how, each in all_of:
        if not each.any():
            continue
        for factor, words in ((-1, "misses {}"), (1, "has {} too much"), (-2, "has {} with its sign turned")):
            if np.abs(apart - factor * each).max() <= clues.tolerance * max(np.abs(a).max(), np.abs(e).max()):
                return words.format(kind + how)
    return ""


def _across(d: np.ndarray, e: np.ndarray, clues: Clues) -> str:
    """The axes of δ that e is the sum over, the last one among them."""
    names = (*clues.leading(d.ndim), "unit")
    for kept in range(d.ndim - 1):
        others = tuple(i for i in range(d.ndim) if i != kept)
        if d.shape[kept] == len(e) and clues.close(d.sum(axis=others), e):
            return f"over {' and '.join(names[i] for i in others)} in place of {' and '.join(names[:-1])}"
    return ""


def _instead(found: str, right: str) -> str:
    """The words " in place of" the right contraction; none where the found one names it already."""
    is_part = found.startswith((f"{right} without", f"{right} at"))
    return f" in place of {right}" if right and not is_part else ""


def _contractions(d: np.ndarray, name: str, u: np.ndarray, clues: Clues) -> Iterator[Named]:
    """With parts of u, and with u of other steps and examples."""
    whole, leading, mask = _contract(d, u), clues.leading(d.ndim), clues.mask
    for axis, called in enumerate(leading):
        for i in {0: "first", d.shape[axis] - 1: "last"} if d.shape[axis] > 1 else ():
            which = "first" if i == 0 else "last"
            part = _contract(np.take(d, i, axis), np.take(u, i, axis))
            yield f"{name} without the {which} {called}", whole - part
            yield f"{name} at the {which} {called} alone", part
    if mask is not None and _is_of(d, mask):
        yield f"{name} without padding", _contract(d * mask[..., None], u)
    for axis, called in enumerate(leading):
        yield from _elsewhere(d, name, u, axis, called)


def _elsewhere(d: np.ndarray, name: str, u: np.ndarray, axis: int, called: str) -> Iterator[Named]:
    """With u of other steps, or of other examples."""
    d, u = np.moveaxis(d, axis, 0), np.moveaxis(u, axis, 0)
    count = len(d)
    if called == "step":
        for k in range(1, min(FARTHEST, count - 1) + 1):
            yield f"{name} {of_step(k)}", _contract(d[k:], u[:-k])
            yield f"{name} {of_step(-k)}", _contract(d[:-k], u[k:])
    if called in ("step", "example") and count > 2:
        yield f"{name} in the reverse order of {called}s", _contract(d, u[::-1])
        for i, which in ((0, "first"), (count - 1, "last")):
            yield f"{name} of the {which} {called} everywhere", _contract(d, np.broadcast_to(u[i], u.shape))
    if called == "example" and count > 2:
        for k in (1, -1):
            yield f"{name} of another example, rolled by {k}".replace("-", "−"), _contract(d, np.roll(u, k, 0))


def _sums(d: np.ndarray, clues: Clues) -> Iterator[Named]:
    """Σ δ: whole, without a part, and a part alone."""
    whole, mask = _total(d), clues.mask
    yield "", whole
    if mask is not None and _is_of(d, mask):
        yield " without padding", _total(d * mask[..., None])
    for axis, called in enumerate(clues.leading(d.ndim)):
        parts = d.sum(axis=tuple(i for i in range(d.ndim - 1) if i != axis))
        if len(parts) > 1:
            yield f" without the first {called}", whole - parts[0]
            yield f" without the last {called}", whole - parts[-1]
            yield from ((f" at {called} {i} alone", part) for i, part in enumerate(parts))
    if d.ndim == 4:
        pixels = d.sum(axis=0)
        yield from (
            (f" at row {i}, column {j} alone", pixels[i, j])
            for i, j in itertools.product(*map(range, pixels.shape[:2]))
        )


def _is_of(d: np.ndarray, mask: np.ndarray) -> bool:
    return d.ndim == 3 and d.shape[:2] == mask.shape and not mask.all()


def _contract(d: np.ndarray, u: np.ndarray) -> np.ndarray:
    return d.reshape(-1, d.shape[-1]).T @ u.reshape(-1, u.shape[-1])


def _total(d: np.ndarray) -> np.ndarray:
    return d.reshape(-1, d.shape[-1]).sum(axis=0)
