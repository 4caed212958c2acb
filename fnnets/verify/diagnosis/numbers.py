"""Numbers in words: made of named sizes where they are, else their digits.

    N, 1/N, n/N, N², N·T, (N−1)/N, 2, …          the simplest name first

| symbol | name in code | shape |
|---|---|---|
| N, T, n, sizes of arguments' axes | `sizes`, by name | () |
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

Sizes = Mapping[str, float]
EXACT = 1e-7
LOOSE, LOOSEST = 1e-6, 1e-4
"""From these tolerances on a product of two sizes, and a ratio of two, may be met by chance."""
FEW = 4


def name(number: float, sizes: Sizes, tolerance: float = EXACT) -> str:
    """The name of a number.

    >>> name(0.2, {"N": 5}), name(-12.0, {"N": 5, "n": 60}), name(1.37, {"N": 5}), name(0.8, {"N": 5})
    ('1/N', '−n/N', '1.37', '(N−1)/N')
    """
    return _found(number, sizes, tolerance)[0]


def is_named(number: float, sizes: Sizes, tolerance: float = EXACT) -> bool:
    """Whether a number has a name."""
    return bool(_found(number, sizes, tolerance)[2])


def values(number: float, sizes: Sizes, tolerance: float = EXACT) -> str:
    """The values of the sizes in a name: " (N = T = 5, n = 60)".

    >>> values(0.2, {"N": 5, "T": 5})
    ' (N = T = 5)'
    """
    groups = (
        [*(name for name, size in sizes.items() if size == value), f"{value:g}"]
        for value in dict.fromkeys(_found(number, sizes, tolerance)[1])
    )
    used = [" = ".join(group) for group in groups if len(group) > 1]
    return f" ({', '.join(used)})" if used else ""


def times(number: float, sizes: Sizes, tolerance: float = EXACT) -> str:
    """A factor before what it multiplies: "2 times ", or "" for 1."""
    return "" if abs(number - 1) < 10 * tolerance else f"{name(number, sizes, tolerance)} times "


def plain(number: float, tolerance: float = EXACT) -> str:
    """The digits of a number: as many as the tolerance allows, and as many as tell it from 1.

    >>> plain(1.01), plain(-1.25), plain(1.0000003), plain(1.0100004, 1e-5), plain(5**-0.5)
    ('1.01', '−1.25', '1.0000003', '1.01', '1/√5')
    """
    root = _root(number, tolerance)
    if root:
        return root
    most = 6 if tolerance <= EXACT else max(2, round(-math.log10(tolerance)))
    for digits in range(most, 17):
        shown = f"{number:.{digits}g}"
        if abs(float(shown)) != 1 or abs(number) == 1:
            break
    return shown.replace("-", "−")


def _root(number: float, tolerance: float) -> str:
    """A number as the root of an integer, or one over that; "" if it is none."""
    largest = 4096 if tolerance <= LOOSE else 64 if tolerance <= LOOSEST else 0
    square = (number * number if abs(number) > 1 else 1 / (number * number)) if number else 0.0
    if not 1.5 < square <= largest:
        return ""
    whole = round(square)
    if abs(square / whole - 1) > 2 * tolerance or math.isqrt(whole) ** 2 == whole:
        return ""
    return f"{'−' if number < 0 else ''}{'' if abs(number) > 1 else '1/'}√{whole}"


def _found(number: float, sizes: Sizes, tolerance: float) -> tuple[str, tuple[float, ...], bool]:
    """The simplest name of a number, with the sizes in it; its digits where it has no name."""
    for name, value, used in _products(sizes, tolerance):
        if abs(abs(number) / value - 1) < max(EXACT, tolerance):
            return ("−" if number < 0 else "") + name, used, True
    return plain(number, tolerance), (), False


def _products(sizes: Sizes, tolerance: float) -> Iterator[tuple[str, float, tuple[float, ...]]]:
    """(name, number, sizes in it) for numbers made of named sizes, from the simplest on; sizes of one name nothing.

    Of sizes that coincide the first stands for all.
    """
    known = {2.0: "2"}
    for name, value in sizes.items():
        if value not in (0, 1):
            known.setdefault(float(value), name)
    yield from ((name, value, (value,)) for value, name in known.items())
    yield from ((f"1/{name}", 1 / value, (value,)) for value, name in known.items())
    if tolerance >= LOOSEST:
        return
    for x, y in itertools.permutations(known, 2):
        yield f"{known[x]}/{known[y]}", x / y, (x, y)
    if tolerance >= LOOSE and len(known) > FEW:
        return
    for x, y in itertools.combinations_with_replacement(known, 2):
        if x == y == 2:
            continue
        name = f"{known[x]}²" if x == y else f"{known[x]}·{known[y]}"
        yield name, x * y, (x, y)
        yield f"1/{name}" if x == y else f"1/({name})", 1 / (x * y), (x, y)
    for x, name in known.items():
        if x > 2:
            yield f"({name}−1)/{name}", (x - 1) / x, (x,)
            yield f"{name}/({name}−1)", x / (x - 1), (x,)
