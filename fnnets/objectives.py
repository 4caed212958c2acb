"""Output activations with the costs that belong to them, each with its own statement (1), from z and never from log a.

`custom` makes one of any other cost, which then depends on a alone.

    forward:   a = σ(z)                                                      prediction
    squared error          c = ½ Σ (σ(z) − y)²                               squared units of y
    sigmoid cross-entropy  c = Σ softplus(z) − y z                           nats
    softmax likelihood     c = Σ y (log Σ exp z − z)                         nats
    difference             c = Σ y z                                         of two phases, y their signs
    custom                 c(a, y)                                           as the cost has it

    backward:  δ(L) = ∂c/∂z                                                  (1)
    squared error          δ = (a − y) ⊙ σ'(z);  linear outputs: a − y
    sigmoid cross-entropy  δ = a − y                                         σ' cancels: a saturated unit learns
    softmax likelihood     δ = a Σ y − y                                     Σ y = 1 for one-hot rows and labels
    difference             δ = y
    custom                 δ = ∇ₐc ⊙ σ'(z);  coupled outputs: δ_j = Σ_k ∂c/∂a_k ∂a_k/∂z_j

| symbol | name in code | shape |
|---|---|---|
| z | `z` | (…, d) |
| y | `y` | (…, d), or (…) integer labels for the softmax |
| c | `objective.value(z, y)` | (…) |
| ∇ₐc | `cost_gradient(a, y)` | (…, d) |
| δ(L) | `objective.delta(z, y)` | (…, d) |

A custom objective is computed from a, so it is not stable where outputs are saturated. Shapes and dtypes of its
functions' results are validated where it is used, as a cost may be made for one number of outputs.

Source: [Rauber], section 2, statement (1), and section 3, whose softmax and linear outputs have another statement in
its place. The mean over the batch is the network's, not the objective's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets import activations
from fnnets.core import arrays, calls, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Objective

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num, PyTree


@constructor
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
    validate.is_instance(
        activation, activations.Activation, "squared_error: activation", "take one from fnnets.activations"
    )

    def value(z: Float[Array, "*n d"], y: Float[Array, "*n d"]) -> Float[Array, "*n"]:
        error = activation.value(z) - y
        return 0.5 * jnp.sum(error * error, axis=-1)

    def delta(z: Float[Array, "*n d"], y: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        return (activation.value(z) - y) * activation.derivative(z)

    return _guarded(Objective(activation.value, value, delta, f"squared_error({activation.name})"))


@constructor
def custom(
    cost: Callable[[Array, Array], Array],
    cost_gradient: Callable[[Array, Array], Array],
    activation: activations.Activation | activations.CoupledActivation,
    name: str = "custom",
    labels: bool = False,
    domain: tuple[float, float] | None = None,
) -> Objective:
    """Statement (1) for any cost of the outputs: c(σ(z), y), with δ = ∇ₐc ⊙ σ'(z).

    Where each output depends on all weighted inputs the activation is a `CoupledActivation`, and δ its pullback of ∇ₐc.

    What is computed from a knows no more than a: where an output is saturated, log a is infinite and ∇ₐc ⊙ σ'(z) may be
    0/0. The package's own objectives are computed from z and have no such places, so prefer them where they fit.

    Args:
        cost: `(a, y) -> c` of one batch, (…, d) to (…): each example's cost, of the dtype of a.
        cost_gradient: `(a, y) -> ∇ₐc`, written by hand, of the shape and dtype of a. Where it is not the gradient of
            `cost`, `fn.verify.network` says so in the row of statement (1).
        activation: σ with its derivative, or with its pullback.
        name: what reports call the objective.
        labels: whether y may be integer labels of shape (…,) as well, which both functions then have to read.
        domain: the lowest and the highest target for which the cost is meant, as (0, 1) of a cross-entropy; None for
            all finite ones.

    Raises:
        TypeError: a function that cannot be called, an activation of another type; when the objective is used, before
            anything is computed, a result that is no array or of another dtype.
        ValueError: when the objective is used, a result of another shape.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> huber = fn.objectives.custom(
    ...     lambda a, y: jnp.sum(jnp.sqrt(1 + (a - y) ** 2) - 1, axis=-1),
    ...     lambda a, y: (a - y) / jnp.sqrt(1 + (a - y) ** 2),
    ...     fn.activations.identity,
    ...     "pseudo-Huber",
    ... )
    >>> huber.delta(jnp.array([[0.75, 9.0]]), jnp.array([[0.0, 9.0]])).tolist()
    [[0.6000000238418579, 0.0]]
    """
    validate.is_instance(name, str, "custom: name", "give what reports call the objective")
    validate.flag(labels, "custom: labels", "True takes labels as well")
    _check_domain(domain)
    validate.is_function(cost, "custom: cost", "give a function (a, y) -> c")
    validate.is_function(cost_gradient, "custom: cost_gradient", "give a function (a, y) -> ∇ₐc")
    pull = _pull(activation)

    def outputs(z):
        a = jax.eval_shape(activation.value, z)
        return _as_expected(a, "activation.value", z.shape, z.dtype, "keep the shape and dtype of z")

    def value(z: Float[Array, "*n d"], y: Num[Array, "*shape"]) -> Float[Array, "*n"]:
        found = jax.eval_shape(cost, outputs(z), y)
        remedy = "sum over the last axis alone, in the dtype of a: the mean over the batch is the network's"
        _as_expected(found, "cost", z.shape[:-1], z.dtype, remedy)
        return cost(activation.value(z), y)

    def delta(z: Float[Array, "*n d"], y: Num[Array, "*shape"]) -> Float[Array, "*n d"]:
        found = jax.eval_shape(cost_gradient, outputs(z), y)
        _as_expected(found, "cost_gradient", z.shape, z.dtype, "give a derivative for each output, in the dtype of a")
        return pull(z, cost_gradient(activation.value(z), y))

    return _guarded(Objective(activation.value, value, delta, name, labels, domain))


def _guarded(objective: Objective) -> Objective:
    """The objective, whose cost and δ refuse labels out of range, and y of another shape than z, which would broadcast.

    >>> softmax_log_likelihood.value(jnp.zeros((2, 3)), jnp.array([0, 3]))
    Traceback (most recent call last):
    ValueError: softmax_log_likelihood: y holds labels from 0 to 3, expected 0 to 2; give the network an output \
