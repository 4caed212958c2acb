"""Numbers for a network or a layer: with seed 0 in general position, with later seeds of every kind.

    parameters    as they begin, and noise on every leaf: no bias, peephole or first state is zero
    examples      N > 1, n that is not N; sizes, masks, weights and values as `fnnets.command.draws` has them
    key           one where the forward pass draws numbers, as dropout does

| symbol | name in code | shape |
|---|---|---|
| noise | half the leaf's own deviation, at least 1/2 over the square root of what a unit may sum over | as the leaf |
| x | `inputs` | (N, …), or (T, N, …); int32 in every fourth group of seeds |
| y | labels, or targets inside the network's domain; their sums 1.008 if distributions | as the network takes them |
| n | 3 N + 2 | () |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.command import draws
from fnnets.command.files import UsageError, one_line
from fnnets.core import batches
from fnnets.core.types import Batch, Context, Layer, Network

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

TOTAL = 1.008
"""The sum of a distribution's shares: a δ that takes it for one is wrong."""
CANDIDATES = ((5,), (9, 8, 2))
"""Shapes of one example that are tried where none is given: features, then images."""


def of_network(net: Network, seed: int) -> tuple[PyTree, Batch, Array | None]:
    """Parameters, a batch and a key for a network, as `verify.network` takes them; the key None where nothing is drawn.

    >>> import fnnets as fn
    >>> net = fn.feedforward([3, 5, 2], objective=fn.objectives.sigmoid_cross_entropy, dropout=0.5)
    >>> params, batch, key = of_network(net, 0)
    >>> batch.inputs.shape, batch.targets.shape, batch.dataset_size, key is None
    ((4, 3), (4, 2), 14, False)
    """
    random, keys, drawn = np.random.default_rng(seed), jax.random.split(jax.random.key(seed), 2), draws.draw(seed)
    params = net.init(keys[0]) if drawn.values == "begin" else moved(net.init(keys[0]), random)
    is_sequential = net.layer.is_sequential
    shape = draws.leading(drawn, (*net.input_shape, *net.output_shape), is_sequential)
    within = net.domain if net.domain is not None and np.isfinite(net.domain).all() else None
    own = within if net.targets != batches.GIVEN else None
    x = draws.values(drawn, (*shape, *net.input_shape), len(shape) - 1, own)
    is_whole = drawn.has(4, 3) and own is None
    inputs = jnp.asarray(np.round(x), jnp.int32) if is_whole else jnp.asarray(x, jnp.float32)
    mask = _array(draws.mask(drawn, shape)) if is_sequential else None
    targets = _targets(net, drawn, random, shape, within)
    weights = draws.weights(drawn, shape, net.layer.time == "sequence to sequence")
    batch = Batch(inputs, targets, mask, 3 * shape[-1] + 2, _array(weights))
    return params, batch, keys[1] if _draws(net.layer, params, batches.cast(inputs, params), mask) else None


def of_layer(layer: Layer, shape: tuple[int, ...], seed: int) -> tuple[PyTree, Array, Context, Array]:
    """Parameters, inputs, context and a key of the cotangent; `shape` is of an example, or of a step of a sequence.

    >>> import fnnets as fn
    >>> params, x, context, _ = of_layer(fn.layers.lstm(3), (2,), 0)
    >>> x.shape, sorted(context.mask.sum(axis=0).tolist())
    ((6, 4, 2), [1, 3, 6, 6])
    """
    random, keys, drawn = np.random.default_rng(seed), jax.random.split(jax.random.key(seed), 3), draws.draw(seed)
    params, output_shape = layer.init(keys[0], shape)
    params = params if drawn.values == "begin" else moved(params, random)
    leading = draws.leading(drawn, (*shape, *output_shape), layer.is_sequential)
    values = draws.values(drawn, (*leading, *shape), len(leading) - 1, None)
    x = batches.cast(jnp.asarray(values, jnp.float32), params)
    mask = _array(draws.mask(drawn, leading)) if layer.is_sequential else None
    key = keys[1] if _draws(layer, params, x, mask) else None
    state = moved(layer.start(params, leading[-1]), random) if layer.start and drawn.has(2, 1) else None
    return params, x, Context(key, mask, state), keys[2]


def guessed(layer: Layer, seed: int = 0) -> tuple[int, ...]:
    """The shape of examples that a layer of unknown inputs takes; with later seeds another one.

    Raises:
        UsageError: it takes none of those that are tried.

    >>> import fnnets as fn
    >>> guessed(fn.layers.dense(3)), guessed(fn.layers.max_pooling(2)), guessed(fn.layers.dense(3), draws.EVERY)
    ((5,), (9, 8, 2), (3,))
    """
    drawn = draws.draw(seed)
    first = _taken(layer, CANDIDATES)
    if drawn.group == 0:
        return first
    outputs = layer.init(jax.random.key(0), first)[1]
    try:
        return _taken(layer, draws.shapes(drawn, outputs[-1] if len(outputs) == 1 else None))
    except UsageError:
        return first


def _taken(layer: Layer, candidates: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The first of the shapes that the layer takes."""
    failure = ""
    for shape in candidates:
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
    return layer.forward(
        params, jnp.ones((*draws.leading(draws.draw(0), shape, layer.is_sequential), *shape)), Context()
    )[0]


def _array(values: np.ndarray | None) -> Array | None:
    if values is None:
        return None
    return jnp.asarray(values, bool if values.dtype == bool else jnp.float32)


def _targets(
    net: Network, drawn: draws.Draw, random: np.random.Generator, shape: tuple[int, ...], within: draws.Range | None
) -> Array | None:
    """Targets of every kind that the network takes; None where they are the inputs, or where no samples are needed."""
    if net.targets == batches.SAMPLES:
        count = shape[-1] + 1
        return None if drawn.has(4, 2) else _uniform(random, (count, *net.input_shape), within)
    if net.targets == batches.INPUTS and not drawn.has(2, 1):
        return None
    leading = shape[-1:] if net.layer.time == "sequence to vector" else shape
    if net.objective.labels and drawn.has(2, 1):
        return jnp.asarray(random.integers(0, net.output_shape[-1], leading), jnp.int32)
    shares = _uniform(random, (*leading, *net.output_shape), within or (0.0, 1.0))
    return TOTAL * shares / shares.sum(axis=-1, keepdims=True) if net.objective.is_distribution else shares


def _uniform(random: np.random.Generator, shape: tuple[int, ...], within: draws.Range | None) -> Array:
    """Numbers inside a range, or around 0.2 where there is none."""
    values = 0.2 + random.standard_normal(shape) if within is None else random.uniform(*draws.inner(within), shape)
    return jnp.asarray(values, jnp.float32)


def _draws(layer: Layer, params: PyTree, x: Array, mask: Array | None) -> bool:
    """Whether the forward pass depends on its key."""
    one, other = (jax.tree.leaves(layer.forward(params, x, Context(jax.random.key(k), mask))[0]) for k in (0, 1))
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True)]
    return not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
