"""Nielsen's figures on MNIST, published against measured: chapters 1, 3, 5 and the shallow network of chapter 6.

    train 50 000, validation 10 000, test 10 000 images, pixels / 256, batches of 10 in a fresh random order each epoch
    w ← w − η ∂C,    ∂C the mean over the batch

The seeds of a row train side by side (`fit_many`). Each row reports the mean and the spread over its seeds at the
best and at the last epoch, beside the statistic that the book reports. A figure "at the best epoch" is a little
optimistic, for it is selected on the images that it is reported on; the test accuracy at the best validation
epoch is not. "Best of 3 runs" is the best of each three seeds in order; its mean is that over the threes. One
deviation: chapter 6 of the book keeps one order for all epochs, here every epoch has its own.
Rows and settings: `experiments/nielsen_rows.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.nn import initializers as jax_initializers

import fnnets as fn
from experiments import nielsen_rows, results
from experiments.nielsen_rows import BEST_EPOCH, BEST_RUN, LAST_EPOCH, SELECTED, Row
from experiments.options import Common, check_seeds, keys
from experiments.results import Figure, Record
from fnnets import checks, plots

BY_UNITS = fn.initializers.Scheme(
    lambda in_axis, out_axis: jax_initializers.variance_scaling(1.0, "fan_out", "normal", in_axis, out_axis),
    jax_initializers.normal(1.0),
)


@dataclass(frozen=True)
class Options(Common):
    """Train the networks of Nielsen's book on MNIST and set their accuracies beside the published ones.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: progress of training on standard error: a bar, plain lines, or nothing.
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
        check_seeds(self.seeds)
        nielsen_rows.find(self.rows)
        if self.epochs is not None:
            checks.count(self.epochs, "epochs", "give the number of passes")


def run(options: Options) -> int:
    """Measure the rows one after another and write each as soon as it is done."""
    images = fn.data.mnist(options.data_dir)
    for row in nielsen_rows.find(options.rows):
        record, history = measure(row, images, options)
        folder = options.out / "nielsen"
        results.save(record, folder)
        picture = plots.curves(
            {row.judged: 100 * history.validation_accuracy},
            xlabel="epoch",
            ylabel=f"accuracy on {row.judged} images / %",
            title=f"{record.title}\nmean and range of {len(options.seeds)} runs",
        )
        plots.save(picture, folder / f"{record.name}.png")
        print(results.show(record), flush=True)
        print(f"  written to {folder / record.name}.json and .png ({record.seconds:.0f} s)", flush=True)
    return 0


def measure(row: Row, images: fn.data.Mnist, options: Options) -> tuple[Record, fn.training.History]:
    """One row: train a network for each seed, and gather the figures."""
    begin = time.perf_counter()
    net, optimizer = build(row)
    judged = _targets(row, getattr(images, row.judged))
    result = fn.training.fit_many(
        lambda: (net, optimizer), _targets(row, _first(images.train, row.examples)), keys=keys(options.seeds),
        epochs=options.epochs or row.epochs, validation=judged, select="accuracy", monitor_training=False,
        progress=options.progress,
    )  # fmt: skip
    figures = _figures(row, 100 * result.history.validation_accuracy)
    if row.judged == "validation":
        figures.append(_figure(row, SELECTED, _accuracies(net, result.state.best.params, images.test, row)))
    seconds = time.perf_counter() - begin
    record = Record(
        f"nielsen-{row.name}", f"{row.name}: {list(row.sizes)}, {row.cost}", _command(row, options),
        settings(row, options), tuple(figures), options.seeds, seconds, result.history._asdict(),
    )  # fmt: skip
    return record, result.history


def build(row: Row) -> tuple[fn.Network, Any]:
    """The row's network and its optimiser.

    >>> net, _ = build(nielsen_rows.find(("chapter-5-depth-2",))[0])
    >>> [part.name for part in net.layer.parts], net.l2
    (['dense', 'dense', 'dense'], 5.0)
    """
    objective = {
        "quadratic": fn.objectives.squared_error(fn.activations.sigmoid),
        "cross-entropy": fn.objectives.sigmoid_cross_entropy,
        "log-likelihood": fn.objectives.softmax_log_likelihood,
    }[row.cost]
    optimizer = fn.training.momentum(row.learning_rate)
    if row.initial == "chapter 6":
        return _chapter_6(row, objective), optimizer
    initial = {"large": fn.initializers.large, "default": fn.initializers.default}[row.initial]
    return fn.feedforward(row.sizes, objective=objective, l2=row.l2, initial=initial), optimizer


def settings(row: Row, options: Options) -> dict[str, Any]:
    """What was chosen, for the record."""
    names = ("sizes", "cost", "initial", "learning_rate", "l2", "examples", "judged")
    chosen = {name: getattr(row, name) for name in names}
    return {**chosen, "epochs": options.epochs or row.epochs, "batch_size": 10, "pixels": "divided by 256"}


def _chapter_6(row: Row, objective) -> fn.Network:
    inputs, *hidden, outputs = row.sizes
    layers = [fn.layers.dense(size, fn.activations.sigmoid, BY_UNITS) for size in hidden]
    last = fn.layers.dense(outputs, initial=fn.initializers.zeros)
    return fn.network(fn.chain(*layers, last), objective, (inputs,), row.l2)


def _first(batch: fn.Batch, examples: int) -> fn.Batch:
    return batch._replace(inputs=batch.inputs[:examples], targets=batch.targets[:examples])


def _targets(row: Row, batch: fn.Batch) -> fn.Batch:
    """Labels for the log-likelihood, one-hot rows for the others."""
    return batch if row.cost == "log-likelihood" else batch._replace(targets=jax.nn.one_hot(batch.targets, 10))


def _accuracies(net, params, batch: fn.Batch, row: Row) -> np.ndarray:
    """Per cent right, (K,), of members with parameters (K, …)."""
    right = jax.jit(jax.vmap(lambda member, data: fn.training.evaluate(net, member, data, True).accuracy, (0, None)))
    return 100 * np.asarray(right(params, _targets(row, batch)))


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


def _command(row: Row, options: Options) -> str:
    words = ["python -m experiments nielsen --rows", row.name]
    if options.epochs is not None:
        words.append(f"--epochs {options.epochs}")
    return " ".join([*words, "--seeds", *map(str, options.seeds)])
