"""Max-pooling of windows side by side, fast: the kernel of `fnnets.layers.pooling`, which compares entry by entry.

    y, winner ← u[e], e  where u[e] > y              for each entry e = 1 … hw − 1, from y = u[0], winner = 0
    dx = d_y where winner = e, else 0                each pixel is under one window: nothing is added, only laid out

The greatest so far is kept until a greater one comes, or the first NaN, so what is left at the end is the first of the
greatest, as on the page; each d_y goes to the pixel that won.

It is kept for memory: no patches are held, as the entries are views of the image. Where windows overlap the page is
faster, and runs. `python -m experiments.benchmarks implementations` measures both with the convolution.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| u[e] | an item of `window.views(x)` | (N, H', W', C) |
| winner | `winner` | (N, H', W', C) uint8, or int32 for windows of more than 256 pixels |
| d_y where winner = e | `shares` | (N, H', h, W', w, C) |

Source: [Rauber], section 5, for the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.kernels.windows import Window

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


def passes(window: Window, traced: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """The forward and the backward pass of max-pooling; `traced(winner, x)` is its trace."""
    count = window.size[0] * window.size[1]
    index_dtype = np.uint8 if count <= 256 else np.int32

    def forward(params, x: Float[Array, "n h w c"], context):
        def better(best, challenger):
            (y, winner), (entry, tap) = best, challenger
            is_better = (tap > y) | (jnp.isnan(tap) & ~jnp.isnan(y))  # the first NaN wins, so that it is not lost
            return jnp.where(is_better, tap, y), jnp.where(is_better, index_dtype(entry), winner)

        first, *others = enumerate(window.views(x))
        start = (first[1], jnp.zeros(first[1].shape, index_dtype))
        y, winner = reduce(better, others, start)
        return y, traced(winner, x)

    def backward(params, trace: PyTree, d_y: Float[Array, "n y x c"]):
        winner, zero = trace.winner, jnp.zeros((), d_y.dtype)
        entries = np.arange(count, dtype=index_dtype).reshape(window.size[0], 1, window.size[1], 1)
        shares = jnp.where(winner[:, :, None, :, None] == entries, d_y[:, :, None, :, None], zero)
        return (), tile(shares, trace.outline.shape[1:3])

    return forward, backward


def tile(shares: Float[Array, "n y h x w c"], shape: tuple[int, ...]):
    """As `windows.fold` of shares (N, H', h, W', w, C), for windows side by side: nothing is added, only laid out."""
    n, y, height, x, width, c = shares.shape
    tiles = shares.reshape(n, y * height, x * width, c)
    rest = [(0, pixels - covered, 0) for pixels, covered in zip(shape, tiles.shape[1:3], strict=True)]
    return lax.pad(tiles, np.zeros((), tiles.dtype), [(0, 0, 0), *rest, (0, 0, 0)])
