"""The convolution of stride and dilation 1 with fewer products: Winograd's F(m x m, r x r), forward and backward.

One axis, m positions of a filter of r entries, from n = m + r − 1 pixels d:

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]               y_i = Σ_j d_{i+j} g_j

Why: for any p of m entries, Σ_i p_i y_i = Σ_{i,j} d_{i+j} p_i g_j is d · (p g), where p g is the product of two
polynomials with these coefficients. A product of degree n − 1 is known from its values at n points; those of p are A p,
those of g are V g, and its coefficients are V⁻¹ [A p ⊙ V g] with A and V the powers of the points. Hence
Σ_i p_i y_i = (A p) · [V g ⊙ V⁻ᵀ d] for every p. By Lagrange, row t of V⁻ᵀ holds the coefficients of N_t(z) / N_t(z_t),
N_t(z) = Π (z − z_s) over the other finite points; the last point is ∞, at which a value is the highest coefficient.
Bᵀ keeps N_t, whose coefficients are integers, and G = V with its rows divided by N_t(z_t). With the points 0, 1, −1, ∞:

        −1  0  1  0             −1    0    0           1  0
    Bᵀ = 0  1  1  0          G = 1/2  1/2  1/2     A = 1  1
         0 −1  1  0              1/2 −1/2  1/2         1 −1
         0 −1  0  1              0    0    1           0  1

Both axes alike, for each tile of n x n pixels of an image, which stand m pixels apart, and summed over channels:

    V = Bᵀ x B              U = G w Gᵀ              D = A δ Aᵀ
    z − b = Aᵀ [Σ_c V U] A                                  n² products (tiles, C) (C, K)
    dW    = Gᵀ [Σ over tiles of V D] G                      n² products (C, tiles) (tiles, K)
    dx    = the forward form of δ, with w'[i,j,k,c] = w[r−1−i, r−1−j, c, k], as in `fnnets.kernels.convolution`

dW is the adjoint: Σ δ (z − b) = Σ D V U = Σ U P with P = Σ V D, and U is linear in w. A tile of F(2 x 2, 3 x 3) has 16
products for each pair of channels where the page has 36. Zeros fill the image up to whole tiles; δ is 0 there.

| symbol | name in code | shape |
|---|---|---|
| m, r, n | `form.step`, `form.size`, `form.tile` | ints |
| A, Bᵀ, G | `form.outer`, `form.inner`, `form.filters` | (n, m), (n, n), (n, r) |
| x, δ | `x`, `delta` | (N, H, W, C), (N, H', W', K) |
| w | `weights` | (r, r, C, K) |
| V, D | `tiles`, `turned` | n x n arrays (N, tiles down, tiles across, C or K) |

Sums are taken in another order and of other terms: equal to rounding. Numbers of 16 bits are computed in float32 and
rounded once at the end.

Which path runs is decided in `fnnets.kernels.paths`.

Source: [Winograd1980] for the form, [Lavin2016] for its use in convolutional networks.

Measured on two cores, float32, on one device, in a scan, 3 x 3 pixels with "same" padding, medians of 5 interleaved
rounds; GFLOP/s of the page's sums, by XLA's convolution or by patches -> by this form:

| images, channels -> filters | z | dW | dx |
|---|---|---|---|
| (32, 32, 32), 16 -> 16 | 91 -> 31 | 17 -> 21 | 70 -> 30 |
| (32, 32, 32), 32 -> 32 | 177 -> 78 | 27 -> 60 | 146 -> 63 |
| (32, 32, 32), 64 -> 64 | 175 -> 154 | 57 -> 75 | 179 -> 170 |
| (32, 16, 16), 64 -> 128 | 199 -> 216 | 66 -> 152 | 225 -> 215 |
| (32, 16, 16), 128 -> 128 | 162 -> 227 | 66 -> 138 | 154 -> 210 |
| (32, 8, 8), 256 -> 256 | 147 -> 244 | 83 -> 254 | 138 -> 184 |

Single operations of F(2 x 2, 3 x 3) differ from float64 by up to 7e-7 of the largest number, as XLA's do; those of
F(4 x 4, 3 x 3) by up to 1.4e-5, and dW of F(2 x 2, 5 x 5) by 1.1e-5 from that by patches: neither is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.kernels import blocks
from fnnets.kernels.windows import Window

if TYPE_CHECKING:
    from jaxtyping import Array, Float

TILES = 2048  # tiles at a time: fewer leave a core idle where there is one device, more leave the cache
POINTS = (0, 1, -1, 2, -2, 3, -3)


class Form(NamedTuple):
    """The matrices of F(m, r) as nested tuples: A (n, m), Bᵀ (n, n) and G (n, r)."""

    outer: tuple[tuple[float, ...], ...]
    inner: tuple[tuple[float, ...], ...]
    filters: tuple[tuple[float, ...], ...]

    @property
    def step(self) -> int:
        """m."""
        return len(self.outer[0])

    @property
    def size(self) -> int:
        """r."""
        return len(self.filters[0])

    @property
    def tile(self) -> int:
        """n."""
        return len(self.inner)


def form(step: int, size: int) -> Form:
    """F(m, r), from the n − 1 points of least magnitude and ∞.

    >>> form(2, 3).inner
    ((-1.0, 0.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, -1.0, 0.0, 1.0))
    """
    points = POINTS[: step + size - 2]
    numerators = [np.poly([other for other in points if other != point]) for point in points]
    values = [np.polyval(numerator, point) for numerator, point in zip(numerators, points, strict=True)]

    def powers(count):
        return np.array([[float(point) ** power for power in range(count)] for point in points] + [[0.0] * count])

    outer, filters = powers(step), powers(size)
    outer[-1, -1] = filters[-1, -1] = 1.0  # at ∞
    inner = [[*numerator[::-1], 0.0] for numerator in numerators] + [np.poly(points)[::-1]]
    filters /= np.array([*values, 1.0])[:, None]
    return Form(*(tuple(tuple(map(float, row)) for row in matrix) for matrix in (outer, inner, filters)))


@partial(jax.jit, static_argnames=("window", "step"))
def correlate(x: Float[Array, "n h w c"], weights: Float[Array, "i j c k"], window: Window, step: int = 2):
    """The weighted sums z (N, H', W', K), before the biases."""
    starts = tuple(before for before, _ in window.pads(x.shape[1:3]))
    return _correlated(x, weights, starts, window.positions(x.shape[1:3]), form(step, window.size[0]))


def input_gradient(
    delta: Float[Array, "n y x k"], weights: Float[Array, "i j c k"], window: Window, shape: tuple[int, ...],
    step: int = 2,
):  # fmt: skip
    """The gradient dx (N, H, W, C) for images of `shape` (H, W)."""
    turned = jnp.swapaxes(weights[::-1, ::-1], 2, 3)
    starts = tuple(size - 1 - before for size, (before, _) in zip(window.size, window.pads(shape), strict=True))
    return _correlated(delta, turned, starts, shape, form(step, window.size[0]))


def weights_gradient(x: Float[Array, "n h w c"], delta: Float[Array, "n y x k"], window: Window, step: int = 2):
    """The gradient dW (r, r, C, K)."""
    own, positions, kept = form(step, window.size[0]), delta.shape[1:3], x.dtype
    starts = tuple(before for before, _ in window.pads(x.shape[1:3]))
    counts = _counts(positions, own)

    def products(x, delta):
        tiles = _transformed(own.inner, _tiles(x, starts, counts, own))
        outer = _transformed(own.outer, _parts(delta, (0, 0), counts, own.step, own.step))
        return [[_flat(v).T @ _flat(d) for v, d in zip(*rows, strict=True)] for rows in zip(tiles, outer, strict=True)]

    total = blocks.summed(products, _each(counts), _wide(x), _wide(delta))
    back = tuple(zip(*own.filters, strict=True))
    d_weights = _transformed(back, total)
    return jnp.stack([jnp.stack(row) for row in d_weights]).astype(kept)


def _correlated(x: Any, weights: Any, starts: tuple[int, ...], positions: tuple[int, ...], own: Form):
    """Aᵀ [Σ_c V U] A at `positions`, the first of which has `starts` pixels of zeros before the image."""
    kept, weights, counts = x.dtype, _wide(weights), _counts(positions, own)
    spread = _transformed(own.filters, [[weights[i, j] for j in range(own.size)] for i in range(own.size)])
    back = tuple(zip(*own.outer, strict=True))

    def block(x):
        tiles = _transformed(own.inner, _tiles(x, starts, counts, own))
        sums = [
            [(_flat(v) @ u).reshape(*v.shape[:3], -1) for v, u in zip(*rows, strict=True)]
            for rows in zip(tiles, spread, strict=True)
        ]
        z = jnp.stack([jnp.stack(row, axis=3) for row in _transformed(back, sums)], axis=2)
        z = z.reshape(len(x), own.step * counts[0], own.step * counts[1], -1)
        return z[:, : positions[0], : positions[1]].astype(kept)

    return blocks.mapped(block, _each(counts), _wide(x))


def _tiles(x: Any, starts: tuple[int, ...], counts: tuple[int, ...], own: Form):
    """The n x n pixels of all tiles."""
    return _parts(x, starts, counts, own.step, own.tile)


def _parts(x: Any, starts: tuple[int, ...], counts: tuple[int, ...], step: int, size: int):
    """The pixels of tiles of size x size that stand `step` apart, as size x size arrays (N, down, across, C)."""
    more = (size - 1) // step  # steps that a tile reaches beyond its own
    (down, across), (n, *shape, c) = counts, x.shape
    around = [
        (start, step * (count + more) - pixels - start, 0)
        for start, count, pixels in zip(starts, counts, shape, strict=True)
    ]
    x = lax.pad(x, np.zeros((), x.dtype), ((0, 0, 0), *around, (0, 0, 0)))
    x = x.reshape(n, down + more, step, across + more, step, c)
    return [
        [x[:, i // step :, i % step, j // step :, j % step][:, :down, :across] for j in range(size)]
        for i in range(size)
    ]


def _transformed(matrix: Sequence[Sequence[float]], entries: Sequence[Sequence[Any]]):
    """M E Mᵀ for a square of arrays E: along columns, then along rows."""
    rows = [[_combined(line, column) for column in zip(*entries, strict=True)] for line in matrix]
    return [[_combined(line, row) for line in matrix] for row in rows]


def _combined(factors: Sequence[float], arrays: Sequence[Any]):
    """The sum of the arrays, each times its factor."""
    total = None
    for factor, array in zip(factors, arrays, strict=True):
        if factor:
            term = array if abs(factor) == 1 else abs(factor) * array
            signed = term if factor > 0 else -term
            total = signed if total is None else total + term if factor > 0 else total - term
    return total


def _counts(positions: tuple[int, ...], own: Form) -> tuple[int, ...]:
    """Tiles (down, across)."""
    return tuple(-(-count // own.step) for count in positions)


def _each(counts: tuple[int, ...]) -> int:
    """Examples at a time."""
    return max(1, TILES // math.prod(counts))


def _flat(array: Any):
    """(N, down, across, C) as (tiles, C)."""
    return array.reshape(-1, array.shape[3])


def _wide(array: Any):
    """The array, in 32 bits at least."""
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array
