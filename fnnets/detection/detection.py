"""A trained convolutional network on images larger than those that it was trained with: class maps and detection.

    u = front(x)                                    convolutions and poolings find more positions in a larger image
    z[n,y,x,k] = b_k + Σ_{i,j,c} w[i,j,c,k] u[n, y+i, x+j, c]      the first fully connected layer, as filters
    w[i,j,c,k] = W[k, (i·w₀ + j)·C + c]                            its weights, in the order of flatten
    a[n,y,x] = objective.predict(rest(z[n,y,x]))                   the later layers, position by position

    a[n,y,x] = net.predict(x[n, y·S : y·S + h, x·S : x·S + w])     S = Π strides of front
    positions  H' = ⌊(H − h) / S⌋ + 1
    at stride 1: the map of x moved by (r, q), 0 ≤ r, q < S, fills the positions (y·S + r, x·S + q)

The identity holds where no window is padded: crops then share features. A crop's border would see zeros, a map's none.

| symbol | name in code | shape |
|---|---|---|
| x | `images` | (N, H, W, C) |
| h, w | `net.input_shape` | 3 ints with C |
| h₀, w₀ | `cut.size`: the features of one crop | 2 ints |
| S | `map_stride(net)` | 2 ints |
| a | result of `class_map` | (N, H', W', d) |

Source: [Rauber], section 5, the class map; [Sermanet2014], section 3.5; [Long2015], section 3, for shift and stitch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.core import arrays, calls, validate
from fnnets.core.types import Context, Network
from fnnets.detection import boxes, checking, sliding
from fnnets.detection.boxes import Boxes
from fnnets.kernels import convolution, windows
from fnnets.kernels.windows import Pair, Window

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

LARGEST = 2**34  # numbers in one level of a pyramid; XLA ends the process where far more are wanted


@calls.strict("map_stride")
def map_stride(net: Network) -> Pair:
    """Pixels (down, right) from one position of the network's class map to the next.

    >>> import fnnets as fn
    >>> map_stride(fn.convolutional((28, 28, 1), "conv5-4 maxpool2 | conv5-8 maxpool2 | fc-10",
    ...                             objective=fn.objectives.softmax_log_likelihood))
    (4, 4)
    """
    return sliding.cut(net, sliding.expected(net, "map_stride"), "map_stride", True).stride


@calls.strict("class_map")
def class_map(net: Network, params: PyTree, images: Array, *, borders_differ: bool = False) -> Float[Array, "n y x d"]:
    """The predictions for every crop at the network's own stride, in one pass; wrap it in `jax.jit` to use it often.

    Args:
        net: images (h, w, C) through windows and pointwise layers, flatten, and fully connected layers.
        params: its parameters.
        images: (N, H, W, C) with H ≥ h and W ≥ w; pixels that no crop at this stride reaches are left out.
        borders_differ: take a network with padded windows too, whose map is not that of its crops.

    Raises:
        TypeError, ValueError: another kind of network, padded windows, parameters or images that do not fit.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.convolutional((8, 8, 1), "conv3-2 maxpool2 | fc-5 fc-3", objective=fn.objectives.sigmoid_cross_entropy)
    >>> class_map(net, net.init(jax.random.key(0)), jnp.ones((2, 15, 20, 1))).shape
    (2, 4, 7, 3)
    """
    cut, images = sliding.prepare(net, params, images, "class_map", borders_differ)
    return _map(net, cut, images, *_positions(net, images, cut.stride))


@calls.strict("stitched_map")
def stitched_map(
    net: Network, params: PyTree, images: Array, *, borders_differ: bool = False
) -> Float[Array, "n y x d"]:
    """The predictions for every crop at stride 1, (N, H−h+1, W−w+1, d): class maps of moved images, interleaved.

    The maps are computed one after another, so that memory is that of a single one; arguments as for `class_map`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.convolutional((8, 8, 1), "conv3-2 maxpool2 | fc-5 fc-3", objective=fn.objectives.sigmoid_cross_entropy)
    >>> stitched_map(net, net.init(jax.random.key(0)), jnp.ones((2, 15, 20, 1))).shape
    (2, 8, 13, 3)
    """
    cut, images = sliding.prepare(net, params, images, "stitched_map", borders_differ)
    wanted = _positions(net, images, (1, 1))
    stride = np.array(cut.stride)
    rows, columns = -(-np.array(wanted) // stride)
    # Zeros below and to the right give every shift the same number of positions; those that see them are cut off.
    missing = stride * (rows, columns) - wanted
    extended = jnp.pad(images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    seen = np.array(extended.shape) - (0, *(stride - 1), 0)

    def moved(shift):
        part = lax.dynamic_slice(extended, (0, shift[0], shift[1], 0), seen)
        return _map(net, cut, part, rows, columns)

    maps = lax.map(moved, np.indices(cut.stride).reshape(2, -1).T)
    maps = maps.reshape(*cut.stride, *maps.shape[1:]).transpose(2, 3, 0, 4, 1, 5)
    stitched = maps.reshape(len(images), rows * stride[0], columns * stride[1], maps.shape[-1])
    return stitched[:, : wanted[0], : wanted[1]]


@calls.strict("exhaustive_map")
def exhaustive_map(
    net: Network, params: PyTree, images: Array, stride: int | tuple[int, int], block: int = 256
) -> Float[Array, "n y x d"]:
    """The predictions for every crop, crop by crop with `net.predict`: the plain form of the maps above.

    Args:
        net: any network of images (h, w, C), padded or not.
        params: its parameters.
        images: (N, H, W, C) with H ≥ h and W ≥ w.
        stride: pixels from one crop to the next; one number stands for both axes.
        block: crops that are held in memory together, at most.

    Raises:
        TypeError, ValueError: parameters, images, a stride or a block that do not fit.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.convolutional((8, 8, 1), "conv3-2 maxpool2 | fc-5 fc-3", objective=fn.objectives.sigmoid_cross_entropy)
    >>> exhaustive_map(net, net.init(jax.random.key(0)), jnp.ones((1, 15, 20, 1)), 2).shape
    (1, 4, 7, 3)
    """
    validate.like(params, sliding.expected(net, "exhaustive_map"), "exhaustive_map: params")
    images = sliding.check_images(net, params, images, "exhaustive_map")
    steps = windows.pair(stride, "exhaustive_map: stride")
    block = validate.count(block, "exhaustive_map: block", "give the number of crops")
    rows, columns = _positions(net, images, steps)
    places = np.indices((len(images), rows, columns)).reshape(3, -1).T * (1, *steps)
    blocks = -(-len(places) // block)
    each = -(-len(places) // max(1, blocks))
    padded = np.pad(places, ((0, blocks * each - len(places)), (0, 0))).reshape(blocks, each, 3)

    def crop(place):
        return lax.dynamic_slice(images, (*place, 0), (1, *net.input_shape))[0]

    found = lax.map(lambda some: net.predict(params, jax.vmap(crop)(some)), padded)
    return found.reshape(-1, *net.output_shape)[: len(places)].reshape(-1, rows, columns, *net.output_shape)


@calls.strict("pyramid")
def pyramid(images: PyTree, scales: Sequence[float]) -> list[Float[Array, "n h w c"]]:
    """Images at several sizes, so that objects of many sizes appear at the size of the training images.

    Args:
        images: (N, H, W, C).
        scales: new size / old size; an object of s pixels in images for h pixels needs h/s.

    Raises:
        TypeError, ValueError: images of another rank, a scale that is not positive or leaves no pixel.

    >>> import jax.numpy as jnp
    >>> [level.shape for level in pyramid(jnp.ones((1, 40, 30, 1)), (1.0, 0.5))]
    [(1, 40, 30, 1), (1, 20, 15, 1)]
    """
    images = validate.array(images, "pyramid: images")
    if images.ndim != 4:
        raise ValueError(
            f"pyramid: images has shape {images.shape}, expected (N, H, W, C); {sliding.axes_remedy(images)}"
        )
    if 0 in images.shape[1:]:
        raise ValueError(f"pyramid: images has shape {images.shape}: no pixels, expected at least one; give it images")
    validate.finite(images, "pyramid: images")
    images = arrays.fitting(images, "pyramid: images")
    count, height, width, channels = images.shape
    levels = []
    for scale in _scales(scales, "pyramid: scales"):
        shape = count, round(scale * height), round(scale * width), channels
        if math.prod(shape) > LARGEST:
            raise ValueError(
                f"pyramid: scales holds {scale}, which makes {shape[1]} x {shape[2]} pixels, expected at most "
                f"{LARGEST} numbers in all of a size; give a smaller one, or fewer images"
            )
        if 0 in shape[1:3]:
            raise ValueError(
                f"pyramid: scales holds {scale}, which leaves no pixel of {height} x {width}, expected one that leaves "
                "some; give a larger one"
            )
        levels.append(images if shape == images.shape else jax.image.resize(images, shape, "linear", antialias=True))
    return levels


def _scales(value, name: str) -> list[float]:
    """The scales of a pyramid, at least one, each positive."""
    if isinstance(value, str | bytes | dict) or np.ndim(value) == 0:
        raise TypeError(f"{name} is {value!r}, expected a list of numbers; write [1.0, 0.5]")
    found = list(value)
    if not found:
        raise ValueError(f"{name} is empty, expected at least one number; write [1.0] for the images as they are")
    for number, scale in enumerate(found):
        validate.above(scale, 0.0, f"{name}[{number}]", "0.5 halves the sides")
    return found


@calls.strict("detect")
def detect(
    net: Network, params: PyTree, images: Array, scales: Sequence[float] = (1.0,), *, threshold: float = 0.5,
    background: int | None = None, overlap: float = 0.3, per_class: bool = True, borders_differ: bool = False,
) -> list[Boxes]:  # fmt: skip
    """The objects in each image: class maps of a pyramid, their boxes, and of those that overlap the surest.

    Args:
        net, params, images, borders_differ: as for `class_map`.
        scales: of the pyramid; each size is compiled once a process.
        threshold: the least confidence of a box.
        background: the class that stands for no object, which gives no boxes.
        overlap, per_class: as for `boxes.suppress`.

    Raises:
        TypeError, ValueError: as from `class_map` and `pyramid`, and settings out of range.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.convolutional((8, 8, 1), "conv3-2 maxpool2 | fc-3", objective=fn.objectives.sigmoid_cross_entropy)
    >>> [found] = detect(net, net.init(jax.random.key(0)), jnp.ones((1, 16, 16, 1)), [0.5], threshold=0.0)
    >>> found.edges[0].tolist(), sorted(found.classes.tolist())
    ([0.0, 0.0, 16.0, 16.0], [0, 1, 2])
    """
    _, images = sliding.prepare(net, params, images, "detect", borders_differ)
    scales = _scales(scales, "detect: scales")
    _check_levels(net, images, scales)
    _check_boxes(net, threshold, background, overlap, per_class)
    stride, size = map_stride(net), net.input_shape[:2]
    found: list[list[Boxes]] = [[] for _ in images]
    for level in pyramid(images, scales):
        scale = level.shape[1] / images.shape[1], level.shape[2] / images.shape[2]
        maps = np.asarray(_compiled(net, borders_differ)(params, level))
        for each, confidences in zip(found, maps, strict=True):
            each.append(boxes.from_map(confidences, stride, size, threshold, scale=scale, background=background))
    return [boxes.suppress(boxes.join(each), overlap, per_class=per_class) for each in found]


def _check_levels(net, images, scales) -> None:
    """Raise for a scale at which images are smaller than those that the network was trained with."""
    for scale in scales:
        sides = tuple(round(scale * side) for side in images.shape[1:3])
        if sides[0] < net.input_shape[0] or sides[1] < net.input_shape[1]:
            raise ValueError(
                f"detect: scales holds {scale}, which leaves {sides[0]} x {sides[1]} pixels, expected at least "
                f"{net.input_shape[0]} x {net.input_shape[1]}, as the network was trained with; leave that scale out"
            )


def _check_boxes(net, threshold, background, overlap, per_class) -> None:
    """Raise for what `boxes.from_map` and `boxes.suppress` would refuse once the maps are there."""
    validate.at_least(threshold, 0.0, "detect: threshold", "give the least confidence")
    if net.objective.domain == (0, 1) and threshold > 1:
        raise ValueError(
            f"detect: threshold is {threshold}, expected at most 1, as the network's outputs are; "
            f"write {threshold} / 100 for per cent"
        )
    if background is not None:
        checking.background(background, net.output_shape[-1], "detect: background")
    checking.overlap(overlap, "detect: overlap")
    validate.flag(per_class, "detect: per_class")


@functools.lru_cache(maxsize=32)
def _compiled(net, borders_differ):
    return jax.jit(functools.partial(class_map, net, borders_differ=borders_differ))


def _map(net, cut, images, rows, columns):
    """The map of `rows` x `columns` positions, of the pixels that these see and no others."""
    height = net.input_shape[0] + (rows - 1) * cut.stride[0]
    width = net.input_shape[1] + (columns - 1) * cut.stride[1]
    # Without the rest, "same" padding stands as it stood in training, however many pixels are left over.
    x = images[:, :height, :width]
    for layer, params in cut.front:
        x, _ = layer.forward(params, x, Context())
    layer, params = cut.first
    x = _slide(layer, params, x, cut.size)
    for layer, params in cut.rest:
        x, _ = layer.forward(params, x, Context())
    return net.objective.predict(x)


def _slide(layer, params, x, size):
    """The fully connected layer on every part of x with `size` pixels, (N, H', W', q)."""
    filters = params.weights.reshape(-1, *size, x.shape[-1]).transpose(1, 2, 3, 0)
    z = convolution.correlate(x, filters, windows.window("class_map", size, 1)) + params.biases
    # The layer alone knows its activation: as a layer of no inputs, its weighted inputs are its biases.
    return layer.forward(params._replace(weights=params.weights[:, :0], biases=z), z[..., :0], Context())[0]


def _positions(net, images, stride) -> Pair:
    height, width, _ = net.input_shape
    return Window((height, width), stride).positions(images.shape[1:3])
