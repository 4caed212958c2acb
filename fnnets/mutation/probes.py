"""Probes: networks at which mutants are tried, with parameters, batch and key in general position.

No number is convenient. Biases, peepholes and first states are not zero; sizes differ in one setting and agree in
another, where a missing transpose does not show in the shapes; n is not N and T is not N; padding stands at the end and
within; strides, dilations and windows differ along both axes; targets of a softmax sum to almost one, which is as far
from it as a network takes them; no ReLU is near its kink. Pixels of "ties" alone are tied, on purpose.

| symbol | name in code | default |
|---|---|---|
| N | `shapes.batch` | 6 |
| T | `shapes.steps` | 7 |
| features, hidden units, outputs | `shapes.sizes` | 5, 4, 3 |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets import activations, layers, objectives
from fnnets.boltzmann import sampling
from fnnets.boltzmann.network import rbm
from fnnets.core import chain, network, sparsity, validate
from fnnets.core.types import Batch, Layer, Network, Sampler
from fnnets.mutation import varied
from fnnets.networks.autoencoder import autoencoder
from fnnets.networks.feedforward import feedforward
from fnnets.networks.recurrent import recurrent

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

DEVIATION, L2, TOTAL = 0.4, 0.7, 1.008


class Shapes(NamedTuple):
    """N, T, and the sizes of layers: features first, outputs last."""

    batch: int = 6
    steps: int = 7
    sizes: tuple[int, ...] = (5, 4, 3)


class Probe(NamedTuple):
    """Arguments of `verify.network`."""

    net: Network
    params: PyTree
    batch: Batch
    key: Array | None = None


class Setting(NamedTuple):
    """A name, and a function that builds the probe anew."""

    name: str
    make: Callable[[], Sequence[PyTree]]


def settings(
    family: str,
    *,
    batch: int | None = None,
    steps: int | None = None,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
) -> tuple[Setting, ...]:
    """The settings of a family, of the given shapes; RBMs and images have sizes of their own.

    Args:
        family: one of `FAMILIES`.
        batch: N ≥ 1.
        steps: T ≥ 1.
        sizes: features, hidden units, …, outputs.
        seed: ≥ 0; another one than 0 has other numbers, and other shapes where none are given.

    Raises:
        TypeError, ValueError: a family that is none, shapes that are no ints ≥ 1, fewer than three sizes, a seed < 0.

    >>> [setting.name for setting in settings("dense")]
    ['plain', 'square', 'dropout', 'weighted']
    >>> settings("dense", sizes=(7, 5, 2))[0].make().params[0].weights.shape
    (5, 7)
    """
    validate.choice(family, tuple(FAMILIES), "mutation: family")
    seed = validate.count(seed, "mutation: seed", "give 0 or more", least=0)
    shapes = varied.shapes(Shapes(), seed)
    if batch is not None:
        shapes = shapes._replace(batch=validate.count(batch, "mutation: batch", "give N"))
    if steps is not None:
        shapes = shapes._replace(steps=validate.count(steps, "mutation: steps", "give T"))
    if sizes is not None:
        sizes = validate.shape(sizes, "mutation: sizes")
        if len(sizes) < 3:
            raise ValueError(f"mutation: sizes is {sizes}, expected at least three; give features, units, …, outputs")
        shapes = shapes._replace(sizes=sizes)
    made = partial(varied.made, shapes=shapes, seed=seed)
    return tuple(Setting(name, partial(made, make)) for name, make in FAMILIES[family].items())


def placed(net: Network, batch: Batch, key: Array | None = None) -> Probe:
    """A network with parameters that are nowhere zero."""
    leaves, structure = jax.tree.flatten(net.init(jax.random.key(0)))
    random = np.random.default_rng(1)
    moved = [leaf + jnp.asarray(DEVIATION * random.standard_normal(leaf.shape), leaf.dtype) for leaf in leaves]
    return Probe(net, jax.tree.unflatten(structure, moved), batch, key)


def _values(*shape: int, seed: int = 2) -> Array:
    return jnp.asarray(0.2 + np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def _shares(*shape: int, seed: int = 3) -> Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(0.1, 0.9, shape), jnp.float32)


def _distributions(n: int, classes: int) -> Array:
    """(N, classes) rows that sum to `TOTAL`: a δ that takes the sum for one is wrong."""
    shares = _shares(n, classes)
    return TOTAL * shares / jnp.sum(shares, axis=-1, keepdims=True)


def _n(shapes: Shapes) -> int:
    return 3 * shapes.batch + 2


def _dense(shapes: Shapes) -> Probe:
    sizes, n = shapes.sizes, shapes.batch
    net = feedforward(sizes, activations.sigmoid, objective=objectives.softmax_log_likelihood, l2=L2)
    return placed(net, Batch(_values(n, sizes[0]), _distributions(n, sizes[-1]), None, _n(shapes)))


def _weighted(shapes: Shapes) -> Probe:
    probe = _dense(shapes)
    return probe._replace(batch=probe.batch._replace(weights=jnp.arange(1.0, shapes.batch + 1)))


def _square(shapes: Shapes) -> Probe:
    size, n = shapes.sizes[1], shapes.batch
    objective = objectives.squared_error(activations.sigmoid)
    net = feedforward([size] * (len(shapes.sizes) + 1), activations.tanh, objective=objective, l2=L2)
    return placed(net, Batch(_values(n, size), _shares(n, size), None, _n(shapes)))


def _dropout(shapes: Shapes) -> Probe:
    sizes, n = shapes.sizes, shapes.batch
    objective = objectives.sigmoid_cross_entropy
    net = feedforward(sizes, activations.relu, objective=objective, dropout=0.4)
    return placed(net, Batch(_values(n, sizes[0]), _shares(n, sizes[-1])), jax.random.key(4))


def _images(parts: tuple[Layer, ...], shape: tuple[int, ...], n: int, x: Array | None = None) -> Probe:
    layer = chain.chain(*parts, layers.flatten(), layers.dense(3))
    net = network.network(layer, objectives.softmax_log_likelihood, shape)
    return placed(net, Batch(_values(n, *shape) if x is None else x, _distributions(n, 3)))


def _strided(shapes: Shapes, implementation: str) -> Probe:
    make = partial(layers.convolution, implementation=implementation)
    first = make(2, (2, 3), padding=((1, 0), (2, 1)), activation=activations.tanh)
    second = make(3, (3, 2), (2, 3), ((1, 2), (1, 0)), activations.sigmoid, (2, 3))
    return _images((first, second), (7, 8, 1), shapes.batch)


def _square_kernels(shapes: Shapes, implementation: str) -> Probe:
    one = layers.convolution(2, 3, padding="same", activation=activations.tanh, implementation=implementation)
    return _images((one, one), (5, 6, 2), shapes.batch)


def _many_channels(shapes: Shapes) -> Probe:
    first = layers.convolution(64, 3, padding=((1, 0), (2, 1)), activation=activations.tanh)
    return _images((first,), (4, 3, 64), shapes.batch)


def _unshared(shapes: Shapes) -> Probe:
    first = layers.locally_connected(2, (2, 3), (1, 2), ((1, 0), (0, 1)), activations.tanh)
    return _images((first,), (5, 6, 2), shapes.batch)


def _overlapping(shapes: Shapes) -> Probe:
    first = layers.convolution(2, 2, activation=activations.tanh)
    parts = first, layers.max_pooling((3, 2), (2, 1)), layers.mean_pooling((2, 3), 1)
    return _images(parts, (8, 7, 1), shapes.batch)


def _beside(shapes: Shapes, implementation: str) -> Probe:
    first = layers.convolution(2, 2, activation=activations.tanh)
    return _images((first, layers.max_pooling(2, None, implementation)), (5, 8, 1), shapes.batch)


def _ties(shapes: Shapes, implementation: str) -> Probe:
    x = jnp.asarray(np.random.default_rng(2).integers(0, 3, (shapes.batch, 4, 6, 2)), jnp.float32)
    return _images((layers.max_pooling(2, None, implementation),), (4, 6, 2), shapes.batch, x)


def _sequences(shapes: Shapes, net: Network, padded: bool = True, last: bool = False) -> Probe:
    t, n, sizes = shapes.steps, shapes.batch, shapes.sizes
    y = _shares(*(() if last else (t,)), n, sizes[-1])
    return placed(net, Batch(_values(t, n, sizes[0]), y, varied.padding(t, n) if padded else None, _n(shapes)))


def _recurrent(shapes: Shapes, *, padded: bool = True, return_sequences: bool = True, **options: Any) -> Probe:
    options = {"activation": activations.tanh, "objective": objectives.sigmoid_cross_entropy} | options
    net = recurrent(shapes.sizes, return_sequences=return_sequences, **options)
    return _sequences(shapes, net, padded, not return_sequences)


def _gated(shapes: Shapes, cell: str, **options: Any) -> Probe:
    net = recurrent(shapes.sizes, cell, objective=objectives.sigmoid_cross_entropy, **options)
    return _sequences(shapes, net)


def _tied(shapes: Shapes) -> Probe:
    size = shapes.sizes[1]
    objective = objectives.sigmoid_cross_entropy
    net = autoencoder([size] * 3, activations.tanh, objective=objective, tied=True, l2=L2)
    return placed(net, Batch(_shares(shapes.batch, size), None, None, _n(shapes)))


def _sparse(shapes: Shapes) -> Probe:
    net = autoencoder(
        shapes.sizes, activations.tanh, code_activation=activations.sigmoid, objective=objectives.sigmoid_cross_entropy,
        corruption=0.3, sparsity=sparsity.Sparsity(0.2, 0.8), l2=L2,
    )  # fmt: skip
    return placed(net, Batch(_shares(shapes.batch, shapes.sizes[0]), None, None, _n(shapes)), jax.random.key(4))


def _rbm(shapes: Shapes, **options: Any) -> Probe:
    visible, hidden = 4, 3
    net = rbm(visible, hidden, sampler=sampling.contrastive_divergence(1), **options)
    n = shapes.batch + 1
    return placed(net, Batch(_shares(n, visible), _shares(n, visible, seed=5), None, _n(shapes)))


def _chains(shapes: Shapes, rule: Callable[..., Callable[..., Sampler]]) -> Probe:
    visible, hidden = 4, 3
    net = rbm(visible, hidden, sampler=rule(), deviation=1.0)
    return placed(net, Batch(jnp.round(_shares(shapes.batch, visible))), jax.random.key(6))


def _both(name: str, make: Callable[..., Probe]) -> dict[str, Callable[[Shapes], Probe]]:
    """A setting of kernels, and one of plain pages."""
    return {name: partial(make, implementation="fast"), f"{name}, plain": partial(make, implementation="plain")}


FAMILIES: dict[str, dict[str, Callable[[Shapes], Probe]]] = {
    "dense": {"plain": _dense, "square": _square, "dropout": _dropout, "weighted": _weighted},
    "convolution": {
        **_both("strided", _strided),
        **_both("square", _square_kernels),
        "unshared": _unshared,
        "many channels": _many_channels,
    },
    "pooling": {"overlapping": _overlapping, **_both("beside", _beside), **_both("ties", _ties)},
    "recurrent": {
        "plain": partial(_recurrent, learn_initial_state=True),
        "truncated": partial(_recurrent, truncate=2, padded=False),
        "checkpoints": partial(_recurrent, checkpoint_every=2, padded=False),
        "bidirectional": partial(_recurrent, bidirectional=True, return_sequences=False),
        "gru": partial(_gated, cell="gru", learn_initial_state=True),
        "simple, plain": partial(_recurrent, learn_initial_state=True, implementation="plain"),
        "last step, plain": partial(_recurrent, return_sequences=False, implementation="plain"),
        "truncated, plain": partial(_recurrent, truncate=2, padded=False, implementation="plain"),
        "gru, plain": partial(_gated, cell="gru", learn_initial_state=True, implementation="plain"),
    },
    "lstm": {
        "plain": partial(_gated, cell="lstm", learn_initial_state=True),
        "peepholes": partial(_gated, cell="lstm_peepholes", learn_initial_state=True),
        "1997": partial(_gated, cell="lstm_1997"),
        "lstm, plain": partial(_gated, cell="lstm", learn_initial_state=True, implementation="plain"),
        "peepholes, plain": partial(_gated, cell="lstm_peepholes", learn_initial_state=True, implementation="plain"),
        "1997, plain": partial(_gated, cell="lstm_1997", learn_initial_state=True, implementation="plain"),
    },
    "autoencoder": {"tied": _tied, "sparse": _sparse},
    "rbm": {
        "plain": _rbm,
        "gaussian": partial(_rbm, visible_units="gaussian"),
        "sparse": partial(_rbm, sparsity=sparsity.Sparsity(0.2, 0.8)),
        "contrastive": partial(_chains, rule=sampling.contrastive_divergence),
        "persistent": partial(_chains, rule=partial(sampling.persistent_contrastive_divergence, chains=8)),
    },
}
