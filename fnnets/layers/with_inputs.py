"""A layer whose inputs stand beside its outputs, for costs that look at both.

    forward:   y = (f(x), x)
    backward:  d_x = f.backward(d_y's first part) + d_y's last part

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (…, q) |
| f | `layer`, from q features to d | |
| y | result | (…, d + q) |

Derivation: x enters y twice, and both terms of its cotangent add up. A decoder that is wrapped so gives the code's
weighted inputs beside the reconstruction, where `fnnets.sparsity` finds them.

Source: the sum of [Rauber], statement (2), over all that a unit feeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp

from fnnets import checks
from fnnets.core import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def with_inputs(layer: Layer, size: int) -> Layer:
    """The layer's outputs, and its inputs as they came behind them.

    Args:
        layer: f, from one axis of features to one axis of features.
        size: q, the number of its input features.

    Raises:
        TypeError, ValueError: `layer` is no `Layer`, or gives one answer for a sequence; `size` is no int ≥ 1; in
            `init`, examples or outputs that are not one axis of features, or examples of another size.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.with_inputs(fn.layers.dense(3), 2)
    >>> params, shape = layer.init(jax.random.key(0), (2,))
    >>> shape, layer.forward(params, jnp.ones((4, 2)), fn.Context())[0][0, 3:].tolist()
    ((5,), [1.0, 1.0])
    """
    checks.is_instance(layer, Layer, "with_inputs: layer", "make one with fnnets.layers or fnnets.chain")
    size = checks.count(size, "with_inputs: size", "give the number of the layer's input features")
    if layer.time == "dropped":
        raise ValueError(
            f"with_inputs: layer is {layer.name}, which gives one answer for a sequence, expected one for each of its "
            "inputs; leave out what drops the axis of time"
        )

    def init(key, shape):
        params, outputs = layer.init(key, shape)
        if shape != (size,) or len(outputs) != 1:
            raise ValueError(
                f"with_inputs: examples have shape {shape} and outputs {outputs}, expected ({size},) and one axis; "
                "put flatten before it"
            )
        return params, (outputs[0] + size,)

    def forward(params, x: Float[Array, "*n q"], context):
        y, trace = layer.forward(params, x, context)
        return jnp.concatenate([y, x], axis=-1), trace

    def backward(params, trace, d_y: Float[Array, "*n m"]):
        d_params, d_x = layer.backward(params, trace, d_y[..., :-size])
        return d_params, d_x + d_y[..., -size:]

    return Layer(
        init, forward, backward, "with_inputs", layer.statements, time=layer.time, approximation=layer.approximation
    )
