"""Expanded data against the data as it is: small training sets of digits, and a convolutional network.

    none      the images themselves
    shifts    and each moved by one pixel up, down, left and right                           five times as many
    affine    and four copies of each, scaled, turned and moved a little by random amounts   five times as many

The first 50 … 400 digits train, the second half, by other hands, tests. Every set is repeated until there are as many
images as in the largest expanded one, so that each run takes equally many steps and what differs are the images alone.
Source: [Nielsen2015], chapters 3 and 6; the transformations are `fnnets.data`'s.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import fnnets as fn
from experiments.harness import results, training
from experiments.harness.options import Common, Progress, command, given
from experiments.harness.results import Figure, Record
from experiments.images import convolutional
from fnnets import plots

KINDS = ("none", "shifts", "affine")
TABLE = "conv3-16 maxpool2 conv3-32 maxpool2 | fc-64"
COPIES, BATCH_SIZE = 4, 20


@dataclass(frozen=True)
class Options(Common):
    """Train on few digits with and without moved and turned copies of them, and compare.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one network of each kind for each seed, which also draws the copies.
        examples: numbers of training digits.
        epochs: passes through the largest expanded set; every smaller one takes as many steps.
        learning_rate: Adam's first step size.
        pixels: affine copies are moved by up to so many pixels.
        degrees: affine copies are turned by up to so many degrees.
        scale: affine copies are enlarged by up to this factor, or made smaller by it.
    """

    progress: Progress = False
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    examples: tuple[int, ...] = (50, 100, 200, 400)
    epochs: int = 8
    learning_rate: float = 3e-3
    pixels: float = 1.0
    degrees: float = 10.0
    scale: float = 1.1

    def __post_init__(self):
        super().__post_init__()
        first_half = sum(convolutional.SPLIT[:2])
        is_growing = list(self.examples) == sorted(set(self.examples))
        if not self.examples or not is_growing or not 10 <= self.examples[0] <= self.examples[-1] <= first_half:
            raise ValueError(
                f"examples are {self.examples}, expected growing numbers from 10 to {first_half}; "
                "write --examples 50 200"
            )


def run(options: Options) -> int:
    """Train with each kind of set, compare, write; 1 where expanded data is worse for the smallest set."""
    begin = time.perf_counter()
    images = convolutional.load()
    accuracies = compare(images, options)
    record = Record(
        "augmentation", "the first digits, expanded, against the second half", command("augmentation", options),
        {"table": TABLE, **given(options), "optimizer": "Adam, cosine", "batch_size": BATCH_SIZE},
        _figures(accuracies, options), options.seeds, time.perf_counter() - begin,
    )  # fmt: skip
    pictures = {"augmentation": _picture(accuracies, options), "samples": _samples(images, options)}
    results.finish(record, options.out / "augmentation", pictures)
    smallest = {kind: values[0].mean() for kind, values in accuracies.items()}
    return 0 if min(smallest["shifts"], smallest["affine"]) > smallest["none"] else 1


def compare(images: convolutional.Images, options: Options) -> dict[str, np.ndarray]:
    """Test accuracies in per cent, (sizes, seeds), of each kind of set."""
    first_half = convolutional.joined(images.train, images.validation)
    net = convolutional.network(images.shape, 10, TABLE)
    largest = (1 + COPIES) * options.examples[-1]
    optimizer = training.adam(options.learning_rate, training.steps(largest, options.epochs, BATCH_SIZE))
    how: dict[str, Any] = {"epochs": options.epochs, "batch_size": BATCH_SIZE, "progress": options.progress}
    accuracies = {kind: np.zeros((len(options.examples), len(options.seeds))) for kind in KINDS}
    for row, count in enumerate(options.examples):
        for column, seed in enumerate(options.seeds):
            for kind in KINDS:
                expanded = expand(kind, training.first(first_half, count), seed, options)
                repeated = convolutional.taken(expanded, np.arange(len(expanded.inputs)), largest)
                result = training.train(net, optimizer, repeated, seed, **how)
                accuracies[kind][row, column] = convolutional.accuracy(net, result.params, images.test)
        means = ", ".join(f"{kind} {values[row].mean():.2f}" for kind, values in accuracies.items())
        print(f"{count} digits: {means} %", flush=True)
    return accuracies


def expand(kind: str, batch: fn.Batch, seed: int, options: Options) -> fn.Batch:
    """The images, and copies of them where the kind has any.

    >>> digits = training.first(convolutional.load().train, 10)
    >>> [len(expand(kind, digits, 0, Options()).inputs) for kind in KINDS]
    [10, 50, 50]
    """
    if kind == "none":
        return batch
    if kind == "shifts":
        return fn.data.nudge(batch)
    amounts = (options.pixels, options.degrees, options.scale)
    return convolutional.joined(batch, convolutional.affine_copies(batch, COPIES, jax.random.key(seed), *amounts))


def _figures(accuracies: dict[str, np.ndarray], options: Options) -> tuple[Figure, ...]:
    return tuple(
        Figure(f"test accuracy, {count} digits, {kind}", tuple(accuracies[kind][row].tolist()), "%")
        for row, count in enumerate(options.examples)
        for kind in KINDS
    )


def _picture(accuracies: dict[str, np.ndarray], options: Options) -> Any:
    figure = plots.curves(
        accuracies, x=options.examples, log="x", markers=True, xlabel="training digits",
        ylabel="test accuracy / %", title="expanded data and none: mean and range of the seeds",
    )  # fmt: skip
    [axes] = figure.axes
    axes.set_xticks(options.examples, [str(count) for count in options.examples])
    axes.minorticks_off()
    return figure


def _samples(images: convolutional.Images, options: Options) -> Any:
    """Five digits, a column each, and their copies of both kinds below them."""
    few = training.first(images.train, 5)
    moved, turned = (expand(kind, few, options.seeds[0], options).inputs for kind in KINDS[1:])
    pixels = np.concatenate([moved, turned[len(few.inputs) :]])[..., 0]
    names = ["as it is", "up", "down", "left", "right", *["affine"] * COPIES]
    title = "training digits and their copies"
    return plots.maps(pixels, columns=len(few.inputs), rows=names, title=title)
