"""The place of an element in words: step, example, unit, channel, pixel.

    parameters  (q, p) unit, input; (h, w, C, K) row, column, channel, filter; (q,) unit
    sequence    (T, N, q) step, example, unit
    image       (N, H, W, C) example, row, column, channel
    example     (N, q) example, unit
    otherwise   "element" of a vector, whose axis may be any; "axis 0", … of an argument of one's own

| symbol | name in code | shape |
|---|---|---|
| elements that differ | `differs`, bool | as the leaf |
| padding | `mask`, True at real steps | (T, N) |
"""

from __future__ import annotations

import numpy as np

OF_VALUES = {
    "sequence": ("step", "example", "unit"),
    "image": ("example", "row", "column", "channel"),
    "example": ("example", "unit"),
}
OF_WEIGHTS = {2: ("unit", "input"), 4: ("row", "column", "channel", "filter")}


def axes(where: str, ndim: int, kind: str) -> tuple[str, ...]:
    """The names of a leaf's axes; `kind` is "parameters", "sequence", "image", "example" or "argument".

    >>> axes("layer 1 dense .weights", 2, "parameters"), axes("layer 0 lstm z_i", 3, "sequence")
    (('unit', 'input'), ('step', 'example', 'unit'))
    """
    if kind == "parameters":
        if where.endswith("weights") and ndim in OF_WEIGHTS:
            return OF_WEIGHTS[ndim]
        is_ours = where.endswith(("biases", "weights")) or not where.startswith("gradient")
        return ("unit" if is_ours else "element",) if ndim == 1 else tuple(f"axis {i}" for i in range(ndim))
    if kind != "sequence" and ndim == 1:
        return ("element",)
    known = OF_VALUES.get(kind, ())
    return known[:ndim] if ndim <= len(known) else tuple(f"axis {i}" for i in range(ndim))


def place(index: tuple[int, ...], names: tuple[str, ...]) -> str:
    """An index in words, "" for a scalar.

    >>> place((4, 0, 3), ("step", "example", "unit"))
    'step 4, example 0, unit 3'
    """
    return ", ".join(f"{name} {i}" for name, i in zip(names, index, strict=True))


def support(differs: np.ndarray, names: tuple[str, ...], mask: np.ndarray | None = None) -> str:
    """The place of differences, in the shortest true phrase; "everywhere" or "nowhere" for all or none.

    >>> support(np.array([[True, True], [False, False]]), ("step", "example"))
    'only at step 0'
    """
    if not differs.any():
        return "nowhere"
    if differs.all():
        return "everywhere"
    if differs.sum() == 1 < differs.ndim:
        return f"only at {place(np.argwhere(differs)[0], names)}"
    phrase = _of_padding(differs, mask) or _of_axes(differs, names) or _of_border(differs, names)
    return phrase or _of_diagonal(differs) or f"at {int(differs.sum())} of {differs.size} elements"


def profile(explicit: np.ndarray, automatic: np.ndarray, names: tuple[str, ...]) -> tuple[float, ...]:
    """The relative error at each step, one number where there is no axis of steps.

    >>> profile(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]), ("step", "unit"))
    (0.0, 0.5)
    """
    if explicit.shape != automatic.shape or not automatic.size:
        return ()
    others = tuple(i for i, name in enumerate(names) if name != "step")
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(explicit - automatic).max(axis=others) if others else np.abs(explicit - automatic)
        size = np.abs(automatic).max()
        relative = apart / size if size > 0 else np.where(apart > 0, np.inf, apart)
    return tuple(np.atleast_1d(relative).astype(float).tolist())


def _of_padding(differs: np.ndarray, mask: np.ndarray | None) -> str:
    if mask is None or differs.shape[: mask.ndim] != mask.shape or mask.all():
        return ""
    here = differs.reshape(*mask.shape, -1).any(axis=-1)
    return "only at padding" if here.any() and not (here & mask).any() else ""


def _of_axes(differs: np.ndarray, names: tuple[str, ...]) -> str:
    """One index of an axis alone, or all but the last or the first of its steps."""
    for axis, name in enumerate(names):
        others = tuple(i for i in range(differs.ndim) if i != axis)
        here = np.asarray(differs.any(axis=others))
        if len(here) > 1 and here.sum() == 1:
            i = int(np.argmax(here))
            last = "the last " if name == "step" and i == len(here) - 1 else ""
            return f"only at {last}{name}{',' if last else ''} {i}"
        if name == "step" and len(here) > 2 and here.sum() == len(here) - 1:
            i = int(np.argmin(here))
            return "at every step but " + {0: "the first", len(here) - 1: "the last"}.get(i, str(i))
    return ""


def _of_border(differs: np.ndarray, names: tuple[str, ...]) -> str:
    if "row" not in names or "column" not in names or "filter" in names:
        return ""
    inner = tuple(slice(1, -1) if name in ("row", "column") else slice(None) for name in names)
    return "only on the border" if not differs[inner].any() and differs[inner].size else ""


def _of_diagonal(differs: np.ndarray) -> str:
    if differs.ndim != 2 or differs.shape[0] != differs.shape[1] or len(differs) < 2:
        return ""
    diagonal = np.eye(len(differs), dtype=bool)
    if not differs[~diagonal].any():
        return "only on the diagonal"
    return "only off the diagonal" if not differs[diagonal].any() and differs[~diagonal].all() else ""
