"""Rates of this computer, measured beside the contestants: matrix products, a call into jitted code, gradients.

    forward          x Wᵀ       (N, p) (p, q)         2Npq FLOP
    weight gradient  δᵀ x       (q, N) (N, p)         2Npq FLOP

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (K, N, p), K minibatches one after another in one call |
| W | `W` | (q, p) |
| δ | `delta` | (N, q) |

The rate of a setting is that of its largest weight matrix. A gradient is timed in a `lax.scan` over K minibatches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks.peers import has_torch
from experiments.benchmarks.setting import Setting
from experiments.benchmarks.timing import Contestant, interleave, summary

SAMPLE_FLOPS = 4e8
MOST_REPEATS = 500


def gemm(setting: Setting, rounds: int) -> dict[str, float]:
    """GFLOP/s of the largest product of a setting, by library and direction: the best of the rounds."""
    (p, q), N = setting.biggest, setting.batch_size
    repeats = _repeats(2 * N * p * q)
    random = np.random.default_rng(0)
    x, W, delta = (random.random(shape, np.float32) for shape in ((repeats, N, p), (q, p), (N, q)))
    contestants = [
        Contestant("JAX, forward", _scanned(lambda x, W: x @ W.T, x, W)),
        Contestant("JAX, weight gradient", _scanned(lambda x, delta: delta.T @ x, x, delta)),
        *(_torch_products(x, W, delta) if has_torch() else []),
    ]
    samples = interleave(contestants, rounds)
    return {name: 2e-9 * repeats * N * p * q / summary(seconds).low for name, seconds in samples.items()}


def gradients(setting: Setting, rounds: int) -> dict[str, tuple[float, ...]]:
    """Seconds of one gradient, by hand and automatic, without any update."""
    repeats = min(_repeats(setting.flops / setting.steps), len(setting.inputs) // setting.batch_size)
    count = repeats * setting.batch_size
    inputs = jnp.asarray(setting.inputs[:count]).reshape(repeats, setting.batch_size, -1)
    batches = (inputs, jnp.asarray(setting.targets[:count]).reshape(repeats, setting.batch_size))
    ways = {"explicit": setting.net.gradient, "automatic": jax.grad(setting.net.cost)}

    def scanned(gradient):
        def step(d_params, batch):
            return gradient(setting.params, fn.Batch(*batch)), None

        run = jax.jit(lambda batches: jax.lax.scan(step, setting.params, batches)[0])
        return lambda: run(batches)

    samples = interleave([Contestant(name, scanned(gradient)) for name, gradient in ways.items()], rounds)
    return {name: tuple(second / repeats for second in seconds) for name, seconds in samples.items()}


def call(rounds: int) -> float:
    """Seconds of one call of a jitted function that does next to nothing: the floor of a step called from Python."""
    add = jax.jit(lambda number: number + 1)

    def calls():
        number = jnp.zeros(())
        for _ in range(MOST_REPEATS):
            number = add(number)
        return number

    return summary(interleave([Contestant("call", calls)], rounds)["call"]).median / MOST_REPEATS


def _repeats(flops: float) -> int:
    return max(1, min(MOST_REPEATS, round(SAMPLE_FLOPS / flops)))


def _scanned(product, x, other) -> Callable[[], Any]:
    """The product with each x in turn; each result replaces the last, so that none can be left out."""

    @jax.jit
    def run(x, other):
        return jax.lax.scan(lambda last, each: (product(each, other), None), product(x[0], other), x)[0]

    x, other = jnp.asarray(x), jnp.asarray(other)
    return lambda: run(x, other)


def _torch_products(x, W, delta) -> list[Contestant]:
    import torch

    x, W, delta = (torch.from_numpy(array) for array in (x, W, delta))

    def forward():
        for each in x:
            each @ W.T

    def weight_gradient():
        for each in x:
            delta.T @ each

    return [Contestant("PyTorch, forward", forward), Contestant("PyTorch, weight gradient", weight_gradient)]
