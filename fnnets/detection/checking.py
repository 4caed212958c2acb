"""Boxes and the checks of them, and of the other arguments of what works with boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fnnets.core import validate

LARGEST = 1e15


class Boxes(NamedTuple):
    """Boxes in one image: edges (B, 4) in pixels, scores (B,), classes (B,); a ground truth has scores of 1."""

    edges: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def background(value: object, classes: int, name: str) -> int:
    """`value` as one of so many classes."""
    remedy = "give the class of no object, or None"
    number = validate.count(value, name, remedy, least=0)
    if number >= classes:
        raise ValueError(f"{name} is {number}, expected below {classes} classes; {remedy}")
    return number


def checked(boxes: Boxes, name: str) -> Boxes:
    """`boxes` as arrays that belong together.

    Raises:
        TypeError, ValueError: as for `make`, or they are no `Boxes`.

    >>> from fnnets.detection.boxes import make
    >>> checked(make([[0, 0, 8, 8]], [3]), "suppress: boxes").classes.tolist()
    [3]
    """
    validate.is_instance(boxes, Boxes, name, "make them with fnnets.detection.boxes.make")
    if boxes.scores is None:
        raise TypeError(f"{name}.scores is None, expected a score for each box; make them with boxes.make")
    return arrays_of(*boxes, f"{name}.")


def arrays_of(corners, scores, classes, name: str) -> Boxes:
    """Edges, scores (1 where they are None) and classes as arrays that belong together; `name` stands before each."""
    corners = edges(corners, f"{name}edges")
    n = len(corners)
    scores = np.ones(n) if scores is None else np.asarray(validate.array(scores, f"{name}scores"), float)
    labels = np.asarray(validate.array(classes, f"{name}classes"))
    for field, values in (("scores", scores), ("classes", labels)):
        if values.shape != (n,):
            raise ValueError(
                f"{name}{field} have shape {values.shape}, expected ({n},): one for each box; give both the same boxes"
            )
    validate.finite(scores, f"{name}scores")
    if labels.size and not np.can_cast(labels.dtype, np.int64):
        raise TypeError(f"{name}classes have dtype {labels.dtype}, expected integers; use classes.astype(int)")
    return Boxes(corners, scores, labels.astype(int))


def edges(value, name: str) -> np.ndarray:
    """`value` as edges (B, 4) of boxes that are not empty."""
    found = np.asarray(validate.array(value, name), float)
    found = found.reshape(-1, 4) if found.size == 0 else found
    if found.ndim != 2 or found.shape[1] != 4:
        remedy = "for one box write [edges]" if found.shape == (4,) else "give each box four numbers"
        raise ValueError(f"{name} have shape {found.shape}, expected (B, 4): top, left, bottom, right; {remedy}")
    validate.finite(found, name)
    if found.size and np.abs(found).max() > LARGEST:
        raise ValueError(f"{name} hold {np.abs(found).max():g}, expected pixels, at most {LARGEST:g}; give those")
    sides = found[:, 2:] - found[:, :2]
    is_right = np.all(sides > 0, axis=1) & (np.prod(sides, axis=1) > 0)  # the area of tiny ones is 0
    if not is_right.all():
        wrong = found[~is_right][0].tolist()
        raise ValueError(f"{name} hold {wrong}, expected top < bottom and left < right; order them so")
    return found


def pair(value, name) -> np.ndarray:
    """One positive number, or two, as two."""
    numbers = list(value) if isinstance(value, tuple | list | np.ndarray) and np.ndim(value) else [value, value]
    if len(numbers) != 2:
        raise ValueError(f"{name} is {value!r}, expected one number or two; write (down, across)")
    for each in numbers:
        validate.above(each, 0.0, name, "give pixels, or a ratio of them")
    return np.array(numbers, float)


def list_of(value, name) -> list[Boxes]:
    """A list of boxes, one `Boxes` an image."""
    if isinstance(value, Boxes) or not isinstance(value, tuple | list):
        remedy = "for one image write [boxes]" if isinstance(value, Boxes) else "give each image its own"
        raise TypeError(f"{name} is of type {type(value).__name__}, expected a list of Boxes; {remedy}")
    return [checked(each, f"{name}[{i}]") for i, each in enumerate(value)]


def overlap(value: object, name: str) -> None:
    """Raise unless `value` is an IoU, in [0, 1]."""
    validate.at_least(value, 0.0, name, "give an IoU, such as 0.3")  # type: ignore[arg-type]
    if value > 1:  # type: ignore[operator]
        raise ValueError(f"{name} is {value}, expected an IoU, at most 1; write {value} / 100 for per cent")


def hits(value, scores) -> tuple[np.ndarray, np.ndarray]:
    """Hits (B,) as bools, and the score (B,) of each."""
    found = np.asarray(validate.array(value, "average_precision: hits"))
    scores = np.asarray(validate.array(scores, "average_precision: scores"), float)
    if not np.all((found == 0) | (found == 1)):
        if np.all((scores == 0) | (scores == 1)):
            raise ValueError(
                "average_precision: hits holds other numbers than 0 and 1, and scores these alone, expected them the "
                "other way; write average_precision(hits, scores, truths)"
            )
        raise ValueError("average_precision: hits holds other numbers, expected bools, or zeros and ones; write x > 0")
    if found.ndim != 1 or scores.shape != found.shape:
        raise ValueError(
            f"average_precision: hits has shape {found.shape} and scores {scores.shape}, expected (B,) of both; "
            "give each box its score"
        )
    validate.finite(scores, "average_precision: scores")
    return found.astype(bool), scores
