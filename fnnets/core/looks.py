"""A look at the values of an array: whether all of them are finite.

An array of JAX does not change, so it is looked at once. This module imports nothing of fnnets.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import PyTree

LARGE = 2**22  # bytes, whose sum takes longer than to compile it
_looked_at: dict[int, weakref.ref[jax.Array]] = {}


def forget() -> None:
    """Look at every array anew."""
    _looked_at.clear()


def on_host(value: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """A concrete array as NumPy's where that copies nothing, so that looking at its values compiles nothing."""
    if not isinstance(value, jax.Array) or value.dtype.itemsize == 2:  # NumPy adds 16-bit floats slowly
        return value
    is_near = value.is_fully_addressable and {device.platform for device in value.devices()} == {"cpu"}
    return np.asarray(value) if is_near and len(value.devices()) == 1 else value


def _is_known(value: PyTree) -> bool:
    return id(value) in _looked_at and _looked_at[id(value)]() is value


def _know(value: PyTree) -> None:
    if isinstance(value, jax.Array):
        number = id(value)
        _looked_at[number] = weakref.ref(value, lambda _: _looked_at.pop(number, None))


def _total(value: PyTree) -> PyTree:
    """The sum of all elements: of large arrays by XLA on all cores, of others by NumPy, which compiles nothing."""
    return (value if value.nbytes >= LARGE else on_host(value)).sum()


def finite(value: PyTree | np.ndarray, name: str, remedy: str = "drop or impute those examples") -> None:
    """Raise unless every element is finite; a traced array passes, its values are unknown."""
    if isinstance(value, jax.core.Tracer) or not jnp.issubdtype(value.dtype, jnp.inexact):
        return
    if _is_known(value):
        return
    # A concrete array may be a constant of a function that JAX traces just now: look at it, do not trace that.
    # A sum is finite only if all its terms are; it reads a large data set four times as fast as isfinite.
    with jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
        if np.isfinite(_total(value)):
            _know(value)
            return
    good = np.isfinite(np.asarray(value, np.float64))
    if not good.all():
        where = tuple(int(i) for i in np.argwhere(~good)[0])
        bad = int(good.size - good.sum())
        raise ValueError(
            f"{name} holds {bad} values that are NaN or infinite, the first {np.asarray(value)[where]} at {where}, "
            f"expected finite numbers; {remedy}"
        )
