"""A layer that gives its inputs beside its outputs, for costs that look at both.

    forward:   y = f(x),  t = x                           a pair of outputs
    backward:  d_x = f.backward(d_y) + d_t

| symbol | name in code | shape |
|---|---|---|
| x, t | `x` | (…, q) |
| f | `layer` | |
| y | the first output | as f gives it |

Derivation: x reaches both outputs, and both terms of its cotangent add up. A decoder that is wrapped so gives the
code's weighted inputs beside the reconstruction, where `fnnets.core.sparsity` reads them.

Source: the sum of [Rauber], statement (2), over all that a unit feeds.
"""

from __future__ import annotations

from fnnets.core import validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer


@constructor
def with_inputs(layer: Layer) -> Layer:
    """The layer's outputs, and its inputs as a second output: shapes come in pairs, and so do cotangents.

    Args:
        layer: f, any layer that keeps the axis of time where there is one.

    Raises:
        TypeError, ValueError: `layer` is no `Layer`, or gives one answer for a sequence.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.with_inputs(fn.layers.dense(3))
    >>> params, shapes = layer.init(jax.random.key(0), (2,))
    >>> (y, t), trace = layer.forward(params, jnp.ones((4, 2)), fn.Context())
    >>> shapes, y.shape, t[0].tolist()
    (((3,), (2,)), (4, 3), [1.0, 1.0])
    """
    validate.is_instance(layer, Layer, "with_inputs: layer", "make one with fnnets.layers or fnnets.chain")
    if layer.time == "sequence to vector":
        raise ValueError(
            f"with_inputs: layer is {layer.name}, which gives one answer for a sequence, expected one for each of its "
            "inputs; leave out what drops the axis of time"
        )

    def init(key, shape):
        params, outputs = layer.init(key, shape)
        return params, (outputs, shape)

    def forward(params, x, context):
        y, trace = layer.forward(params, x, context)
        return (y, x), trace

    def backward(params, trace, d_outputs):
        d_y, d_t = d_outputs
        d_params, d_x = layer.backward(params, trace, d_y)
        return d_params, d_x + d_t

    return Layer(
        init, forward, backward, "with_inputs", layer.statements, time=layer.time, approximation=layer.approximation,
        trace=layer.trace, means=layer.means, within=lambda change: with_inputs(change(layer)),
    )  # fmt: skip
