"""Transformations fitted on the training inputs and applied to all: standardisation and ZCA whitening.

    standardisation:  x' = (x − μ) / s          s = 1 where a feature is constant, so that it gives 0
    ZCA whitening:    Σ = 1/N Σ_i (x_i − μ)(x_i − μ)ᵀ = U Λ Uᵀ
                      x' = P (x − μ)            P = U (Λ + ε)^(−1/2) Uᵀ
                      x  = P⁻¹ x' + μ           P⁻¹ = U (Λ + ε)^(1/2) Uᵀ

| symbol | name in code | shape |
|---|---|---|
| x | `inputs` | (N, …); (N, p) for whitening |
| μ | `mean` | (…) |
| s | `scale` | (…) |
| P, P⁻¹ | `matrix`, `inverse` | (p, p) |
| ε | `epsilon` | () |

Of all matrices that whiten, the symmetric P changes the inputs least: whitened images still look like images.
Source: [Rauber], section 4, for standardisation; [Bell1997] for ZCA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import arrays, validate

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Standardisation(NamedTuple):
    """x' = (x − μ) / s, with μ and s of the shape of one example."""

    mean: Float[Array, "*shape"]
    scale: Float[Array, "*shape"]

    def apply(self, inputs) -> Float[Array, "n ..."]:
        """x' of inputs (N, …), of the dtype of μ; raises a ValueError if they are not shaped like the training's."""
        x = _like(inputs, self.mean, "Standardisation.apply: inputs")
        return (x - self.mean[None]) / self.scale[None]

    def invert(self, outputs) -> Float[Array, "n ..."]:
        """x of x' (N, …)."""
        return _like(outputs, self.mean, "Standardisation.invert: outputs") * self.scale[None] + self.mean[None]


class Whitening(NamedTuple):
    """x' = P (x − μ), with μ (p,), P and P⁻¹ (p, p)."""

    mean: Float[Array, " p"]
    matrix: Float[Array, "p p"]
    inverse: Float[Array, "p p"]

    def apply(self, inputs) -> Float[Array, "n p"]:
        """x' of inputs (N, p), of the dtype of μ; raises a ValueError if they have not p features."""
        x = _like(inputs, self.mean, "Whitening.apply: inputs")
        return jnp.matmul(x - self.mean[None], self.matrix, precision="highest")

    def invert(self, outputs) -> Float[Array, "n p"]:
        """x of x' (N, p)."""
        x = _like(outputs, self.mean, "Whitening.invert: outputs")
        return jnp.matmul(x, self.inverse, precision="highest") + self.mean[None]


def standardisation(inputs) -> Standardisation:
    """Mean and standard deviation (with 1/N) of every feature over the training inputs.

    Args:
        inputs: (N, …) numbers, the training inputs only; integers are taken as floats of JAX's default dtype.

    Returns:
        A `Standardisation` with `.apply(inputs)` and `.invert(outputs)`. A feature that is constant in training
        gives 0 there, and x − μ elsewhere.

    Raises:
        TypeError: `inputs` cannot be read as numbers.
        ValueError: they hold no example, no feature axis, or values that are not finite.

    >>> import jax.numpy as jnp
    >>> standardisation(jnp.array([[1.0, 7.0], [3.0, 7.0]])).apply(jnp.array([[1.0, 7.0], [5.0, 8.0]])).tolist()
    [[-1.0, 0.0], [3.0, 1.0]]
    """
    x = _training(inputs, "standardisation: inputs")
    return Standardisation(*_moments(x))


def whitening(inputs, epsilon: float = 0.01) -> Whitening:
    """ZCA whitening fitted on the training inputs: decorrelated features, each direction of unit variance.

    Args:
        inputs: (N, p) numbers, the training inputs only; integers are taken as floats of JAX's default dtype.
        epsilon: ε > 0, a variance in the inputs' units squared. A direction of variance λ gets the variance
            λ / (λ + ε): those far below ε, mostly noise, are not blown up.

    Returns:
        A `Whitening` with `.apply(inputs)` and `.invert(outputs)`.

    Raises:
        TypeError: `inputs` cannot be read as numbers.
        ValueError: they are not (N, p), hold no example or values that are not finite, or ε is not positive.

    >>> import jax, jax.numpy as jnp
    >>> x = jax.random.normal(jax.random.key(0), (500, 2)) @ jnp.array([[3.0, 2.0], [0.0, 1.0]])
    >>> bool(jnp.allclose(jnp.cov(whitening(x, epsilon=1e-6).apply(x).T, bias=True), jnp.eye(2), atol=1e-3))
    True
    """
    x = _training(inputs, "whitening: inputs")
    if x.ndim != 2:
        raise ValueError(f"whitening: inputs has shape {x.shape}, expected (N, p); reshape to ({x.shape[0]}, -1)")
    validate.above(epsilon, 0.0, "whitening: epsilon", "give the variance below which a direction is noise")
    return Whitening(*_zca(x, epsilon))


@jax.jit
def _moments(x):
    """μ and s."""
    # The rounded mean of equal numbers may differ from them, and its "deviation" is then rounding noise.
    constant = jnp.min(x, axis=0) == jnp.max(x, axis=0)
    mean = jnp.where(constant, x[0], jnp.mean(x, axis=0))
    deviation = jnp.sqrt(jnp.mean((x - mean[None]) ** 2, axis=0))  # zero where constant, or where squares underflow
    return mean, jnp.where(deviation == 0, 1.0, deviation)


@jax.jit
def _zca(x, epsilon):
    """μ, P and P⁻¹."""
    mean = jnp.mean(x, axis=0)
    centred = x - mean[None]
    covariance = jnp.matmul(centred.T, centred, precision="highest") / x.shape[0]
    variances, directions = jnp.linalg.eigh(covariance)
    # Rounding can leave the variance of a degenerate direction just below zero.
    deviations = jnp.sqrt(jnp.maximum(variances, 0.0) + epsilon)[None]
    matrix = jnp.matmul(directions / deviations, directions.T, precision="highest")
    return mean, matrix, jnp.matmul(directions * deviations, directions.T, precision="highest")


def _floats(value, name):
    value = validate.array(value, name)
    validate.finite(value, name)
    return jnp.asarray(value) if jnp.issubdtype(value.dtype, jnp.floating) else jnp.asarray(value, float)


def _training(inputs, name):
    x = _floats(inputs, name)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"{name} has shape {x.shape}, expected (N, …) with N >= 1; give it training examples")
    return x


def _like(inputs, mean, name):
    return jnp.asarray(arrays.inputs(inputs, mean.shape, name), mean.dtype)