for each class, or renumber the labels
    """

    def checked(function):
        @functools.wraps(function)
        def call(z, y):
            _check_targets(objective, z, y)
            return function(z, y)

        return calls.twins(call, function)

    return objective._replace(value=checked(objective.value), delta=checked(objective.delta))


def _check_targets(objective: Objective, z: Array, y: Array) -> None:
    """Raise unless y is an array like z, or of labels where they are allowed."""
    for name, value in (("z", z), ("y", y)):
        if not hasattr(value, "shape"):
            raise TypeError(f"{objective.name}: {name} is {value!r}, expected an array; write jnp.asarray({name})")
    is_integer = jnp.issubdtype(y.dtype, jnp.integer)
    if objective.labels and is_integer and y.shape == z.shape[:-1]:
        arrays.in_range(y, z.shape[-1], f"{objective.name}: y")
    elif y.shape != z.shape:
        labels = f", or integer labels of shape {z.shape[:-1]}" * objective.labels
        raise ValueError(
            f"{objective.name}: y has shape {y.shape} and dtype {y.dtype}, expected {z.shape} as z{labels}; give each "
            "output a target"
        )


def _pull(activation: activations.Activation | activations.CoupledActivation) -> Callable[[Array, Array], Array]:
    """`(z, ∇ₐc) -> δ(L)`, statement (1), or its sum over the outputs where they are coupled."""
    if isinstance(activation, activations.CoupledActivation):
        return activation.pullback
    remedy = "take one from fnnets.activations, or make a CoupledActivation where outputs depend on each other"
    validate.is_instance(activation, activations.Activation, "custom: activation", remedy)
    return lambda z, d_a: d_a * activation.derivative(z)


def _check_domain(domain: object) -> None:
    """Raise unless a domain is None, or two numbers of which the first is less."""
    if domain is None:
        return
    ends: Any = domain if isinstance(domain, tuple | list) and len(domain) == 2 else (None, None)
    is_pair = all(isinstance(end, int | float | np.number) and not isinstance(end, bool) for end in ends)
    if not is_pair or not ends[0] < ends[1]:
        raise ValueError(
            f"custom: domain is {domain!r}, expected None or the lowest and the highest target; write (0.0, 1.0)"
        )


def _as_expected(found: PyTree, function: str, shape: tuple[int, ...], dtype: object, remedy: str) -> PyTree:
    """The output of `function`, refused unless it is an array of that shape and dtype."""
    if not hasattr(found, "shape"):
        raise TypeError(f"custom: {function} returns {type(found).__name__}, expected an array; {remedy}")
    if found.shape != shape:
        raise ValueError(f"custom: {function} returns shape {found.shape}, expected {shape}; {remedy}")
    if found.dtype != dtype:
        raise TypeError(f"custom: {function} returns dtype {found.dtype}, expected {dtype}; {remedy}")
    return found


def _half_square(z: Float[Array, "*n d"], y: Float[Array, "*n d"]) -> Float[Array, "*n"]:
    """½ ‖z − y‖²."""
    error = z - y
    return 0.5 * jnp.sum(error * error, axis=-1)


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
    if not jnp.issubdtype(y.dtype, jnp.integer):
        return y
    return jax.nn.one_hot(y.astype(jnp.int32), z.shape[-1], dtype=z.dtype)  # 300 classes do not fit into uint8


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
linear_squared_error = Objective(activations.identity.value, _half_square, lambda z, y: z - y, "linear_squared_error")
sigmoid_cross_entropy = Objective(
    jax.nn.sigmoid, _cross_entropy, _cross_entropy_delta, "sigmoid_cross_entropy", domain=(0.0, 1.0)
)
softmax_log_likelihood = Objective(
    jax.nn.softmax, _log_likelihood, _log_likelihood_delta, "softmax_log_likelihood", True, (0.0, 1.0), True
)
linear_squared_error, sigmoid_cross_entropy, softmax_log_likelihood = map(
    _guarded, (linear_squared_error, sigmoid_cross_entropy, softmax_log_likelihood)
)
