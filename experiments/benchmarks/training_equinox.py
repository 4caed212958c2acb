"""Equinox's training step: its modules, vmapped over the examples, `eqx.filter_grad`, optax, `eqx.filter_jit`.

| symbol | name in code | shape |
|---|---|---|
| W, b | `weight`, `bias` | (q, p), (q,); a filter is (K, C, h, w) and its bias (K, 1, 1), images are (C, H, W) |

It has no simple recurrent cell; ours is made of two of its linear layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import convolutional_peers, recurrent_peers, recurrent_setting
from experiments.benchmarks import training_loops as loops
from experiments.benchmarks.training_loops import SHORT, Session
from experiments.benchmarks.training_rows import Boltzmann, Dense, Row


class Model(NamedTuple):
    """Modules, `(modules, x) -> z`, and `modules -> parameters` in the row's order and layout."""

    modules: Any
    apply: Callable[[Any, Any], Any]
    flat: Callable[[Any], list[Any]]
    channels_first: bool = False


def sessions(row: Row) -> Iterator[Session]:
    """The candidates: a jitted call a step on one device and on all, and a scan of short steps; none for an RBM."""
    if isinstance(row.model, Boltzmann):
        return
    for how, mesh in loops.meshes(row).items():
        yield _stepped(row, how, mesh)
    if row.flops < SHORT and row.inputs.ndim < 4:
        yield _scanned(row)


def _stepped(row: Row, how: str, mesh: Any) -> Session:
    import equinox as eqx

    model, optimizer = build(row), row.descent.optax()
    params, static = eqx.partition(model.modules, eqx.is_array)
    modules = eqx.combine(loops.place(params, mesh), static)
    kept = [(modules, loops.place(optimizer.init(params), mesh))]
    take, data = loops.taker(row, mesh), loops.examples(row, mesh, model.channels_first)

    @eqx.filter_jit(donate="all-except-first")
    def step(given, state):
        return _descended(row, model, optimizer, state, *take(*given))

    def call(indices):
        kept[0] = step((data, indices), kept[0])
        return kept[0]

    return Session(how, loops.stepping(row, call), lambda: _flat(model, kept[0][0]))


def _scanned(row: Row) -> Session:
    import equinox as eqx

    model, optimizer = build(row), row.descent.optax()
    params, static = eqx.partition(model.modules, eqx.is_array)

    def step(state, x, y):
        modules, kept = _descended(row, model, optimizer, (eqx.combine(state[0], static), state[1]), x, y)
        return eqx.filter(modules, eqx.is_array), kept

    begin = loops.place((params, optimizer.init(params)), None)
    return loops.scanning(row, begin, step, lambda state: _flat(model, eqx.combine(state[0], static)))


def _descended(row: Row, model: Model, optimizer, state, x, y):
    """Modules and the optimiser's state after a step."""
    import equinox as eqx

    (modules, kept), cost = state, loops.cost(row)
    d_modules = eqx.filter_grad(lambda modules: cost(model.apply(modules, x), y))(modules)
    updates, kept = optimizer.update(d_modules, kept, eqx.filter(modules, eqx.is_array))
    return eqx.apply_updates(modules, updates), kept


def _flat(model: Model, modules: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in model.flat(modules)]


def build(row: Row) -> Model:
    """The row's network in modules of Equinox, with its parameters."""
    if isinstance(row.model, recurrent_setting.Work):
        return _recurrent(row.model)
    if isinstance(row.model, convolutional_peers.Work):
        return _convolutional(row.model)
    assert isinstance(row.model, Dense)
    return _dense(row.model)


def _dense(model: Dense) -> Model:
    def apply(layers, x):
        for place, layer in enumerate(layers):
            x = jax.vmap(layer)(x)
            x = x if place in model.linear else jax.nn.sigmoid(x)
        return x

    layers = [_linear(weights, biases) for weights, biases in model.layers]
    return Model(layers, apply, lambda layers: [leaf for layer in layers for leaf in (layer.weight, layer.bias)])


