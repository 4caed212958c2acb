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
from fnnets.verify import explain, guard, precision, properties, walk
from fnnets.verify.examine import Case, examine
from fnnets.verify.report import Report


def layer(
    layer: Layer, params: Any, x: Any, context: Context | None = None, key: Any = None, *, float64: bool = True
) -> Report:
    """Hold a layer's backward pass against `jax.vjp` of its forward pass: d_params leaf by leaf, and d_x.

    Args:
        layer: any layer, also a chain.
        params: its parameters, floating arrays or none.
        x: a batch of inputs. Convenient numbers hide faults: no zeros, ones or symmetry where it can be helped.
        context: key and mask of the forward pass; None for `Context()`, the pass of prediction.
        key: PRNG key of the cotangent; None for a fixed one.
        float64: let float64 decide; False judges by the rounding noise of the parameters' own precision.

    Raises:
        TypeError, ValueError: an argument of another kind, an output that is not finite, a pass that fails
            when JAX traces it.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> dense = fn.layers.dense(2, fn.activations.tanh)
    >>> params, _ = dense.init(jax.random.key(0), (3,))
    >>> x = jax.random.normal(jax.random.key(1), (4, 3))
    >>> [row.where for row in fn.verify.layer(dense, params, x).rows[:4]]
    ['dense z', 'dense .weights', 'dense .biases', 'dense d_x']
    """
    checks.is_instance(layer, Layer, "verify.layer: layer", "make one with fnnets.layers or fnnets.Layer(…)")
    context, key = context or Context(), jax.random.key(0) if key is None else key
    checks.is_instance(context, Context, "verify.layer: context", "give fnnets.Context(key, mask)")
    checks.is_key(key, "verify.layer: key")
    params, x = guard.floating(params, "params", may_be_empty=True), jnp.asarray(checks.array(x, "verify.layer: x"))
    with precision.pinned():
        y = guard.output(layer, params, x, context)
        inputs = params, x, context, jax.random.normal(key, y.shape, jnp.float32).astype(y.dtype)
        has_d_x = precision.is_floating(x)
        subject = walk.subject(layer, params, layer.name, has_d_x)
        guard.traceable(subject.explicit, "layer.backward", *walk.point(inputs[0], inputs[1:], has_d_x))
        tests = properties.linear((subject,)), properties.hygiene(subject)
        case = Case(
            f"layer {layer.name}", (subject,), lambda inputs: [walk.point(inputs[0], inputs[1:], has_d_x)], inputs,
            "the sum of layer.forward's output", tests, explain.Setting(explain.sizes(layer.time, x), context.mask),
        )  # fmt: skip
        return examine(case, float64)
