"""More examples from those there are: images moved, turned and scaled a little, each by its own random amount.

    out(o) = in(R(θ)⁻¹ (o − c − t) / f + c)        bilinear between pixels, zero outside the image
    R(θ)⁻¹ (y, x) = (y cos θ + x sin θ, x cos θ − y sin θ)

| symbol | name in code | shape |
|---|---|---|
| in, out | `images` | (N, H, W), (N, H, W, C), or flat (N, H·W) with `image_shape` |
| o | pixel coordinates, row and column | (H, W, 2) |
| c | the image's centre, ((H − 1)/2, (W − 1)/2) | (2,) |
| t | `shifts` in pixels: down, right | (N, 2) |
| θ | `degrees`, counter-clockwise | (N,) |
| f | `factors`, > 1 enlarges | (N,) |

All three are composed first and resampled once. Source: [Rauber], section 4; [Nielsen2015], chapters 3, 6; [LeCun1998].
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from fnnets.core import arrays, calls, validate
from fnnets.core.types import Batch
from fnnets.data import examples

if TYPE_CHECKING:
    from jaxtyping import Array, Num

Shape = tuple[int, ...]
LARGEST = 1e15


@calls.strict("translate")
def translate(images, pixels: float, *, key: Array, image_shape: Shape | None = None) -> Num[Array, "n ..."]:
    """Each image moved by amounts from U[−pixels, pixels], down and right independently; as `augment`.

    >>> import jax, jax.numpy as jnp
    >>> translate(jnp.ones((5, 8, 8)), 2.0, key=jax.random.key(0)).shape
    (5, 8, 8)
    """
    with calls.named_as("translate", "augment"):
        return augment(images, key=key, pixels=pixels, image_shape=image_shape)


@calls.strict("rotate")
def rotate(images, degrees: float, *, key: Array, image_shape: Shape | None = None) -> Num[Array, "n ..."]:
    """Each image turned about its centre by an angle from U[−degrees, degrees]; as `augment`.

    >>> import jax, jax.numpy as jnp
    >>> rotate(jnp.ones((5, 64)), 15.0, key=jax.random.key(0), image_shape=(8, 8)).shape
    (5, 64)
    """
    with calls.named_as("rotate", "augment"):
        return augment(images, key=key, degrees=degrees, image_shape=image_shape)


@calls.strict("scale")
def scale(images, factors: tuple[float, float], *, key: Array, image_shape: Shape | None = None) -> Num[Array, "n ..."]:
    """Each image scaled about its centre by a factor from U[low, high]; as `augment`.

    >>> import jax, jax.numpy as jnp
    >>> scale(jnp.ones((5, 8, 8)), (0.9, 1.1), key=jax.random.key(0)).shape
    (5, 8, 8)
    """
    with calls.named_as("scale", "augment"):
        return augment(images, key=key, factors=factors, image_shape=image_shape)


@calls.strict("augment")
def augment(
    images,
    *,
    key: Array,
    pixels: float = 0.0,
    degrees: float = 0.0,
    factors: tuple[float, float] = (1.0, 1.0),
    image_shape: Shape | None = None,
) -> Num[Array, "n ..."]:
    """Each image scaled, turned and moved by its own random amounts, in one resampling; compiled.

    Args:
        key: PRNG key.
        images: (N, H, W), (N, H, W, C), or (N, H·W) with `image_shape`; any dtype of numbers.
        pixels: ≥ 0; moves are from U[−pixels, pixels], down and right independently.
        degrees: ≥ 0; angles are from U[−degrees, degrees].
        factors: (low, high), 0 < low ≤ high; factors are from U[low, high].
        image_shape: (H, W) or (H, W, C) of flat images.

    Returns:
        Images of the same shape and dtype (integers rounded); zero where nothing is known. The default
        amounts give every image back exactly.

    Raises:
        TypeError: `key` is no key, an amount no number, `images` no numbers.
        ValueError: images of another rank, an `image_shape` that does not fit, a negative amount, factors
            that are no range of positive numbers.

    >>> import jax, jax.numpy as jnp
    >>> images = jnp.eye(8)[None].repeat(5, axis=0)
    >>> moved = augment(images, key=jax.random.key(0), pixels=1.0, degrees=15.0, factors=(0.9, 1.1))
    >>> moved.shape, bool((moved[0] == moved[1]).all())
    ((5, 8, 8), False)
    """
    validate.is_key(key, "augment: key")
    for amount, name, what in ((pixels, "pixels", "move in pixels"), (degrees, "degrees", "angle in degrees")):
        validate.at_least(amount, 0.0, f"augment: {name}", f"give the largest {what}")
        _check_size(amount, f"augment: {name}")
    if not isinstance(factors, tuple | list) or len(factors) != 2:
        raise TypeError(f"augment: factors is {factors!r}, expected (low, high); write (0.9, 1.1)")
    low, high = factors
    validate.above(low, 0.0, "augment: factors[0]", "1 keeps the size")
    validate.at_least(high, low if validate.is_concrete(low) else 0.0, "augment: factors[1]", "write (low, high)")
    _check_size(1 / low if validate.is_concrete(low) else low, "augment: 1 / factors[0]")
    _check_size(high, "augment: factors[1]")
    grid = _interpolable(_grid(images, image_shape, "augment: images"), "augment: images")
    return _restored(_augment(key, _floats(grid), pixels, degrees, low, high), grid.dtype, jnp.shape(images))


@calls.strict("affine")
def affine(images, *, shifts=None, degrees=None, factors=None, image_shape: Shape | None = None) -> Num[Array, "n ..."]:
    """Each image scaled, turned and moved by the amounts given for it; `augment` draws them.

    Args:
        images: (N, H, W), (N, H, W, C), or (N, H·W) with `image_shape`.
        shifts: (N, 2) pixels down and right; None for no move.
        degrees: (N,) angles about the centre, counter-clockwise; None for no turn.
        factors: (N,) positive factors about the centre; None for 1.
        image_shape: (H, W) or (H, W, C) of flat images.

    Returns:
        Images of the same shape and dtype, as from `augment`.

    Raises:
        TypeError, ValueError: as `augment`; and amounts that are not one for each image.

    >>> import jax.numpy as jnp
    >>> affine(jnp.array([[[1.0, 2.0], [3.0, 4.0]]]), degrees=jnp.array([90.0])).round().tolist()
    [[[2.0, 4.0], [1.0, 3.0]]]
    """
    grid = _interpolable(_grid(images, image_shape, "affine: images"), "affine: images")
    n = grid.shape[0]
    amounts = (
        _amounts(shifts, 0.0, (n, 2), "affine: shifts"),
        _amounts(degrees, 0.0, (n,), "affine: degrees"),
        _amounts(factors, 1.0, (n,), "affine: factors"),
    )
    if validate.is_concrete(amounts[2]) and not (np.asarray(amounts[2]) > 0).all():
        raise ValueError(f"affine: factors are {np.min(amounts[2])} at least, expected more than 0; 1 keeps the size")
    if validate.is_concrete(amounts[2]):
        _check_size(1 / np.asarray(amounts[2], np.float64), "affine: 1 / factors")
    return _restored(_resample(_floats(grid), *map(jnp.asarray, amounts)), grid.dtype, jnp.shape(images))


@calls.strict("shift")
def shift(images, dy: int, dx: int, image_shape: Shape | None = None) -> Num[Array, "n ..."]:
    """All images moved by whole pixels, exactly: nothing is interpolated, zeros move in.

    Args:
        images: (N, H, W), (N, H, W, C), or (N, H·W) with `image_shape`.
        dy, dx: whole pixels down and right; negative ones move up and left.
        image_shape: (H, W) or (H, W, C) of flat images.

    Raises:
        TypeError: `dy` or `dx` is no int.
        ValueError: images of another rank, an `image_shape` that does not fit.

    >>> import jax.numpy as jnp
    >>> shift(jnp.array([[[1, 2], [3, 4]]]), 1, 0).tolist()
    [[[0, 0], [1, 2]]]
    """
    dy = validate.count(dy, "shift: dy", "give whole pixels", least=-sys.maxsize)
    dx = validate.count(dx, "shift: dx", "give whole pixels", least=-sys.maxsize)
    grid = _grid(images, image_shape, "shift: images")
    _, height, width, _ = grid.shape
    dy, dx = max(-height, min(height, dy)), max(-width, min(width, dx))
    padding = ((0, 0, 0), (dy, -dy, 0), (dx, -dx, 0), (0, 0, 0))
    return jax.lax.pad(grid, jnp.zeros((), grid.dtype), padding).reshape(jnp.shape(images))


@calls.strict("nudge")
def nudge(batch: Batch, image_shape: Shape | None = None) -> Batch:
    """Five times the examples: all as they are, then all moved by one pixel up, down, left and right.

    Args:
        batch: N images as in `shift`, with their targets, if they have any.
        image_shape: (H, W) or (H, W, C) of flat images.

    Returns:
        A `Batch` of 5N examples, each image's target five times. [Nielsen2015], chapter 6: 50 000 become 250 000.

    Raises:
        TypeError, ValueError: as `shift`; `batch` is no `Batch` of as many images as targets.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> nudge(fn.Batch(jnp.ones((2, 64)), jnp.array([3, 7])), image_shape=(8, 8)).targets.tolist()
    [3, 7, 3, 7, 3, 7, 3, 7, 3, 7]
    """
    batch = examples.checked(batch, "nudge: batch")
    validate.finite(batch.inputs, "nudge: batch.inputs")
    moves = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
    moved = [shift(batch.inputs, dy, dx, image_shape) for dy, dx in moves]
    weights = None if batch.weights is None else jnp.concatenate([jnp.asarray(batch.weights)] * len(moves))
    targets = None if batch.targets is None else jnp.asarray(arrays.whole(batch.targets, "nudge: batch.targets"))
    targets = targets if targets is None else jnp.concatenate([targets] * len(moves))
    return Batch(jnp.concatenate(moved), targets, weights=weights)


def _grid(images, image_shape, name) -> Array:
    """Images of any of the three layouts as (N, H, W, C)."""
    images = validate.array(images, name)
    validate.finite(images, name)
    if image_shape is not None:
        image_shape = validate.shape(image_shape, "image_shape")
        if len(image_shape) not in (2, 3):
            raise ValueError(f"image_shape is {image_shape}, expected (H, W) or (H, W, C); give the shape of one image")
        flat = math.prod(image_shape)
        if images.shape[1:] not in ((flat,), image_shape):
            raise ValueError(
                f"{name} has shape {images.shape}, expected (N, {flat}) for image_shape {image_shape}; let both agree"
            )
        images = images.reshape(-1, *image_shape)
    if images.ndim not in (3, 4):
        raise ValueError(
            f"{name} has shape {images.shape}, expected (N, H, W) or (N, H, W, C); "
            "for flat images give image_shape=(H, W), for a single image write images[None]"
        )
    if images.size == 0:
        raise ValueError(f"{name} has shape {images.shape}: no pixels, expected at least one; give it images")
    return jnp.asarray(arrays.whole(images, name).reshape(*images.shape[:3], -1))


def _interpolable(grid, name) -> Array:
    """Images whose numbers float32 holds exactly, if they are whole ones."""
    if jnp.issubdtype(grid.dtype, jnp.integer) and grid.dtype.itemsize >= 4 and validate.is_concrete(grid):
        largest = max(abs(int(np.asarray(grid).min())), abs(int(np.asarray(grid).max())))
        if largest > 2**24:
            expected = f"expected at most {2**24}, which float32 holds exactly; scale them"
            raise ValueError(f"{name} holds whole numbers up to {largest}, {expected}")
    return grid


def _floats(grid):
    return grid if grid.dtype == jnp.float64 else grid.astype(jnp.float32)


def _restored(grid, dtype, shape):
    """Floats (N, H, W, C) in the dtype and the layout in which the images came."""
    rounded = grid if jnp.issubdtype(dtype, jnp.floating) else jnp.round(grid)
    return rounded.astype(dtype).reshape(shape)


def _amounts(value, default, shape, name):
    if value is None:
        return np.full(shape, default, jnp.result_type(float))
    value = validate.array(value, name)
    validate.finite(value, name)
    if value.shape != shape:
        raise ValueError(f"{name} has shape {value.shape}, expected {shape}; give one amount for each image")
    _check_size(value, name)
    return value.astype(jnp.result_type(float))


def _check_size(value, name) -> None:
    """Raise where float32 would overflow in computing with these amounts; traced ones pass."""
    if validate.is_concrete(value) and np.size(value) and np.max(np.abs(np.asarray(value, np.float64))) > LARGEST:
        raise ValueError(f"{name} is as large as {np.max(np.abs(value)):g}, expected at most {LARGEST:g}; give less")


@jax.jit
def _augment(key, images, pixels, degrees, low, high):
    n = images.shape[0]
    shifts_key, degrees_key, factors_key = jax.random.split(key, 3)
    shifts = jax.random.uniform(shifts_key, (n, 2), minval=-pixels, maxval=pixels)
    angles = jax.random.uniform(degrees_key, (n,), minval=-degrees, maxval=degrees)
    return _resample(images, shifts, angles, jax.random.uniform(factors_key, (n,), minval=low, maxval=high))


@jax.jit
def _resample(images, shifts, degrees, factors):
    """`images` (N, H, W, C) resampled at R(θ)⁻¹ (o − c − t) / f + c."""
    dtype = images.dtype
    _, height, width, _ = images.shape
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    rows, columns = jnp.meshgrid(jnp.arange(height, dtype=dtype), jnp.arange(width, dtype=dtype), indexing="ij")

    def one(image, shift, angle, factor):
        y, x = rows - centre_y - shift[0], columns - centre_x - shift[1]
        cos, sin = jnp.cos(jnp.deg2rad(angle)) / factor, jnp.sin(jnp.deg2rad(angle)) / factor
        where = [y * cos + x * sin + centre_y, x * cos - y * sin + centre_x]
        channel = jax.vmap(lambda plane: map_coordinates(plane, where, order=1), in_axes=-1, out_axes=-1)
        return channel(image)

    return jax.vmap(one)(images, shifts.astype(dtype), degrees.astype(dtype), factors.astype(dtype))
