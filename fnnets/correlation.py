"""Correlation of images with filters, and its two adjoints: the contractions of the convolution layer.

    z[n,y,x,k] = Σ_{i,j,c} w[i,j,c,k] u[n, y·s + i·r, x·s + j·r, c]           u: the images with their padding
    dW[i,j,c,k] = Σ_{n,y,x} u[n, y·s + i·r, x·s + j·r, c] δ[n,y,x,k]           as z is linear in each w[i,j,c,k]
    dx[n,p,q,c] = Σ_{k,y,x,i,j: y·s + i·r − before = p, …} w[i,j,c,k] δ[n,y,x,k]

The last is a correlation too: of δ, with s − 1 zeros between its entries, and the filters w[h−1−i, w−1−j, k, c],
flipped and with their channels swapped, dilated by r as before.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| w | `weights` | (h, w, C, K) |
| z, δ | result, `delta` | (N, H', W', K) |
| s, r | `window.stride`, `window.dilation` | 2 ints |

Source: Dumoulin & Visin 2016, *A guide to convolution arithmetic for deep learning*, relationships 8-14.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import lax

from fnnets.windows import Window

if TYPE_CHECKING:
    from jaxtyping import Array, Float

IMAGES = ("NHWC", "HWIO", "NHWC")


def correlate(x: Float[Array, "n h w c"], weights: Float[Array, "i j c k"], window: Window):
    """Z, (N, H', W', K)."""
    return lax.conv_general_dilated(
        x, weights, window.stride, window.pads(x.shape[1:3]), rhs_dilation=window.dilation, dimension_numbers=IMAGES
    )


def weights_gradient(x: Float[Array, "n h w c"], delta: Float[Array, "n y x k"], window: Window):
    """DW, (h, w, C, K): one contraction over examples and positions."""
    patches = jnp.stack(list(window.taps(x)), axis=3)
    d_weights = jnp.einsum("nyxpc,nyxk->pck", patches, delta)
    return d_weights.reshape(*window.size, x.shape[3], delta.shape[3])


def input_gradient(
    delta: Float[Array, "n y x k"], weights: Float[Array, "i j c k"], window: Window, shape: tuple[int, ...]
):
    """Dx, (N, H, W, C), for images of `shape` (H, W): the transposed correlation."""
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
