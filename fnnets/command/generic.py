"""Numbers in general position for a network or a layer: nothing is zero, symmetric or convenient.

    parameters    as they begin, and noise on every leaf: no bias, peephole or first state is zero
    examples      N > 1, T and N of no size that occurs elsewhere, n that is not N, padding at the ends of sequences
    key           one where the forward pass draws numbers, as dropout does

| symbol | name in code | shape |
|---|---|---|
| noise | half the leaf's own deviation, at least 1/2 over the square root of what a unit may sum over | as the leaf |
| x | `inputs` | (N, …), or (T, N, …) |
| y | targets in [0.1, 0.9], or in the network's domain; their sums 1.008 if distributions | as the network takes them |
| n | 3 N + 2 | () |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.command.files import UsageError, one_line
from fnnets.core import batches
from fnnets.core.types import Batch, Context, Layer, Network

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, PyTree

TOTAL = 1.008
"""The sum of a distribution's shares: a δ that takes it for one is wrong."""
CANDIDATES = ((5,), (9, 8, 2))
"""Shapes of one example that are tried where none is given: features, then images."""


def of_network(net: Network, seed: int) -> tuple[PyTree, Batch, Array | None]:
    """Parameters, a batch and a key for a network, as `verify.network` takes them.

    >>> import fnnets as fn
    >>> net = fn.feedforward([3, 5, 2], objective=fn.objectives.sigmoid_cross_entropy, dropout=0.5)
    >>> params, batch, key = of_network(net, 0)
    >>> batch.inputs.shape, batch.targets.shape, batch.dataset_size, key is None
    ((4, 3), (4, 2), 14, False)
    """
    random, keys = np.random.default_rng(seed), jax.random.split(jax.random.key(seed), 2)
    params = moved(net.init(keys[0]), random)
    shape = _leading(net.layer, (*net.input_shape, *net.output_shape))
    lowest, highest = net.domain or (-math.inf, math.inf)
    is_bounded = math.isfinite(lowest) and math.isfinite(highest)
    shares = lowest + 0.1 * (highest - lowest), highest - 0.1 * (highest - lowest)
    own = is_bounded and net.targets != batches.GIVEN
    inputs = _drawn(random, (*shape, *net.input_shape), shares if own else None)
    mask = _padding(shape) if net.layer.is_sequential else None
    targets = _targets(net, random, shape, shares if is_bounded else None)
    key = keys[1] if _draws(net.layer, params, batches.cast(inputs, params), mask) else None
    return params, Batch(inputs, targets, mask, 3 * shape[-1] + 2), key


def of_layer(layer: Layer, shape: tuple[int, ...], seed: int) -> tuple[PyTree, Array, Context, Array]:
    """Parameters, inputs, context and a key of the cotangent; `shape` is of an example, or of a step of a sequence.

    >>> import fnnets as fn
    >>> params, x, context, _ = of_layer(fn.layers.lstm(3), (2,), 0)
    >>> x.shape, context.mask.sum(axis=0).tolist()
    ((6, 4, 2), [6, 5, 4, 6])
    """
    random, keys = np.random.default_rng(seed), jax.random.split(jax.random.key(seed), 3)
    params, output_shape = layer.init(keys[0], shape)
    params, leading = moved(params, random), _leading(layer, (*shape, *output_shape))
    x = batches.cast(_drawn(random, (*leading, *shape), None), params)
    mask = _padding(leading) if layer.is_sequential else None
    key = keys[1] if _draws(layer, params, x, mask) else None
    return params, x, Context(key, mask), keys[2]


def guessed(layer: Layer) -> tuple[int, ...]:
    """The shape of examples that a layer of unknown inputs takes.

    Raises:
        UsageError: it takes none of those that are tried.

    >>> import fnnets as fn
    >>> guessed(fn.layers.dense(3)), guessed(fn.layers.max_pooling(2))
    ((5,), (9, 8, 2))
    """
    failure = ""
    for shape in CANDIDATES:
        try:
            jax.eval_shape(lambda shape=shape: _output(layer, shape))
        except Exception as error:
            failure = failure or f"{shape} it does not take ({type(error).__name__}: {one_line(str(error))[:200]})"
            continue
        return shape
    raise UsageError(f"a layer needs the shape of one example, and {failure}; give --shape, such as --shape 7 5")


def moved(params: PyTree, random: np.random.Generator) -> PyTree:
    """Parameters with noise on every leaf."""

    def noisy(leaf):
        values = np.asarray(leaf, np.float64)
        widest = values.size / max(1, min(values.shape, default=1))
        size = max(0.5 * float(values.std()) if values.size else 0.0, 0.5 / math.sqrt(max(1.0, widest)))
        return jnp.asarray(values + size * random.standard_normal(values.shape), leaf.dtype)

    return jax.tree.map(noisy, params)


def _output(layer: Layer, shape: tuple[int, ...]) -> Array:
    params, _ = layer.init(jax.random.key(0), shape)
    return layer.forward(params, jnp.ones((*_leading(layer, shape), *shape)), Context())[0]


def _leading(layer: Layer, taken: tuple[int, ...]) -> tuple[int, ...]:
    """(N,) or (T, N), sizes that occur nowhere else."""
    n = next(size for size in range(4, 99) if size not in taken)
    if not layer.is_sequential:
        return (n,)
    return (next(size for size in range(6, 99) if size not in (n, *taken)), n)


def _drawn(random: np.random.Generator, shape: tuple[int, ...], within: tuple[float, float] | None) -> Array:
    values = 0.2 + random.standard_normal(shape) if within is None else random.uniform(*within, shape)
    return jnp.asarray(values, jnp.float32)


def _targets(
    net: Network, random: np.random.Generator, shape: tuple[int, ...], within: tuple[float, float] | None
) -> Array | None:
    if net.targets == batches.INPUTS:
        return None
    if net.targets == batches.SAMPLES:
        return _drawn(random, (shape[-1] + 1, *net.input_shape), within)
    leading = shape[-1:] if net.layer.time == "sequence to vector" else shape
    shares = _drawn(random, (*leading, *net.output_shape), within or (0.1, 0.9))
    return TOTAL * shares / shares.sum(axis=-1, keepdims=True) if net.objective.is_distribution else shares


def _padding(shape: tuple[int, ...]) -> Bool[Array, "t n"]:
    """(T, N) bool: the first sequence whole, the next one a step shorter, then two steps, and again."""
    steps, n = shape
    lengths = np.maximum(1, steps - np.arange(n) % 3)
    return jnp.asarray(np.arange(steps)[:, None] < lengths)


def _draws(layer: Layer, params: PyTree, x: Array, mask: Array | None) -> bool:
    """Whether the forward pass depends on its key."""
    one, other = (np.asarray(layer.forward(params, x, Context(jax.random.key(k), mask))[0]) for k in (0, 1))
    return not np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
