"""An activation as a layer of its own, for nets that pool the weighted inputs before they activate them.

    forward:   a = σ(z)
    backward:  d_z = d_a ⊙ σ'(z)                          (2, right factor)

| symbol | name in code | shape |
|---|---|---|
| z | `x`, `trace.z` | (N, …) |
| a | result | as z |

The bias may stand before the pooling, where the convolution has it: a bias is the same at every position, so
max(z + b) = max(z) + b, and the mean likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fnnets.activations import Activation
from fnnets.core import guards, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class ActivateTrace(NamedTuple):
    """The trace: z (N, …)."""

    z: Float[Array, "*n"]


@constructor
def activate(activation: Activation) -> Layer:
    """The activation of each number.

    Raises:
        TypeError: `activation` is no `Activation`.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.layers.activate(fn.activations.relu).forward((), jnp.array([[-1.0, 2.0]]), fn.Context())[0].tolist()
    [[0.0, 2.0]]
    """
    validate.is_instance(activation, Activation, "activate: activation", "take one from fnnets.activations")

    def init(key, shape):
        return (), shape

    def forward(params, x: Float[Array, "*n"], context):
        return activation.value(x), ActivateTrace(x)

    def backward(params, trace: ActivateTrace, d_y: Float[Array, "*n"]):
        return (), d_y * activation.derivative(trace.z)

    return Layer(
        init, forward, backward, "activate", (), input_statement="2", expects="x (…)", detail=activation.name,
        trace=ActivateTrace, answer=guards.shape_of("z"),
    )  # fmt: skip
