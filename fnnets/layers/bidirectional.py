"""Two layers of the same kind, one from front to back and one from back to front, side by side.

    forward:   y[t] = (→[t], ←[t]),   → = layer(x),   ← = reversed(layer'(reversed(x)))
    backward:  d_x = →.backward(d_y's first half) + reversed(←.backward(reversed(d_y's second half)))

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| →, ← | `params.forward`, `params.backward`: parameters of the layer, each of its own | as the layer has them |
| y | result | (T, N, 2h) |

The mask is reversed with the sequence, and padded steps leave a state as it was: so the reversed layer begins at the
last real step of each sequence, whatever is padded.

Source: [Schuster1997].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Context, Layer

if TYPE_CHECKING:
    from jaxtyping import PyTree


class BidirectionalParams(NamedTuple):
    """Parameters of the layer that reads from the front, and of the one that reads from the back."""

    forward: PyTree
    backward: PyTree


class BidirectionalTrace(NamedTuple):
    """The traces of both."""

    forward: PyTree
    backward: PyTree


@constructor
def bidirectional(layer: Layer) -> Layer:
    """A layer of sequences in both directions: outputs of 2h features, the ones from the front first.

    Args:
        layer: a layer that answers at every step: recurrent, lstm, gru, or a chain of them.

    Raises:
        TypeError: `layer` is no `Layer`.
        ValueError: it does not answer at every step of a sequence.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> both = fn.layers.bidirectional(fn.layers.lstm(5))
    >>> params, shape = both.init(jax.random.key(0), (3,))
    >>> shape, both.forward(params, jnp.ones((7, 2, 3)), fn.Context())[0].shape
    ((10,), (7, 2, 10))
    """
    validate.is_instance(layer, Layer, "bidirectional: layer", "make one with fnnets.layers")
    if layer.time != "sequence to sequence":
        raise ValueError(
            f"bidirectional: layer is {layer.name}, which does not answer at every step of a sequence, expected one "
            "that does; give it fnnets.layers.lstm(…) with return_sequences=True"
        )

    def init(key, shape):
        first, second = jax.random.split(key)
        (ahead, out), (behind, _) = layer.init(first, shape), layer.init(second, shape)
        return BidirectionalParams(ahead, behind), (*out[:-1], 2 * out[-1])

    def forward(params, x, context: Context):
        keys = (None, None) if context.key is None else jax.random.split(context.key)
        context = context._replace(key=keys[0], state=None)
        reverse = context._replace(key=keys[1], mask=None if context.mask is None else context.mask[::-1])
        with taps.scope("forward"):
            ahead, trace = layer.forward(params.forward, x, context)
        with taps.scope("backward"):
            behind, reverse_trace = layer.forward(params.backward, x[::-1], reverse)
        return jnp.concatenate([ahead, behind[::-1]], axis=-1), BidirectionalTrace(trace, reverse_trace)

    def backward(params, trace: BidirectionalTrace, d_y):
        d_ahead, d_behind = jnp.split(d_y, 2, axis=-1)
        with taps.scope("forward"):
            d_forward, d_x = layer.backward(params.forward, trace.forward, d_ahead)
        with taps.scope("backward"):
            d_backward, d_reversed = layer.backward(params.backward, trace.backward, d_behind[::-1])
        return BidirectionalParams(d_forward, d_backward), d_x + d_reversed[::-1]

    statements = BidirectionalParams(layer.statements, layer.statements)
    return Layer(
        init, forward, backward, "bidirectional", statements, time="sequence to sequence",
        approximation=layer.approximation, expects="x (T, N, …)", detail=layer.title, trace=BidirectionalTrace,
        answer=_answer(layer), check=_check, means=2 * layer.means,
        within=lambda change: bidirectional(change(layer)),
    )  # fmt: skip


def _answer(layer: Layer):
    """The shape of y: that of one direction, with twice the features."""

    def answer(params: BidirectionalParams, trace: BidirectionalTrace):
        one = layer.answer(params.forward, trace.forward) if layer.answer else None
        return None if one is None or one[-1] is None else (*one[:-1], 2 * one[-1])

    return answer


def _check(params, x, context: Context):
    remedy = "take the parameters from this layer's init"
    validate.is_instance(params, BidirectionalParams, "bidirectional: params", remedy)
