"""A simple recurrent layer unfolded over T steps: a feedforward network whose layers share their parameters.

    forward:   a[t] = dense((x[t], a[t−1])),  t = 1 … T,  with weights (W, ω) and biases b in every layer
    backward:  the dense layer's own, from the last layer to the first; a shared parameter gets the sum over its copies

This is how the notes interpret (8)-(14): the network of T layers has statements (2)-(6), and shared parameters add
theirs up. Their proof gives each step parameters of its own, which comes to the same. It is for reading and for proof;
`recurrent` computes the same with two contractions instead of T.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| (W, ω) | `DenseParams.weights` of every layer | (h, m + h) |
| b | `DenseParams.biases` | (h,) |

Source: [Rauber], section 6, the unfolded network.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from fnnets import activations
from fnnets.activations import Activation
from fnnets.core import validate
from fnnets.core.construction import constructor
from fnnets.core.types import Context, Layer
from fnnets.layers.dense import DenseParams, dense
from fnnets.layers.recurrent import RecurrentParams, recurrent


class UnfoldedTrace(NamedTuple):
    """The dense layers' traces, first step to last."""

    steps: tuple[Any, ...]


@constructor
def unfold(units: int, activation: Activation = activations.sigmoid, *, steps: int) -> Layer:
    """The layer `recurrent(units, activation)` as `steps` dense layers with shared parameters.

    Args:
        units: h, the number of units.
        activation: σ with its derivative.
        steps: T, the number of copies; shorter sequences use the first ones.

    Raises:
        TypeError, ValueError: as `recurrent`; in `forward`, longer sequences, or a mask.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> unfolded = fn.layers.unfold(5, steps=7)
    >>> params, _ = unfolded.init(jax.random.key(0), (3,))
    >>> x = jnp.ones((7, 2, 3))
    >>> folded = fn.layers.recurrent(5).forward(params, x, fn.Context())[0]
    >>> bool(jnp.allclose(unfolded.forward(params, x, fn.Context())[0], folded))
    True
    """
    steps = validate.count(steps, "unfold: steps", "give the number of steps T")
    folded, every = recurrent(units, activation), dense(units, activation)

    def shared(params: RecurrentParams):
        return DenseParams(jnp.concatenate([params.weights, params.recurrent_weights], axis=1), params.biases)

    def forward(params: RecurrentParams, x, context: Context):
        own, a, outputs, traces = shared(params), folded.start(params, x.shape[1])[0], [], []
        for x_t in x:
            a, trace = every.forward(own, jnp.concatenate([x_t, a], axis=-1), context)
            outputs.append(a)
            traces.append(trace)
        return jnp.stack(outputs), UnfoldedTrace(tuple(traces))

    def backward(params: RecurrentParams, trace: UnfoldedTrace, d_y):
        own, m = shared(params), params.weights.shape[1]
        d_a, total, d_x = jnp.zeros_like(d_y[0]), DenseParams(*map(jnp.zeros_like, own)), []
        for d_y_t, step in zip(d_y[::-1], trace.steps[::-1], strict=True):
            d_own, d_both = every.backward(own, step, d_y_t + d_a)
            total = DenseParams(*map(jnp.add, total, d_own))
            d_x.append(d_both[:, :m])
            d_a = d_both[:, m:]
        return RecurrentParams(total.weights[:, :m], total.weights[:, m:], total.biases), jnp.stack(d_x[::-1])

    def check(params, x, context: Context):
        if not 1 <= x.shape[0] <= steps or context.mask is not None:
            came = "a mask" if context.mask is not None else f"x of shape {x.shape}"
            raise ValueError(
                f"unfold: {came} came, expected (T, N, m), 1 <= T <= {steps}, without padding; unfold for that length"
            )

    return Layer(
        folded.init, forward, backward, "unfold", folded.statements, time="sequence to sequence", check=check,
        expects="x (T, N, m), weights (h, m)", detail=activation.title, trace=UnfoldedTrace,
        answer=lambda params, trace: (len(trace.steps), *trace.steps[0].z.shape),
    )  # fmt: skip
