"""Correlation of images with filters, and its two adjoints: the contractions of the convolution layer.

The notes call it convolution: a filter slides over the image and is not flipped.

    z[n,y,x,k] = Σ_{i,j,c} w[i,j,c,k] u[n, y·s + i·r, x·s + j·r, c]           u: the images with their padding
    dW[i,j,c,k] = Σ_{n,y,x} u[n, y·s + i·r, x·s + j·r, c] δ[n,y,x,k]           as z is linear in each w[i,j,c,k]
    dx[n,p,q,c] = Σ_{k,y,x,i,j: y·s + i·r − before = p, …} w[i,j,c,k] δ[n,y,x,k]

Each is a correlation: dW of u with δ, over examples as channels, strides and dilations exchanged; dx of δ, with s − 1
zeros between its entries, with the filters w[h−1−i, w−1−j, k, c], flipped and with their channels swapped. The
functions called `…_plainly` say so in one call of XLA each, and accelerators run these. On a CPU the same sums are
matrix products, of as many examples at a time as fit the cache:

    dW = P δ           P: the patches under the windows, a column for each position, (hwC, NH'W')
    dPᵀ = δ Wᵀ         then dx adds each patch's share to the pixels it came from

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| w | `weights` | (h, w, C, K) |
| z, δ | result, `delta` | (N, H', W', K) |
| s, r | `window.stride`, `window.dilation` | 2 ints |

Which path runs is decided by the functions called `pays_…` and nowhere else.

Source: [Rauber], section 5, for z; [Dumoulin2016], relationships 8-14, for its adjoints; [Chellapilla2006] for patches.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from fnnets.core import devices
from fnnets.kernels.windows import Window, fold

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

IMAGES = ("NHWC", "HWIO", "NHWC")
BLOCK = 2**21  # bytes of patches at a time: more leave the second-level cache, and fresh memory is slower still


def correlate(x: Float[Array, "n h w c"], weights: Float[Array, "i j c k"], window: Window):
    """The weighted sums z (N, H', W', K)."""
    return lax.conv_general_dilated(
        x, weights, window.stride, window.pads(x.shape[1:3]), rhs_dilation=window.dilation, dimension_numbers=IMAGES
    )


def weights_gradient_plainly(x: Float[Array, "n h w c"], delta: Float[Array, "n y x k"], window: Window):
    """The gradient dW (h, w, C, K), one contraction over examples, as the channels that are summed, and positions."""
    pads = [
        (before, (w - 1) * r + (count - 1) * s + 1 - pixels - before)
        for w, r, s, (before, _), pixels, count in zip(
            window.size, window.dilation, window.stride, window.pads(x.shape[1:3]), x.shape[1:3], delta.shape[1:3],
            strict=True,
        )
    ]  # fmt: skip
    return lax.conv_general_dilated(
        x, delta, window.dilation, pads, rhs_dilation=window.stride, dimension_numbers=("CHWN", "IHWO", "HWNC")
    )


def input_gradient_plainly(
    delta: Float[Array, "n y x k"], weights: Float[Array, "i j c k"], window: Window, shape: tuple[int, ...]
):
    """The gradient dx (N, H, W, C) for images of `shape` (H, W): the transposed correlation."""
    flipped = jnp.swapaxes(weights[::-1, ::-1], 2, 3)
    pads = [
        (e - 1 - before, pixels + before - 1 - (count - 1) * s)
        for e, (before, _), pixels, count, s in zip(
            window.extent, window.pads(shape), shape, delta.shape[1:3], window.stride, strict=True
        )
    ]
    return lax.conv_general_dilated(
        delta, flipped, (1, 1), pads, window.stride, window.dilation, dimension_numbers=IMAGES
    )


@partial(jax.jit, static_argnames="window")
def weights_gradient(x: Float[Array, "n h w c"], delta: Float[Array, "n y x k"], window: Window):
    """As `weights_gradient_plainly`; on a CPU by P δ."""
    if not pays_weights_gradient(x.shape):
        return weights_gradient_plainly(x, delta, window)
    filters = delta.shape[3]

    def product(x, delta):
        return _patches(x, window) @ delta.reshape(-1, filters)

    parts = _blockwise(product, _patch_bytes(window, x), x, delta)
    return parts.sum(axis=0).reshape(*window.size, x.shape[3], filters)


@partial(jax.jit, static_argnames=("window", "shape"))
def input_gradient(
    delta: Float[Array, "n y x k"], weights: Float[Array, "i j c k"], window: Window, shape: tuple[int, ...]
):
    """As `input_gradient_plainly`; on a CPU, where that pays, by δ Wᵀ."""
    n, channels = delta.shape[0], weights.shape[2]
    if not pays_input_gradient(delta.shape, shape):
        return input_gradient_plainly(delta, weights, window, shape)
    matrix = weights.reshape(-1, weights.shape[3])

    def product(delta):
        shares = (delta.reshape(-1, matrix.shape[1]) @ matrix.T).reshape(*delta.shape[:3], -1, channels)
        return fold([shares[:, :, :, entry] for entry in range(shares.shape[3])], window, shape)

    size = math.prod(delta.shape[1:3]) * matrix.shape[0] * delta.dtype.itemsize
    return _blockwise(product, size, delta).reshape(-1, *shape, channels)[:n]


def pays_weights_gradient(x_shape: tuple[int, ...]) -> bool:
    """Whether P δ is the faster one: on every CPU, where XLA has no good code for windows as large as images."""
    return _is_one_cpu() and 0 not in x_shape


def pays_input_gradient(delta_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether δ Wᵀ is the faster one: on a CPU, if there are far fewer positions than pixels to correlate at."""
    is_sparse = math.prod(delta_shape[1:3]) < 0.6 * math.prod(shape)
    return _is_one_cpu() and 0 not in delta_shape and is_sparse


def _is_one_cpu() -> bool:
    """Examples that are cut over devices would be gathered block by block."""
    return jax.default_backend() == "cpu" and not devices.is_cut()


def _patches(x: PyTree, window: Window):
    """P (hwC, NH'W'), from images of one channel each: so the product runs along rows of both factors."""
    padded = window.padded(x)
    n, height, width, c = padded.shape
    single = padded.transpose(3, 0, 1, 2).reshape(c * n, height, width, 1)
    # Written out once: fused with what follows, it would be computed again for every entry of the window.
    single = lax.optimization_barrier(single)
    views = window._replace(padding="valid").views(single)
    return jnp.stack(list(views)).reshape(math.prod(window.size) * c, -1)


def _patch_bytes(window: Window, x: PyTree) -> int:
    """Bytes of the patches of one example."""
    return math.prod((*window.positions(x.shape[1:3]), *window.size, x.shape[3])) * x.dtype.itemsize


def _blockwise(product: Callable[..., Any], size: int, *arrays: Any):
    """`product` of blocks of examples that need `size` bytes each, stacked; zeros fill up the last block."""
    n = arrays[0].shape[0]
    blocks = -(-n // max(1, BLOCK // size))
    each = -(-n // blocks)
    if blocks == 1:
        return product(*arrays)[None]

    def cut(array):
        filled = jnp.pad(array, [(0, blocks * each - n)] + [(0, 0)] * (array.ndim - 1))
        return filled.reshape(blocks, each, *array.shape[1:])

    return lax.map(lambda block: product(*block), tuple(map(cut, arrays)))
