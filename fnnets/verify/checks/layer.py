"""One layer's hand-written pair of forward and backward pass against `jax.vjp`.

    forward:    y, trace = forward(params, x)
    explicit:   d_params, d_x = backward(params, trace, d_y)           for a random d_y, of no symmetry
    automatic:  d_params, d_x = vjp(forward)(d_y)
    differences: central ones of Σ y ⊙ d_y

| symbol | name in code | shape |
|---|---|---|
| d_y | `d_y`, drawn from N(0, 1) with `key` | as y |
| d_x | row "d_x", statement (2); none where x holds integers | as x |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.core import calls, validate
from fnnets.core.types import Context, Layer
from fnnets.verify.checks.case import Case
from fnnets.verify.checks.run import run
from fnnets.verify.diagnosis import annotate
from fnnets.verify.judging import properties
from fnnets.verify.reference import arguments, settings
from fnnets.verify.reference.expected import declaring
from fnnets.verify.reference.subject import of_layer, point
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

ORDER = "verify.layer(layer, params, x)"


@calls.strict("layer")
def layer(
    layer: Layer,
    params: PyTree,
    x: Array,
    context: Context | None = None,
    *,
    key: Array | None = None,
    x64: bool = True,
    expects: Mapping[str, float] | None = None,
) -> Report:
    """Check a layer's backward pass against `jax.vjp` of its forward pass: d_params leaf by leaf, and d_x.

    Args:
        layer: any layer, also a chain.
        params: its parameters, floating arrays or none.
        x: a batch of inputs. Convenient numbers hide faults: no zeros, ones or symmetry where it can be helped.
        context: key and mask of the forward pass; None for `Context()`, the pass of prediction.
        key: PRNG key of the cotangent; None for a fixed one.
        x64: let float64 decide; False judges by the rounding of the parameters' own precision.
        expects: what the forward pass leaves out on purpose, by its place: `{"z": 0.0}` where nothing flows back
            through `tap("z", …)`, `{"stop_gradient": 0.0}`, `{"round": 1.0}` for straight through, `{"reverse": -1.0}`
            for a function `reverse` with a rule of its own. At a place x → y the derivative is factor · identity.

    Raises:
        TypeError, ValueError: an argument of another kind, numbers or an output that are not finite, a pass that JAX
            cannot trace, a place in `expects` that matches nothing.
        Exception: whatever the layer's functions raise themselves, as it is.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> dense = fn.layers.dense(2, fn.activations.tanh)
    >>> params, _ = dense.init(jax.random.key(0), (3,))
    >>> x = jax.random.normal(jax.random.key(1), (4, 3))
    >>> [row.where for row in fn.verify.layer(dense, params, x).rows[:4]]
    ['dense z', 'dense .weights', 'dense .biases', 'dense d_x']
    """
    context = Context() if context is None else context
    _check(layer, params, x, context)
    if key is not None:
        validate.is_key(key, "verify.layer: key")
    validate.flag(x64, "verify.layer: x64", arguments.DECIDES)
    params = arguments.floating(params, "params", may_be_empty=True)
    x = validate.array(x, "verify.layer: x")
    validate.finite(x, "verify.layer: x")
    if x.size == 0:
        raise ValueError(f"verify.layer: x has shape {x.shape}, expected at least one example; give several")
    key = jax.random.key(0) if key is None else key
    with precision.pinned(), settings.allowing():
        y = arguments.output(layer, params, x, context)
        x = jnp.asarray(x)
        inputs = params, x, context, _cotangent(y, key)
        has_d_x = precision.is_floating(x)
        subject = of_layer(layer, params, layer.name, has_d_x)
        at = point(inputs[0], inputs[1:], has_d_x)
        subject = declaring(subject, expects, "verify.layer: expects", at)
        arguments.traced(subject.explicit, "layer.backward", *at)
        tests = properties.linear((subject,)), properties.hygiene(subject)
        case = Case(
            f"layer {layer.name}", (subject,), lambda inputs: [point(inputs[0], inputs[1:], has_d_x)], inputs,
            "the sum of layer.forward's output", tests, annotate.Setting(annotate.sizes(layer.time, x), context.mask),
        )  # fmt: skip
        return run(case, x64)


def _check(layer: Layer, params: PyTree, x: Array, context: Context) -> None:
    """Raise a TypeError for arguments of another kind, which mostly stand in another order."""
    is_swapped = isinstance(params, Layer) or isinstance(x, Layer)
    made = f"write {ORDER}" if is_swapped else "make one with fnnets.layers or fnnets.Layer(…)"
    validate.is_instance(layer, Layer, "verify.layer: layer", made)
    arguments.ordered("verify.layer: params", params, ORDER)
    if isinstance(params, tuple) and len(params) == 2 and _is_shape(params[1]):
        raise TypeError(
            "verify.layer: params is what init returns, parameters and the shape of an output, expected the parameters "
            "alone; write params[0]"
        )
    if isinstance(x, dict) or hasattr(x, "_fields"):
        raise TypeError(f"verify.layer: x is of type {type(x).__name__}, expected an array of inputs; write {ORDER}")
    validate.is_instance(context, Context, "verify.layer: context", "give fnnets.Context(key, mask)")
    if context.key is not None:
        validate.is_key(context.key, "verify.layer: context.key")


def _is_shape(value: object) -> bool:
    return type(value) is tuple and len(value) > 0 and all(type(size) is int for size in value)


def _cotangent(outputs: PyTree, key: Array) -> PyTree:
    """N(0, 1) of the outputs' shapes and dtypes; the first has the numbers that `key` gives by itself."""
    leaves, structure = jax.tree.flatten(outputs)
    keys = [key, *jax.random.split(key, len(leaves) - 1)] if len(leaves) > 1 else [key]
    drawn = [jax.random.normal(k, y.shape, jnp.float32).astype(y.dtype) for k, y in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)
