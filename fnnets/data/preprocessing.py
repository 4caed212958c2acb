"""Transformations fitted on the training inputs and applied to all: standardisation and ZCA whitening.

    standardisation:  x' = (x − μ) / s          s = 1 where a feature is constant, so that it gives 0
    ZCA whitening:    Σ = 1/N Σ_i (x_i − μ)(x_i − μ)ᵀ = U Λ Uᵀ
                      x' = P (x − μ)            P = U (Λ + ε)^(−1/2) Uᵀ
                      x  = P⁻¹ x' + μ           P⁻¹ = U (Λ + ε)^(1/2) Uᵀ

| symbol | name in code | shape |
|---|---|---|
| x | `inputs` | (N, …); (N, p) for whitening |
| μ | `mean` + `rest`: its float, and what that leaves over | (…) |
| s | `scale` | (…) |
| P, P⁻¹ | `matrix`, `inverse` | (p, p) |
| ε | `epsilon` | () |

Of all matrices that whiten, the symmetric P changes the inputs least: whitened images still look like images.
Statistics are computed in float64 by NumPy, in two passes, from inputs of every dtype; so is x' of inputs of more bits
than JAX's floats. While JAX traces they are computed in its floats, of at least 32 bits.
Source: [Rauber], section 4, for standardisation; [Bell1997] for ZCA.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, calls, validate

if TYPE_CHECKING:
    from jaxtyping import Array, Float

BLOCK = 2**20
"""Numbers that are held in float64 at a time."""


class Standardisation(NamedTuple):
    """x' = (x − μ) / s, with μ = `mean` + `rest` and s of the shape of one example."""

    mean: Float[Array, "*shape"]
    scale: Float[Array, "*shape"]
    rest: Any = 0.0

    def apply(self, inputs) -> Float[Array, "n ..."]:
        """x' of inputs (N, …), of the dtype of μ.

        Raises:
            TypeError, ValueError: they are no numbers, not shaped like the training's, or not finite.
        """
        near, exact = _like(inputs, self.mean, "Standardisation.apply: inputs")
        if exact is None:
            return (near - self.mean[None] - jnp.asarray(self.rest, near.dtype)) / self.scale[None]
        mean, scale = _sum(self.mean, self.rest), np.asarray(self.scale, np.float64)
        return _blockwise(exact, lambda x: (x - mean) / scale, self.mean.dtype, "Standardisation.apply: x'")

    def invert(self, outputs) -> Float[Array, "n ..."]:
        """x of x' (N, …); raises as `apply`."""
        near = jnp.asarray(_like(outputs, self.mean, "Standardisation.invert: outputs")[0], self.mean.dtype)
        x = near * self.scale[None] + jnp.asarray(self.rest, near.dtype) + self.mean[None]
        validate.finite(x, "Standardisation.invert: x of these outputs")
        return x


class Whitening(NamedTuple):
    """x' = P (x − μ), with μ = `mean` + `rest` (p,), P and P⁻¹ (p, p)."""

    mean: Float[Array, " p"]
    matrix: Float[Array, "p p"]
    inverse: Float[Array, "p p"]
    rest: Any = 0.0

    def apply(self, inputs) -> Float[Array, "n p"]:
        """x' of inputs (N, p), of the dtype of μ.

        Raises:
            TypeError, ValueError: they are no numbers, have not p features, or are not finite.
        """
        near, exact = _like(inputs, self.mean, "Whitening.apply: inputs")
        if exact is None:
            centred = near - self.mean[None] - jnp.asarray(self.rest, near.dtype)
            return jnp.matmul(centred, self.matrix, precision="highest")
        mean, matrix = _sum(self.mean, self.rest), np.asarray(self.matrix, np.float64)
        return _blockwise(exact, lambda x: (x - mean) @ matrix, self.mean.dtype, "Whitening.apply: x'")

    def invert(self, outputs) -> Float[Array, "n p"]:
        """x of x' (N, p); raises as `apply`."""
        near = jnp.asarray(_like(outputs, self.mean, "Whitening.invert: outputs")[0], self.mean.dtype)
        x = jnp.matmul(near, self.inverse, precision="highest") + jnp.asarray(self.rest, near.dtype) + self.mean[None]
        validate.finite(x, "Whitening.invert: x of these outputs")
        return x


