"""The convolution layer, fast: the kernel of `fnnets.layers.convolution`, as three correlations.

    z = v * w                  in one call of XLA                              v: the images with their padding
    dW = v * δ                 over examples as channels, strides and dilations exchanged
    dx = δ̃ * w'                of δ with s − 1 zeros between its entries, with w'[i,j,k,c] = w[h−1−i, w−1−j, c, k]

Each sum is that of the page. In dW, w[i,j,c,k] meets v at y·s + i·r: i steps by r and y by s, so that δ is a filter
whose dilation is s, and which slides by r. For dx, the page sums over the windows of a pixel: pixel p of v is seen by
every y and i with y·s + i·r = p, hence dx[p] = Σ_i δ[(p − i·r)/s] w[i]. Let δ̃ have δ[y] at y·s and zeros in between,
and i' = h − 1 − i; then dx[p] = Σ_i' δ̃[p − (h−1)r + i'·r] w[h−1−i'], once more a correlation, with flipped filters,
whose channels k are summed now and whose channels c remain. Sums are taken in another order: equal to rounding.

The functions `…_by_convolution` are these calls, and accelerators run them. On a CPU the same sums are matrix products,
of as many examples at a time as fit the cache:

    dW = P δ           P: the patches under the windows, a column for each position, (hwC, NH'W')
    dPᵀ = δ Wᵀ         then dx adds each patch's share to the pixels it came from, as on the page

The page holds the patches of all examples, hwC numbers for each position; here the forward pass holds none, and a
product those of a block of `BLOCK` bytes, or of one example.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| w | `weights` | (h, w, C, K) |
| z, δ | result, `delta` | (N, H', W', K) |
| s, r | `window.stride`, `window.dilation` | 2 ints |

Windows of 3 x 3 pixels with stride and dilation 1 take fewer products in `fnnets.kernels.winograd`. Which path runs is
decided in `fnnets.kernels.paths`.

Source: [Rauber], section 5, for z; [Dumoulin2016], relationships 8-14, for its adjoints; [Chellapilla2006] for patches.

Measured by `python -m experiments.benchmarks implementations`, an epoch inside `fit`:
the page takes 1.24 times as long with max-pooling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from fnnets.core import taps
from fnnets.kernels import blocks, paths, winograd
from fnnets.kernels.windows import Window, fold

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

    from fnnets.activations import Activation

IMAGES = ("NHWC", "HWIO", "NHWC")
BLOCK = 2**21  # bytes of patches at a time: more leave the second-level cache, and fresh memory is slower still


def passes(window: Window, activation: Activation, traced: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """The forward and the backward pass of the layer; `traced(x, z)` is its trace."""

    def forward(params: PyTree, x: Float[Array, "n h w c"], context):
        z = taps.tap("z", correlate(x, params.weights, window) + params.biases)
        return activation.value(z), traced(x, z)

    def backward(params: PyTree, trace: PyTree, d_y: Float[Array, "n y x k"]):
        delta = taps.delta("z", d_y * activation.derivative(trace.z), "δ")
        d_weights = weights_gradient(trace.x, delta, window)
        d_x = input_gradient(delta, params.weights, window, trace.x.shape[1:3])
        return params._replace(weights=d_weights, biases=jnp.sum(delta, axis=(0, 1, 2))), d_x

    return forward, backward


def correlate(x: Float[Array, "n h w c"], weights: Float[Array, "i j c k"], window: Window):
    """The weighted sums z (N, H', W', K)."""
    if paths.by_winograd(window, x.shape, weights.shape):
        return winograd.correlate(x, weights, window)
    return lax.conv_general_dilated(
        x, weights, window.stride, window.pads(x.shape[1:3]), rhs_dilation=window.dilation, dimension_numbers=IMAGES
    )


def weights_gradient_by_convolution(x: Float[Array, "n h w c"], delta: Float[Array, "n y x k"], window: Window):
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


def input_gradient_by_convolution(
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
    """As `weights_gradient_by_convolution`; on a CPU by P δ, or by Winograd's form."""
    if paths.weights_by_winograd(window, x.shape, (*window.size, x.shape[3], delta.shape[3])):
        return winograd.weights_gradient(x, delta, window)
    if not paths.weights_by_patches(x.shape):
        return weights_gradient_by_convolution(x, delta, window)
    filters = delta.shape[3]

    def product(x, delta):
        return _patches(x, window) @ delta.reshape(-1, filters)

    d_weights = blocks.summed(product, _each(_patch_bytes(window, x)), x, delta)
    return d_weights.reshape(*window.size, x.shape[3], filters)


@partial(jax.jit, static_argnames=("window", "shape"))
def input_gradient(
    delta: Float[Array, "n y x k"], weights: Float[Array, "i j c k"], window: Window, shape: tuple[int, ...]
):
    """As `input_gradient_by_convolution`; on a CPU, where that pays, by Winograd's form or by δ Wᵀ."""
    channels = weights.shape[2]
    if paths.by_winograd(window, (len(delta), *shape, channels), weights.shape):
        return winograd.input_gradient(delta, weights, window, shape)
    if not paths.inputs_by_patches(delta.shape, shape):
        return input_gradient_by_convolution(delta, weights, window, shape)
    matrix = weights.reshape(-1, weights.shape[3])

    def product(delta):
        shares = (delta.reshape(-1, matrix.shape[1]) @ matrix.T).reshape(*delta.shape[:3], -1, channels)
        return fold([shares[:, :, :, entry] for entry in range(shares.shape[3])], window, shape)

    size = math.prod(delta.shape[1:3]) * matrix.shape[0] * delta.dtype.itemsize
    return blocks.mapped(product, _each(size), delta)


def _patches(x: PyTree, window: Window):
    """P (hwC, NH'W'), from images of one channel each: so the product runs along rows of both factors.

    The window's rows are laid out first and its columns then, h + w views in place of hw, which compiles in half the
    time and takes 0.75 to 0.92 of it. Fused with what follows, either would be computed again for every entry.
    """
    padded = window.padded(x)
    n, height, width, c = padded.shape
    image = padded.transpose(3, 0, 1, 2).reshape(c * n, height, width)
    for axis, count in enumerate(window.positions(x.shape[1:3])):
        image = lax.optimization_barrier(image)
        s, r, pixels = window.stride[axis], window.dilation[axis], 2 * axis + 1  # rows, then columns behind a new axis
        starts = [entry * r for entry in range(window.size[axis])]
        views = [lax.slice_in_dim(image, at, at + (count - 1) * s + 1, s, pixels) for at in starts]
        image = jnp.stack(views, axis)
    return image.reshape(math.prod(window.size) * c, -1)


def _patch_bytes(window: Window, x: PyTree) -> int:
    """Bytes of the patches of one example."""
    return math.prod((*window.positions(x.shape[1:3]), *window.size, x.shape[3])) * x.dtype.itemsize


def _each(size: int) -> int:
    """Examples at a time that need `size` bytes each."""
    return max(1, BLOCK // size)
