"""The cores of this machine: a device of JAX for each, and the rate of a large matrix product on one and on all.

    one core      a product of NumPy in a process with one thread
    all cores     one product in a call of JAX, or of NumPy, as it is faster

| symbol | name in code | shape |
|---|---|---|
| rate | 2 n³ / t, t the median of the rounds | FLOP/s |
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks.timing import Contestant, interleave, summary

SIZE = 1024
ONE, CALL, NUMPY = "NumPy, one thread", "JAX, a call", "NumPy"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
CHILD = """
import sys, time
import numpy as np
size, rounds = map(int, sys.argv[1:])
x = np.random.default_rng(0).standard_normal((size, size), np.float32)
seconds = []
for _ in range(rounds + 1):
    begin = time.perf_counter()
    x @ x
    seconds.append(time.perf_counter() - begin)
print(sorted(seconds[1:])[rounds // 2])
"""


def use_all() -> int:
    """Make a device for each core, unless JAX has started already; returns how many devices there are."""
    with contextlib.suppress(RuntimeError):  # it has started: its devices are those that there are
        fn.use_all_cores()
    return jax.device_count()


def rates(rounds: int, size: int = SIZE) -> dict[str, float]:
    """FLOP/s of products of (size, size) matrices: by one core, and by all in a call of JAX and of NumPy.

    >>> sorted(rates(1, 8))
    ['JAX, a call', 'NumPy', 'NumPy, one thread']
    """
    drawn = np.random.default_rng(0).standard_normal((size, size), np.float32)
    x = jnp.asarray(drawn)
    alone = float(_alone(size, rounds))
    samples = interleave([
        Contestant(CALL, functools.partial(jax.jit(jnp.matmul), x, x)),
        Contestant(NUMPY, functools.partial(np.matmul, drawn, drawn)),
    ], rounds)  # fmt: skip
    seconds = {ONE: alone, **{name: summary(each).median for name, each in samples.items()}}
    return {name: 2 * size**3 / t for name, t in seconds.items()}


def _alone(size: int, rounds: int) -> str:
    words = [sys.executable, "-c", CHILD, str(size), str(rounds)]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    return subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def best(rates: Mapping[str, float]) -> float:
    """The rate of all cores.

    >>> best({ONE: 5.0, CALL: 7.0, NUMPY: 8.0})
    8.0
    """
    return max(rates.values())
