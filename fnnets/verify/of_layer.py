"""One layer's hand-written pair of forward and backward pass against `jax.vjp`.

    forward:    y, trace = forward(params, x)
    explicit:   d_params, d_x = backward(params, trace, d_y)           for a random d_y, of no symmetry
    automatic:  d_params, d_x = vjp(forward)(d_y)
    witness:    central differences of Σ y ⊙ d_y

| symbol | name in code | shape |
|---|---|---|
| d_y | `d_y`, drawn from N(0, 1) with `key` | as y |
| d_x | row "d_x", statement (2); none where x holds integers | as x |
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fnnets import checks
from fnnets.core import Context, Layer
from fnnets.verify import guard, precision, walk
from fnnets.verify.evidence import Failure
from fnnets.verify.examine import examine
from fnnets.verify.report import Report


def layer(layer: Layer, params: Any, x: Any, context: Context | None = None, key: Any = None) -> Report:
    """Hold a layer's backward pass against `jax.vjp` of its forward pass: d_params leaf by leaf, and d_x.

    Args:
        layer: any layer, also a chain.
        params: its parameters, floating arrays or none.
        x: a batch of inputs. Convenient numbers hide faults: no zeros, ones or symmetry where it can be helped.
        context: key and mask of the forward pass; None for `Context()`, the pass of prediction.
        key: PRNG key of the cotangent; None for a fixed one.

    Raises:
        TypeError, ValueError: an argument of another kind, an output that is not finite, a pass that fails
            when JAX traces it.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> dense = fn.layers.dense(2, fn.activations.tanh)
    >>> params, _ = dense.init(jax.random.key(0), (3,))
    >>> x = jax.random.normal(jax.random.key(1), (4, 3))
    >>> [row.where for row in fn.verify.layer(dense, params, x).rows]
    ['dense .weights', 'dense .biases', 'dense d_x']
    """
    checks.is_instance(layer, Layer, "verify.layer: layer", "make one with fnnets.layers or fnnets.Layer(…)")
    context, key = context or Context(), jax.random.key(0) if key is None else key
    checks.is_instance(context, Context, "verify.layer: context", "give fnnets.Context(key, mask)")
    checks.is_key(key, "verify.layer: key")
    params, x = guard.floating(params, "params", may_be_empty=True), jnp.asarray(checks.array(x, "verify.layer: x"))
    with precision.pinned():
        y = guard.output(layer, params, x, context)
        inputs = params, x, context, jax.random.normal(key, y.shape, jnp.float32).astype(y.dtype)

        def gather(inputs):
            return (_evidence(layer, *inputs),)

        found = jax.eval_shape(gather, inputs)[0].explicit
        if isinstance(found, Failure):
            raise TypeError(f"layer.backward {found.message}; {guard.TRACEABLE}")
        subject = walk.subject(layer, params, layer.name, has_d_x=precision.is_floating(x))
        return examine(f"layer {layer.name}", gather, [subject], inputs, "the sum of layer.forward's output")


def _evidence(layer, params, x, context, d_y):
    at = (params, x) if precision.is_floating(x) else (params,)
    _, pull = jax.vjp(lambda *at: layer.forward(*(*at, x)[:2], context)[0], *at)
    return walk.evidence(layer, (params, x, context), layer.forward(params, x, context), d_y, pull(d_y))
