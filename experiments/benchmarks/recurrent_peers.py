"""The cost and gradient of a recurrent network as others would write it in JAX.

    textbook   z_t = x_t W + h_{t-1} R + b         all of it inside the scan
    hoisted    z_t = p_t + h_{t-1} R               p = x W + b of all steps in one product before the scan
    Equinox    `eqx.nn.LSTMCell`, vmapped over the sequences, in a scan

| symbol | name in code | shape |
|---|---|---|
| W, R, b | `params.weights`, `.recurrent_weights`, `.biases` | (m, G), (H, G), (G,): the transposes of the setting's |
| h, (h, c) | `state` | (N, H) each |

Each but the textbook's runs with its scan unrolled as it is fastest here. Equinox has no simple recurrent cell.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from experiments.benchmarks.recurrent_setting import Parameters, Way, Work

TEXTBOOK, HOISTED, EQUINOX = "textbook", "hoisted", "Equinox"
UNROLLS = (1, 4)


def installed(module: str) -> bool:
    """Whether an optional library is there.

    >>> installed("jax"), installed("no_such_library")
    (True, False)
    """
    return importlib.util.find_spec(module) is not None


def cross_entropy(z, labels):
    """C, the mean over all answers of −ln softmax_y(z).

    >>> round(float(cross_entropy(jnp.zeros((3, 2, 4)), jnp.zeros((3, 2), int))), 4) == round(float(jnp.log(4)), 4)
    True
    """
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), labels[..., None], axis=-1))


def simple(z, state):
    """`(z, (h,)) -> ((h,), h)`."""
    h = jnp.tanh(z)
    return (h,), h


def lstm(z, state):
    """`(z, (h, c)) -> ((h, c), h)`."""
    i, f, g, o = jnp.split(z, 4, axis=-1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


STEPS: dict[str, Callable[..., Any]] = {"simple": simple, "lstm": lstm}


def begin(one: Work):
    """The state before the first step, of zeros."""
    zeros = jnp.zeros((one.sizes.sequences, one.sizes.units), one.inputs.dtype)
    return (zeros, zeros) if one.cell == "lstm" else (zeros,)


def transposed(params: Parameters) -> Parameters:
    """Weights with inputs first, as x W wants them, or back; biases stay."""
    return Parameters(*(leaf.T for leaf in params))


def by_grad(name: str, cost: Callable[..., Any], params: Any, one: Work, packed=transposed, how: str = "") -> Way:
    """The way of `jax.value_and_grad` of a cost of parameters, inputs and labels."""
    run = functools.partial(jax.jit(jax.value_and_grad(cost)), params, one.inputs, one.labels)
    return Way(name, run, packed, how)


def textbook(one: Work) -> Way:
    """The per-step scan as most would write it, gates packed."""

    def cost(params, inputs, labels):
        def step(state, x):
            z = x @ params.weights + state[0] @ params.recurrent_weights + params.biases
            return STEPS[one.cell](z, state)

        _, h = lax.scan(step, begin(one), inputs)
        return cross_entropy(h @ params.output_weights + params.output_biases, labels)

    return by_grad(TEXTBOOK, cost, transposed(one.params), one)


def hoisted(one: Work) -> list[Way]:
    """The same with the projection of the inputs before the scan."""

    def cost(unroll, params, inputs, labels):
        def step(state, projected):
            return STEPS[one.cell](projected + state[0] @ params.recurrent_weights, state)

        _, h = lax.scan(step, begin(one), inputs @ params.weights + params.biases, unroll=unroll)
        return cross_entropy(h @ params.output_weights + params.output_biases, labels)

    params = transposed(one.params)
    return [
        by_grad(HOISTED, functools.partial(cost, unroll), params, one, how=f"unroll {unroll}") for unroll in UNROLLS
    ]


def equinox(one: Work) -> list[Way]:
    """Equinox's LSTM; nothing for the simple cell, which it does not have."""
    if one.cell != "lstm":
        return []
    import equinox as eqx

    params, static = eqx.partition(equinox_modules(one), eqx.is_array)

    def cost(unroll, params, inputs, labels):
        cell, dense = eqx.combine(params, static)

        def step(state, x):
            state = jax.vmap(cell)(x, state)
            return state, state[0]

        _, h = lax.scan(step, begin(one), inputs, unroll=unroll)
        return cross_entropy(jax.vmap(jax.vmap(dense))(h), labels)

    def packed(gradient):
        cell, dense = gradient
        return Parameters(cell.weight_ih, cell.weight_hh, cell.bias, dense.weight, dense.bias)

    return [
        by_grad(EQUINOX, functools.partial(cost, unroll), params, one, packed, f"unroll {unroll}") for unroll in UNROLLS
    ]


def equinox_modules(one: Work) -> tuple[Any, Any]:
    """Equinox's LSTM cell and linear layer, with the parameters of the work."""
    import equinox as eqx

    key, (_, _, m, H, d) = jax.random.key(0), one.sizes
    cell: Any = eqx.nn.LSTMCell(m, H, key=key)
    cell = eqx.tree_at(lambda own: (own.weight_ih, own.weight_hh, own.bias), cell, one.params[:3])
    return cell, eqx.tree_at(lambda own: (own.weight, own.bias), eqx.nn.Linear(H, d, key=key), one.params[3:])
