"""The mean over examples and steps: the cost of a batch, and each example's part of it.

    one answer an example     C = 1/N Σ_n c(z[n], y[n]),  δ(L)[n] = 1/N ∂c/∂z[n]                     (1)
    answers at every step     C = 1/N Σ_n 1/T_n Σ_t c(z[t,n], y[t,n])      t over the real steps of sequence n
                              δ(L)[t,n] = 1/N 1/T_n ∂c/∂z[t,n]             (7), 0 at padded steps
    with weights              C = Σ ω c / Σ ω,  δ(L) = ω/Σω ∂c/∂z          ω = w, at every step w/T_n
    a share of a minibatch    Σ ω over the whole minibatch, which is `batch.total_weight`

| symbol | name in code | shape |
|---|---|---|
| c | `values` | (N,), or (T, N) with answers at every step |
| real steps | `mask` | (T, N) bool; None where nothing is padded |
| w | `weights` | (N,), or (T, N) with answers at every step; None for 1 |
| T_n | `lengths(mask)` | (N,) |
| Σω of the minibatch | `total_weight` | (); None where the batch is whole |

Source: [Rauber], section 6, whose cost of a sequence is the mean over its steps; (7) stands in the place of (1) there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp

from fnnets.core import sequences, shares
from fnnets.core.types import Batch, Time

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


def lengths(mask) -> Int[Array, " n"]:
    """T_n, the real steps of each sequence.

    >>> import jax.numpy as jnp
    >>> lengths(jnp.array([[True, True], [True, False]])).tolist()
    [2, 1]
    """
    return jnp.sum(mask, axis=0)


def mean(values: Float[Array, "*n"], mask, weights=None, total_weight=None) -> Float[Array, ""]:
    """1/N Σ_n 1/T_n Σ_t over real steps, or Σ ω c / Σ ω with weights; the plain mean where nothing is padded.

    >>> import jax.numpy as jnp
    >>> float(mean(jnp.array([[1.0, 4.0], [3.0, 9.0]]), jnp.array([[True, True], [True, False]])))    # (2 + 4) / 2
    3.0
    >>> float(mean(jnp.array([1.0, 4.0]), None, jnp.array([2.0, 1.0])))                                      # 6 / 3
    2.0
    """
    if weights is not None or total_weight is not None:
        share = _weighted(values, mask, weights, total_weight)
        return jnp.sum(jnp.where(share > 0, values, 0) * share)
    if mask is None:
        return jnp.mean(values)
    return jnp.sum(jnp.where(mask, values, 0) * _share(values, mask))


def spread(delta: Float[Array, "*n d"], mask, weights=None, total_weight=None) -> Float[Array, "*n d"]:
    """∂ of `mean` of the values whose ∂/∂z is `delta`: each step's share of it, 0 at padded steps."""
    if weights is not None or total_weight is not None:
        share = _weighted(delta[..., 0], mask, weights, total_weight)[..., None]
        return jnp.where(share > 0, delta, 0) * share
    if mask is None:
        return delta / (delta.size // delta.shape[-1])
    return jnp.where(mask[..., None], delta, 0) * _share(delta, mask)[..., None]


def weight(time: Time, batch: Batch) -> Array | int:
    """Σ ω of a batch: N where nothing has a weight.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> x = jnp.ones((2, 3, 1))
    >>> weight("sequence to sequence", fn.Batch(x, x)), float(weight("pointwise", fn.Batch(x, weights=jnp.ones(2) / 4)))
    (3, 0.5)
    """
    if batch.weights is None:
        return sequences.count(time, batch)
    mask = batch.mask if time == "sequence to sequence" else None
    own = jnp.asarray(batch.weights)[..., : sequences.count(time, batch)]  # those of the samples of an RBM may follow
    return jnp.sum(_counted(own, mask))


def _weighted(like, mask, weights, total_weight):
    """ω / Σω of each value, in the dtype of `like`; Σω is that of the minibatch where `like` is a share's."""
    w = jnp.ones(like.shape[-1:], _at_least_single(like)) if weights is None else weights.astype(_at_least_single(like))
    omega = _counted(jnp.broadcast_to(w, like.shape) if like.ndim > 1 else w, mask)
    whole = jnp.sum(omega) if total_weight is None else jnp.asarray(total_weight, omega.dtype)
    return (omega / shares.positive(whole)).astype(like.dtype)


def _counted(w, mask):
    """ω: the weights, at every step divided by the steps; (T, N) weights where there are steps, else (N,)."""
    if w.ndim == 1:
        return w
    return w / len(w) if mask is None else jnp.where(mask, w, 0) / jnp.maximum(lengths(mask), 1).astype(w.dtype)


def _share(like, mask):
    """1/N 1/T_n, (N,), in the dtype of `like`."""
    return (1 / (mask.shape[1] * jnp.maximum(lengths(mask), 1).astype(_at_least_single(like)))).astype(like.dtype)


def _at_least_single(like):
    return like.dtype if jnp.finfo(like.dtype).bits >= 32 else jnp.float32
