"""The place of an element in words: step, example, unit, channel, pixel.

    parameters  (q, p) unit, input; (h, w, C, K) row, column, channel, filter; (q,) unit
    sequence    (T, N, q) step, example, unit;  (N, T, q) where the batch comes first
    image       (N, H, W, C) example, row, column, channel
    example     (N, q) example, unit
    own         of one's own code: the axes whose sizes are those of the examples and steps, then "row" and "column"
                of a matrix, "element" of a vector, "axis 0", … of others

| symbol | name in code | shape |
|---|---|---|
| elements that differ | `differs`, bool | as the leaf |
| padding | `mask`, True at real steps | (T, N) |
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

OF_VALUES = {
    "sequence": ("step", "example", "unit"),
    "image": ("example", "row", "column", "channel"),
    "example": ("example", "unit"),
}
OF_WEIGHTS = {2: ("unit", "input"), 4: ("row", "column", "channel", "filter")}


class Shape(NamedTuple):
    """What is known of the axes of arrays.

    Attributes:
        examples, steps: how many there are, 0 where unknown.
        is_batch_first: whether sequences are (N, T, …) in place of (T, N, …).
        is_step: whether the value is one of a scan, which has its steps in front.
        is_image: whether examples are images.
    """

    examples: int = 0
    steps: int = 0
    is_batch_first: bool = False
    is_step: bool = False
    is_image: bool = False


UNKNOWN = Shape()


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


def of_values(shape: tuple[int, ...], known: Shape) -> tuple[str, ...]:
    """The names of the axes of a value on the way, by what is known of examples and steps.

    >>> of_values((5, 7, 3), Shape(examples=5, steps=7, is_batch_first=True)), of_values((7, 3), Shape(is_step=True))
    (('example', 'step', 'unit'), ('step', 'unit'))
    """
    wanted = {"example": known.examples, "step": 0 if known.is_step else known.steps}
    if known.is_step and len(shape) == 3 and not known.examples:
        return OF_VALUES["sequence"]
    front: tuple[str, ...] = ("step",) if known.is_step else ()
    for name in ("example", "step") if known.is_batch_first else ("step", "example"):
        if len(front) < len(shape) and wanted[name] and shape[len(front)] == wanted[name]:
            front = (*front, name)
    return (*front, *_inner(len(front), len(shape), known.is_image)) if front else of_leaf(shape)


def _inner(first: int, ndim: int, is_image: bool) -> tuple[str, ...]:
    """The names of the axes behind those of examples and steps."""
    count = ndim - first
    if count <= 1:
        return ("unit",) * count
    if is_image and count == 3:
        return ("row", "column", "channel")
    return (*(f"axis {i}" for i in range(first, ndim - 2)), "row", "column")


def of_leaf(shape: tuple[int, ...], known: Shape = UNKNOWN) -> tuple[str, ...]:
    """The names of the axes of a leaf of one's own tree; of one that has the examples in front those of a value.

    >>> of_leaf((4, 3)), of_leaf((4,)), of_leaf((2, 4, 3)), of_leaf((5, 7, 3), Shape(5, 7, True))
    (('row', 'column'), ('element',), ('axis 0', 'axis 1', 'axis 2'), ('example', 'step', 'unit'))
    """
    if len(shape) > 2 and known.examples and known.steps and {known.examples, known.steps} == set(shape[:2]):
        return of_values(shape, known)
    return {1: ("element",), 2: ("row", "column")}.get(len(shape), tuple(f"axis {i}" for i in range(len(shape))))


def place(index: tuple[int, ...], names: tuple[str, ...]) -> str:
    """An index in words, "" for a scalar.

    >>> place((4, 0, 3), ("step", "example", "unit"))
    'step 4, example 0, unit 3'
    >>> place((1, 0), ("axis 0", "axis 1"))
    'axis 0 at 1, axis 1 at 0'
    """
    return ", ".join(f"{name}{' at' * name.startswith('axis')} {i}" for name, i in zip(names, index, strict=True))


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
        apart = np.asarray(np.subtract(explicit, automatic))
        apart = np.abs(apart, out=apart).max(axis=others) if others else np.abs(apart)
        size = np.maximum(automatic.max(), -automatic.min())
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
    if "row" not in names or "column" not in names or "example" not in names:
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
