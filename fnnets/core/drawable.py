"""Checks of what figures show: numbers, labels, styles and paths, before anything is drawn.

In curves NaN and infinite numbers are gaps, as where a training diverges; in images they are refused, since the scale
of colours rests on all of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fnnets.core import validate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SCALES = ("", "x", "y", "xy")


def lines(value: Mapping[str, ArrayLike], name: str) -> dict[str, np.ndarray]:
    """`value` as curves by label, (E,) or (E, K) floats with E ≥ 1, each with a finite number."""
    mapping(value, name, "write {label: values}")
    return {label: _line(values, f"{name}[{label!r}]") for label, values in value.items()}


def mapping(value: object, name: str, remedy: str) -> None:
    """Raise unless `value` is a mapping that holds something."""
    if not isinstance(value, Mapping):
        came = validate.shown(value) if np.isscalar(value) or value is None else f"of type {type(value).__name__}"
        raise TypeError(f"{name} is {came}, expected a mapping of labels; {remedy}")
    if not value:
        raise ValueError(f"{name} is empty, expected at least one label; {remedy}")


def _line(value: ArrayLike, name: str) -> np.ndarray:
    values = np.asarray(validate.array(value, name), float)
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(
            f"{name} has shape {values.shape}, expected (E,) or (E, K) with E >= 1; give a number for each point"
        )
    return values


def visible(curves: Mapping[str, np.ndarray], name: str) -> None:
    """Raise a ValueError for a curve that is one gap."""
    for label, values in curves.items():
        if not np.isfinite(values).any():
            raise ValueError(
                f"{name}[{label!r}] holds no finite number, expected at least one to draw; leave the curve out"
            )


def positive(curves: Mapping[str, np.ndarray], x: np.ndarray | None, log: str) -> None:
    """Raise a ValueError where a logarithmic axis has no number above 0 to show."""
    for axis, name, values in (("x", "x", [] if x is None else [x]), ("y", "lines", list(curves.values()))):
        if axis in log and values and not any((each > 0).any() for each in values):
            raise ValueError(
                f"draw: {name} holds no number above 0, expected one on a logarithmic axis; leave log={log!r} out"
            )


def positions(value: ArrayLike | None, curves: Mapping[str, np.ndarray], name: str, of: str) -> np.ndarray | None:
    """`value` as the (E,) finite positions of all curves; None where it is left out."""
    if value is None:
        return None
    found = np.asarray(validate.array(value, name))
    if found.ndim != 1:
        raise ValueError(f"{name} has shape {found.shape}, expected (E,); give one position for each point")
    validate.finite(found, name, "give positions on the axis")
    for label, values in curves.items():
        if len(values) != len(found):
            raise ValueError(
                f"{name} holds {len(found)} positions, expected {len(values)}, one for each point of {of}[{label!r}]; "
                "give both the same points"
            )
    return found


def styles(value: Sequence[Mapping[str, Any]], count: int, name: str) -> None:
    """Raise unless there is a mapping for each of `count` lines, or none at all."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, Mapping) for each in value):
        raise TypeError(f"{name} is {validate.shown(value)}, expected dicts; write [{{'color': 'red'}}] for one line")
    if value and len(value) != count:
        raise ValueError(
            f"{name} holds {len(value)} styles, expected {count}, one for each line; leave it out for none"
        )


def images(value: ArrayLike, letters: str, name: str) -> np.ndarray:
    """`value` as finite real numbers of the shape that `letters` name, as "K, H, W", with no axis of size 0."""
    found = np.asarray(validate.array(value, name))
    if found.ndim != letters.count(",") + 1 or not found.size:
        raise ValueError(f"{name} have shape {found.shape}, expected ({letters}), all at least 1; reshape them")
    validate.finite(found, name, "the scale of colours rests on all numbers: leave out what is not finite")
    return found


