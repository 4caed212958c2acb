"""Nielsen's figures on MNIST, published against measured: chapters 1, 3, 5 and the shallow network of chapter 6.

    train 50 000, validation 10 000, test 10 000 images, pixels / 256, batches of 10 in a fresh random order each epoch
    w ← w − η ∂C,    ∂C the mean over the batch

The seeds of a row train side by side (`fit_many`). Each row reports the mean and the spread over its seeds at the
best and at the last epoch, beside the statistic that the book reports. A figure "at the best epoch" is a little
optimistic, for it is selected on the images that it is reported on; the test accuracy at the best validation
epoch is not. "Best of 3 runs" is the best of each three seeds in order; its mean is that over the threes. One
deviation: chapter 6 of the book keeps one order for all epochs, here every epoch has its own.
Rows and settings: `experiments/feedforward/nielsen_rows.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from jax.nn import initializers as jax_initializers

import fnnets as fn
from experiments.feedforward.nielsen_rows import BEST_EPOCH, BEST_RUN, LAST_EPOCH, ROWS, SELECTED, Row
from experiments.harness import results, training
from experiments.harness.options import Common, command, find, keys
from experiments.harness.results import Figure, Record
from fnnets import plots

BY_UNITS = fn.initializers.Initializer(
    lambda in_axis, out_axis: jax_initializers.variance_scaling(1.0, "fan_out", "normal", in_axis, out_axis),
    jax_initializers.normal(1.0),
)


@dataclass(frozen=True)
class Options(Common):
    """Train the networks of Nielsen's book on MNIST and set their accuracies beside the published ones.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        rows: names of rows, such as chapter-1-30; all of them if none is given.
        seeds: one network for each seed, trained side by side.
        epochs: passes through the training images in place of the book's, to try things out.
        data_dir: folder with MNIST's IDX files; the environment variable FNNETS_DATA if none is given.
    """

    rows: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int | None = None
    data_dir: Path | None = None

    def __post_init__(self):
        super().__post_init__()
        find(self.rows, ROWS)


def run(options: Options) -> int:
    """Measure the rows one after another and write each as soon as it is done."""
    images = fn.data.mnist(options.data_dir)
    for row in find(options.rows, ROWS):
        record, history = measure(row, images, options)
        picture = plots.curves(
            {row.judged: 100 * history.validation_accuracy},
            xlabel="epoch",
            ylabel=f"accuracy on {row.judged} images / %",
            title=f"{record.title}\nmean and range of {len(options.seeds)} runs",
        )
        results.finish(record, options.out / "nielsen", {record.name: picture})
    return 0


def measure(row: Row, images: fn.data.Mnist, options: Options) -> tuple[Record, fn.training.History]:
    """One row: train a network for each seed, and gather the figures."""
    begin = time.perf_counter()
    net, optimizer = build(row)
    judged = _targets(row, getattr(images, row.judged))
    result = fn.training.fit_many(
        lambda: (net, optimizer), _targets(row, training.first(images.train, row.examples)), keys=keys(options.seeds),
        epochs=options.epochs or row.epochs, validation=judged, monitor="accuracy", evaluate_training=False,
        progress=options.progress,
    )  # fmt: skip
    figures = _figures(row, 100 * result.history.validation_accuracy)
    if row.judged == "validation":
        figures.append(
            _figure(row, SELECTED, training.accuracies(net, result.state.best.params, _targets(row, images.test)))
        )
    seconds = time.perf_counter() - begin
    record = Record(
        f"nielsen-{row.name}", f"{row.name}: {list(row.sizes)}, {row.cost}",
        command("nielsen", replace(options, rows=(row.name,), data_dir=None)),
        settings(row, options), tuple(figures), options.seeds, seconds, result.history._asdict(),
    )  # fmt: skip
    return record, result.history


def build(row: Row) -> tuple[fn.Network, Any]:
    """The row's network and its optimiser.

    >>> net, _ = build(find(("chapter-5-depth-2",), ROWS)[0])
    >>> [part.name for part in net.layer.parts], net.l2
    (['dense', 'dense', 'dense'], 5.0)
    """
    objective = {
        "quadratic": fn.objectives.squared_error(fn.activations.sigmoid),
        "cross-entropy": fn.objectives.sigmoid_cross_entropy,
        "log-likelihood": fn.objectives.softmax_log_likelihood,
    }[row.cost]
    optimizer = optax.sgd(row.learning_rate)
    if row.initializer == "chapter 6":
        return _chapter_6(row, objective), optimizer
    initializer = {"large": fn.initializers.large, "default": fn.initializers.default}[row.initializer]
    return fn.feedforward(row.sizes, objective=objective, l2=row.l2, initializer=initializer), optimizer


def settings(row: Row, options: Options) -> dict[str, Any]:
    """The settings for the record."""
    names = ("sizes", "cost", "initializer", "learning_rate", "l2", "examples", "judged")
    chosen = {name: getattr(row, name) for name in names}
    return {**chosen, "epochs": options.epochs or row.epochs, "batch_size": 10, "pixels": "divided by 256"}


def _chapter_6(row: Row, objective) -> fn.Network:
    inputs, *hidden, outputs = row.sizes
    layers = [fn.layers.dense(size, fn.activations.sigmoid, BY_UNITS) for size in hidden]
    last = fn.layers.dense(outputs, initializer=fn.initializers.zeros)
    return fn.network(fn.chain(*layers, last), objective, (inputs,), row.l2)


def _targets(row: Row, batch: fn.Batch) -> fn.Batch:
    """Labels for the log-likelihood, one-hot rows for the others."""
    return batch if row.cost == "log-likelihood" else batch._replace(targets=jax.nn.one_hot(batch.targets, 10))


def _figures(row: Row, accuracies: np.ndarray) -> list[Figure]:
    """The figures from accuracies (E, K) on the judged images."""
    figures = [_figure(row, BEST_EPOCH, accuracies.max(0)), _figure(row, LAST_EPOCH, accuracies[-1])]
    if row.statistic == BEST_RUN:
        best = accuracies.max(0)
        triples = np.array([best[start : start + 3].max() for start in range(0, max(1, len(best) - 2), 3)])
        figures.insert(0, _figure(row, BEST_RUN, triples))
    return figures


def _figure(row: Row, name: str, values: np.ndarray) -> Figure:
    label = name if name in (BEST_RUN, SELECTED) else f"{row.judged} {name}"
    figure = Figure(label, tuple(float(each) for each in values), "%")
    if name != row.statistic:
        return figure
    return Figure(label, figure.values, "%", row.published, row.low, row.high)
