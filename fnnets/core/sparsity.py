"""A target for the mean activity of binary units: costs that look at a whole batch, with their own term of δ.

    forward:   ĥ = σ(t),  q_j = 1/N Σ_n ĥ_nj,  or Σ_n v_n ĥ_nj / Σ_n v_n with weights v of the examples
               S = s Σ_j  p log p/q_j + (1 − p) log (1 − p)/(1 − q_j)         nats
    backward:  ∂S/∂q_j = s ((1 − p)/(1 − q_j) − p/q_j),   ∂q_j/∂t_nj = 1/N ĥ (1 − ĥ)
               δ_nj = s ((1 − p) ĥ_nj u_nj − p (1 − ĥ_nj) w_nj)
               w_nj = ĥ_nj / Σ_m ĥ_mj,   u_nj = (1 − ĥ_nj) / Σ_m (1 − ĥ_mj);  v_n ĥ_nj for ĥ_nj with weights

| symbol | name in code | shape |
|---|---|---|
| t | `t`, weighted inputs | (N, q) |
| p | `target` | () |
| s | `weight` | () |
| w, u | softmax over examples of log ĥ and of log (1 − ĥ) | (N, q) |

The quotients are computed from t, as a softmax of logarithms: a unit that is off for every example has q = 0 in
floating point, and still a finite cost and the right slope. Where devices share the examples both logarithms of sums
are those of all shares, by one collective.

An `Activity` is such a cost within a network: the layer gives the weighted inputs that it reads as a second output, and
their δ enters the same backward walk.

Source: [Hinton2010], section 11, which takes this cross-entropy with a decaying average for q; [Lee2008]; for
autoencoders [Ng2011].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import calls, shares, validate

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Activity(NamedTuple):
    """A cost of weighted inputs t that are the second output of a network's layer, and its δ.

    Attributes:
        value: `(t, weights=None, total_weight=None) -> S`, (N, q) to (); the others as `Batch` has them.
        delta: `(t, weights=None, total_weight=None) -> ∂S/∂t`, (N, q).
        name: what reports call it.
        means: how many collectives `delta` takes where devices share the examples.
    """

    value: Callable[..., Float[Array, ""]]
    delta: Callable[..., Float[Array, "n q"]]
    name: str = "activity"
    means: int = 1


@calls.record
class Sparsity(NamedTuple):
    """The mean activity that sigmoid units should have, and what a departure costs: 0 < mean < 1, weight ≥ 0.

    >>> Sparsity(0.1, 0.5).mean
    0.1
    """

    mean: float
    weight: float = 1.0


def activity(target: Sparsity | float, name: str) -> Activity:
    """The sparsity cost of binary units, as networks take it.

    Args:
        target: p with its weight s, or p alone for s = 1.
        name: what the argument is called in messages.

    Raises:
        TypeError, ValueError: p outside (0, 1), s < 0.

    >>> import jax.numpy as jnp
    >>> round(float(activity(0.5, "sparsity").value(jnp.zeros((3, 2)))), 6)          # q = p: nothing to pay
    0.0
    """
    chosen = target if isinstance(target, Sparsity) else Sparsity(target)
    p, weight = chosen
    if isinstance(p, tuple | list) and len(p) == 2:
        raise TypeError(f"{name} is {target!r}, expected a number or a Sparsity; write fnnets.Sparsity{tuple(p)}")
    validate.within(p, 0.0, 1.0, f"{name} target", "0.01 to 0.1 is common")
    if p == 1:
        raise ValueError(f"{name} target is 1, expected a mean activity below 1; 0.01 to 0.1 is common")
    validate.at_least(weight, 0.0, f"{name} weight", "give what a nat of departure costs")

    def value(t: Float[Array, "n q"], weights=None, total_weight=None) -> Float[Array, ""]:
        (log_h, log_rest), log_n = _logarithms(t, weights, total_weight)
        log_q, log_rest = (log_sum - log_n for log_sum in _log_sums(log_h, log_rest, total_weight))
        entropy = p * math.log(p) + (1 - p) * math.log1p(-p)
        return weight * jnp.sum(entropy - p * log_q - (1 - p) * log_rest)

    def delta(t: Float[Array, "n q"], weights=None, total_weight=None) -> Float[Array, "n q"]:
        (log_h, log_rest), _ = _logarithms(t, weights, total_weight)
        log_sum, log_sum_of_rest = _log_sums(log_h, log_rest, total_weight)
        w, u = jnp.exp(log_h - log_sum), jnp.exp(log_rest - log_sum_of_rest)
        return weight * ((1 - p) * jax.nn.sigmoid(t) * u - p * jax.nn.sigmoid(-t) * w)

    return Activity(value, delta, f"sparsity {p:g}")


def _logarithms(t, weights, total_weight):
    """Log v ĥ and log v (1 − ĥ), (N, q), and log of the sum of the weights v."""
    logarithms = jax.nn.log_sigmoid(t), jax.nn.log_sigmoid(-t)
    if weights is None:
        return logarithms, math.log(len(t)) if total_weight is None else jnp.log(jnp.asarray(total_weight, t.dtype))
    least = jnp.finfo(t.dtype).tiny  # whose logarithm is finite, as a share may hold weights of 0 alone
    log_v = jnp.log(jnp.maximum(weights.astype(t.dtype), least))[:, None]
    whole = jnp.sum(weights) if total_weight is None else jnp.asarray(total_weight)
    return tuple(each + log_v for each in logarithms), jnp.log(shares.positive(whole)).astype(t.dtype)


def _log_sums(log_h, log_rest, total_weight):
    """Log Σ v ĥ and log Σ v (1 − ĥ), (q,) each, over all shares."""
    sums = jnp.stack([jax.nn.logsumexp(each, axis=0) for each in (log_h, log_rest)])
    return sums if total_weight is None else jax.nn.logsumexp(shares.gathered(sums), axis=0)
