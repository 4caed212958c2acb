"""Shared parts of the experiments with small convolutional networks: images, the network, its accuracy.

    digits    8 x 8 pixels: the first half trains, of which the last fifth validates; the second, by other hands, tests
    MNIST     28 x 28 pixels: 50 000, 10 000 and 10 000 images

| symbol | name in code | shape |
|---|---|---|
| images | `images.train.inputs` | (N, H, W, 1) |
| labels | `images.train.targets` | (N,) |
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import fnnets as fn

TABLE = "conv3-16 conv3-32 maxpool2 | dropout0.5 fc-64 dropout0.5"
MNIST_TABLE = "conv5-20 maxpool2 conv5-40 maxpool2 | dropout0.5 fc-100 dropout0.5"
SPLIT = (718, 180, 899)


class Images(NamedTuple):
    """Images (N, H, W, 1) with labels, to train with, to choose by and to judge by, and their `name`."""

    name: str
    train: fn.Batch
    validation: fn.Batch
    test: fn.Batch

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, 1)."""
        return self.train.inputs.shape[1:]


def load(data_dir: Path | None = None) -> Images:
    """Digits in the source's order, or MNIST where its folder is given.

    >>> images = load()
    >>> images.name, images.shape, [len(part.inputs) for part in images[1:]]
    ('digits', (8, 8, 1), [718, 180, 899])
    """
    if data_dir is None:
        name, parts = "digits", fn.data.split(fn.data.digits(), SPLIT, key=None)
    else:
        name, parts = "MNIST", fn.data.mnist(data_dir)
    return Images(name, *(as_images(part) for part in parts))


def as_images(batch: fn.Batch) -> fn.Batch:
    """Flat square images (N, H·W) as (N, H, W, 1), in NumPy's arrays, whose rows are chosen without compiling.

    >>> as_images(fn.Batch(np.ones((5, 64)), np.ones(5, int))).inputs.shape
    (5, 8, 8, 1)
    """
    side = round(batch.inputs.shape[1] ** 0.5)
    return _batch(np.asarray(batch.inputs).reshape(-1, side, side, 1), np.asarray(batch.targets))


def joined(first: fn.Batch, second: fn.Batch) -> fn.Batch:
    """The examples of both.

    >>> joined(fn.Batch(np.ones((2, 4)), np.zeros(2)), fn.Batch(np.ones((3, 4)), np.zeros(3))).inputs.shape
    (5, 4)
    """
    return _batch(np.concatenate([first.inputs, second.inputs]), np.concatenate([first.targets, second.targets]))


def taken(batch: fn.Batch, rows: Any, count: int | None = None) -> fn.Batch:
    """The examples at `rows`, repeated in order until there are `count` of them.

    Sets of different sizes that are repeated to one size take equally many steps, and one compiled program.

    >>> taken(fn.Batch(np.arange(3.0)[:, None], np.array([7, 8, 9])), [2, 0], 5).targets.tolist()
    [9, 7, 9, 7, 9]
    """
    rows = np.asarray(rows) if count is None else np.resize(rows, count)
    return _batch(np.asarray(batch.inputs)[rows], np.asarray(batch.targets)[rows])


def affine_copies(batch: fn.Batch, copies: int, key: Any, pixels: float, degrees: float, scale: float) -> fn.Batch:
    """Copies of every image, moved up to `pixels`, turned up to `degrees`, enlarged or made smaller up to `scale`.

    >>> affine_copies(fn.Batch(np.ones((2, 8, 8, 1)), np.zeros(2)), 3, jax.random.key(0), 1.0, 9.0, 1.1).inputs.shape
    (6, 8, 8, 1)
    """
    amounts: dict[str, Any] = {"pixels": pixels, "degrees": degrees, "factors": (1 / scale, scale)}
    inputs = [fn.data.augment(batch.inputs, key=each, **amounts) for each in jax.random.split(key, copies)]
    return _batch(np.concatenate(inputs), np.concatenate([batch.targets] * copies))


def _batch(inputs: Any, targets: Any) -> fn.Batch:
    """NumPy's arrays serve as well as JAX's; `fit` puts them on the device."""
    return fn.Batch(inputs, targets)


def network(shape: tuple[int, ...], outputs: int, table: str = TABLE) -> fn.Network:
    """Rectified convolutions that keep the image's size, pooling, and an output for each class.

    >>> [part.name for part in network((8, 8, 1), 10, "conv3-4 maxpool2").layer.parts]
    ['convolution', 'max_pooling', 'flatten', 'dense']
    """
    return fn.convolutional(
        shape, f"{table} fc-{outputs}", fn.activations.relu, objective=fn.objectives.softmax_log_likelihood,
        padding="same", initializer=fn.initializers.he,
    )  # fmt: skip


def accuracy(net: fn.Network, params: Any, batch: fn.Batch) -> float:
    """Per cent of the examples whose most probable class is theirs.

    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> params = jax.tree.map(np.zeros_like, net.init(jax.random.key(0)))
    >>> accuracy(net, params, fn.Batch(np.ones((4, 2)), np.array([0, 0, 0, 1])))
    75.0
    """
    return 100 * float(_accuracy(net)(params, batch))


@functools.cache
def _accuracy(net: fn.Network):
    return jax.jit(lambda params, batch: fn.evaluate(net, params, batch, True).accuracy)
