"""Pooling layers: a window's greatest number, or its mean, channel by channel.

    max    forward:   y[n,p,q,c] = x[n, p·s + i*, q·s + j*, c],  (i*, j*) = the first argmax over the window
           backward:  d_x[n, p·s + i*, q·s + j*, c] += d_y[n,p,q,c]
    mean   forward:   y[n,p,q,c] = 1/hw Σ_{i,j} x[n, p·s + i, q·s + j, c]
           backward:  d_x[n, p·s + i, q·s + j, c] += 1/hw d_y[n,p,q,c],  every i, j

The derivation, which the notes leave out: near x the greatest number of a window is one of its numbers, so ∂y/∂x is 1
there and 0 elsewhere; a mean has 1/hw everywhere. A pixel under several windows gets the sum over them. Where two
numbers of a window tie, the maximum has a kink; the convention is that the *first*, row by row, takes it all. Pixels
behind the last whole window are left out, and their d_x is 0.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| y | result | (N, H', W', C) |
| i*·w + j* | `trace.winner` | (N, H', W', C) uint8, or int32 for windows of more than 256 pixels |
| s | `window.stride` | 2 ints |

The forward pass has the same convention for ties, so that `jax.grad` of a cost agrees with `backward`.

Source: [Rauber], section 5, for the forward pass of max-pooling. The winners are remembered, so `backward` never
compares again.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import windows
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
def max_pooling(window: int | tuple[int, int], stride: int | tuple[int, int] | None = None) -> Layer:
    """The greatest number under each window, channel by channel; the first one where several tie.

    Args:
        window: pixels (h, w); one number stands for both.
        stride: pixels from one window to the next; None for windows side by side.

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
    index_dtype = np.uint8 if count <= 256 else np.int32

    def forward(params, x: Float[Array, "n h w c"], context):
        windows.check_image(x.shape[1:], "max_pooling", seen)

        def better(best, challenger):
            (y, winner), (entry, tap) = best, challenger
            is_better = (tap > y) | jnp.isnan(tap)  # NaN wins, so that it is not lost on the way
            return jnp.where(is_better, tap, y), jnp.where(is_better, index_dtype(entry), winner)

        first, *others = enumerate(seen.views(x))
        start = (first[1], jnp.zeros(first[1].shape, index_dtype))
        y, winner = reduce(better, others, start)
        return y, MaxPoolingTrace(winner, _outline(x))

    def backward(params, trace: MaxPoolingTrace, d_y: Float[Array, "n y x c"]):
        shape, winner, zero = trace.outline.shape[1:3], trace.winner, jnp.zeros((), d_y.dtype)
        if seen.stride == seen.size:
            entries = np.arange(count, dtype=index_dtype).reshape(seen.size[0], 1, seen.size[1], 1)
            shares = jnp.where(winner[:, :, None, :, None] == entries, d_y[:, :, None, :, None], zero)
            return (), tile(shares, seen, shape)
        return (), windows.fold([jnp.where(winner == index_dtype(i), d_y, zero) for i in range(count)], seen, shape)

    return Layer(_init("max_pooling", seen), forward, backward, "max_pooling", (), window=seen)


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
        windows.check_image(x.shape[1:], "mean_pooling", seen)
        return sum(seen.views(x)) / count, MeanPoolingTrace(_outline(x))

    def backward(params, trace: MeanPoolingTrace, d_y: Float[Array, "n y x c"]):
        return (), windows.fold([d_y / count] * count, seen, trace.outline.shape[1:3])

    return Layer(_init("mean_pooling", seen), forward, backward, "mean_pooling", (), window=seen)


def tile(shares, window: Window, shape: tuple[int, ...]):
    """As `windows.spread` of shares (N, H', h, W', w, C), for windows side by side: nothing is added, only laid out."""
    n, y, height, x, width, c = shares.shape
    tiles = shares.reshape(n, y * height, x * width, c)
    rest = [(0, pixels - covered, 0) for pixels, covered in zip(shape, tiles.shape[1:3], strict=True)]
    return lax.pad(tiles, np.zeros((), tiles.dtype), [(0, 0, 0), *rest, (0, 0, 0)])


def _init(name: str, seen: Window):
    def init(key, shape):
        windows.check_image(shape, name, seen)
        return (), (*seen.positions(shape[:2]), shape[2])

    return init


def _outline(x):
    return jnp.zeros((0, *x.shape[1:]), x.dtype)
