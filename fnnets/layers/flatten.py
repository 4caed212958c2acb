"""Flatten: every example as one axis of features, for the fully connected layers that follow.

    forward:   y[n, (p·W + q)·C + c] = x[n, p, q, c]
    backward:  d_x[n, p, q, c] = d_y[n, (p·W + q)·C + c]

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, …), for images (N, H, W, C) |
| y | result | (N, HWC) |

No number changes, so each derivative is carried back to where its number came from.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp

from fnnets.core.construction import constructor
from fnnets.core.types import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class FlattenTrace(NamedTuple):
    """The trace: the shape of an example, as an array (0, …) without elements."""

    outline: Float[Array, "*outline"]


@constructor
def flatten() -> Layer:
    """Examples of any shape as rows of features.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> y, trace = fn.layers.flatten().forward((), jnp.ones((2, 4, 4, 3)), fn.Context())
    >>> y.shape, fn.layers.flatten().backward((), trace, y)[1].shape
    ((2, 48), (2, 4, 4, 3))
    """

    def init(key, shape):
        return (), (math.prod(shape),)

    def forward(params, x: Float[Array, "*n"], context):
        return x.reshape(x.shape[0], math.prod(x.shape[1:])), FlattenTrace(jnp.zeros((0, *x.shape[1:]), x.dtype))

    def backward(params, trace: FlattenTrace, d_y: Float[Array, "n p"]):
        return (), d_y.reshape(d_y.shape[0], *trace.outline.shape[1:])

    def answer(params, trace: FlattenTrace):
        return None, math.prod(trace.outline.shape[1:])

    return Layer(init, forward, backward, "flatten", (), expects="x (N, …)", trace=FlattenTrace, answer=answer)
