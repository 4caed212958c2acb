"""Arrays as lines of text: rows of aligned numbers, abbreviated where there are many.

    a vector      one row                          a matrix      a row each
    time          "t = 1" before the row           an image      the first of its channels, and how many there are

| symbol | name in code | shape |
|---|---|---|
| rows and columns that are shown at most | `ROWS`, `COLUMNS` | |
"""

from __future__ import annotations

import math

import numpy as np

ROWS, COLUMNS = 6, 8


def one(value: float, digits: int) -> str:
    """A number in significant digits.

    >>> one(0.0123456, 3), one(-2.0, 3), one(3, 2)
    ('0.0123', '-2', '3')
    """
    return f"{float(value) + 0.0:.{digits}g}"  # −0 is 0


def shown(value: np.ndarray, digits: int, is_stepped: bool = False) -> list[str]:
    """The lines of an array of any shape.

    >>> shown(np.array([[1.0, -0.25], [0.5, 100.0]]), 3, is_stepped=True)
    ['t = 1      1  -0.25', 't = 2    0.5    100']
    """
    if value.ndim == 0:
        return [one(value.item(), digits)]
    if value.ndim > 2:
        return _first(value, digits, is_stepped)
    if value.ndim == 1:
        value = value[:, None] if is_stepped else value[None]
    heads = [f"t = {t + 1}" for t in range(len(value))] if is_stepped else [""] * len(value)
    return _matrix(value, heads, digits)


def _first(value: np.ndarray, digits: int, is_stepped: bool) -> list[str]:
    """The first matrix of an array of more axes: of an image, of filters, of the first step or position."""
    lead = 2 if value.ndim == 6 else int(is_stepped)
    rest = value.ndim - lead - 2
    matrix = value[(0,) * lead + (slice(None),) * 2 + (0,) * rest]
    count = value.size // max(matrix.size, 1)
    place = ", ".join([*["0"] * lead, ":", ":", *["0"] * rest])
    note = f"[{place}], one of {count} like it" if count > 1 else f"[{place}]"
    return [note, *_matrix(matrix, [""] * len(matrix), digits)]


def _matrix(value: np.ndarray, heads: list[str], digits: int) -> list[str]:
    """Rows of numbers that end in one column, the middle of many left out."""
    rows, columns = (_kept(size, most) for size, most in zip(value.shape, (ROWS, COLUMNS), strict=True))
    cells = [["…" if j is None else one(value[i, j], digits) for j in columns] for i in rows if i is not None]
    width = max((len(cell) for row in cells for cell in row), default=1)
    lines = iter(["  ".join(cell.rjust(width) for cell in row) for row in cells])
    wide = max((len(head) + 2 for head in heads if head), default=0)
    return ["…" if i is None else heads[i].ljust(wide) + next(lines) for i in rows]


def _kept(size: int, most: int) -> list[int | None]:
    """The indices that are shown, None for those that are left out."""
    if size <= most:
        return list(range(size))
    before = math.ceil((most - 1) / 2)
    return [*range(before), None, *range(size - (most - 1 - before), size)]
