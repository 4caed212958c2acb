"""Precisions of a check: that of the parameters, and float64, without a trace in the caller's process.

    float64 in a scope of its own:  with jax.enable_x64(True): …          left again, whatever happens inside
    matrix products:                pinned to "highest", so that a fast but coarse unit cannot pose as an error
    cast:                           floating leaves only; labels, masks and PRNG keys stay what they are

| dtype | relative error that passes |
|---|---|
| float64 | 1e-10 |
| float32 | 1e-5 |
| float16 | 4e-3 |
| bfloat16 | 3e-2 |
"""

from __future__ import annotations

import contextlib
import contextvars
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jax.typing import ArrayLike, DTypeLike
    from jaxtyping import PyTree

TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
LARGE = 1 << 20
"""Numbers above which an array of float32 is not copied."""
EPSILON = float(np.finfo(np.float64).eps)
_DOUBLE: contextvars.ContextVar[bool] = contextvars.ContextVar("double", default=False)
_NARROW: contextvars.ContextVar[DTypeLike | None] = contextvars.ContextVar("narrow", default=None)


def tolerance(dtype: DTypeLike) -> float:
    """The largest relative error of a leaf that counts as agreement in `dtype`."""
    return TOLERANCE.get(str(dtype)) or 8 * float(jnp.finfo(dtype).eps)


@contextlib.contextmanager
def double(narrow: DTypeLike | None = None) -> Iterator[None]:
    """A scope in which JAX computes in float64; the caller's settings come back however it is left.

    Data that a function closes over stay as they are, so mixed dtypes must be allowed here even to callers who
    forbid them; the run in the parameters' own precision is under the caller's rules. With `narrow` functions are
    traced with numbers of that dtype, for code that cannot be traced with others, and their programs are widened.
    JAX does not warn here of accumulators that are narrower than what is added to them.
    """
    tokens = _NARROW.set(narrow), _DOUBLE.set(True)
    try:
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="scatter inputs have incompatible types", category=FutureWarning)
            yield
    finally:
        _NARROW.reset(tokens[0])
        _DOUBLE.reset(tokens[1])


def is_double() -> bool:
    """Whether this is a scope of `double`; JAX's float64 may be on without one, and then code runs as it is."""
    return _DOUBLE.get()


def narrow() -> DTypeLike | None:
    """The dtype that functions are traced with in this scope, None where it is that of their arguments."""
    return _NARROW.get()


@contextlib.contextmanager
def traced() -> Iterator[None]:
    """A scope in which functions are traced: JAX's float64 is off where the dtype is narrower."""
    if _NARROW.get() is None:
        yield
    else:
        with jax.enable_x64(False):
            yield


def like(tree: PyTree) -> PyTree:
    """`tree`, or where functions are traced with a narrower dtype the shapes of its leaves, of that dtype."""
    dtype = _NARROW.get()
    if dtype is None:
        return tree

    def shape(leaf):
        is_double = is_floating(leaf) and leaf.dtype == jnp.float64
        return jax.ShapeDtypeStruct(leaf.shape, dtype) if is_double else leaf

    return jax.tree.map(shape, tree)


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """A scope in which matrix products are as exact as the hardware gives them."""
    with jax.default_matmul_precision("highest"):
        yield


def is_floating(leaf: object) -> bool:
    """Whether a leaf is an array of real floating numbers, bfloat16 among them."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def to_double(tree: PyTree) -> PyTree:
    """`tree` with its floating arrays in NumPy's float64, for use inside `double`."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) if is_floating(leaf) else leaf, tree)


def to_single(tree: PyTree) -> PyTree:
    """`tree` with its float64 arrays in float32; lower precisions stay as they are."""

    def cast(leaf):
        is_double = is_floating(leaf) and leaf.dtype == jnp.float64
        return np.asarray(leaf, np.float32) if is_double else leaf

    return jax.tree.map(cast, tree)


def common(tree: PyTree) -> str:
    """The floating dtype that all leaves have, "float32" where they have several."""
    dtypes = {str(leaf.dtype) for leaf in jax.tree.leaves(tree) if is_floating(leaf)}
    return dtypes.pop() if len(dtypes) == 1 else "float32"


def numbers(array: ArrayLike) -> np.ndarray:
    """An array as NumPy's float64, a large one of float32 as it is; of complex ones the real part."""
    found = np.real(np.asarray(array))
    return found if found.dtype == np.float32 and found.size > LARGE else np.asarray(found, np.float64)


def epsilon(dtype: DTypeLike) -> float:
    """The distance from 1 to the next number of `dtype`."""
    return float(jnp.finfo(dtype).eps)


def name(tree: PyTree) -> str:
    """The coarsest floating dtype among the leaves, which names the column of the report."""
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(tree) if is_floating(leaf)}
    return str(max(dtypes, key=lambda dtype: float(jnp.finfo(dtype).eps))) if dtypes else "float32"
