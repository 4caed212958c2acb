"""Filters of a trained convolutional network, and the activation maps of one image of each class.

    filters            w[:, :, c, k] of the first convolution: an image each, white at zero
    activation maps    a = σ(w ∗ x + b), (H', W'), of each filter of each convolution

A unit of a map is bright where its filter has found in the image what it looks for. A filter whose maps are zero for
every test image is dead: a rectified unit that never fires again cannot learn either.
Source: [Rauber], section 5; [Nielsen2015], chapter 6, for the picture.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnnets as fn
from experiments.harness import results, training
from experiments.harness.options import Common, command, given
from experiments.harness.results import Figure, Record
from experiments.images import convolutional
from fnnets import plots

TABLES = {"digits": convolutional.TABLE, "MNIST": convolutional.MNIST_TABLE}
LEARNING_RATE, SHOWN = 3e-3, 12


@dataclass(frozen=True)
class Options(Common):
    """Train a convolutional network and draw its filters and activation maps.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: the seed of the network; of more than one, a network each and the pictures of the first.
        epochs: passes through the training images.
        batch_size: images in a minibatch.
        data_dir: folder with MNIST's IDX files; scikit-learn's digits if none is given.
    """

    seeds: tuple[int, ...] = (0,)
    epochs: int = 20
    batch_size: int = 50
    data_dir: Path | None = None


def run(options: Options) -> int:
    """Train, draw, write."""
    begin = time.perf_counter()
    images = convolutional.load(options.data_dir)
    net = convolutional.network(images.shape, 10, TABLES[images.name])
    trained = [train(net, images, seed, options) for seed in options.seeds]
    accuracies = tuple(convolutional.accuracy(net, params, images.test) for params in trained)
    dead = [dead_filters(net, params, images.test.inputs) for params in trained]
    counts = {name: tuple(float(each[name]) for each in dead) for name in dead[0]}
    figures = [Figure(f"{name}: dead filters", values, form=".1f") for name, values in counts.items()]
    record = Record(
        "filters", f"filters learnt from {images.name}", command("filters", options),
        {"table": TABLES[images.name], **given(options), "optimizer": "Adam, cosine", "learning_rate": LEARNING_RATE},
        (Figure("test accuracy", accuracies, "%"), *figures), options.seeds, time.perf_counter() - begin,
    )  # fmt: skip
    return results.finish(record, options.out / "filters", pictures(net, trained[0], images))


def train(net: fn.Network, images: convolutional.Images, seed: int, options: Options) -> Any:
    """Parameters after the last epoch."""
    steps = training.steps(len(images.train.inputs), options.epochs, options.batch_size)
    result = training.train(
        net, training.adam(LEARNING_RATE, steps), images.train, seed, epochs=options.epochs,
        batch_size=options.batch_size, validation=images.validation, progress=options.progress,
    )  # fmt: skip
    return result.params


def activations(net: fn.Network, params: Any, inputs: Any) -> dict[str, Any]:
    """The activations (N, H', W', K) of each convolution, named in the order of the chain.

    >>> net = convolutional.network((8, 8, 1), 10, "conv3-4 maxpool2 conv3-6")
    >>> found = activations(net, net.init(jax.random.key(0)), np.ones((2, 8, 8, 1), np.float32))
    >>> {name: maps.shape for name, maps in found.items()}
    {'convolution 1': (2, 8, 8, 4), 'convolution 2': (2, 4, 4, 6)}
    """
    found: dict[str, Any] = {}
    y = inputs
    for part, its_params in zip(net.layer.parts, params, strict=True):
        y, _ = part.forward(its_params, y, fn.Context())
        if part.name == "convolution":
            found[f"convolution {len(found) + 1}"] = y
    return found


def dead_filters(net: fn.Network, params: Any, inputs: Any) -> dict[str, int]:
    """The number of filters of each convolution that are zero everywhere in every image."""

    def greatest(params, inputs):
        return {name: maps.max((0, 1, 2)) for name, maps in activations(net, params, inputs).items()}

    return {name: int((each <= 0).sum()) for name, each in jax.jit(greatest)(params, inputs[:1000]).items()}


def pictures(net: fn.Network, params: Any, images: convolutional.Images) -> dict[str, Any]:
    """The first filters, and each convolution's maps of one image of each class."""
    height, width, _, count = params[0].weights.shape
    weights = np.moveaxis(np.asarray(params[0].weights)[:, :, 0], -1, 0).reshape(count, -1)
    title = f"{count} filters of the first convolution, {height} x {width} pixels"
    drawn = {"filters": plots.filters(weights, (height, width), columns=8, title=title)}
    labels = np.asarray(images.test.targets)
    rows = np.array([np.flatnonzero(labels == label)[0] for label in range(10) if label in labels])
    inputs = images.test.inputs[rows]
    for name, maps in jax.jit(lambda p, x: activations(net, p, x))(params, inputs).items():
        chosen = np.moveaxis(np.asarray(maps)[..., :SHOWN], -1, 1)
        drawn[name.replace(" ", "-")] = _grid(np.asarray(inputs)[..., 0], chosen, labels[rows], name)
    return drawn


def _grid(inputs: np.ndarray, maps: np.ndarray, labels: np.ndarray, name: str) -> Any:
    """A row for each image: itself, as bright as the brightest map and as large as they are drawn, then its maps."""
    factor = inputs.shape[1] // maps.shape[2]
    enlarged = maps.repeat(factor, axis=2).repeat(factor, axis=3)
    images = (inputs * maps.max())[:, None, : enlarged.shape[2], : enlarged.shape[3]]
    cells = np.concatenate([images, enlarged], axis=1)
    title = f"{name}: a test image of each class, and its activation maps by {maps.shape[1]} filters"
    rows = [str(label) for label in labels]
    return plots.maps(cells.reshape(-1, *cells.shape[2:]), columns=cells.shape[1], rows=rows, title=title)
