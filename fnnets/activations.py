"""Activation functions with their derivatives side by side, both functions of the weighted input z.

    forward:   a = σ(z)
    backward:  d_z = d_a ⊙ σ'(z)                          (2, right factor)

| symbol | name in code | shape |
|---|---|---|
| z | `z` | any |
| a = σ(z) | `activation.value(z)` | as z |
| σ'(z) | `activation.derivative(z)` | as z |
| σ'(z), of a | `activation.slope(a)`, where it can be had | as z |

A pair of one's own is one line: `fn.Activation(jnp.sin, jnp.cos)`. Both halves keep the dtype of z, and
`fn.verify.activation` holds one against the other.

Where each output depends on all weighted inputs, as in a softmax, σ' is a matrix, and the pair is another one:

    forward:   a = σ(z)                                   softmax: a_j = exp z_j / Σ_k exp z_k
    backward:  d_z_j = Σ_k d_a_k ∂a_k/∂z_j                softmax: d_z = a ⊙ (d_a − Σ_k a_k d_a_k)

| symbol | name in code | shape |
|---|---|---|
| z | `z` | (…, d) |
| a = σ(z) | `coupled.value(z)` | as z |
| d_z | `coupled.pullback(z, d_a)` | as z |

For the softmax ∂a_k/∂z_j is a_j − a_j a_j where k = j, and −a_k a_j elsewhere; so Σ_k d_a_k ∂a_k/∂z_j is a_j d_a_j −
a_j Σ_k a_k d_a_k. Source: [Rauber], section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import calls, validate
from fnnets.core.construction import constructor

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@calls.record
class Activation(NamedTuple):
    """A function of the weighted input and its derivative, elementwise.

    Attributes:
        value: `z -> σ(z)`.
        derivative: `z -> σ'(z)`, written by hand.
        name: what reports call the pair.
        slope: `a -> σ'(z)` from the value a = σ(z), where a alone tells it: recurrent layers then keep no z. None else.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> sine = fn.Activation(jnp.sin, jnp.cos)
    >>> float(sine.derivative(jnp.array(0.0)))
    1.0
    """

    value: Callable[[Float[Array, "*z"]], Float[Array, "*z"]]
    derivative: Callable[[Float[Array, "*z"]], Float[Array, "*z"]]
    name: str = "activation"
    slope: Callable[[Float[Array, "*z"]], Float[Array, "*z"]] | None = None

    @property
    def title(self) -> str:
        """What tables print behind a layer's name: nothing of the identity."""
        return "" if self.name == "identity" else self.name


@calls.record
class CoupledActivation(NamedTuple):
    """A function of all weighted inputs of an example and its vector-Jacobian product; for `fn.objectives.custom`.

    Attributes:
        value: `z -> σ(z)`, (…, d) to (…, d).
        pullback: `(z, d_a) -> d_z`, d_z_j = Σ_k d_a_k ∂a_k/∂z_j, written by hand.
        name: what reports call the pair.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.activations.softmax.pullback(jnp.zeros(2), jnp.array([1.0, 0.0])).tolist()
    [0.25, -0.25]
    """

    value: Callable[[Float[Array, "*n d"]], Float[Array, "*n d"]]
    pullback: Callable[[Float[Array, "*n d"], Float[Array, "*n d"]], Float[Array, "*n d"]]
    name: str = "coupled activation"


def _softmax_pullback(z: Float[Array, "*n d"], d_a: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    """d_z = a ⊙ (d_a − Σ_k a_k d_a_k)."""
    a = jax.nn.softmax(z)
    return a * (d_a - jnp.sum(a * d_a, axis=-1, keepdims=True))


def _sigmoid_derivative(z: Float[Array, "*z"]) -> Float[Array, "*z"]:
    """σ'(z) = σ(z) (1 − σ(z))."""
    a = jax.nn.sigmoid(z)
    return a * (1 - a)


def _tanh_derivative(z: Float[Array, "*z"]) -> Float[Array, "*z"]:
    """tanh'(z) = (1 − tanh z)(1 + tanh z), which loses fewer digits than 1 − tanh² z in a saturated unit."""
    a = jnp.tanh(z)
    return (1 - a) * (1 + a)


def _relu_derivative(z: Float[Array, "*z"]) -> Float[Array, "*z"]:
    """1 where z > 0, else 0; at the kink z = 0 the subgradient 0, as `jax.nn.relu` has it."""
    return (z > 0).astype(z.dtype)


@constructor
def leaky_relu(slope: float = 0.01) -> Activation:
    """Z where z ≥ 0, else slope·z; at the kink z = 0 the derivative is 1, as `jax.nn.leaky_relu` has it.

    Raises:
        TypeError, ValueError: `slope` is no finite number.

    Source: [Maas2013].

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.activations.leaky_relu(0.1).value(jnp.array([-2.0, 3.0])).tolist()
    [-0.20000000298023224, 3.0]
    """
    validate.at_least(slope, -math.inf, "leaky_relu: slope", "0.01 is common")

    def value(z):
        return jnp.where(z >= 0, z, slope * z)

    def derivative(z):
        return jnp.where(z >= 0, 1, slope).astype(z.dtype)

    return Activation(value, derivative, "leaky_relu")


identity = Activation(lambda z: z, jnp.ones_like, "identity", jnp.ones_like)
sigmoid = Activation(jax.nn.sigmoid, _sigmoid_derivative, "sigmoid", lambda a: a * (1 - a))
tanh = Activation(jnp.tanh, _tanh_derivative, "tanh", lambda a: (1 - a) * (1 + a))
relu = Activation(jax.nn.relu, _relu_derivative, "relu", _relu_derivative)
softplus = Activation(jax.nn.softplus, jax.nn.sigmoid, "softplus")
softmax = CoupledActivation(jax.nn.softmax, _softmax_pullback, "softmax")
