"""Kinds of stochastic units: what a unit is and does, given its weighted input t.

    p(x | t) ∝ exp(t x) dν(x)        Φ(t) = log ∫ exp(t x) dν(x)        E[x | t] = Φ'(t)

    binary     x in {0, 1}, ν counts         Φ(t) = log(1 + exp t)      Φ'(t) = 1 / (1 + exp −t)
    gaussian   x real, ν = N(0, 1)           Φ(t) = t²/2                Φ'(t) = t,  x ~ N(t, 1)

| symbol | name in code | shape |
|---|---|---|
| t | `t` | any |
| Φ(t) | `units.potential(t)`, nats | as t |
| E[x given t] | `units.mean(t)` | as t |
| log dν/dx | `−units.curvature x²/2 − units.constant`, nats | as x |

Every unit of this form has its derivation in one line, as Φ' is its mean: that is why restricted Boltzmann machines
here need no case for their kinds. A Gaussian unit has the variance 1: data are to be standardised.

Source: [Welling2004]; [Hinton2010], section 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Units(NamedTuple):
    """A kind of stochastic unit, elementwise in its weighted input t.

    Attributes:
        name: "binary" or "gaussian".
        potential: `t -> Φ(t)` in nats.
        mean: `t -> E[x | t] = Φ'(t)`: a probability for binary units.
        sample: `(key, t) -> x`.
        bias: `E[x] -> t`: the weighted input at which a unit has that mean.
        curvature: 1 where ν is Gaussian, 0 where it counts.
        constant: log √2π where ν is Gaussian, 0 where it counts.
        domain: the lowest and the highest value; None for all real numbers.
    """

    name: str
    potential: Callable[[Float[Array, "*t"]], Float[Array, "*t"]]
    mean: Callable[[Float[Array, "*t"]], Float[Array, "*t"]]
    sample: Callable[..., Float[Array, "*t"]]
    bias: Callable[[Float[Array, "*t"]], Float[Array, "*t"]]
    curvature: float
    constant: float
    domain: tuple[float, float] | None


SMALLEST = 1e-3


def _bernoulli(key, t: Float[Array, "*t"]) -> Float[Array, "*t"]:
    """1 with probability 1 / (1 + exp −t), else 0, in the dtype of t."""
    wide = t.dtype if jnp.finfo(t.dtype).bits >= 32 else jnp.float32
    return jax.random.bernoulli(key, jax.nn.sigmoid(t.astype(wide))).astype(t.dtype)


def _normal(key, t: Float[Array, "*t"]) -> Float[Array, "*t"]:
    """A draw from N(t, 1)."""
    return t + jax.random.normal(key, t.shape, t.dtype)


def _log_odds(mean: Float[Array, "*t"]) -> Float[Array, "*t"]:
    """log m/(1 − m), with m held within 0.001 and 0.999: a pixel that is never on must stay able to be."""
    mean = jnp.clip(mean, SMALLEST, 1 - SMALLEST)
    return jnp.log(mean) - jnp.log1p(-mean)


binary = Units("binary", jax.nn.softplus, jax.nn.sigmoid, _bernoulli, _log_odds, 0.0, 0.0, (0.0, 1.0))
gaussian = Units(
    "gaussian", lambda t: 0.5 * t * t, lambda t: t, _normal, lambda mean: mean, 1.0, 0.5 * math.log(2 * math.pi), None
)
KINDS = {"binary": binary, "gaussian": gaussian}


def log_measure(units: Units, x: Float[Array, "*n d"]) -> Float[Array, "*n"]:
    """log dν/dx, summed over the last axis: 0 for binary units.

    >>> import jax.numpy as jnp
    >>> round(float(log_measure(gaussian, jnp.ones(1))), 4)
    -1.4189
    """
    return -0.5 * units.curvature * jnp.sum(x * x, axis=-1) - units.constant * x.shape[-1]
