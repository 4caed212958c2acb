"""Flax's training step: modules of nnx, `nnx.Optimizer` with optax, `nnx.jit`, its arguments cached.

| symbol | name in code | shape |
|---|---|---|
| W, b | `kernel`, `bias` | (p, q), (q,): the transpose of ours; a filter is (h, w, C, K) as ours |
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import convolutional_peers, recurrent_flax, recurrent_setting
from experiments.benchmarks import training_loops as loops
from experiments.benchmarks.training_loops import SHORT, Session
from experiments.benchmarks.training_rows import Boltzmann, Dense, Row


def sessions(row: Row) -> Iterator[Session]:
    """The candidates: a jitted call a step on one device and on all, and a scan of short steps; none for an RBM."""
    if isinstance(row.model, Boltzmann):
        return
    for how, mesh in loops.meshes(row).items():
        yield _stepped(row, how, mesh)
    if row.flops < SHORT:
        yield _scanned(row)


def _stepped(row: Row, how: str, mesh: Any) -> Session:
    from flax import nnx

    model = build(row)
    optimizer = nnx.Optimizer(model, row.descent.optax(), wrt=nnx.Param)
    if mesh is not None:
        for part in (model, optimizer):
            nnx.update(part, loops.place(nnx.state(part), mesh))
    take, data = loops.taker(row, mesh), loops.examples(row, mesh)

    @nnx.jit
    def step(model, optimizer, data, indices):
        _descend(row, model, optimizer, *take(data, indices))
        return optimizer.step[...]

    call = nnx.cached_partial(step, model, optimizer)
    return Session(how, loops.stepping(row, lambda indices: call(data, indices)), lambda: flat(row, model))


def _scanned(row: Row) -> Session:
    from flax import nnx

    model = build(row)
    graph, state = nnx.split((model, nnx.Optimizer(model, row.descent.optax(), wrt=nnx.Param)))

    def step(state, x, y):
        model, optimizer = nnx.merge(graph, state)
        _descend(row, model, optimizer, x, y)
        return nnx.state((model, optimizer))

    return loops.scanning(row, loops.place(state, None), step, lambda state: flat(row, nnx.merge(graph, state)[0]))


def _descend(row: Row, model, optimizer, x, y) -> None:
    from flax import nnx

    cost = loops.cost(row)
    optimizer.update(model, nnx.grad(lambda model: cost(model(x), y))(model))


def build(row: Row) -> Any:
    """The row's network as a module of nnx, with its parameters."""
    if isinstance(row.model, recurrent_setting.Work):
        return recurrent_flax.nnx_model(row.model)
    if isinstance(row.model, convolutional_peers.Work):
        return _convolutional(row.model)
    assert isinstance(row.model, Dense)
    return _dense(row.model)


def _dense(model: Dense) -> Any:
    from flax import nnx

    parts: list[Any] = []
    for place, (weights, biases) in enumerate(model.layers):
        parts += [_linear(weights, biases)] + ([] if place in model.linear else [jax.nn.sigmoid])
    return nnx.Sequential(*parts)


def _linear(weights, biases) -> Any:
    from flax import nnx

    layer = nnx.Linear(weights.shape[1], weights.shape[0], rngs=nnx.Rngs(0))
    layer.kernel, layer.bias = nnx.Param(np.array(weights).T), nnx.Param(np.array(biases))
    return layer


def _convolutional(one: convolutional_peers.Work) -> Any:
    from flax import nnx

    parts: list[Any] = []
    for part, own in zip(one.net.layer.parts, one.params, strict=True):
        if part.name == "convolution":
            h, w, c, k = own.weights.shape
            layer = nnx.Conv(c, k, (h, w), padding=part.window.padding.upper(), rngs=nnx.Rngs(0))
            layer.kernel, layer.bias = nnx.Param(np.array(own.weights)), nnx.Param(np.array(own.biases))
            parts += [layer] if one.pools_first else [layer, one.activation]
        elif part.name == "dense":
            parts += [_linear(own.weights, own.biases), one.activation]
        else:
            pool = functools.partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2))
            named = {"max_pooling": pool, "flatten": _flatten, "activate": one.activation}
            parts.append(named[part.name])
    return nnx.Sequential(*parts[:-1])  # without the activation behind the last layer


def _flatten(x):
    return x.reshape(len(x), -1)


def flat(row: Row, model: Any) -> list[np.ndarray]:
    """The parameters in the row's order and layout."""
    from flax import nnx

    if isinstance(row.model, recurrent_setting.Work):
        packed = recurrent_flax.from_nnx(row.model.cell, nnx.state(model, nnx.Param))
        return [np.asarray(leaf) for leaf in packed]
    layers = [layer for layer in model.layers if isinstance(layer, nnx.Linear | nnx.Conv)]
    found = []
    for layer in layers:
        kernel = np.asarray(layer.kernel[...])
        found += [kernel.T if kernel.ndim == 2 else kernel, np.asarray(layer.bias[...])]
    return found
