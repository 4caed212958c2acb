"""Scenes to find objects in: digits at random places and sizes, among fragments of digits; and crops to train with.

    scene    x = max over objects and fragments of their images, enlarged and moved
    object   side s = low (high / low)^u, u ~ U(0, 1); its frame overlaps no other; a fragment overlaps no frame
    fragment a part of a digit, a quarter to a half of the sides, enlarged like an object
    crop     of an object's class: its frame, moved and scaled a little; of none: IoU < 0.45 with every object

| symbol | name in code | shape |
|---|---|---|
| x | `scenes.images` | (S, H, W, 1), in the units of the digits |
| frames | `scenes.edges`: top, left, bottom, right, half-open | (S, K, 4) pixels |
| classes | `scenes.classes` | (S, K) |

All is drawn on the host by NumPy, from a generator that the key seeds: the same key gives the same scenes. A frame is
that of the digit's whole image, margin included, which is what a classifier of digits was trained with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, calls, validate
from fnnets.core.types import Batch
from fnnets.data import examples
from fnnets.data.resizing import cut, resized

if TYPE_CHECKING:
    from jaxtyping import Array

TRIES = 200
FAR = 0.45
SHIFT, ZOOM = 0.08, 1.12


class Scenes(NamedTuple):
    """Scenes and what is in them: images (S, H, W, 1), frames (S, K, 4) in pixels, classes (S, K)."""

    images: np.ndarray
    edges: np.ndarray
    classes: np.ndarray


@calls.strict("scenes")
def scenes(
    digits: Batch, count: int, *, key: Array, shape: tuple[int, int] = (96, 96), objects: int = 4,
    sizes: tuple[float, float] = (16, 32), fragments: int = 20,
) -> Scenes:  # fmt: skip
    """Scenes composed of digits, each with the same number of objects.

    Args:
        key: PRNG key.
        digits: square images (N, h·h), (N, h, h) or (N, h, h, 1) with labels, from which objects are drawn.
        count: S, how many scenes.
        shape: pixels (H, W) of a scene.
        objects: K, digits in each.
        sizes: (smallest, largest) side of a digit's frame in pixels, small ones as often as large ones.
        fragments: parts of digits in each scene; those that find no place between the objects are left out.

    Raises:
        TypeError, ValueError: digits that are not square images with labels, numbers out of range, objects
            for which there is no room.

    >>> import jax
    >>> from fnnets.data import digits
    >>> found = scenes(digits(), 2, key=jax.random.key(0), objects=3)
    >>> found.images.shape, found.edges.shape, found.classes.shape
    ((2, 96, 96, 1), (2, 3, 4), (2, 3))
    """
    random = _generator(key, "scenes: key")
    images, labels = _digits(digits)
    count, objects = validate.count(count, "scenes: count"), validate.count(objects, "scenes: objects")
    fragments = validate.count(fragments, "scenes: fragments", least=0)
    height, width = _plane(shape, "scenes: shape")
    sizes = _range(sizes, "scenes: sizes")
    made = []
    for _ in range(count):
        frames = _frames(random, objects, (height, width), sizes)
        chosen = random.integers(len(images), size=objects)
        scene = np.zeros((height, width), np.float32)
        for frame, image in zip(frames, images[chosen], strict=True):
            _paste(scene, resized(image, (frame[2] - frame[0],) * 2), frame)
        for _ in range(fragments):
            _add_fragment(random, scene, frames, images, sizes)
        made.append((scene[..., None], frames, labels[chosen]))
    return Scenes(*map(np.stack, zip(*made, strict=True)))


@calls.strict("crops")
def crops(
    scenes: Scenes, size: int, *, key: Array, background: int, per_object: int = 1, per_scene: int = 4,
    shift: float = SHIFT, zoom: float = ZOOM,
) -> Batch:  # fmt: skip
    """Labelled crops to train a detector with: each object, and places where there is none.

    Args:
        key: PRNG key.
        scenes: from `scenes`.
        size: side of a crop in pixels, once resized.
        background: the label of crops that overlap no object by an IoU of 0.45; half of them lie near one.
        per_object: crops of each object.
        per_scene: background crops from each scene.
        shift: an object's crop is moved by up to this part of its side, down and right independently.
        zoom: its side is that of the frame times a factor from 1/zoom to zoom.

    Returns:
        A `Batch` of inputs (M, size, size, 1) and labels, objects first.

    Raises:
        TypeError, ValueError: numbers out of range, scenes too full for a background.

    >>> import jax
    >>> from fnnets.data import digits
    >>> batch = crops(scenes(digits(), 2, key=jax.random.key(0)), 16, key=jax.random.key(1), background=10)
    >>> batch.inputs.shape, batch.targets[8:].tolist()
    ((16, 16, 16, 1), [10, 10, 10, 10, 10, 10, 10, 10])
    """
    random = _generator(key, "crops: key")
    scenes = _scenes(scenes, "crops: scenes")
    size, per_scene = validate.count(size, "crops: size"), validate.count(per_scene, "crops: per_scene", least=0)
    background = validate.count(background, "crops: background", "give the label of no object", least=0)
    arrays.whole(np.array([background]), "crops: background", np.int32)
    per_object = validate.count(per_object, "crops: per_object", least=0)
    validate.at_least(shift, 0.0, "crops: shift", "give a part of the side")
    if shift > 1:
        raise ValueError(f"crops: shift is {shift}, expected at most 1, all of the side; give a part of the side")
    validate.at_least(zoom, 1.0, "crops: zoom", "1 keeps the size")
    found, empty = [], []
    for scene, edges in zip(scenes.images[..., 0], scenes.edges, strict=True):
        frames = np.repeat(edges, per_object, axis=0)
        found += [cut(scene, _jittered(random, frame, scene.shape, shift, zoom), size) for frame in frames]
        places = [_elsewhere(random, edges, scene.shape, number % 2 == 0) for number in range(per_scene)]
        empty += [cut(scene, place, size) for place in places]
    inputs = np.array(found + empty, np.float32).reshape(-1, size, size, 1)
    labels = [np.repeat(scenes.classes.ravel(), per_object), np.full(len(empty), background)]
    return Batch(jnp.asarray(inputs), jnp.asarray(arrays.whole(np.concatenate(labels), "crops: background", np.int32)))


def _generator(key, name) -> np.random.Generator:
    examples.check_key(key, name)
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return np.random.default_rng(np.asarray(jax.random.key_data(key) if is_typed else key))


def _digits(digits) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, h, h) and their labels."""
    batch = examples.checked(digits, "scenes: digits")
    if batch.targets is None:
        raise ValueError("scenes: digits.targets is None, expected a label for each of the images; give them labels")
    validate.finite(batch.inputs, "scenes: digits.inputs")
    images = np.asarray(arrays.fitting(batch.inputs, "scenes: digits.inputs"), np.float32)
    labels = np.asarray(batch.targets)
    side = math.isqrt(math.prod(images.shape[1:]))
    if not images.size or images.shape[1:] not in ((side * side,), (side, side), (side, side, 1)):
        raise ValueError(
            f"scenes: digits.inputs has shape {images.shape}, expected square images (N, h·h), (N, h, h) or "
            "(N, h, h, 1); cut or pad them to squares"
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"scenes: digits.targets has shape {labels.shape} and dtype {labels.dtype}, expected an integer label for "
            "each of the images; use targets.argmax(-1) if one-hot"
        )
    return images.reshape(-1, side, side), labels


