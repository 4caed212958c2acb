"""PRNG keys: one, or several in an array, typed or of the older uint32 kind.

This module imports nothing of fnnets, so that every other one may.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from jaxtyping import PyTree


def is_key(value: PyTree, name: str) -> None:
    """Raise a TypeError unless `value` is one PRNG key, typed or of the older uint32 kind."""
    if _keys_shape(value) == ():
        return
    one = f"one of them, {name.split()[-1]}[0]" if _keys_shape(value) else "one with jax.random.key(0)"
    came = f"an array of shape {value.shape}, {value.dtype}" if hasattr(value, "dtype") else repr(value)
    raise TypeError(f"{name} is {came}, expected one PRNG key; {'take' if _keys_shape(value) else 'make'} {one}")


def keys(value: PyTree, name: str) -> int:
    """The number K of PRNG keys in an array of them, (K,) typed or (K, size of a key) of the older uint32 kind."""
    shape = _keys_shape(value)
    if shape is not None and len(shape) == 1 and shape[0] > 0:
        return shape[0]
    came = f"an array of shape {value.shape}, {value.dtype}" if hasattr(value, "dtype") else repr(value)
    remedy = "split one with jax.random.split(key, K)"
    if isinstance(value, list | tuple) and value and all(_keys_shape(key) == () for key in value):
        came, remedy = f"a {type(value).__name__} of {len(value)} keys", f"write jnp.stack({name.split()[-1]})"
        if len({key.dtype for key in value}) > 1:
            came, remedy = f"{came} of several kinds", "make all with jax.random.key"
    raise TypeError(f"{name} is {came}, expected (K,) PRNG keys with K >= 1; {remedy}")


def _keys_shape(value: PyTree) -> tuple[int, ...] | None:
    """The shape of an array of PRNG keys, without the axis of a key's own numbers; None for what holds no keys."""
    if not isinstance(value, jax.Array):
        return None
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return value.shape
    is_raw = value.dtype == jnp.uint32 and value.shape[-1:] == _raw_key_shape(jax.config.jax_default_prng_impl)  # type: ignore[attr-defined]
    return value.shape[:-1] if is_raw else None


@functools.cache
def _raw_key_shape(kind: str) -> tuple[int, ...]:
    return jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=kind))).shape