def _linear(weights, biases) -> Any:
    import equinox as eqx

    layer = eqx.nn.Linear(weights.shape[1], weights.shape[0], key=jax.random.key(0))
    return eqx.tree_at(lambda own: (own.weight, own.bias), layer, (jnp.array(weights), jnp.array(biases)))


def _convolutional(one: convolutional_peers.Work) -> Model:
    import equinox as eqx

    parts, pool = one.net.layer.parts, eqx.nn.MaxPool2d(2, 2)
    layers = [_weighted(part, own) for part, own in zip(parts, one.params, strict=True)]

    def example(layers, x):
        last = len(parts) - 1
        for place, (part, layer) in enumerate(zip(parts, layers, strict=True)):
            if part.name == "max_pooling":
                x = pool(x)
            elif part.name == "flatten":
                x = x.transpose(1, 2, 0).reshape(-1)  # so that the dense weights are the same
            elif layer is not None:
                x = layer(x)
            activates = part.name == "dense" or (part.name == "convolution" and not one.pools_first)
            x = one.activation(x) if place < last and (activates or part.name == "activate") else x
        return x

    def flat(layers):
        pairs = [(layer.weight, layer.bias) for layer in layers if layer is not None]
        return [
            leaf for W, b in pairs for leaf in ((W.transpose(2, 3, 1, 0), b.ravel()) if W.ndim == 4 else (W, b))
        ]  # fmt: skip

    return Model(layers, lambda layers, x: jax.vmap(lambda x: example(layers, x))(x), flat, channels_first=True)


def _weighted(part: Any, own: Any) -> Any:
    """The module of a layer with parameters, else None."""
    import equinox as eqx

    if part.name == "convolution":
        h, w, c, k = own.weights.shape
        layer = eqx.nn.Conv2d(c, k, (h, w), padding=part.window.padding.upper(), key=jax.random.key(0))
        leaves = jnp.array(own.weights).transpose(3, 2, 0, 1), jnp.array(own.biases)[:, None, None]
        return eqx.tree_at(lambda own: (own.weight, own.bias), layer, leaves)
    return _linear(own.weights, own.biases) if part.name == "dense" else None


def _recurrent(one: recurrent_setting.Work) -> Model:
    modules: Any
    if one.cell == "lstm":
        modules = recurrent_peers.equinox_modules(one)
        return Model(modules, _lstm, lambda m: [m[0].weight_ih, m[0].weight_hh, m[0].bias, m[1].weight, m[1].bias])
    W, R, b, V, v = map(np.asarray, one.params)
    modules = (_linear(W, b), _without_bias(R), _linear(V, v))
    return Model(modules, _simple, lambda m: [m[0].weight, m[1].weight, m[0].bias, m[2].weight, m[2].bias])


def _without_bias(weights) -> Any:
    import equinox as eqx

    layer = eqx.nn.Linear(weights.shape[1], weights.shape[0], use_bias=False, key=jax.random.key(0))
    return eqx.tree_at(lambda own: own.weight, layer, jnp.array(weights))


def _lstm(modules, x):
    cell, dense = modules
    zeros = jnp.zeros((x.shape[1], cell.hidden_size))

    def step(state, x):
        state = jax.vmap(cell)(x, state)
        return state, state[0]

    return jax.vmap(jax.vmap(dense))(jax.lax.scan(step, (zeros, zeros), x)[1])


def _simple(modules, x):
    of_inputs, of_state, dense = modules

    def step(h, x):
        h = jnp.tanh(jax.vmap(of_inputs)(x) + jax.vmap(of_state)(h))
        return h, h

    begin = jnp.zeros((x.shape[1], of_state.out_features))
    return jax.vmap(jax.vmap(dense))(jax.lax.scan(step, begin, x)[1])