def _plane(value, name) -> tuple[int, int]:
    shape = validate.shape(value, name)
    if len(shape) != 2:
        raise ValueError(f"{name} is {shape}, expected (H, W); write (96, 96)")
    return shape[0], shape[1]


def _range(value, name) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} is {value!r}, expected (smallest, largest); write (16, 32)")
    low, high = value
    validate.at_least(low, 2, f"{name}[0]", "give the smallest side in pixels")
    validate.at_least(high, low, f"{name}[1]", "write (smallest, largest)")
    return low, high


def _scenes(value, name) -> Scenes:
    """Scenes whose three arrays belong together."""
    validate.is_instance(value, Scenes, name, "make them with fnnets.data.scenes")
    images, edges, classes = (
        np.asarray(validate.array(array, f"{name}.{field}")) for field, array in zip(Scenes._fields, value, strict=True)
    )
    fits = images.ndim == 4 and images.shape[3] == 1 and edges.shape == (*classes.shape, 4)
    if not (fits and classes.ndim == 2 and len(classes) == len(images) and edges.size):
        raise ValueError(
            f"{name} has images of shape {images.shape}, edges {edges.shape} and classes {classes.shape}, expected "
            "(S, H, W, 1), (S, K, 4) and (S, K); make them with fnnets.data.scenes"
        )
    if not (np.issubdtype(edges.dtype, np.integer) and np.issubdtype(classes.dtype, np.integer)):
        raise TypeError(
            f"{name} has edges of {edges.dtype} and classes of {classes.dtype}, expected integers of both; round them"
        )
    validate.finite(images, f"{name}.images")
    return Scenes(images, edges, classes)


