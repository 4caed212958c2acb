"""Points near a given one at which derivative rules tend to be wrong: zero, infinity, ties, whole numbers, extremes.

    one number      set to each special value, and to each other number of the arguments
    two numbers     all pairs of special values, where the arguments are few single numbers
    one array       set to each special value as a whole, and to each other array of its shape

| symbol | name in code | shape |
|---|---|---|
| the point | `args` | a list of arrays |
| numbers that are moved by themselves | `FEW` of each array, `MOST` in all | |
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fnnets.verify.tracing import rules

SPECIAL = (0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, 1e30, -1e30, 1e-30, 88.0, -104.0, 1e4, -1e4, 1e-4)
WHOLE = (0, 1, -1, 2)
FEW, MOST, PAIRED = 3, 24, 4
Place = tuple[int, tuple[int, ...]]


def points(args: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """Each point in words, and its arrays.

    >>> found = list(points([np.float32(0.3), np.float32(0.7)], ["x", "y"]))
    >>> found[0], "x = 0, y = 0" in dict(found), len(found) > 200
    (('x = 0', [array(0., dtype=float32), np.float32(0.7)]), True, True)
    """
    places = list(_places(args))[:MOST]
    for place in places:
        for value, shown in [*_values(args, place), *_ties(args, places, place, names)]:
            yield f"{_shown(names, place)} = {shown}", _moved(args, (place, value))
    if len(places) <= PAIRED and all(np.size(args[n]) == 1 for n, _ in places):
        for one, other in itertools.combinations(places, 2):
            for (first, said), (second, also) in itertools.product(_values(args, one), _values(args, other)):
                shown = f"{_shown(names, one)} = {said}, {_shown(names, other)} = {also}"
                yield shown, _moved(args, (one, first), (other, second))
        for one, other, third in itertools.permutations(places, 3):
            for value, said in _values(args, third):
                tie = np.asarray(args[other[0]])[other[1]]
                shown = f"{_shown(names, one)} = {_shown(names, other)}, {_shown(names, third)} = {said}"
                yield shown, _moved(args, (one, tie), (third, value))
    yield from _arrays(args, names)


def _arrays(args: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """Whole arrays set to one value, and to one another."""
    large = [n for n, x in enumerate(args) if rules.is_number(x) and np.size(x) > 1]
    for n in large:
        for value in SPECIAL:
            yield f"all of {names[n]} = {value:g}", _filled(args, n, np.full(np.shape(args[n]), value))
    for one, other in itertools.permutations(large, 2):
        if np.shape(args[one]) == np.shape(args[other]):
            yield f"{names[one]} = {names[other]}", _filled(args, one, np.asarray(args[other]))
    if len(large) > 1:
        for value in (0.0, 1.0):
            filled = [np.full(np.shape(x), value, np.asarray(x).dtype) if n in large else x for n, x in enumerate(args)]
            yield f"all arrays = {value:g}", filled


def _places(args: Sequence[Any]) -> Iterator[Place]:
    """The numbers that are moved: all of small arrays, the first, one in the middle and the last of larger ones."""
    for n, x in enumerate(args):
        dtype, size = np.asarray(x).dtype if not _is_key(x) else None, np.size(x)
        if dtype is None or (not rules.is_number(x) and dtype.kind not in "iu") or size == 0:
            continue
        if not rules.is_number(x) and size > 1:
            continue
        flat = range(size) if size <= FEW else (0, size // 2, size - 1)
        yield from ((n, tuple(int(k) for k in np.unravel_index(i, np.shape(x)))) for i in flat)


def _values(args: Sequence[Any], place: Place) -> list[tuple[Any, str]]:
    here = np.asarray(args[place[0]])[place[1]]
    if not rules.is_number(args[place[0]]):
        return [(value, str(value)) for value in WHOLE if value != here]
    whole = float(np.round(float(here)))
    found = [*SPECIAL, *([whole] if whole not in SPECIAL else []), *([whole - 1] if whole - 1 not in SPECIAL else [])]
    return [(value, f"{value:g}") for value in found if value != here]


def _ties(args: Sequence[Any], places: list[Place], place: Place, names: Sequence[str]) -> list[tuple[Any, str]]:
    others = [other for other in places if other != place]
    return [(np.asarray(args[n])[index], _shown(names, (n, index))) for n, index in others]


def _moved(args: Sequence[Any], *changes: tuple[Place, Any]) -> list[Any]:
    moved = list(args)
    for (n, index), value in changes:
        moved[n] = np.array(moved[n])
        with np.errstate(all="ignore"):
            moved[n][index] = value
    return moved


def _filled(args: Sequence[Any], n: int, value: np.ndarray) -> list[Any]:
    return [np.asarray(value, np.asarray(x).dtype) if k == n else x for k, x in enumerate(args)]


def _shown(names: Sequence[str], place: Place) -> str:
    return names[place[0]] + (str(list(place[1])) if place[1] else "")


def _is_key(x: Any) -> bool:
    return not isinstance(x, np.ndarray | np.generic | float | int) and str(getattr(x, "dtype", "")).startswith("key")
