"""Windows that slide over images: where they stand, how many there are, and what lies under them.

    extent      e = (w − 1)·dilation + 1                  pixels from a window's first to its last
    positions   H' = ⌊(H + before + after − e) / stride⌋ + 1
    least       H ≥ (H' − 1)·stride + e − before − after  for H' positions
    tap (i, j)  x[:, y·stride + i·dilation − before, …]   what entry (i, j) of the window sees at position y

A last part of the image that is too small for another window is left out. Along each axis alike:

| symbol | name in code | shape |
|---|---|---|
| w | `window.size` | 2 ints, (height, width) |
| e | `window.extent` | 2 ints |
| before, after | `window.pads(shape)` | 2 pairs of ints, pixels of zeros |
| H', W' | `window.positions(shape)` | 2 ints |

A layer that slides over images carries its `Window` as `Layer.window`, from which detection computes the stride of a
map.

Source: [Rauber], section 5; "same" padding as JAX defines it: ⌈H/stride⌉ positions, the odd pixel after.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.core import validate

if TYPE_CHECKING:
    from jaxtyping import Array

Pair = tuple[int, int]
Padding = str | Sequence[Sequence[int]]


class Window(NamedTuple):
    """A window that slides over images (N, H, W, C).

    Attributes:
        size, stride, dilation: pixels, (height, width) each.
        padding: "valid", "same" or ((top, bottom), (left, right)) pixels of zeros.

    >>> pool = window("max_pooling", 2, 2)
    >>> pool.positions((28, 28))
    (14, 14)
    """

    size: Pair
    stride: Pair
    padding: Padding | tuple[Pair, Pair] = "valid"
    dilation: Pair = (1, 1)

    @property
    def extent(self) -> Pair:
        """Pixels from the first to the last that a window sees."""
        height, width = ((w - 1) * d + 1 for w, d in zip(self.size, self.dilation, strict=True))
        return height, width

    @property
    def is_padded(self) -> bool:
        """Whether it ever sees pixels outside of the image."""
        return self.padding == "same" or (self.padding != "valid" and bool(np.any(self.padding)))

    def pads(self, shape: Sequence[int]) -> tuple[Pair, Pair]:
        """Zeros ((top, bottom), (left, right)) around an image of (H, W) pixels."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        if self.padding != "same":
            return self.padding  # type: ignore[return-value]
        rows, columns = (
            max((-(-pixels // s) - 1) * s + e - pixels, 0)
            for pixels, s, e in zip(shape, self.stride, self.extent, strict=True)
        )
        return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)

    def positions(self, shape: Sequence[int]) -> Pair:
        """(H', W'): how many windows stand in an image of (H, W) pixels; below 1 where it is too small."""
        height, width = (
            (pixels + sum(pads) - e) // s + 1
            for pixels, pads, e, s in zip(shape, self.pads(shape), self.extent, self.stride, strict=True)
        )
        return height, width

    def least(self, positions: Pair = (1, 1)) -> Pair:
        """(H, W) of the smallest image with at least so many positions."""
        if self.padding == "same":
            height, width = ((count - 1) * s + 1 for count, s in zip(positions, self.stride, strict=True))
        else:
            pads = self.pads((1, 1))
            height, width = (
                max(1, (count - 1) * s + e - sum(around))
                for count, s, e, around in zip(positions, self.stride, self.extent, pads, strict=True)
            )
        return height, width

    def padded(self, x: Array) -> Array:
        """Images (N, H, W, C) with their zeros around them."""
        (top, bottom), (left, right) = self.pads(x.shape[1:3])
        return lax.pad(x, np.zeros((), x.dtype), ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)))

    def views(self, x: Array) -> Iterator[Array]:
        """The pixels under each entry of the window, row by row: h·w arrays (N, H', W', C) of images (N, H, W, C)."""
        spans = [(count - 1) * s + 1 for count, s in zip(self.positions(x.shape[1:3]), self.stride, strict=True)]
        x = self.padded(x)
        for entry in itertools.product(*map(range, self.size)):
            starts = [i * d for i, d in zip(entry, self.dilation, strict=True)]
            ends = [start + span for start, span in zip(starts, spans, strict=True)]
            yield lax.slice(x, (0, *starts, 0), (x.shape[0], *ends, x.shape[3]), (1, *self.stride, 1))


