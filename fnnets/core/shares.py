"""Shares of a minibatch: what each device derives from its own examples, and the sums over all devices.

    C = Σ_s C_s          C_s = Σ_{n in s} w_n c_n / W + W_s/W λ/2n Σ w²          W_s = Σ_{n in s} w_n,  W = Σ_s W_s
    ∂C/∂w = Σ_s ∂C_s/∂w                                                          one sum over the devices

A share is a batch whose `total_weight` is W: the hand-written gradient of (5, 6, 12-14) is a mean over examples, so
each share has its part of it, and the layers' code is that of one device. `fit` runs its epoch in `jax.shard_map` over
the axis "data", where each device has a share of every minibatch.

What a layer draws has the numbers that one device would draw for the whole minibatch: the key of a share numbers its
random bits by their place in the whole array, along the axis that counts the examples.

| symbol | name in code | shape |
|---|---|---|
| w_n | `batch.weights`, 1 where they are None | (N,) |
| W | `batch.total_weight` | () |
| number of shares | `count()` | () |
| first example of a share | `start` of `key_of` | () |
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import jax
import jax.extend
import jax.numpy as jnp
from jax.sharding import AxisType

if TYPE_CHECKING:
    from collections.abc import Hashable

    from jaxtyping import Array, PyTree

DATA = "data"  # the axis of a mesh along which examples are shared
MAX_COUNTED = 2**32  # random words that a counter of 32 bits numbers


def count() -> int:
    """The number of shares of each minibatch: the devices of the axis "data" in `jax.shard_map`; 1 outside of it.

    >>> count()
    1
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return mesh.shape[DATA] if kinds.get(DATA) == AxisType.Manual else 1


def index() -> Array | int:
    """The number of this share, from 0; traced where there are several.

    >>> index()
    0
    """
    return jax.lax.axis_index(DATA) if count() > 1 else 0


def total(tree: PyTree) -> PyTree:
    """The sum of each leaf over all shares, in each of them: one all-reduce.

    >>> float(total(jnp.float32(2.0)))
    2.0
    """
    return jax.lax.psum(tree, DATA) if count() > 1 else tree


def gathered(x: Array) -> Array:
    """The arrays of all shares, stacked along a new first axis.

    Raises:
        ValueError: outside of `jax.shard_map`, where the other shares are not known.
    """
    _check_shared()
    return jax.lax.all_gather(x, DATA)


def mean(x: Array, weights: Array | None = None, total_weight: Array | float | None = None) -> Array:
    """Σ w x / Σ w over the examples, which are the first axis, of all shares.

    Args:
        x: (N, …), this share's examples.
        weights: (N,), how much each counts; None for all alike.
        total_weight: W where x is a share's; None where it is whole.

    Raises:
        ValueError: a share outside of `jax.shard_map`.

    >>> mean(jnp.array([[1.0], [4.0]]), jnp.array([1.0, 3.0])).tolist()
    [3.25]
    """
    if weights is None:
        sums, own = jnp.sum(x, axis=0), jnp.asarray(len(x), x.dtype)
    else:
        sums, own = jnp.tensordot(weights.astype(x.dtype), x, 1), positive(jnp.sum(weights)).astype(x.dtype)
    if total_weight is None:
        return sums / own
    _check_shared()
    return total(sums) / jnp.asarray(total_weight, x.dtype)


def _check_shared() -> None:
    if count() == 1:
        raise ValueError(
            "batch.total_weight is given for a cost that takes means over the whole minibatch, and no other share is "
            "known here, expected the call within jax.shard_map over the axis 'data'; leave total_weight=None for a "
            "batch that is whole"
        )


