"""Corruption: in training the input is damaged, so that a network which is to restore it learns what belongs together.

    forward:   y = r ⊙ x + s                                                training, with a key
               y = x                                                        without
    masking            r ~ Bernoulli(1 − ν)          s = 0
    salt and pepper    r ~ Bernoulli(1 − ν)          s = (1 − r) ⊙ u,  u ~ Bernoulli(½)
    gaussian           r = 1                         s ~ N(0, ν²)
    backward:  d_x = r ⊙ d_y

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, …) |
| ν | `level` | () |
| r | `trace.scale` | as x; () where it is 1 |
| s | `added` | as x |

Derivation: r and s do not depend on x. Salt and pepper takes the values 0 and 1 for the least and the greatest ones.

Source: [Vincent2008]; [Vincent2010], section 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import validate
from fnnets.core.construction import constructor
from fnnets.core.types import Context, Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float

KINDS = ("masking", "gaussian", "salt and pepper")


class CorruptionTrace(NamedTuple):
    """The trace: r, or 1 where every number is passed on."""

    scale: Float[Array, "*shape"]


@constructor
def corruption(level: float, kind: str = "masking") -> Layer:
    """Damage the input in training, number by number; in prediction leave it as it is.

    Args:
        level: ν ≥ 0: the fraction of numbers that are lost, at most 1, or the standard deviation of Gaussian noise.
        kind: "masking" (lost numbers are 0), "salt and pepper" (they are 0 or 1), or "gaussian".

    Raises:
        TypeError, ValueError: `level` is no number, or out of range; a kind that is none.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.corruption(0.5)
    >>> layer.forward((), jnp.full((1, 3), 0.5), fn.Context())[0].tolist()
    [[0.5, 0.5, 0.5]]
    >>> sorted(set(layer.forward((), jnp.full((9, 3), 0.5), fn.Context(jax.random.key(0)))[0].ravel().tolist()))
    [0.0, 0.5]
    """
    validate.choice(kind, KINDS, "corruption: kind")
    validate.at_least(level, 0.0, "corruption: level", "0 leaves everything as it is")
    if kind != "gaussian" and validate.is_concrete(level) and level > 1:
        raise ValueError(
            f"corruption: level is {level}, expected at most 1; it is the fraction of numbers that is lost"
        )

    def init(key, shape):
        return (), shape

    def forward(params, x: Float[Array, "*n"], context: Context):
        whole = CorruptionTrace(jnp.ones((), x.dtype))
        if context.key is None:
            return x, whole
        if kind == "gaussian":
            return x + jnp.asarray(level, x.dtype) * jax.random.normal(context.key, x.shape, x.dtype), whole
        lost_key, value_key = jax.random.split(context.key)
        scale = jax.random.bernoulli(lost_key, 1 - level, x.shape).astype(x.dtype)
        if kind == "masking":
            return scale * x, CorruptionTrace(scale)
        added = (1 - scale) * jax.random.bernoulli(value_key, 0.5, x.shape).astype(x.dtype)
        return scale * x + added, CorruptionTrace(scale)

    def backward(params, trace: CorruptionTrace, d_y: Float[Array, "*n"]):
        return (), trace.scale * d_y

    def answer(params, trace: CorruptionTrace):
        return trace.scale.shape or None  # a constant is that of any shape

    shown = f"{kind} {float(level):g}" if validate.is_concrete(level) else kind
    return Layer(
        init, forward, backward, "corruption", (), expects="x (…)", detail=shown, trace=CorruptionTrace, answer=answer
    )
