"""The caller's settings of JAX, and those under which the arithmetic of checks runs.

the caller's   rank promotion "raise", strict dtypes, no jit, errors at NaN, no transfers: hold while the caller's
               functions are first traced, with the arrays that were given
a check's      nothing of that: it compares, casts and compiles, and looks at values that are not finite
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def allowing() -> Iterator[None]:
    """A scope in which JAX forbids nothing that a check needs; the caller's settings come back however it is left.

    >>> with jax.numpy_rank_promotion("raise"), allowing():
    ...     (jax.numpy.ones((2, 3)) + jax.numpy.ones(3)).shape
    (2, 3)
    """
    with (
        jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"), jax.disable_jit(False),
        jax.debug_nans(False), jax.debug_infs(False), jax.transfer_guard("allow"),
    ):  # fmt: skip
        yield
