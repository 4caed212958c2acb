"""The neuron models of the notes' section 1, each for one unit or a whole layer of them, one example or a batch.

    z = w·x + b
    linear            a = z
    rectified         a = max(z, 0)
    binary threshold  a = 1 if z ≥ 0, else 0;  with threshold θ: w·x ≥ θ, so b = −θ
                      (the notes have both: b + w·x ≥ θ, which is the bias b − θ)
    sigmoid           a = 1 / (1 + exp −z)
    stochastic        a = 1 with probability σ(z), else 0

| symbol | name in code | shape |
|---|---|---|
| w | `weights` | (…, p): (p,) is one unit, (q, p) a layer |
| b | `bias` | (…): () is one unit, (q,) a layer |
| x | `inputs` | (…, p): (p,) is one example, (N, p) a batch |
| a | the result | inputs' leading axes, then the units' |

The hyperplane w·x = −b separates what a threshold unit switches on from what it leaves off: −b/‖w‖ is its signed
distance from the origin along w, so the bias is the hyperplane's negative intercept. As layers of a network they are
`layers.dense` with an activation, `layers.threshold` and `layers.stochastic`. Source: [Rauber], section 1.

>>> import jax.numpy as jnp, fnnets as fn
>>> either = lambda x: fn.neurons.threshold(jnp.array([1.0, 1.0]), -0.5, x)     # the line x1 + x2 = 0.5
>>> either(jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).tolist()
[0.0, 1.0, 1.0, 1.0]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.core import calls, validate

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@calls.strict("weighted_input")
def weighted_input(
    weights: Float[Array, "*units p"], bias: float | Float[Array, "*units"], inputs: Float[Array, "*n p"]
) -> Float[Array, "*shape"]:
    """z = w·x + b, the units' axes behind the examples'.

    Raises:
        TypeError, ValueError: the inputs' last axis is not the weights' last axis, `bias` has not the units' shape; an
            argument that holds no real numbers, or NaN.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> float(fn.neurons.weighted_input(jnp.array([1.0, 2.0]), 3.0, jnp.array([4.0, 5.0])))
    17.0
    """
    return _weighted(weights, bias, inputs)


def _weighted(weights, bias, inputs, name: str = "bias"):
    """z of checked arguments; `name` is what the bias came as."""
    weights, bias, inputs = (_real(v, name) for v, name in ((weights, "weights"), (bias, name), (inputs, "inputs")))
    if weights.ndim == 0 or inputs.ndim == 0 or weights.shape[-1] != inputs.shape[-1]:
        raise ValueError(
            f"inputs have shape {inputs.shape} and weights {weights.shape}, expected the same last axis; "
            "give a weight for each input"
        )
    if bias.shape not in ((), weights.shape[:-1]):
        raise ValueError(
            f"{name} has shape {bias.shape} and weights {weights.shape}, expected shape {weights.shape[:-1]}; "
            "give one for each unit"
        )
    z = jnp.tensordot(jnp.asarray(inputs), jnp.asarray(weights), axes=(-1, -1))
    return z + jnp.asarray(bias)


def _real(value: object, name: str):
    """`value` as an array of finite real numbers."""
    value = validate.array(value, name)
    validate.finite(value, name)
    return value


@calls.strict("linear")
def linear(weights, bias, inputs) -> Float[Array, "*shape"]:
    """a = z; shapes as in `weighted_input`.

    >>> float(linear(jnp.array([2.0]), -1.0, jnp.array([3.0])))
    5.0
    """
    return weighted_input(weights, bias, inputs)


@calls.strict("rectified")
def rectified(weights, bias, inputs) -> Float[Array, "*shape"]:
    """a = max(z, 0); shapes as in `weighted_input`.

    >>> float(rectified(jnp.array([2.0]), -7.0, jnp.array([3.0])))
    0.0
    """
    return jax.nn.relu(weighted_input(weights, bias, inputs))


@calls.strict("threshold")
def threshold(weights, bias, inputs, theta: float | None = None) -> Float[Array, "*shape"]:
    """a = 1 where z ≥ 0, else 0; with `theta` in place of a bias, where w·x ≥ θ.

    Args:
        weights, bias, inputs: as in `weighted_input`.
        theta: the threshold θ = −b; give it with `bias=None`, or not at all.

    Raises:
        ValueError: both or neither of `bias` and `theta` are given.

    >>> float(threshold(jnp.array([1.0, 1.0]), None, jnp.array([1.0, 0.0]), theta=1.5))
    0.0
    """
    if (bias is None) == (theta is None):
        raise ValueError(f"bias is {bias} and theta is {theta}, expected just one of them; b = -theta")
    if theta is None:
        z = _weighted(weights, bias, inputs)
    else:
        z = _weighted(weights, -_real(theta, "theta"), inputs, "theta")
    return (z >= 0).astype(z.dtype)


@calls.strict("sigmoid")
def sigmoid(weights, bias, inputs) -> Float[Array, "*shape"]:
    """a = 1 / (1 + exp −z); shapes as in `weighted_input`.

    >>> float(sigmoid(jnp.array([1.0]), -2.0, jnp.array([2.0])))
    0.5
    """
    return jax.nn.sigmoid(weighted_input(weights, bias, inputs))


@calls.strict("stochastic")
def stochastic(weights, bias, inputs, *, key) -> Float[Array, "*shape"]:
    """a = 1 with probability σ(z), else 0: a fresh draw for each unit and example.

    Args:
        key: PRNG key.
        weights, bias, inputs: as in `weighted_input`.

    Raises:
        TypeError: `key` is no PRNG key.

    >>> draws = stochastic(jnp.array([0.0]), 0.0, jnp.zeros((1000, 1)), key=jax.random.key(0))
    >>> abs(float(draws.mean()) - 0.5) < 0.05                          # three standard errors
    True
    """
    validate.is_key(key, "stochastic: key")
    z = weighted_input(weights, bias, inputs)
    return jax.random.bernoulli(key, jax.nn.sigmoid(z)).astype(z.dtype)
