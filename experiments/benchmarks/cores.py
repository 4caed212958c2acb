"""The cores of this machine: a device of JAX for each, and the rate of a large matrix product on one and on all.

    one core      products in a `lax.scan`, which XLA's CPU code runs on one core
    all cores     one product in a call of JAX, or of NumPy, as it is faster

| symbol | name in code | shape |
|---|---|---|
| rate | 2 K n³ / t, the best of the rounds | FLOP/s |
"""

from __future__ import annotations

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks.timing import Contestant, interleave, summary

SIZE, REPEATED = 1024, 4
ONE, CALL, NUMPY = "JAX, in a loop", "JAX, a call", "NumPy"


def use_all() -> int:
    """Make a device for each core, unless JAX has started already; returns how many devices there are."""
    with contextlib.suppress(RuntimeError):  # it has started: its devices are those that there are
        fn.use_all_cores()
    return jax.device_count()


def rates(rounds: int, size: int = SIZE) -> dict[str, float]:
    """FLOP/s of products of (size, size) matrices: by one core, and by all in a call of JAX and of NumPy.

    >>> sorted(rates(1, 8))
    ['JAX, a call', 'JAX, in a loop', 'NumPy']
    """
    drawn = np.random.default_rng(0).standard_normal((size, size), np.float32) / np.float32(size**0.5)
    x = jnp.asarray(drawn)

    @jax.jit
    def loop(x):
        return jax.lax.scan(lambda y, _: (y @ x, None), x, length=REPEATED)[0]

    samples = interleave([
        Contestant(ONE, functools.partial(loop, x), units=REPEATED),
        Contestant(CALL, functools.partial(jax.jit(jnp.matmul), x, x)),
        Contestant(NUMPY, functools.partial(np.matmul, drawn, drawn)),
    ], rounds)  # fmt: skip
    return {name: 2 * size**3 / summary(seconds).low for name, seconds in samples.items()}


def best(rates: dict[str, float]) -> float:
    """The rate of all cores.

    >>> best({ONE: 5.0, CALL: 7.0, NUMPY: 8.0})
    8.0
    """
    return max(rates.values())
