"""Pooling layers: a window's greatest number, or its mean, channel by channel.

    max    forward:   u[n,p,q,e,c] = x[n, p·s + i, q·s + j, c],  e = i·w + j
                      e*[n,p,q,c] = the first argmax_e u[n,p,q,e,c]
                      y[n,p,q,c] = u[n,p,q,e*,c]
           backward:  d_u[n,p,q,e,c] = d_y[n,p,q,c] where e = e*, else 0
                      dx = at each pixel the sum of d_u over all windows and entries that see it
    mean   forward:   y[n,p,q,c] = Σ_e u[n,p,q,e,c] / (h·w)                     the sum of the views u[·,e]
           backward:  dx = the same sum, of d_y[n,p,q,c] / (h·w) for every e

The derivation, which the notes leave out: near x the greatest number of a window is one of its numbers, so ∂y/∂x is 1
there and 0 elsewhere; a mean has 1/(h·w) everywhere. A pixel under several windows gets the sum over them. Where two
numbers of a window tie, the maximum has a kink; the convention is that the *first*, row by row, takes it all. A NaN
counts as the greatest. Pixels behind the last whole window are left out, and their dx is 0.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| u, d_u | `u`, `d_u` | (N, H', W', h·w, C) |
| e* | `trace.winner` | (N, H', W', C) uint8, or int32 for windows of more than 256 pixels |
| y | result | (N, H', W', C) |
| s | `seen.stride` | 2 ints |

The forward pass has the same convention for ties, so that `jax.grad` of a cost agrees with `backward`. Of the images
`backward` keeps the shape alone, as an array without elements (`trace.outline`), and of each window which entry won.
The kernel for windows side by side, `fnnets.kernels.pooling`, computes the same without u.

Source: [Rauber], section 5, for the forward pass of max-pooling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np

from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import paths, windows
from fnnets.kernels import pooling as kernel
from fnnets.kernels.windows import Window

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class MaxPoolingTrace(NamedTuple):
    """The trace: which entry of each window won, and the image's shape as an array without elements."""

    winner: Int[Array, "n y x c"]
    outline: Float[Array, "0 h w c"]


class MeanPoolingTrace(NamedTuple):
    """The trace: the image's shape, as an array (0, H, W, C) without elements."""

    outline: Float[Array, "0 h w c"]


@constructor
def max_pooling(
    window: int | tuple[int, int], stride: int | tuple[int, int] | None = None, implementation: str = "fast"
) -> Layer:
    """The greatest number under each window, channel by channel; the first one where several tie.

    Args:
        window: pixels (h, w); one number stands for both.
        stride: pixels from one window to the next; None for windows side by side.
        implementation: "fast", the kernel where windows stand side by side, or "plain", this page; both give the same.

    Raises:
        TypeError, ValueError: settings out of range; in `init` and `forward`, an example that is no image
            (H, W, C) or is smaller than the window.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.max_pooling(2)
    >>> y, trace = layer.forward((), jnp.arange(16.0).reshape(1, 4, 4, 1), fn.Context())
    >>> y[0, :, :, 0].tolist(), trace.winner[0, :, :, 0].tolist()
    ([[5.0, 7.0], [13.0, 15.0]], [[3, 3], [3, 3]])
    """
    seen = windows.window("max_pooling", window, window if stride is None else stride)
    count = seen.size[0] * seen.size[1]
    is_fast = paths.is_fast(implementation, "max_pooling") and paths.pools_by_comparison(seen.size, seen.stride)
    entries = np.arange(count, dtype=np.uint8 if count <= 256 else np.int32)

    def traced(winner, x):
        return MaxPoolingTrace(winner, _outline(x))

    def forward(params, x: Float[Array, "n h w c"], context):
        u = windows.patches(x, seen).reshape(len(x), *seen.positions(x.shape[1:3]), count, x.shape[3])
        winner = jnp.argmax(u, axis=3).astype(entries.dtype)
        y = jnp.take_along_axis(u, winner[:, :, :, None], axis=3)[:, :, :, 0]
        return y, traced(winner, x)

    def backward(params, trace: MaxPoolingTrace, d_y: Float[Array, "n y x c"]):
        is_winner = trace.winner[:, :, :, None] == entries[:, None]
        d_u = jnp.where(is_winner, d_y[:, :, :, None], 0)
        d_x = windows.fold_patches(d_u, seen, trace.outline.shape[1:3])
        return (), d_x

    passes = kernel.passes(seen, traced) if is_fast else (forward, backward)
    return Layer(
        _init(seen), *passes, "max_pooling", (), window=seen, expects="x (N, H, W, C)", trace=MaxPoolingTrace,
        answer=lambda params, trace: (len(trace.winner), *_answer(seen)(params, trace)[1:]),
    )  # fmt: skip


@constructor
def mean_pooling(window: int | tuple[int, int], stride: int | tuple[int, int] | None = None) -> Layer:
    """The mean of the numbers under each window, channel by channel.

    Args:
        window: pixels (h, w); one number stands for both.
        stride: pixels from one window to the next; None for windows side by side.

    Raises:
        TypeError, ValueError: as `max_pooling`.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.layers.mean_pooling(2).forward((), jnp.arange(16.0).reshape(1, 4, 4, 1), fn.Context())[0].ravel().tolist()
    [2.5, 4.5, 10.5, 12.5]
    """
    seen = windows.window("mean_pooling", window, window if stride is None else stride)
    count = seen.size[0] * seen.size[1]

    def forward(params, x: Float[Array, "n h w c"], context):
        return sum(seen.views(x)) / count, MeanPoolingTrace(_outline(x))

    def backward(params, trace: MeanPoolingTrace, d_y: Float[Array, "n y x c"]):
        return (), windows.fold([d_y / count] * count, seen, trace.outline.shape[1:3])

    return Layer(
        _init(seen), forward, backward, "mean_pooling", (), window=seen, expects="x (N, H, W, C)",
        trace=MeanPoolingTrace, answer=_answer(seen),
    )  # fmt: skip


def _init(seen: Window):
    def init(key, shape):
        return (), (*seen.positions(shape[:2]), shape[2])

    return init


def _answer(seen: Window):
    """The shape of y, for images of the trace's outline, of which N is not known."""
    return lambda params, trace: (None, *seen.positions(trace.outline.shape[1:3]), trace.outline.shape[3])


def _outline(x):
    return jnp.zeros((0, *x.shape[1:]), x.dtype)