def units(weights: ArrayLike, image_shape: Sequence[int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """(q, p) finite weights and the shape (H, W) of an image of p pixels."""
    found, shape = images(weights, "q, p", "filters: weights"), validate.shape(image_shape, "filters: image_shape")
    if len(shape) != 2:
        raise ValueError(f"filters: image_shape is {shape}, expected (H, W); leave out an axis of channels")
    if found.shape[1] != math.prod(shape):
        raise ValueError(
            f"filters: weights have shape {found.shape}, expected (q, {math.prod(shape)}) for image_shape {shape}; "
            "give a unit's weights in each row"
        )
    return found, shape


def series(histories: Mapping[str, object], field: str, factor: float) -> dict[str, np.ndarray]:
    """The curves of a field of histories, on both data sets, by the label of the run and the data set."""
    lines = {}
    for label, history in histories.items():
        if not hasattr(history, "validation_cost"):
            came = f"of type {type(history).__name__}"
            remedy = "give result.history of fit" if hasattr(history, "history") else "give what fit recorded"
            raise TypeError(f"learning_curves: histories[{label!r}] is {came}, expected a History; {remedy}")
        for prefix, data in (("", "training"), ("validation_", "validation")):
            values = getattr(history, prefix + field)
            if values is not None:
                lines[f"{label}, {data}"] = factor * np.asarray(values)
    return lines


def nested(labels: Sequence[str], colours: Sequence[str], dashes: Sequence[Any]) -> list[dict[str, Any]]:
    """A colour for each data set and a width and dash for each run, so that runs that coincide stay visible."""
    runs = list(dict.fromkeys(label.rpartition(", ")[0] for label in labels))
    styles: list[dict[str, Any]] = []
    for label in labels:
        run, _, data = label.rpartition(", ")
        place = runs.index(run)
        width = 1.5 + 4.0 * (len(runs) - 1 - place) / max(1, len(runs) - 1)
        faint = {"alpha": 0.35} if place < len(runs) - 1 else {}
        colour = colours[0 if data == "training" else 1]
        styles.append({"color": colour, "linestyle": dashes[place % len(dashes)], "linewidth": width, **faint})
    return styles


def labels(value: Sequence[str], count: int, name: str) -> None:
    """Raise unless there is a string for each of `count` rows, or none at all."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"{name} is {validate.shown(value)}, expected a list of strings; write ['first', 'second']")
    if value and len(value) != count:
        raise ValueError(f"{name} holds {len(value)} labels, expected {count}, one for each row; leave it out for none")


def counts(value: ArrayLike, name: str) -> np.ndarray:
    """`value` as a square matrix of whole numbers ≥ 0."""
    found = np.asarray(validate.array(value, name))
    if found.ndim != 2 or found.shape[0] != found.shape[1] or not found.size:
        raise ValueError(
            f"{name} has shape {found.shape}, expected (classes, classes); give a row for each true class and a column "
            "for each predicted one"
        )
    validate.finite(found, name, "give counts")
    if found.dtype == bool or (found < 0).any() or (found != np.floor(found)).any():
        raise ValueError(f"{name} holds numbers that are no counts, expected whole ones >= 0; give counts, not shares")
    return found


def png(value: object, figure: object, user: str) -> Path:
    """`value` as the path of a PNG file, which is no folder, for a figure."""
    if isinstance(figure, type) or not callable(getattr(figure, "savefig", None)):
        came = f"of type {type(figure).__name__}"
        raise TypeError(f"{user}: figure is {came}, expected a Figure; give what panels or curves returns")
    name = f"{user}: path"
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} is {validate.shown(value)}, expected a path; write 'figure.png'")
    path = Path(value)
    if path.suffix.lower() not in ("", ".png"):
        raise ValueError(
            f"{name} is {str(path)!r}, expected a name that ends in .png, as a PNG is written; use figure.savefig for "
            "other formats"
        )
    if path.is_dir():
        raise ValueError(f"{name} is {str(path)!r}, a folder, expected the name of a file; add one")
    return path
