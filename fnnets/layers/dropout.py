"""Dropout: in training units are forced to zero, afterwards their outgoing weights are scaled.

    forward:   y = r ⊙ x,  r ~ Bernoulli(p)               training, with a key;  p = 1 − rate
               y = p x                                    prediction, without: outgoing weights W become p W
    backward:  d_x = r ⊙ d_y,  or  p d_y

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, …) |
| 1 − p | `rate` | () |
| p | `keep` | () |
| r, or p | `trace.scale` | as x; the first axis is 1 where one mask serves the batch; () in prediction |

Source: [Rauber], section 4, where p = ½; [Srivastava2014] for any p, equation for test time W ← p W. The "inverted"
form of other libraries divides by p in training instead; its gradients are 1/p times these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import shares, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Context, Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class DropoutTrace(NamedTuple):
    """The trace: the mask r of a training pass, or the constant p of prediction."""

    scale: Float[Array, "*shape"]


@constructor
def dropout(rate: float, whole_batch: bool = False) -> Layer:
    """Drop each unit with probability `rate` in training; in prediction multiply all units by 1 − `rate`.

    Args:
        rate: in [0, 1), the probability that a unit is dropped, as in Flax, Equinox and PyTorch.
        whole_batch: draw one mask for all examples of the batch instead of one for each.

    Raises:
        TypeError, ValueError: `rate` is no number in [0, 1), `whole_batch` no bool.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.dropout(0.5)
    >>> layer.forward((), jnp.ones((1, 4)), fn.Context())[0].tolist()
    [[0.5, 0.5, 0.5, 0.5]]
    >>> sorted(set(layer.forward((), jnp.ones((9, 4)), fn.Context(jax.random.key(0)))[0].ravel().tolist()))
    [0.0, 1.0]
    """
    validate.rate(rate, "dropout: rate")
    validate.flag(whole_batch, "dropout: whole_batch", "True draws one mask for all examples")
    keep = 1.0 - rate

    def init(key, shape):
        return (), shape

    def forward(params, x: Float[Array, "*n"], context: Context):
        if context.key is None:
            scale = jnp.asarray(keep, x.dtype)
        else:
            key, drawn = (shares.common(context.key), (1, *x.shape[1:])) if whole_batch else (context.key, x.shape)
            scale = jax.random.bernoulli(key, keep, drawn).astype(x.dtype)
        return scale * x, DropoutTrace(scale)

    def backward(params, trace: DropoutTrace, d_y: Float[Array, "*n"]):
        return (), trace.scale * d_y

    def answer(params, trace: DropoutTrace):
        shape = trace.scale.shape
        return (None, *shape[1:]) if whole_batch and shape else shape or None  # a constant is that of any shape

    shown = f"{float(rate):g}" if validate.is_concrete(rate) else "traced"
    return Layer(
        init, forward, backward, "dropout", (), expects="x (…)", detail=shown, trace=DropoutTrace, answer=answer
    )  # fmt: skip
