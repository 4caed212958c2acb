"""Output activations with the costs that belong to them, each with its own statement (1), from z and never from log a.

    forward:   a = σ(z)                                                      prediction
    squared error          c = ½ Σ (σ(z) − y)²                               squared units of y
    sigmoid cross-entropy  c = Σ softplus(z) − y z                           nats
    softmax likelihood     c = Σ y (log Σ exp z − z)                         nats
    difference             c = Σ y z                                         of two phases, y their signs

    backward:  δ(L) = ∂c/∂z                                                  (1)
    squared error          δ = (a − y) ⊙ σ'(z);  linear outputs: a − y
    sigmoid cross-entropy  δ = a − y                                         σ' cancels: a saturated unit learns
    softmax likelihood     δ = a Σ y − y                                     Σ y = 1 for one-hot rows and labels
    difference             δ = y

| symbol | name in code | shape |
|---|---|---|
| z | `z` | (…, d) |
| y | `y` | (…, d), or (…) integer labels for the softmax |
| c | `objective.value(z, y)` | (…) |
| δ(L) | `objective.delta(z, y)` | (…, d) |

Source: section 3 of the notes, statement (1). The mean over the batch is the network's, not the objective's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets import activations, checks
from fnnets.core import Objective

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num


def squared_error(activation: activations.Activation) -> Objective:
    """c = ½ ‖σ(z) − y‖² for any output activation.

    A saturated output has σ'(z) ≈ 0 and learns slowly however wrong it is: `python -m experiments saturation`.

    Args:
        activation: the output activation with its derivative.

    Raises:
        TypeError: `activation` is no `Activation`.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> quadratic = fn.objectives.squared_error(fn.activations.sigmoid)
    >>> quadratic.value(jnp.array([[0.0]]), jnp.array([[1.0]])).tolist()
    [0.125]
    """
    checks.is_instance(
        activation, activations.Activation, "squared_error: activation", "take one from fnnets.activations"
    )

    def value(z: Float[Array, "*n d"], y: Float[Array, "*n d"]) -> Float[Array, "*n"]:
        error = activation.value(z) - y
        return 0.5 * jnp.sum(error * error, axis=-1)

    def delta(z: Float[Array, "*n d"], y: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        return (activation.value(z) - y) * activation.derivative(z)

    return Objective(activation.value, value, delta, f"squared_error({activation.name})")


def _cross_entropy(z: Float[Array, "*n d"], y: Float[Array, "*n d"]) -> Float[Array, "*n"]:
    """−Σ y log σ(z) + (1 − y) log(1 − σ(z)), as Σ max(z, 0) − y z + log(1 + exp −|z|)."""
    positive = jax.nn.relu(z)
    # −|z| as z − 2 max(z, 0): the slopes at z = 0 then add up to 1/2, whatever either is
    return jnp.sum(positive - y * z + jnp.log1p(jnp.exp(z - 2 * positive)), axis=-1)


def _cross_entropy_delta(z: Float[Array, "*n d"], y: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    """a − y."""
    return jax.nn.sigmoid(z) - y


def _one_hot(z: Float[Array, "*n d"], y: Num[Array, "*shape"]) -> Float[Array, "*n d"]:
    """Y itself, or its rows of zeros and a one where y holds labels."""
    is_labels = jnp.issubdtype(y.dtype, jnp.integer)
    return jax.nn.one_hot(y, z.shape[-1], dtype=z.dtype) if is_labels else y


def _log_likelihood(z: Float[Array, "*n d"], y: Num[Array, "*shape"]) -> Float[Array, "*n"]:
    """−Σ y log softmax(z)."""
    y = _one_hot(z, y)
    return jnp.sum(y * (jax.nn.logsumexp(z, axis=-1, keepdims=True) - z), axis=-1)


def _log_likelihood_delta(z: Float[Array, "*n d"], y: Num[Array, "*shape"]) -> Float[Array, "*n d"]:
    """a Σ y − y, which is a − y for labels, whose one-hot rows sum to one."""
    total = 1 if jnp.issubdtype(y.dtype, jnp.integer) else jnp.sum(y, axis=-1, keepdims=True)
    return jax.nn.softmax(z) * total - _one_hot(z, y)


difference = Objective(lambda z: z, lambda z, y: jnp.sum(y * z, axis=-1), lambda z, y: jnp.broadcast_to(y, z.shape))
difference = difference._replace(name="difference")
linear_squared_error = squared_error(activations.identity)._replace(
    delta=lambda z, y: z - y, name="linear_squared_error"
)
sigmoid_cross_entropy = Objective(jax.nn.sigmoid, _cross_entropy, _cross_entropy_delta, "sigmoid_cross_entropy")
softmax_log_likelihood = Objective(
    jax.nn.softmax, _log_likelihood, _log_likelihood_delta, "softmax_log_likelihood", labels=True
)
