"""Initial values of parameters: pairs of initializers for weights and biases, on top of `jax.nn.initializers`.

    default:  w ~ N(0, 1/p),       b ~ N(0, 1)        p inputs a unit; [Rauber], section 4
    large:    w ~ N(0, 1),         b ~ N(0, 1)        [Nielsen2015], chapters 1, 3: saturates wide units
    glorot:   w ~ N(0, 2/(p + q)), b = 0              p inputs, q outputs; [Glorot2010]
    he:       w ~ N(0, 2/p),       b = 0              for rectified units; [He2015]
    zeros:    w = 0,               b = 0

| symbol | name in code | shape |
|---|---|---|
| w | `scheme.weights(in_axis, out_axis)(key, shape, dtype)` | as the layer has it |
| b | `scheme.biases(key, shape, dtype)` | as the layer has it |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from jax.nn import initializers as jax_initializers

if TYPE_CHECKING:
    from jaxtyping import Array


class Initializer(NamedTuple):
    """The initial values of a layer's weights and biases.

    Attributes:
        weights: `(in_axis, out_axis) -> initializer`; the layer knows which axes of its weights are which.
        biases: an initializer `(key, shape, dtype) -> array`.

    >>> import jax, fnnets as fn
    >>> small = fn.initializers.Initializer(lambda i, o: jax.nn.initializers.normal(0.01), jax.nn.initializers.zeros)
    >>> params, _ = fn.layers.dense(3, initializer=small).init(jax.random.key(0), (2,))
    >>> params.biases.tolist()
    [0.0, 0.0, 0.0]
    """

    weights: Callable[[int, int], Callable[..., Array]]
    biases: Callable[..., Array]


def _scaled(scale: float, mode: Literal["fan_in", "fan_avg"], in_axis: int, out_axis: int) -> Callable[..., Array]:
    return jax_initializers.variance_scaling(scale, mode, "normal", in_axis, out_axis)


default = Initializer(partial(_scaled, 1.0, "fan_in"), jax_initializers.normal(1.0))
large = Initializer(lambda in_axis, out_axis: jax_initializers.normal(1.0), jax_initializers.normal(1.0))
glorot = Initializer(partial(_scaled, 1.0, "fan_avg"), jax_initializers.zeros)
he = Initializer(partial(_scaled, 2.0, "fan_in"), jax_initializers.zeros)
zeros = Initializer(lambda in_axis, out_axis: jax_initializers.zeros, jax_initializers.zeros)
