"""Functions of all examples of a batch, taken block by block, so that what they hold in between stays in a cache.

    mapped     f(x) = [f(x₁), f(x₂), …]      each example's answer depends on that example alone
    summed     f(x) = f(x₁) + f(x₂) + …      and an example of zeros adds nothing

Zeros fill up the last block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def mapped(function: Callable[..., Any], each: int, *arrays: Any) -> Any:
    """`function(*arrays)`, of `each` examples (axis 0) at a time.

    >>> mapped(lambda x: 2 * x, 2, jnp.arange(5)).tolist()
    [0, 2, 4, 6, 8]
    """
    n = arrays[0].shape[0]
    if n <= each:
        return function(*arrays)
    parts = lax.map(lambda block: function(*block), _cut(each, arrays))
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:])[:n], parts)


def summed(function: Callable[..., Any], each: int, *arrays: Any) -> Any:
    """`function(*arrays)`, the sum of its values for `each` examples (axis 0) at a time.

    >>> summed(jnp.sum, 2, jnp.arange(5)).item()
    10
    """
    if arrays[0].shape[0] <= each:
        return function(*arrays)
    # The sum of no examples is 0, and varies over the devices as the sum of some does.
    nothing = function(*(array[:0] for array in arrays))

    def add(total, block):
        return jax.tree.map(jnp.add, total, function(*block)), None

    return lax.scan(add, nothing, _cut(each, arrays))[0]


def _cut(each: int, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Blocks of nearly equal size, at most `each`: arrays (blocks, examples, …)."""
    n = arrays[0].shape[0]
    count = -(-n // each)
    each = -(-n // count)

    def cut(array):
        filled = jnp.pad(array, [(0, count * each - n)] + [(0, 0)] * (array.ndim - 1))
        return filled.reshape(count, each, *array.shape[1:])

    return tuple(map(cut, arrays))