def _frames(random, objects, shape, sizes) -> np.ndarray:
    """Frames (K, 4) that do not overlap; the largest is placed first, as it fits least."""
    low, high = sizes
    for _ in range(TRIES):
        sides = np.sort(np.round(low * (high / low) ** random.random(objects)).astype(int))[::-1]
        frames = np.zeros((0, 4), int)
        for side in sides if sides[0] <= min(shape) else ():
            # An object that finds no place in a few tries gives up the scene, rather than the object.
            places = (_anywhere(random, (side, side), shape) for _ in range(TRIES // 10))
            free = next((place for place in places if not _touches(place, frames)), None)
            if free is None:
                break
            frames = np.vstack([frames, free])
        if len(frames) == objects:
            return frames
    raise ValueError(
        f"scenes: {objects} objects of {low} to {high} pixels find no room in a shape of {shape[0]} x {shape[1]}, "
        "expected that they do; "
        "give a larger shape, fewer objects or smaller sizes"
    )


def _anywhere(random, sides, shape) -> np.ndarray:
    corner = [random.integers(pixels - side + 1) for pixels, side in zip(shape, sides, strict=True)]
    return np.array([*corner, *np.add(corner, sides)])


def _touches(place, frames) -> bool:
    return bool(np.any(np.all((place[:2] < frames[:, 2:]) & (frames[:, :2] < place[2:]), axis=1)))


def _paste(scene, image, place) -> None:
    top, left, bottom, right = place
    np.maximum(scene[top:bottom, left:right], image, out=scene[top:bottom, left:right])


def _add_fragment(random, scene, frames, images, sizes) -> None:
    """A part of a digit, as large as it would be in a digit of a random size, where there is no object."""
    image = images[random.integers(len(images))]
    side = image.shape[0]
    cut = np.maximum(1, np.round(side * random.uniform(0.25, 0.5, 2))).astype(int)
    top, left, bottom, right = _anywhere(random, cut, image.shape)
    sides = np.maximum(1, np.round(cut * random.uniform(*sizes) / side)).astype(int)
    if np.any(sides > scene.shape):
        return
    place = _anywhere(random, sides, scene.shape)
    if not _touches(place, frames):
        _paste(scene, resized(image[top:bottom, left:right], tuple(sides)), place)


def _jittered(random, frame, shape, shift, zoom) -> np.ndarray:
    """The frame moved and scaled a little, within the scene."""
    side = (frame[2] - frame[0]) * zoom ** random.uniform(-1, 1)
    side = min(max(2, round(side)), *shape)
    centre = (frame[:2] + frame[2:]) / 2 + side * random.uniform(-shift, shift, 2)
    return _within(centre, side, shape)


def _within(centre, side, shape) -> np.ndarray:
    corner = np.clip(np.round(centre - side / 2).astype(int), 0, np.array(shape) - side)
    return np.concatenate([corner, corner + side])


def _elsewhere(random, frames, shape, near) -> np.ndarray:
    """A square of a size that objects have, or half or twice that, which overlaps none of them by an IoU of FAR."""
    for _ in range(TRIES):
        frame = frames[random.integers(len(frames))]
        side = min(max(2, round((frame[2] - frame[0]) * 2 ** random.uniform(-1, 1))), *shape)
        centre = (frame[:2] + frame[2:]) / 2 + side * random.uniform(-0.8, 0.8, 2)
        place = _within(centre, side, shape) if near else _anywhere(random, (side, side), shape)
        if _overlaps(place, frames).max() < FAR:
            return place
    raise ValueError(f"crops: no background in a scene of {shape[0]} x {shape[1]} pixels; give scenes fewer objects")


def _overlaps(place, frames) -> np.ndarray:
    """IoU of one box with each of the frames."""
    sides = np.minimum(place[2:], frames[:, 2:]) - np.maximum(place[:2], frames[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(frames[:, 2:] - frames[:, :2], axis=1) + np.prod(place[2:] - place[:2])
    return shared / (areas - shared)
