"""Layers of binary units: threshold neurons and stochastic binary neurons, fully connected as `dense` is.

    forward:   z = x Wᵀ + b
               threshold    a = 1 where z ≥ 0, else 0                     a threshold θ is b = −θ
               stochastic   a ~ Bernoulli(σ(z))                           training, with a key
                            a = σ(z), the mean                            prediction, without

    backward:  δ = d_a ⊙ s                                                (2), right factor, s in place of σ'(z)
               dW = δᵀ x,  db = Σ δ                                       (3)-(6)
               dx = δ W                                                   (2, left factor)

    s          threshold    "zero": 0      "straight_through": 1
               stochastic   "zero": 0      "straight_through": σ'(z) = σ(z) (1 − σ(z));  of the mean always σ'(z)

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (…, p) |
| W | `params.weights` | (q, p) |
| b | `params.biases` | (q,) |
| z | `z` | (…, q) |
| s | `trace.slope` | (…, q), or () where it is one number |
| δ | `delta` | (…, q) |

Derivation of "zero": a threshold is constant on either side of z = 0, so its derivative is 0 wherever it has one. A
draw is 1 where u < σ(z), for a uniform u that does not depend on z: a threshold once more. So neither the layer's own
parameters nor what is below them learn. "straight_through" is an *approximation*: δ as if the threshold were the
identity, and as if a draw were its mean, whose derivative is σ'(z). `forward` adds a term of the value 0 that has this
derivative, so `jax.grad` agrees and central differences do not. Of the mean itself σ'(z) is the gradient.

Source: [Rauber], section 1, for the forward pass; [Bengio2013], the straight-through estimator; for stochastic units in
its variant with the sigmoid's derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fnnets import activations, initializers
from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Context, Layer
from fnnets.core.units import binary
from fnnets.layers.dense import DenseParams

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

BACKWARD = ("zero", "straight_through")


class BinaryTrace(NamedTuple):
    """The trace: x (…, p) and s, what stands for σ'(z), (…, q) or one number."""

    x: Float[Array, "*n p"]
    slope: Float[Array, "*shape"]


@constructor
def threshold(
    units: int, backward: str = "zero", initializer: initializers.Initializer = initializers.default
) -> Layer:
    """Units that are on where their weighted input is at least 0, and off elsewhere.

    Their parameters are those of `dense`: one trained with sigmoids may be used with thresholds.

    Args:
        units: q, the number of units.
        backward: "zero", the derivative, with which neither W and b nor what is below learn; or "straight_through", an
            approximation that verification names as such: δ = d_a.
        initializer: initial values of W and b; parameters are of JAX's default float dtype, float32.

    Raises:
        TypeError, ValueError: `units` is no int ≥ 1, `backward` none of the two; in `init` and `forward`, an input that
            is not one axis of p features.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.threshold(2, "straight_through")
    >>> params, shape = layer.init(jax.random.key(0), (3,))
    >>> params = params._replace(weights=jnp.ones((2, 3)), biases=jnp.array([-3.0, -4.0]))
    >>> y, trace = layer.forward(params, jnp.ones((1, 3)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.array([[5.0, 7.0]]))
    >>> y.tolist(), d_params.biases.tolist()
    ([[1.0, 0.0]], [5.0, 7.0])
    """
    is_straight = _is_straight(backward, "threshold")

    def fire(z, key):
        a = (z >= 0).astype(z.dtype)
        return (_with_derivative_of(a, z), jnp.ones((), z.dtype)) if is_straight else (a, jnp.zeros((), z.dtype))

    return _layer("threshold", units, initializer, fire, "δ = d_a, as if the threshold were the identity" * is_straight)


@constructor
def stochastic(
    units: int, backward: str = "zero", initializer: initializers.Initializer = initializers.default
) -> Layer:
    """Units that are on with the probability σ(z), each drawn for each example; in prediction that probability itself.

    Args:
        units: q, the number of units.
        backward: what a draw passes back: "zero", its derivative, as in `threshold`; or "straight_through", an
            approximation that verification names as such: δ = d_a ⊙ σ'(z). Without a key the layer is one of sigmoids,
            and δ the gradient either way.
        initializer: initial values of W and b; parameters are of JAX's default float dtype, float32.

    Raises:
        TypeError, ValueError: as `threshold`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.stochastic(4)
    >>> params, shape = layer.init(jax.random.key(0), (3,))
    >>> y, trace = layer.forward(params, jnp.ones((9, 3)), fn.Context(jax.random.key(1)))
    >>> sorted(set(y.ravel().tolist()))
    [0.0, 1.0]
    >>> mean, trace = layer.forward(params, jnp.ones((9, 3)), fn.Context())
    >>> bool(jnp.all((0 < mean) & (mean < 1)))
    True
    """
    is_straight = _is_straight(backward, "stochastic")

    def fire(z, key):
        mean, slope = jax.nn.sigmoid(z), activations.sigmoid.derivative(z)
        if key is None:
            return mean, slope
        a = binary.sample(key, z)
        return (_with_derivative_of(a, mean), slope) if is_straight else (a, jnp.zeros((), z.dtype))

    return _layer("stochastic", units, initializer, fire, "δ = d_a σ'(z), as if a draw were its mean" * is_straight)


def _with_derivative_of(a, substitute):
    """The value a to the bit, with the derivative of its substitute: what is added is 0."""
    return lax.stop_gradient(a) + (substitute - lax.stop_gradient(substitute))


def _is_straight(backward: Any, name: str) -> bool:
    validate.choice(backward, BACKWARD, f"{name}: backward")
    return backward == "straight_through"


def _layer(name: str, units: Any, initializer: Any, fire: Callable[..., tuple[Any, Any]], approximation: str) -> Layer:
    """The layer whose units do `fire(z, key) -> (a, s)`."""
    units = validate.count(units, f"{name}: units", "give the number of units")
    validate.is_instance(
        initializer, initializers.Initializer, f"{name}: initializer", "take one from fnnets.initializers"
    )

    def init(key, shape):
        weights_key, biases_key = jax.random.split(key)
        weights = initializer.weights(-1, -2)(weights_key, (units, *shape), jnp.result_type(float))
        return DenseParams(weights, initializer.biases(biases_key, (units,), jnp.result_type(float))), (units,)

    def forward(params: DenseParams, x: Float[Array, "*n p"], context: Context):
        a, slope = fire(taps.tap("z", x @ params.weights.T + params.biases), context.key)
        return a, BinaryTrace(x, slope)

    def backward(params: DenseParams, trace: BinaryTrace, d_y: Float[Array, "*n q"]):
        delta = taps.delta("z", d_y * trace.slope, "straight-through" if approximation else "2")
        leading = tuple(range(delta.ndim - 1))
        d_weights = jnp.tensordot(delta, trace.x, axes=(leading, leading))
        return DenseParams(d_weights, jnp.sum(delta, axis=leading)), delta @ params.weights

    statements: PyTree = DenseParams("4, 6", "3, 5")  # type: ignore[arg-type]
    return Layer(
        init, forward, backward, name, statements, approximation=approximation, input_statement="2",
        expects="x (…, p), weights (q, p), biases (q)", trace=BinaryTrace,
        answer=lambda params, trace: (*trace.x.shape[:-1], params.weights.shape[0]),
    )  # fmt: skip
