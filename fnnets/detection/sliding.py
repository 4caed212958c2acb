"""A network cut at its first fully connected layer, so that all of it can slide over larger images.

    net = objective ∘ rest ∘ first ∘ flatten ∘ front

    front    windows (convolution, pooling) and pointwise layers: they take images of any size
    first    fully connected to the h₀·w₀·C features of one crop: as filters, it finds a position for each crop
    rest     fully connected and pointwise layers: they work on the last axis, position by position

| symbol | name in code | shape |
|---|---|---|
| h₀, w₀ | `cut.size`, the positions of front's last window in one crop | 2 ints |
| S | `cut.stride`, the product of front's strides | 2 ints |

Source: [Sermanet2014], section 3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import arrays, shapes, validate
from fnnets.core.types import Layer, Network
from fnnets.kernels.windows import Pair

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

POINTWISE = ("activate", "dropout")
Part = tuple[Layer, Any]


class Cut(NamedTuple):
    """The three pieces, each layer with its parameters."""

    front: list[Part]
    first: Part
    rest: list[Part]
    size: Pair
    stride: Pair


def prepare(net: Network, params: PyTree, images: Array, name: str, borders_differ: bool) -> tuple[Cut, Any]:
    """The network cut, and the images in the dtype of its parameters; all that can be wrong is found here."""
    validate.like(params, expected(net, name), f"{name}: params")
    validate.flag(borders_differ, f"{name}: borders_differ")
    return cut(net, params, name, borders_differ), check_images(net, params, images, name)


def expected(net: Network, name: str) -> Any:
    """Shapes and dtypes of the parameters of a network that reads images."""
    validate.is_instance(net, Network, f"{name}: net", "make one with fnnets.convolutional")
    if len(net.input_shape) != 3:
        raise ValueError(
            f"{name}: net reads examples of shape {net.input_shape}, expected images (h, w, C); "
            "make it with fnnets.convolutional"
        )
    return jax.eval_shape(net.init, jax.random.key(0))


def check_images(net: Network, params: PyTree, images: Array, name: str) -> Any:
    """Images (N, H, W, C) of the network's channels, no smaller than its own, in the dtype of its parameters."""
    images = validate.array(images, f"{name}: images")
    height, width, channels = net.input_shape
    if images.ndim != 4:
        raise ValueError(
            f"{name}: images has shape {images.shape}, expected (N, H, W, {channels}); {axes_remedy(images)}"
        )
    shape = images.shape[1:]
    if shape[2] != channels:
        remedy = shapes.remedy(shape, channels, "give it images of the kind that it was trained with")
        raise ValueError(f"{name}: images of shape {shape} have {shape[2]} channels, expected {channels}; {remedy}")
    if shape[0] < height or shape[1] < width:
        raise ValueError(
            f"{name}: images have {shape[0]} x {shape[1]} pixels, expected at least {height} x {width}, the size that "
            "the network was trained with; give larger images, or enlarge them with detection.pyramid"
        )
    validate.finite(images, f"{name}: images")
    return jnp.asarray(arrays.fitting(images, f"{name}: images"), jax.tree.leaves(params)[0].dtype)


def axes_remedy(images: Array) -> str:
    """The remedy for images with another number of axes than four."""
    if images.ndim == 3:
        return "for a single image write images[None], for grey images images[..., None]"
    return "reshape them to that"


def cut(net: Network, params: PyTree, name: str, borders_differ: bool) -> Cut:
    """The pieces of a network; `name` is that of the function that messages name.

    Raises:
        ValueError: layers in another order or of another kind, and padded windows unless they are accepted.

    >>> import fnnets as fn
    >>> net = fn.convolutional((8, 8, 1), "conv3-2 maxpool2 | fc-5 fc-3", objective=fn.objectives.sigmoid_cross_entropy)
    >>> pieces = cut(net, expected(net, "cut"), "cut", False)
    >>> len(pieces.front), len(pieces.rest), pieces.size, pieces.stride
    (2, 1, (3, 3), (2, 2))
    """
    parts = _walk(net.layer, params)
    names = [layer.name for layer, _ in parts]
    at = names.index("dense") if "dense" in names else 0
    front = [part for part in parts[:at] if part[0].name != "flatten"]
    is_front = all(layer.window is not None or layer.name in POINTWISE for layer, _ in front)
    if "flatten" not in names[:at] or not is_front or not set(names[at:]) <= {"dense", *POINTWISE}:
        raise ValueError(
            f"{name}: net is made of {', '.join(names)}; expected windows (convolution, pooling), flatten, then dense "
            "layers, with activate and dropout anywhere; make it with fnnets.convolutional"
        )
    height, width, _ = net.input_shape
    size, stride = (height, width), (1, 1)
    for window in (layer.window for layer, _ in front if layer.window is not None):
        if window.is_padded and not borders_differ:
            raise ValueError(_padded(window, name))
        size, stride = window.positions(size), (stride[0] * window.stride[0], stride[1] * window.stride[1])
    return Cut(front, parts[at], parts[at + 1 :], size, stride)


def _padded(window, name) -> str:
    return (
        f"{name}: net has a window with padding {window.padding!r}, expected none: the border pixels of a crop see "
        "zeros, those of a map see the image, so that the map would not equal the predictions for its crops; train "
        'it with padding="valid", or accept the difference with borders_differ=True'
    )


def _walk(layer, params) -> list[Part]:
    """The layers within nested chains, first to last, with their parameters."""
    if not layer.parts:
        return [(layer, params)]
    return [part for each in zip(layer.parts, params, strict=True) for part in _walk(*each)]
