"""scikit-learn's digits read as sequences, 8 rows of 8 pixels or 64 pixels of 1: first half against second half.

    rows      x[t] = row t of the image,           t = 1 … 8
    pixels    x[t] = pixel t, row by row,          t = 1 … 64
    answer    z = a[T] Wᵀ + b, one a sequence;  bidirectional: the last states of both directions side by side
    w ← w − Adam(clip(∂C)),  η_k = ½ η (1 + cos(π k / K)),  k = 0 … K

The first 898 digits train and the last 899, by other hands, test; no image is moved or turned, and no setting was
selected by the test half. Every accuracy is that after the last epoch. The columns of an image are free where it is
read by rows; read by pixels, a stroke's two neighbours in a column are 8 steps apart, and the first pixel 63 from the
answer. The simple cells are of tanh.

| symbol | name in code | shape |
|---|---|---|
| x | `fn.data.digits_as_rows`, `digits_as_pixels` | (8, N, 8), (64, N, 1) |
| accuracy | one for each seed; seeds train side by side by `fit_many` | (K,) |

Source of the split and of the SVC's figure, 96.89 %, from whole images: scikit-learn's "Recognizing
hand-written digits".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import optax

import fnnets as fn
from experiments.feedforward.digits import SVC
from experiments.harness import results, training
from experiments.harness.options import Common, command, find, given, keys
from experiments.harness.results import Figure, Record
from fnnets import plots

TRAIN, DIGITS, CLIP = 898, 1797, 1.0


class Row(NamedTuple):
    """A row of the comparison: how images are read, and by which cells."""

    name: str
    reading: str
    cell: str
    bidirectional: bool = False


ROWS = (
    Row("rows-lstm", "rows", "lstm"),
    Row("rows-gru", "rows", "gru"),
    Row("rows-simple", "rows", "simple"),
    Row("rows-lstm-both", "rows", "lstm", True),
    Row("pixels-lstm", "pixels", "lstm"),
    Row("pixels-gru", "pixels", "gru"),
    Row("pixels-simple", "pixels", "simple"),
    Row("pixels-lstm-both", "pixels", "lstm", True),
)
READINGS = {"rows": fn.data.digits_as_rows, "pixels": fn.data.digits_as_pixels}


@dataclass(frozen=True)
class Options(Common):
    """Train recurrent networks on digits read by rows or by pixels, and test them on digits that other hands wrote.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        rows: names of rows, such as pixels-gru; all of them if none is given.
        seeds: one network for each seed, side by side.
        units: units or cells of the recurrent layer.
        epochs: passes through the training digits.
        batch_size: digits in a minibatch.
        learning_rate: the first step size eta of Adam.
    """

    rows: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    units: int = 64
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 0.005

    def __post_init__(self):
        super().__post_init__()
        find(self.rows, ROWS)


def run(options: Options) -> int:
    """Train and test every row, one after another, and write them together."""
    begin = time.perf_counter()
    figures, histories = [], {}
    for row in find(options.rows, ROWS):
        result, accuracies = measure(row, options)
        histories[row] = result.history
        figures.append(Figure(label(row), tuple(accuracies.tolist()), "%"))
        print(f"{figures[-1].name}: {results.measured(figures[-1])}", flush=True)
    record = Record(
        "sequence_digits", "scikit-learn's digits as sequences, first half against second half",
        command("sequence_digits", options), _settings(options), tuple(figures), options.seeds,
        time.perf_counter() - begin, {row.name: history._asdict() for row, history in histories.items()},
    )  # fmt: skip
    print(f"The split's published figure is scikit-learn's SVC, {100 * SVC:.2f} %.")
    return results.finish(record, options.out / "sequence_digits", {"learning": _picture(histories)})


def label(row: Row) -> str:
    """A row in words.

    >>> label(ROWS[0]), label(ROWS[-1])
    ('rows, LSTM', 'pixels, LSTM in both directions')
    """
    cell = {"lstm": "LSTM", "gru": "GRU", "simple": "simple"}[row.cell]
    return f"{row.reading}, {cell}{' in both directions' if row.bidirectional else ''}"


def network(row: Row, units: int) -> fn.Network:
    """The network of a row.

    >>> [part.name for part in network(ROWS[3], 8).layer.parts]
    ['bidirectional', 'last_step', 'dense']
    """
    simple: dict[str, Any] = {}
    if row.cell == "simple":
        simple = {"activation": fn.activations.tanh, "initializer": fn.initializers.glorot}
    return fn.recurrent(
        [8 if row.reading == "rows" else 1, units, 10], cell=row.cell, return_sequences=False,
        objective=fn.objectives.softmax_log_likelihood, bidirectional=row.bidirectional, **simple,
    )  # fmt: skip


def data(reading: str) -> tuple[fn.Batch, fn.Batch]:
    """Training and test digits in the source's order, as sequences.

    >>> [part.inputs.shape for part in data("rows")]
    [(8, 898, 8), (8, 899, 8)]
    """
    return fn.data.split(READINGS[reading](), (TRAIN, DIGITS - TRAIN), key=None, sequences=True)  # type: ignore[return-value]


def measure(row: Row, options: Options) -> tuple[fn.training.ManyResult, np.ndarray]:
    """The result of training a row's seeds, and their per cent right of the test digits."""
    net, (train, test) = network(row, options.units), data(row.reading)
    updates = training.steps(TRAIN, options.epochs, options.batch_size)
    schedule = optax.cosine_decay_schedule(options.learning_rate, updates)
    optimizer = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(schedule))
    result = fn.training.fit_many(
        lambda: (net, optimizer), train, keys=keys(options.seeds), epochs=options.epochs,
        batch_size=options.batch_size, progress=options.progress,
    )  # fmt: skip
    return result, training.accuracies(net, result.params, test)


def _picture(histories) -> Any:
    readings = [reading for reading in READINGS if any(row.reading == reading for row in histories)]
    figure, axes = plots.panels(len(readings), height=4.6)
    for panel, reading in zip(axes, readings, strict=True):
        lines = {label(row): each.cost for row, each in histories.items() if row.reading == reading}
        plots.draw(
            panel, lines, xlabel="epoch", ylabel="training cost / nats", log="y", title="mean and range over the seeds"
        )
    return figure


def _settings(options: Options) -> dict[str, Any]:
    rows = " ".join(row.name for row in find(options.rows, ROWS))
    split = f"{TRAIN} training, {DIGITS - TRAIN} test, in the source's order"
    optimizer = f"Adam, cosine, gradients clipped to norm {CLIP:g}"
    return {**given(options), "rows": rows, "optimizer": optimizer, "split": split}
