"""Parameters learnt on the digits 0-4, re-used for the digits 5-9, of which few examples are known.

    frozen       the layers up to the last are taken over and stay; the last one is drawn afresh and trained, with
                 steps ten times as large, as it is all that moves
    fine-tuned   the same beginning, but every parameter moves
    scratch      the same network with fresh parameters everywhere

For each seed a network is trained on the training images of 0-4, of scikit-learn's digits on their one-pixel shifts
too. Then each of the three learns 5-9 from a few examples a class, drawn by the seed, and is judged on the test images
of 5-9, which other hands wrote. Few examples are repeated until they are as many as the largest set, so that every
run takes equally many steps. The digits' network and its epochs were chosen by the validation digits 5-9.
Re-use: `fn.transfer`.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnnets as fn
from experiments.harness import results, training
from experiments.harness.options import Common, Progress, command, given
from experiments.harness.results import Figure, Record
from experiments.images import convolutional
from experiments.images.convolutional import Images
from fnnets import plots
from fnnets.core import validate

METHODS = ("frozen", "fine-tuned", "scratch")
TABLES = {
    "digits": "conv3-16 conv3-32 maxpool2 | dropout0.5 fc-128 dropout0.5",
    "MNIST": convolutional.MNIST_TABLE,
}
BASE_EPOCHS = {"digits": 8, "MNIST": 1}
HALF, BATCH_SIZE, FACTOR = 5, 20, 10


@dataclass(frozen=True)
class Options(Common):
    """Re-use a network of the digits 0-4 for the digits 5-9, and compare with learning from scratch.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one network of each kind for each seed, which also draws the examples.
        examples: numbers of examples a class, each at most what the data has.
        base_epochs: passes through the images of 0-4; 8 for digits and 1 for MNIST if none is given.
        epochs: passes through the images of 5-9, as many as the largest number of examples gives.
        learning_rate: Adam's first step size.
        data_dir: folder with MNIST's IDX files; scikit-learn's digits if none is given.
    """

    progress: Progress = False
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    examples: tuple[int, ...] = (1, 5, 20, 100)
    base_epochs: int | None = None
    epochs: int = 15
    learning_rate: float = 3e-3
    data_dir: Path | None = None

    def __post_init__(self):
        super().__post_init__()
        if not self.examples or list(self.examples) != sorted(set(self.examples)):
            raise ValueError(f"examples are {self.examples}, expected growing numbers; write --examples 1 5 20")
        validate.count(self.examples[0], "examples: one", "give numbers of examples a class")


def run(options: Options) -> int:
    """Train, re-use, compare, write."""
    begin = time.perf_counter()
    images = convolutional.load(options.data_dir)
    new = classes(convolutional.joined(images.train, images.validation), HALF)
    counts = numbers(new, options)
    accuracies = compare(images, new, counts, options)
    title = f"{images.name}: 5-9 learnt by a network of 0-4"
    record = Record(
        "transfer", title, command("transfer", options),
        _settings(images.name, counts, options), _figures(accuracies, counts), options.seeds,
        time.perf_counter() - begin,
    )  # fmt: skip
    return results.finish(record, options.out / "transfer", {"transfer": _picture(accuracies, counts, title)})


def compare(images: Images, new: fn.Batch, counts: list[int], options: Options) -> dict[str, np.ndarray]:
    """Test accuracies in per cent, (counts, seeds), of each method."""
    net = convolutional.network(images.shape, HALF, TABLES[images.name])
    known, test = classes(images.train, 0), classes(images.test, HALF)
    known = fn.data.nudge(known) if images.name == "digits" else known
    base_epochs = options.base_epochs or BASE_EPOCHS[images.name]
    accuracies = {method: np.zeros((len(counts), len(options.seeds))) for method in METHODS}
    for column, seed in enumerate(options.seeds):
        params = _fit(net, _adam(len(known.inputs), base_epochs, options), known, seed, base_epochs, options)
        for row, count in enumerate(counts):
            few = drawn(new, count, counts[-1], seed)
            for method in METHODS:
                learnt = learn(method, net, params, few, seed, options)
                accuracies[method][row, column] = convolutional.accuracy(net, learnt, test)
        done = ", ".join(f"{method} {values[:, column].round(1)}" for method, values in accuracies.items())
        print(f"seed {seed}: {done} %", flush=True)
    return accuracies


def classes(batch: fn.Batch, lowest: int) -> fn.Batch:
    """The images of five digits from `lowest` on, labelled 0 … 4.

    >>> classes(fn.Batch(np.ones((4, 2)), np.array([9, 0, 5, 4])), 5).targets.tolist()
    [4, 0]
    """
    labels = np.asarray(batch.targets) - lowest
    found = convolutional.taken(batch, np.flatnonzero((labels >= 0) & (labels < HALF)))
    return found._replace(targets=found.targets - lowest)


def numbers(new: fn.Batch, options: Options) -> list[int]:
    """The numbers of examples a class, as far as the rarest class has so many.

    >>> numbers(fn.Batch(np.ones((9, 2)), np.array([0, 0, 1, 1, 2, 2, 3, 3, 4])), Options())
    [1]
    """
    most = int(np.bincount(np.asarray(new.targets), minlength=HALF).min())
    return sorted({min(count, most) for count in options.examples})


def drawn(new: fn.Batch, count: int, most: int, seed: int) -> fn.Batch:
    """`count` examples of each class, drawn by the seed, repeated until there are as many as with `most`.

    The examples of a smaller count are among those of a larger one.
    """
    order = np.random.default_rng(seed).permutation(len(new.targets))
    labels = np.asarray(new.targets)[order]
    rows = np.concatenate([order[labels == label][:count] for label in range(HALF)])
    return convolutional.taken(new, rows, HALF * most)


def learn(method: str, net: fn.Network, params: Any, few: fn.Batch, seed: int, options: Options) -> Any:
    """Parameters for 5-9, learnt in one of the three ways; `params` are those of 0-4.

    The new network of `reuse` has the sizes of `net`, as both have five classes; `net` in its place compiles once.
    """
    factor = FACTOR if method == "frozen" else 1
    optimizer = _adam(len(few.inputs), options.epochs, options, factor)
    if method == "scratch":
        return _fit(net, optimizer, few, seed, options.epochs, options)
    _, begun = fn.transfer.reuse(net, params, HALF, key=jax.random.key(seed), initializer=fn.initializers.he)
    if method == "frozen":
        optimizer = _frozen(optimizer, jax.tree.structure(params))
    return _fit(net, optimizer, few, seed, options.epochs, options, begun)


def _adam(examples: int, epochs: int, options: Options, factor: int = 1) -> Any:
    steps = training.steps(examples, epochs, min(BATCH_SIZE, examples))
    return training.adam(factor * options.learning_rate, steps)


@functools.cache
def _frozen(optimizer, structure) -> Any:
    """One object for all seeds, so that `fit` compiles once."""
    return fn.transfer.freeze(optimizer, jax.tree.unflatten(structure, [0.0] * structure.num_leaves))


def _fit(net, optimizer, examples: fn.Batch, seed: int, epochs: int, options: Options, params: Any = None) -> Any:
    batch_size = min(BATCH_SIZE, len(examples.inputs))
    how = {"epochs": epochs, "batch_size": batch_size, "progress": options.progress, "params": params}
    return training.train(net, optimizer, examples, seed, **how).params


def _settings(name: str, counts: list[int], options: Options) -> dict[str, Any]:
    base_epochs = options.base_epochs or BASE_EPOCHS[name]
    return {
        **given(options), "table": TABLES[name], "examples": counts, "base_epochs": base_epochs,
        "optimizer": "Adam, cosine", "batch_size": BATCH_SIZE,
    }  # fmt: skip


def _figures(accuracies: dict[str, np.ndarray], counts: list[int]) -> tuple[Figure, ...]:
    return tuple(
        Figure(f"test accuracy, {count} a class, {method}", tuple(accuracies[method][row].tolist()), "%")
        for row, count in enumerate(counts)
        for method in METHODS
    )


def _picture(accuracies: dict[str, np.ndarray], counts: list[int], title: str) -> Any:
    figure = plots.curves(
        accuracies, x=counts, log="x", markers=True, xlabel="training examples a class",
        ylabel="accuracy on test images of 5-9 / %", title=f"{title}\nmean and range of the seeds",
    )  # fmt: skip
    [axes] = figure.axes
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    return figure
