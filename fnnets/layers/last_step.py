"""The last real step of each sequence: one answer a sequence from a layer that answers at every step.

    forward:   y[n] = x[τ_n, n],  τ_n = the last t with mask[t, n]                    T − 1 where nothing is padded
    backward:  d_x[t, n] = d_y[n] where t = τ_n, else 0
    both ends  the second half of the features is taken at the *first* real step, where the reversed half of a
               `bidirectional` layer has seen the whole sequence

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, h) |
| y | result | (N, h) |
| τ | `trace.steps` | (1, N, 1) or, for both ends, (1, N, h), int32 |

Source: [Rauber], section 6, sequence classification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp

from fnnets.core import validate
from fnnets.core.construction import constructor
from fnnets.core.types import Context, Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class LastStepTrace(NamedTuple):
    """The trace: which step was taken, and an array (T, 0) for their number."""

    steps: Int[Array, "1 n h"]
    outline: Float[Array, "t 0"]


@constructor
def last_step(both_ends: bool = False) -> Layer:
    """The output at the last real step of each sequence, (T, N, h) -> (N, h).

    Args:
        both_ends: take the second half of the features at the first real step, for `bidirectional` layers.

    Raises:
        TypeError, ValueError: `both_ends` is no bool; in `init`, an odd number of features for both ends.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> x = jnp.arange(6.0).reshape(3, 2, 1)
    >>> padded = jnp.array([[True, True], [True, True], [True, False]])
    >>> fn.layers.last_step().forward((), x, fn.Context(mask=padded))[0].tolist()
    [[4.0], [3.0]]
    """
    validate.flag(both_ends, "last_step: both_ends", "True is for bidirectional layers")

    def init(key, shape):
        if both_ends and shape[-1] % 2:
            raise ValueError(
                f"last_step: steps have shape {shape}, expected an even number of features for both_ends; "
                "put it behind a bidirectional layer"
            )
        return (), shape

    def forward(params, x: Float[Array, "t n *h"], context: Context):
        steps = _last(context.mask, x)
        if both_ends:
            first = jnp.argmax(context.mask, axis=0)[:, None] if context.mask is not None else jnp.zeros_like(steps)
            half = x.shape[-1] // 2
            steps = jnp.where(jnp.arange(x.shape[-1]) < half, steps, first)
        steps = steps.reshape(1, *steps.shape[:1], *(1,) * (x.ndim - 3), steps.shape[-1])
        y = jnp.take_along_axis(x, steps, axis=0)[0]
        return y, LastStepTrace(steps, jnp.zeros((x.shape[0], 0), x.dtype))

    def backward(params, trace: LastStepTrace, d_y: Float[Array, n * h]):
        t = jnp.arange(trace.outline.shape[0]).reshape(-1, *(1,) * d_y.ndim)
        return (), jnp.where(t == trace.steps, d_y[None], jnp.zeros((), d_y.dtype))

    return Layer(
        init, forward, backward, "last_step", (), time="sequence to vector", step=lambda params, state, x: (state, x),
        expects="x (T, N, …, h)", trace=LastStepTrace,
        answer=lambda params, trace: tuple(None if size == 1 else size for size in trace.steps.shape[1:]),
    )  # fmt: skip


def _last(mask, x):
    """τ as (N, 1)."""
    steps, n = x.shape[:2]
    if mask is None:
        return jnp.full((n, 1), steps - 1)
    return (steps - 1 - jnp.argmax(mask[::-1], axis=0))[:, None]
