"""A second point near the given one, in general position, for what the given numbers hide.

    θ' = θ + η u (abs θ, or rms θ where it is zero),    u uniform in ±[1/2, 1]
    data likewise, unless they satisfy an identity that a right gradient may count on

Weights of ones, biases of zero and a batch that repeats itself make wrong formulas right; a hundredth away from them
they are wrong. θ is free, for training moves it. Data may have to stay what they are: whole numbers, shares that sum
to one, unit rows, orthogonal, symmetric, sorted, evenly spaced and standardised arrays are left alone.

| symbol | name in code | shape |
|---|---|---|
| η | `NEAR` in float64, `FAR` in coarser precision | () |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import numpy as np

from fnnets.verify.reference.subject import Point
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

NEAR, FAR = 2.0**-8, 2.0**-5
CLOSE = 1e-5


def moved(point: Point, size: float = NEAR, has_data: bool = True, is_data: bool = False) -> Point:
    """The point near `point`: θ moved, and with `has_data` the rest where it satisfies no identity.

    `is_data` says that θ may satisfy identities as well, as the arguments of any function may.
    """
    at, rest = point
    draw = np.random.default_rng(7)
    near = jax.tree.map(lambda leaf: _moved(leaf, size, draw, _has_identity if is_data else None), at)
    return near, jax.tree.map(lambda leaf: _moved(leaf, size, draw, _is_kept), rest) if has_data else rest


def _moved(
    leaf: Array, size: float, draw: np.random.Generator, is_kept: Callable[[np.ndarray], bool] | None
) -> Array | np.ndarray:
    if not precision.is_floating(leaf) or leaf.size == 0:
        return leaf
    values = np.asarray(leaf, np.float64)
    if not np.isfinite(values).all() or (is_kept is not None and is_kept(values)):
        return leaf
    u = draw.uniform(0.5, 1, values.shape) * draw.choice([-1, 1], values.shape)
    typical = float(np.sqrt(np.mean(np.square(values)))) or 1.0
    if values.min() >= 0 and values.any():
        u = np.where(values == 0, np.abs(u), u)  # what is not negative stays so
    step = size * u * np.where(values == 0, typical, np.abs(values))
    return (values + step).astype(leaf.dtype)


def _is_kept(values: np.ndarray) -> bool:
    """Whether data are left alone: whole numbers, and what satisfies an identity."""
    return bool(np.all(values == np.round(values))) or _has_identity(values)


def _has_identity(values: np.ndarray) -> bool:
    """Whether an array satisfies one of the identities that gradients count on.

    >>> _has_identity(np.array([[0.25, 0.75], [0.5, 0.5]])), _has_identity(np.array([[0.3, 0.1], [0.7, 0.2]]))
    (True, False)
    """
    if values.size < 2 or (values == values.flat[0]).all():
        return False
    if np.isin(values, (0.0, 1.0)).all():
        return True
    found = [_is_even(values), _is_square_identity(values), _is_close(values.sum(), 1.0) and values.min() >= 0]
    for axis in range(values.ndim):
        if values.shape[axis] > 1:
            found += _along(values, axis)
    return any(found)


def _along(values: np.ndarray, axis: int) -> list[bool]:
    """Identities along one axis: sums of one, unit length, mean zero, sorted."""
    size = max(float(np.abs(values).max()), 1e-300)
    return [
        values.min() >= 0 and _is_close(values.sum(axis), 1.0),
        _is_close(np.square(values).sum(axis), 1.0),
        values.shape[axis] > 2 and bool(np.all(np.abs(values.mean(axis)) <= CLOSE * size)),
        values.ndim == 1 and len(values) > 3 and bool((np.diff(values) >= 0).all() or (np.diff(values) <= 0).all()),
    ]


def _is_even(values: np.ndarray) -> bool:
    steps = np.diff(values) if values.ndim == 1 and len(values) > 2 else np.zeros(0)
    return len(steps) > 0 and bool(np.all(np.abs(steps - steps[0]) <= CLOSE * abs(steps[0])))


def _is_square_identity(values: np.ndarray) -> bool:
    """Whether the last two axes hold symmetric, antisymmetric, orthogonal or triangular matrices."""
    if values.ndim < 2 or values.shape[-1] != values.shape[-2] or values.shape[-1] < 2:
        return False
    turned, size = np.swapaxes(values, -1, -2), float(np.abs(values).max())
    eye = np.eye(values.shape[-1])
    off = [values - turned, values + turned, (values @ turned - eye) * size, np.triu(values, 1), np.tril(values, -1)]
    return any(bool(np.all(np.abs(each) <= CLOSE * size)) for each in off)


def _is_close(came: PyTree, expected: float) -> bool:
    return bool(np.all(np.abs(came - expected) <= CLOSE))
