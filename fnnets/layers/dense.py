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

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import activations, checks, initializers, taps
from fnnets.activations import Activation
from fnnets.core import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class DenseParams(NamedTuple):
    """W (q, p) and b (q,)."""

    weights: Float[Array, "q p"]
    biases: Float[Array, " q"]


class DenseTrace(NamedTuple):
    """What `backward` reads: x (…, p) and z (…, q)."""

    x: Float[Array, "*n p"]
    z: Float[Array, "*n q"]


def dense(
    size: int, activation: Activation = activations.identity, initial: initializers.Scheme = initializers.default
) -> Layer:
    """Every output a weighted sum of every input, then the activation.

    Args:
        size: q, the number of units.
        activation: σ with its derivative.
        initial: how W and b begin; parameters are of JAX's default float dtype, float32.

    Raises:
        TypeError, ValueError: `size` is no int ≥ 1, `activation` no `Activation`; in `init` and `forward`,
            an input that is not one axis of p features.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.dense(2, fn.activations.relu)
    >>> params, shape = layer.init(jax.random.key(0), (3,))
    >>> y, trace = layer.forward(params, jnp.ones((4, 3)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.ones_like(y))
    >>> d_params.weights.shape, d_x.shape
    ((2, 3), (4, 3))
    """
    size = checks.count(size, "dense: size", "give the number of units")
    checks.is_instance(activation, Activation, "dense: activation", "take one from fnnets.activations")
    checks.is_instance(initial, initializers.Scheme, "dense: initial", "take one from fnnets.initializers")

    def init(key, shape):
        if len(shape) != 1:
            raise ValueError(f"dense: examples have shape {shape}, expected one axis (p,); put flatten before it")
        weights_key, biases_key = jax.random.split(key)
        weights = initial.weights(-1, -2)(weights_key, (size, *shape), jnp.result_type(float))
        return DenseParams(weights, initial.biases(biases_key, (size,), jnp.result_type(float))), (size,)

    def forward(params: DenseParams, x: Float[Array, "*n p"], context):
        if x.ndim == 0 or x.shape[-1] != params.weights.shape[1]:
            raise ValueError(
                f"dense: x has shape {x.shape}, expected (…, {params.weights.shape[1]}); "
                "give it as many features as its weights have columns"
            )
        z = taps.tap("z", x @ params.weights.T + params.biases)
        return activation.value(z), DenseTrace(x, z)

    def backward(params: DenseParams, trace: DenseTrace, d_y: Float[Array, "*n q"]):
        delta = taps.delta("z", d_y * activation.derivative(trace.z), "2")
        leading = tuple(range(delta.ndim - 1))
        d_weights = jnp.tensordot(delta, trace.x, axes=(leading, leading))
        return DenseParams(d_weights, jnp.sum(delta, axis=leading)), delta @ params.weights

    statements: Any = DenseParams("4, 6", "3, 5")  # type: ignore[arg-type]
    return Layer(init, forward, backward, "dense", statements, input_statement="2")
