"""The fully connected layer.

    forward:   z = x Wᵀ + b            a = σ(z)
    backward:  δ = d_a ⊙ σ'(z)                            (2, right factor)
               dW = δᵀ x                                  (4, 6)
               db = Σ δ                                   (3, 5)
               dx = δ W                                   (2, left factor)

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (…, p) |
| W | `params.weights` | (q, p) |
| b | `params.biases` | (q,) |
| z | `trace.z` | (…, q) |
| δ | `delta` | (…, q) |

The sums run over all leading axes at once. Source: [Rauber], section 2, statements (2)-(6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import activations, initializers
from fnnets.activations import Activation
from fnnets.core import guards, taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class DenseParams(NamedTuple):
    """W (q, p) and b (q,)."""

    weights: Float[Array, "q p"]
    biases: Float[Array, " q"]


class DenseTrace(NamedTuple):
    """The trace: x (…, p) and z (…, q)."""

    x: Float[Array, "*n p"]
    z: Float[Array, "*n q"]


@constructor
def dense(
    units: int,
    activation: Activation = activations.identity,
    initializer: initializers.Initializer = initializers.default,
) -> Layer:
    """Every output a weighted sum of every input, then the activation.

    Args:
        units: q, the number of units.
        activation: σ with its derivative.
        initializer: initial values of W and b; parameters are of JAX's default float dtype, float32.

    Raises:
        TypeError, ValueError: `units` is no int ≥ 1, `activation` no `Activation`; in `init` and `forward`,
            an input that is not one axis of p features.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.dense(2, fn.activations.relu)
    >>> params, shape = layer.init(jax.random.key(0), (3,))
    >>> y, trace = layer.forward(params, jnp.ones((4, 3)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.ones_like(y))
    >>> d_params.weights.shape, d_x.shape
    ((2, 3), (4, 3))
    """
    units = validate.count(units, "dense: units", "give the number of units")
    validate.is_instance(activation, Activation, "dense: activation", "take one from fnnets.activations")
    validate.is_instance(
        initializer, initializers.Initializer, "dense: initializer", "take one from fnnets.initializers"
    )

    def init(key, shape):
        weights_key, biases_key = jax.random.split(key)
        weights = initializer.weights(-1, -2)(weights_key, (units, *shape), jnp.result_type(float))
        return DenseParams(weights, initializer.biases(biases_key, (units,), jnp.result_type(float))), (units,)

    def forward(params: DenseParams, x: Float[Array, "*n p"], context):
        z = taps.tap("z", x @ params.weights.T + params.biases)
        return activation.value(z), DenseTrace(x, z)

    def backward(params: DenseParams, trace: DenseTrace, d_y: Float[Array, "*n q"]):
        delta = taps.delta("z", d_y * activation.derivative(trace.z), "2")
        leading = tuple(range(delta.ndim - 1))
        d_weights = jnp.tensordot(delta, trace.x, axes=(leading, leading))
        return DenseParams(d_weights, jnp.sum(delta, axis=leading)), delta @ params.weights

    def check(params: DenseParams, x, context):  # detection gives each position its own: biases (…, q)
        if jnp.shape(params.biases)[-1:] != params.weights.shape[:1]:
            raise ValueError(
                f"dense: biases has shape {jnp.shape(params.biases)}, expected (q) with q = {params.weights.shape[0]}, "
                "as weights has it; take params from init"
            )

    statements: PyTree = DenseParams("4, 6", "3, 5")  # type: ignore[arg-type]
    return Layer(
        init, forward, backward, "dense", statements, input_statement="2", detail=activation.title,
        expects="x (…, p), weights (q, p)", check=check, trace=DenseTrace, answer=guards.shape_of("z"),
    )  # fmt: skip