def patches(x: Array, window: Window) -> Array:
    """The pixels under each window of images (N, H, W, C): (N, H', W', h, w, C)."""
    u = jnp.stack(list(window.views(x)), axis=3)
    return u.reshape(*u.shape[:3], *window.size, u.shape[4])


def fold_patches(d_u: Array, window: Window, shape: Sequence[int]) -> Array:
    """Sum what each window gives to its pixels into images: `fold`, of one array, and the adjoint of `patches`.

    Args:
        d_u: (N, H', W', h, w, C), or (N, H', W', h·w, C).
        window: where they stand.
        shape: (H, W) of an image.

    >>> import jax.numpy as jnp
    >>> fold_patches(jnp.ones((1, 1, 2, 1, 2, 1)), window("convolution", (1, 2), 1), (1, 4)).ravel().tolist()
    [1.0, 2.0, 1.0, 0.0]
    """
    count = window.size[0] * window.size[1]
    entries = d_u.reshape(*d_u.shape[:3], count, d_u.shape[-1])
    return fold([entries[:, :, :, entry] for entry in range(count)], window, shape)


def fold(shares: Sequence[Array], window: Window, shape: Sequence[int]) -> Array:
    """Sum what each window gives to each of its entries into an image: the adjoint of `Window.views`.

    Args:
        shares: h·w arrays (N, H', W', C), row by row.
        window: where they stand.
        shape: (H, W) of the image.

    Returns:
        (N, H, W, C); 0 where no window stands.
    """

    def placed(share, axis, entry):
        (before, _), s = window.pads(shape)[axis - 1], window.stride[axis - 1]
        start = entry * window.dilation[axis - 1] - before
        end = shape[axis - 1] - start - (share.shape[axis] - 1) * s - 1
        config = [(0, 0, 0)] * share.ndim
        config[axis] = (start, end, s - 1)
        return lax.pad(share, np.zeros((), share.dtype), config)

    width = window.size[1]
    rows = [
        sum(placed(share, 2, column) for column, share in enumerate(shares[start : start + width]))
        for start in range(0, len(shares), width)
    ]
    return sum(placed(row, 1, entry) for entry, row in enumerate(rows))


def window(layer: str, size: object, stride: object, padding: Padding = "valid", dilation: object = 1) -> Window:
    """A checked `Window`; one number stands for both axes.

    Raises:
        TypeError, ValueError: sizes that are no ints ≥ 1, an unknown padding, negative explicit padding.

    >>> window("convolution", 3, 1, "full")
    Traceback (most recent call last):
    ValueError: convolution: padding is 'full', expected "valid", "same" or ((top, bottom), (left, right)); choose one
    """
    sizes = {name: pair(value, f"{layer}: {name}") for name, value in (("window", size), ("stride", stride))}
    return Window(
        sizes["window"], sizes["stride"], checked_padding(padding, layer), pair(dilation, f"{layer}: dilation")
    )


def pair(value: object, name: str) -> Pair:
    """`value` as (height, width), two ints ≥ 1; one number stands for both.

    >>> pair(3, "window")
    (3, 3)
    """
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{name} is {value}, expected one number or two; write (height, width)")
    remedy = "give pixels, one number or (height, width)"
    return validate.count(both[0], name, remedy), validate.count(both[1], name, remedy)


def checked_padding(value: Any, layer: str) -> Padding:
    """`value` as "valid", "same" or ((top, bottom), (left, right)).

    >>> checked_padding("SAME", "convolution")
    'same'
    """
    if isinstance(value, str) and value.lower() in ("valid", "same"):
        return value.lower()
    is_pairs = not isinstance(value, str) and np.shape(value) == (2, 2)
    if not is_pairs:
        is_number = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
        remedy = f"write (({value}, {value}), ({value}, {value}))" if is_number else "choose one"
        raise ValueError(
            f'{layer}: padding is {value!r}, expected "valid", "same" or ((top, bottom), (left, right)); {remedy}'
        )
    remedy = "give pixels of zeros, 0 or more"
    return tuple(tuple(validate.count(each, f"{layer}: padding", remedy, least=0) for each in pads) for pads in value)