@calls.strict("standardisation")
def standardisation(inputs) -> Standardisation:
    """Mean and standard deviation (with 1/N) of every feature over the training inputs.

    Args:
        inputs: (N, …) numbers, the training inputs only, of any dtype.

    Returns:
        A `Standardisation` with `.apply(inputs)` and `.invert(outputs)`, in float32, or in float64 for float64 or
        integers where JAX is set to 64 bits. A feature that is constant in training, or varies by no more than the
        rounding of its float64 numbers, gives 0 there, and x − μ elsewhere.

    Raises:
        TypeError: `inputs` cannot be read as numbers.
        ValueError: they hold no example, no feature axis, values that are not finite, or a feature whose deviation
            these floats do not hold beside its mean.

    >>> import jax.numpy as jnp
    >>> standardisation(jnp.array([[1.0, 7.0], [3.0, 7.0]])).apply(jnp.array([[1.0, 7.0], [5.0, 8.0]])).tolist()
    [[-1.0, 0.0], [3.0, 1.0]]
    """
    x = _training(inputs, "standardisation: inputs")
    dtype = _dtype(x.dtype)
    if not validate.is_concrete(x):
        return Standardisation(*_moments(x.astype(dtype)))
    mean, scale = _exact_moments(np.asarray(x))
    _check_scale(mean, scale, dtype, "standardisation: inputs")
    near = mean.astype(dtype)
    return Standardisation(jnp.asarray(near), jnp.asarray(scale, dtype), jnp.asarray(mean - near, dtype))


