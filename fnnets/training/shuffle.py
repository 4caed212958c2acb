"""A random order of n examples, as a function of a key.

    plain:  order = argsort(u),  u_i ~ 32 or more random bits
    fast:   the same sort, least significant digits first, as sorts of single 32-bit words: each word
            holds a random digit in its high bits and a position in its low bits

| symbol | name in code | shape |
|---|---|---|
| n | `n` | () |
| u | `digits` | (passes, n) |
| order | the result | (n,) int32 |

On a CPU, XLA sorts pairs through a slow comparator: `jax.random.permutation` of 50 000 takes longer than a
tenth of an epoch of a small network, and the sorts of single words a fifth of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Array, Int, UInt32

RANDOM_BITS = 32
_LARGEST = 1 << 24


def shuffle(key, n: int) -> Int[Array, " n"]:
    """A random permutation of 0 … n − 1.

    Two examples whose 32 or more random bits agree keep their order, as under any sort by random keys.

    Args:
        key: PRNG key.
        n: number of examples, a static int; above 2²⁴ the plain sort of `jax.random.permutation` is used.

    >>> import jax
    >>> sorted(shuffle(jax.random.key(0), 5).tolist())
    [0, 1, 2, 3, 4]
    """
    if n > _LARGEST:
        return jax.random.permutation(key, n)
    digits = random_digits(key, n)
    order = jnp.arange(n, dtype=jnp.uint32)
    for digit in digits:
        words = jnp.sort(digit[order] << _position_bits(n) | jnp.arange(n, dtype=jnp.uint32))
        order = order[words & ((1 << _position_bits(n)) - 1)]
    return order.astype(jnp.int32)


def plain_shuffle(key, n: int) -> Int[Array, " n"]:
    """`shuffle` as one lexicographic sort of the same random digits: the reference of its test.

    >>> import jax
    >>> bool((plain_shuffle(jax.random.key(0), 100) == shuffle(jax.random.key(0), 100)).all())
    True
    """
    return jnp.lexsort(random_digits(key, n)).astype(jnp.int32)


def orders(key: Array, n: int, block: int, pool: int, start: int = 0) -> Iterator[np.ndarray]:
    """The order of a stream's epoch from place `start` on, pool after pool: row numbers, by `fnnets.data.sources`.

    >>> import jax
    >>> pools = list(orders(jax.random.key(0), 10, block=2, pool=3))
    >>> [len(rows) for rows in pools], sorted(row for rows in pools for row in rows.tolist())
    ([6, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    >>> [len(rows) for rows in orders(jax.random.key(0), 10, block=2, pool=3, start=7)]
    [3]
    """
    blocks = -(-n // block)
    if blocks <= pool:
        yield _shuffled(key, n)[start:]
        return
    order = _shuffled(jax.random.fold_in(key, 0), blocks)
    for number, first in enumerate(range(0, blocks, pool)):
        rows = np.concatenate([np.arange(at * block, min(n, (at + 1) * block)) for at in order[first : first + pool]])
        if start < len(rows):
            yield rows[_shuffled(jax.random.fold_in(key, 1 + number), len(rows))[start:]]
        start = max(0, start - len(rows))


def random_digits(key, n: int) -> UInt32[Array, "passes n"]:
    """The random digits by which the examples are sorted, the least significant first."""
    width = 32 - _position_bits(n)
    passes = -(-RANDOM_BITS // width)
    return jax.random.bits(key, (passes, n), jnp.uint32) >> _position_bits(n)


def _position_bits(n: int) -> int:
    return max(1, (n - 1).bit_length())


def _shuffled(key, n: int) -> np.ndarray:
    return np.asarray(_compiled_shuffle(key, n), np.int64)


_compiled_shuffle = jax.jit(shuffle, static_argnums=1)