def positive(x: Array) -> Array:
    """`x`, or 1 where it is 0: nothing is divided by a sum of weights that are all 0.

    >>> positive(jnp.array([0.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return jnp.where(x == 0, jnp.ones_like(x), x)


def key_of(key: Array, start: Array | int, rows: int, whole: int, axis: int = 0) -> Array:
    """The key of a share: what is drawn with it are its rows of what `key` gives for the whole.

    An array whose `axis` counts `rows` is taken for one of the share; any other is that of `key`, in all shares alike.
    Keys that are split or folded from it are keys of the share as well.

    Args:
        key: PRNG key of the whole minibatch, of any kind.
        start: the first row.
        rows: examples of the share.
        whole: examples of the minibatch.
        axis: the axis that counts them.

    >>> whole = jax.random.uniform(jax.random.key(0), (6, 2))
    >>> part = jax.random.uniform(key_of(jax.random.key(0), 2, 3, 6), (3, 2))
    >>> bool((part == whole[2:5]).all())
    True
    """
    key = _typed(key)
    data = jnp.concatenate([jax.random.key_data(key).ravel(), jnp.asarray(start, jnp.uint32)[None]])
    return jax.random.wrap_key_data(data, impl=_kind(jax.random.key_impl(key), rows, whole, axis))


def along(key: Array, axis: int) -> Array:
    """The key for arrays whose examples lie along another axis; a key that is not of a share is left as it is."""
    found = _SHARES.get(_impl(key))
    if found is None:
        return key
    kind, rows, whole, _ = found
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_kind(kind, rows, whole, axis))


def common(key: Array) -> Array:
    """The key for what all shares draw alike."""
    found = _SHARES.get(_impl(key))
    return key if found is None else _own(found[0], jax.random.key_data(key))


_SHARES: dict[Hashable, tuple[Hashable, int, int, int]] = {}  # of each kind of keys of shares its own kind and numbers


@functools.cache
def _kind(kind: Hashable, rows: int, whole: int, axis: int) -> Hashable:
    """The kind of the keys of shares of `rows` rows: `kind`'s own numbers, then the first row."""

    def moved(data, keys):
        """Keys of `kind` as keys of the same share."""
        numbers = jax.random.key_data(keys)
        start = jnp.broadcast_to(data[-1], (*keys.shape, 1))
        return jnp.concatenate([numbers.reshape(*keys.shape, -1), start], axis=-1)

    def split(data, shape):
        return moved(data, jax.random.split(_own(kind, data), shape))

    def fold_in(data, number):
        return moved(data, jax.random.fold_in(_own(kind, data), number))

    def bits(data, width, shape):
        dtype = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}[width]
        if len(shape) <= axis or shape[axis] != rows:
            return jax.random.bits(_own(kind, data), shape, dtype)
        full = (*shape[:axis], whole, *shape[axis + 1 :])
        if _counts(kind) and math.prod(full) < MAX_COUNTED:
            return _counted(data, width, shape, full, axis, dtype)
        drawn = jax.random.bits(_own(kind, data), full, dtype)
        filling = [(0, -whole % rows if number == axis else 0) for number in range(len(shape))]
        return jax.lax.dynamic_slice_in_dim(jnp.pad(drawn, filling), data[-1].astype(jnp.int32), rows, axis)

    def seed(_):
        raise TypeError("the key of a share is made from a minibatch's, by key_of, and has no seed of its own")

    size = math.prod(_shape(kind))
    made = jax.extend.random.define_prng_impl(
        key_shape=(size + 1,), seed=seed, split=split, random_bits=bits, fold_in=fold_in,
        name=f"share of {rows} of {whole} along {axis}, {kind}", tag="share",
    )  # fmt: skip
    _SHARES[made] = (kind, rows, whole, axis)
    return made


def _counts(kind: Hashable) -> bool:
    """Whether bits are numbered by their place: threefry, as JAX has it by default."""
    return str(kind) == "threefry2x32" and bool(jax.config.jax_threefry_partitionable)  # type: ignore[attr-defined]


def _counted(data, width, shape, full, axis, dtype):
    """The bits of a share: threefry of the numbers that its places have in the whole array."""
    places = jnp.zeros(shape, jnp.uint32)
    for number in range(len(shape)):
        stride = math.prod(full[number + 1 :])
        numbers = jax.lax.broadcasted_iota(jnp.uint32, shape, number)
        numbers = numbers + data[-1] if number == axis else numbers
        places = places + numbers * jnp.uint32(stride)
    high, low = jax.extend.random.threefry2x32_p.bind(data[0], data[1], jnp.zeros_like(places), places)
    if width == 64:
        return jax.lax.shift_left(high.astype(dtype), jnp.asarray(32, dtype)) | low.astype(dtype)
    return (high ^ low).astype(dtype)


def _own(kind, data):
    """The key of `kind` within the key of a share."""
    return jax.random.wrap_key_data(data[..., :-1].reshape(*data.shape[:-1], *_shape(kind)), impl=kind)


@functools.cache
def _shape(kind):
    """The shape of the numbers of a key."""
    return jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=kind))).shape


def _typed(key):
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)


def _impl(key):
    return jax.random.key_impl(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else None
