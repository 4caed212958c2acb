"""What to do about examples and targets of another shape: one line of code where there is one, which then passes.

Each remedy is given only where its result is what was expected; `tests/core/test_advice.py` runs every one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fnnets.core.validate import is_concrete

if TYPE_CHECKING:
    from jaxtyping import PyTree

Shape = tuple[int, ...]


def examples(came: Shape, wanted: Shape, name: str) -> str:
    """The remedy for inputs of shape `came` where each example is to be of shape `wanted`.

    >>> examples((784,), (28, 28, 1), "inputs"), examples((9,), (1,), "inputs")
    ('reshape each example to (28, 28, 1)', 'give each example its one feature with inputs[:, None]')
    """
    if came == wanted:
        return f"for a single example write {name}[None]"
    if wanted == (1,) and len(came) == 1:
        return f"give each example its one feature with {name}[:, None]"
    if len(wanted) == 3 and wanted[2] == 1 and came[-2:] == wanted[:2] and len(came) in (2, 3):
        if len(came) == 2:
            return f"for a single grey image write {name}[None, ..., None]"
        return f"give each grey image its one channel with {name}[..., None]"
    each = came[1:]
    if len(each) == len(wanted) == 3 and each == (wanted[2], *wanted[:2]):
        return f"axis 1 holds the channels, which stand last: use jnp.moveaxis({name}, 1, -1)"
    if len(came) == len(wanted) == 3 and came == (wanted[2], *wanted[:2]):
        return f"channels stand last: for a single image write jnp.moveaxis({name}, 0, -1)[None]"
    if len(came) == 2 and wanted == came[:1]:
        return f"use {name}.T if the examples lie along axis 1"
    if each and each != wanted and math.prod(each) == math.prod(wanted):
        return f"use {name}.reshape(-1, {', '.join(map(str, wanted))}) if each example has these numbers in that order"
    if len(each) == len(wanted):
        return "make the network for these examples, or reshape them"
    return f"reshape each example to {wanted}"


def targets(value: PyTree, wanted: Shape, labels: bool, is_integer: bool, name: str) -> str:
    """What came as targets, what is expected, and the remedy."""
    came = f"{name} has shape {value.shape} and dtype {value.dtype}"
    d, examples = wanted[-1], wanted[:-1]
    if labels:
        return f"{came}{_labels(value, wanted, is_integer, d)}"
    if value.shape == examples and d == 1:
        return f"{came}, expected a column {wanted}, for a single output; use targets[..., None]"
    is_column = value.shape == (*examples, 1) and d > 1
    if (value.shape == examples or is_column) and _are_labels(value, d):
        flat = "targets[..., 0]" if is_column else "targets"
        flat = flat if is_integer else f"{flat}.astype(int)"
        return (
            f"{came}: labels, but this objective takes floats, expected shape {wanted}; use jax.nn.one_hot({flat}, {d})"
        )
    return f"{came}, expected floats of shape {wanted}; give each example one target for each output"


def _labels(value, wanted: Shape, is_integer: bool, d: int) -> str:
    """What came and the remedy, where integer labels of shape (…,) or rows of floats are expected."""
    expected = f", expected integer labels of shape {wanted[:-1]}, or floats of shape {wanted}"
    is_column = value.shape == (*wanted[:-1], 1)
    if is_column and is_integer:
        return f"{expected}; use targets[..., 0]"
    if (is_column or value.shape == wanted[:-1]) and not is_integer and _are_labels(value, d):
        return f"{expected}; use targets{'[..., 0]' if is_column else ''}.astype(int)"
    if value.shape == wanted and _are_one_hot(value):
        return f": one-hot rows of integers{expected}; use targets.argmax(-1)"
    if value.shape == wanted and _are_binary(value):
        return f": several classes in a row{expected}; give each example one class, or take sigmoid_cross_entropy"
    if value.shape == wanted:
        return f"{expected}; use targets / targets.sum(axis=-1, keepdims=True)"
    return f"{expected}; give each example the number of its class, from 0 to {d - 1}"


def domain(least: float, most: float, wanted: tuple[float, float], name: str, are_rows: bool = False) -> str:
    """The remedy for numbers from `least` to `most` outside of the domain, of which rows may be distributions.

    >>> domain(0, 255, (0, 1), "inputs"), domain(-1, 1, (0, 1), "targets")
    ('write inputs / 255 for pixels', 'write (targets + 1) / 2 for -1 and 1')
    """
    if wanted == (0, 1) and (least, most) == (-1, 1):
        return f"write ({name} + 1) / 2 for -1 and 1"
    if are_rows and least >= 0:
        return f"use {name} / {name}.sum(axis=-1, keepdims=True) for rows of weights"
    if wanted == (0, 1) and least >= 0 and most == 255:
        return f"write {name} / 255 for pixels"
    if wanted == (0, 1) and (least, most) == (1, 2):
        return f"write {name} - 1 for 1 and 2"
    return "scale the data, or make real-valued units ('gaussian', linear_squared_error)"


def labels(low: int, high: int, classes: int) -> str:
    """The remedy for labels out of range.

    >>> labels(1, 10, 10)
    'use targets - 1 for labels that begin with 1'
    """
    if (low, high) == (1, classes):
        return "use targets - 1 for labels that begin with 1"
    return "give the network an output for each class, or renumber the labels"


def rows(value: np.ndarray, sums: np.ndarray) -> str:
    """The remedy for rows that are no distributions."""
    if _are_binary(value):
        return "give each example one class, or take sigmoid_cross_entropy for several at once"
    if (sums <= 0).any():
        return "give labels, or rows of probabilities"
    return "give labels, or use targets / targets.sum(axis=-1, keepdims=True)"


def _are_labels(value, classes: int) -> bool:
    """Whether known values are whole numbers from 0 to `classes` − 1; those that JAX traces may be."""
    if not is_concrete(value):
        return True
    values = np.asarray(value, np.float64)
    return bool(np.all((values == np.floor(values)) & (values >= 0) & (values < classes)))


def _are_binary(value) -> bool:
    values = np.asarray(value)
    return bool(np.all((values == 0) | (values == 1)))


def _are_one_hot(value) -> bool:
    return not is_concrete(value) or (_are_binary(value) and bool(np.all(np.asarray(value).sum(axis=-1) == 1)))