@calls.strict("whitening")
def whitening(inputs, epsilon: float = 0.01) -> Whitening:
    """ZCA whitening fitted on the training inputs: decorrelated features, each direction of unit variance.

    Args:
        inputs: (N, p) numbers, the training inputs only, of any dtype.
        epsilon: ε > 0, a variance in the inputs' units squared. A direction of variance λ gets the variance
            λ / (λ + ε): those far below ε, mostly noise, are not blown up.

    Returns:
        A `Whitening` with `.apply(inputs)` and `.invert(outputs)`, in the floats of `standardisation`.

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
    dtype = _dtype(x.dtype)
    if not (validate.is_concrete(x) and validate.is_concrete(epsilon)):
        return Whitening(*_zca(x.astype(dtype), epsilon))
    mean, matrix, inverse = _exact_zca(np.asarray(x), float(epsilon))
    largest = max(np.abs(matrix).max(), np.abs(inverse).max())
    if largest > np.finfo(dtype).max:
        raise ValueError(
            f"whitening: epsilon is {epsilon}, for which P or its inverse holds numbers up to {largest:g}, expected at "
            f"most {np.finfo(dtype).max:g}, as {dtype} holds; give a variance nearer to the inputs'"
        )
    near = mean.astype(dtype)
    return Whitening(jnp.asarray(near), *(jnp.asarray(each, dtype) for each in (matrix, inverse, mean - near)))


def _exact_moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """μ and s in float64; s = 1 where a feature is constant."""
    mean = _mean(x, lambda block: block)
    # The rounded mean of equal numbers may differ from them, and its "deviation" is then rounding noise.
    constant = x.min(axis=0) == x.max(axis=0)
    mean = np.where(constant, x[0].astype(np.float64), mean)
    largest = np.max([np.abs(block - mean).max(axis=0) for block in _blocks(x)], axis=0)  # its square may underflow
    unit = np.where(largest == 0, 1.0, largest)
    deviation = unit * np.sqrt(_mean(x, lambda block: ((block - mean) / unit) ** 2))
    if x.dtype in (np.float32, np.float64):
        constant |= deviation < np.finfo(x.dtype).tiny  # JAX computes with 0 in place of such numbers
    if x.dtype == np.float64:
        constant |= deviation <= 8 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, deviation)


def _exact_zca(x: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """μ, P and P⁻¹ in float64."""
    mean = _mean(x, lambda block: block)
    covariance = sum((block - mean).T @ (block - mean) for block in _blocks(x)) / len(x)
    variances, directions = np.linalg.eigh(covariance)
    # Rounding can leave the variance of a degenerate direction just below zero.
    deviations = np.sqrt(np.maximum(variances, 0.0) + epsilon)
    return mean, (directions / deviations) @ directions.T, (directions * deviations) @ directions.T


def _mean(x: np.ndarray, term) -> np.ndarray:
    """The mean over the examples of `term` of a block, in float64."""
    total = np.zeros(x.shape[1:])
    for block in _blocks(x):
        total += np.sum(term(block) / len(x), axis=0)
    return total


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    """The examples in float64, so many at a time that they are few bytes beside a large data set."""
    rows = max(1, BLOCK // max(1, x[0].size))
    return (x[start : start + rows].astype(np.float64) for start in range(0, len(x), rows))


def _check_scale(mean: np.ndarray, scale: np.ndarray, dtype, name: str) -> None:
    """Raise where floats of this dtype hold no such deviation, or not beside so large a mean, in two floats."""
    info = np.finfo(dtype)
    lost = (scale < info.tiny) | (np.abs(mean) * float(info.eps) ** 2 > 1e-3 * scale)
    if lost.any():
        where = tuple(int(i) for i in np.argwhere(lost)[0])
        raise ValueError(
            f"{name} has a feature, at {where}, of mean {mean[where]:g} and deviation {scale[where]:g}, expected a "
            f"deviation that {np.dtype(dtype)} holds beside the mean; subtract the mean in NumPy first, and scale it"
        )


@jax.jit
def _moments(x):
    """μ and s."""
    constant = jnp.min(x, axis=0) == jnp.max(x, axis=0)
    mean = jnp.where(constant, x[0], jnp.mean(x, axis=0))
    largest = jnp.max(jnp.abs(x - mean[None]), axis=0)  # its square may underflow, or overflow
    unit = jnp.where(largest == 0, 1.0, largest)
    deviation = unit * jnp.sqrt(jnp.mean(((x - mean[None]) / unit[None]) ** 2, axis=0))
    return mean, jnp.where(deviation == 0, 1.0, deviation)


@jax.jit
def _zca(x, epsilon):
    """μ, P and P⁻¹."""
    mean = jnp.mean(x, axis=0)
    centred = x - mean[None]
    covariance = jnp.matmul(centred.T, centred, precision="highest") / x.shape[0]
    variances, directions = jnp.linalg.eigh(covariance)
    deviations = jnp.sqrt(jnp.maximum(variances, 0.0) + epsilon)[None]
    matrix = jnp.matmul(directions / deviations, directions.T, precision="highest")
    return mean, matrix, jnp.matmul(directions * deviations, directions.T, precision="highest")


def _training(inputs, name):
    x = validate.array(inputs, name)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"{name} has shape {x.shape}, expected (N, …) with N >= 1; give it training examples")
    validate.finite(x, name)
    arrays.fitting(x, name)  # raises for numbers that are infinite in JAX's floats
    return x


def _dtype(dtype) -> np.dtype:
    """The floats, of at least 32 bits, in which JAX is set to compute with inputs of a dtype."""
    is_float = jnp.issubdtype(dtype, jnp.floating)
    if is_float and dtype.itemsize < 4:
        return np.dtype(np.float32)
    return jax.dtypes.canonicalize_dtype(dtype if is_float else jnp.result_type(float))


def _like(inputs, mean, name):
    """Inputs, checked, in the dtype of μ; and as they came where that loses some of their bits, else None."""
    near = arrays.inputs(inputs, mean.shape, name)
    value = validate.array(inputs, name)
    is_exact = np.can_cast(value.dtype, mean.dtype) or value.dtype == jnp.bfloat16
    exact = None if is_exact or not all(map(validate.is_concrete, (value, mean))) else np.asarray(value)
    return (jnp.asarray(near, mean.dtype), None) if exact is None else (near, exact)


def _sum(mean, rest) -> np.ndarray:
    return np.asarray(mean, np.float64) + np.asarray(rest, np.float64)


def _blockwise(x: np.ndarray, function, dtype, name: str):
    """`function` of the examples in float64, as JAX's floats."""
    found = [function(block) for block in _blocks(x)] if len(x) else [x]
    return jnp.asarray(arrays.fitting(np.concatenate(found), name), dtype)
