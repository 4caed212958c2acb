"""Nielsen's convolutional networks on MNIST, chapter 6, published against measured.

    train 50 000, validation 10 000, test 10 000 images, pixels / 256, batches of 10 in a fresh random order each epoch
    w ← w − η ∂C,    ∂C the mean over the batch

By default the network with one convolution trains for 10 epochs in place of the book's 60, with the book's step and
with one for that many epochs; `--full` takes every row
and the book's epochs, which is work for an accelerator. Each finished run of a row and a seed is a file of its own
in the folder `runs`, and is taken from there the next time, so that an interrupted table goes on where it was;
`--again` measures it anew, and so do other settings. Reported is the test accuracy at the epoch with the best
validation accuracy, as in the book, and at the last epoch. One deviation: the book keeps one order for all epochs.
Rows and settings: `experiments/images/nielsen_convolutional_rows.py`.
"""

from __future__ import annotations

import json
import textwrap
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optax

import fnnets as fn
from experiments.harness import results, training
from experiments.harness.options import Common, command, find
from experiments.harness.results import Figure, Record
from experiments.images import convolutional, nielsen_convolutional_rows
from experiments.images.convolutional import Images
from experiments.images.nielsen_convolutional_rows import ROWS, Row
from fnnets import plots

DEFAULT_ROWS, DEFAULT_EPOCHS, BATCH_SIZE, ALL = ("one", "one-short"), 10, 10, 50_000


@dataclass(frozen=True)
class Options(Common):
    """Train the convolutional networks of Nielsen's book on MNIST and compare with the published accuracies.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        rows: names of rows: one, one-short, two, rectified, expanded, dropout; the first two if none is given, all
            with --full.
        full: whether to take the book's numbers of epochs, and all rows unless some are given.
        epochs: passes through the training images; 10 if none is given, or the book's with --full.
        seeds: one network for each seed, one after another.
        again: whether to measure runs again whose files are there.
        examples: the first so many of the training images, to try things out; all of them if none is given.
        data_dir: folder with MNIST's IDX files; the environment variable FNNETS_DATA if none is given.
    """

    rows: tuple[str, ...] = ()
    full: bool = False
    epochs: int | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    again: bool = False
    examples: int | None = None
    data_dir: Path | None = None

    def __post_init__(self):
        super().__post_init__()
        find(self.rows, ROWS)


def run(options: Options) -> int:
    """Measure the rows one after another, each seed by itself, and write each row as soon as it is done."""
    images = load(options)
    names = options.rows or (() if options.full else DEFAULT_ROWS)
    folder = options.out / "nielsen_convolutional"
    for row in find(names, ROWS):
        record = measure(row, images, options, folder)
        results.finish(record, folder, {record.name: _picture(record)})
    return 0


def load(options: Options) -> Images:
    """MNIST in the book's split, as images (N, 28, 28, 1)."""
    train, validation, test = map(convolutional.as_images, fn.data.mnist(options.data_dir))
    return Images("MNIST", training.first(train, options.examples), validation, test)


def measure(row: Row, images: Images, options: Options, folder: Path) -> Record:
    """One row: a run for each seed, from its file where it is there, and the figures of all."""
    chosen = settings(row, len(images.train.inputs), options)
    runs = []
    for seed in options.seeds:
        path = folder / "runs" / f"{_name(row, chosen)}-seed-{seed}.json"
        found = None if options.again else finished(path, chosen)
        if found is None:
            found = {"settings": chosen, "seed": seed, **measure_seed(row, images, seed, chosen["epochs"], options)}
            results.save_json(found, path)
        else:
            print(f"{row.name}, seed {seed}: taken from {path}", flush=True)
        runs.append(found)
    return Record(
        _name(row, chosen), f"{row.name}: {row.table}, {row.hidden}, {chosen['epochs']} of {row.epochs} epochs",
        command("nielsen_convolutional", replace(options, rows=(row.name,), again=False, data_dir=None)), chosen,
        _figures(row, runs), options.seeds, sum(each["seconds"] for each in runs),
        {"validation_accuracy": [each["validation_accuracy"] for each in runs]},
    )  # fmt: skip


def measure_seed(row: Row, images: Images, seed: int, epochs: int, options: Options) -> dict[str, Any]:
    """Train one network; its accuracies in per cent, its best epoch and the seconds it took."""
    begin = time.perf_counter()
    net = nielsen_convolutional_rows.build(row, images.shape[0])
    examples = fn.data.nudge(images.train) if row.expanded else images.train
    result = training.train(
        net, optax.sgd(row.learning_rate), examples, seed, epochs=epochs, batch_size=BATCH_SIZE,
        validation=images.validation, monitor="accuracy", progress=options.progress,
    )  # fmt: skip
    return {
        "selected": convolutional.accuracy(net, result.state.best.params, images.test),
        "last": convolutional.accuracy(net, result.params, images.test),
        "best_epoch": int(result.state.best.epoch),
        "validation_accuracy": (100 * result.history.validation_accuracy).tolist(),
        "stopped": result.stopped,
        "seconds": time.perf_counter() - begin,
    }


def finished(path: Path, chosen: dict[str, Any]) -> dict[str, Any] | None:
    """The file of an earlier run with these settings; None if there is none, or one with other settings."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if found["settings"] == chosen else None


def settings(row: Row, examples: int, options: Options) -> dict[str, Any]:
    """The settings for the record."""
    chosen = {name: getattr(row, name) for name in ("table", "hidden", "learning_rate", "l2", "expanded")}
    epochs = options.epochs or (row.epochs if options.full else DEFAULT_EPOCHS)
    more = {"batch_size": BATCH_SIZE, "images": examples, "pixels": "divided by 256"}
    return {**chosen, "epochs": epochs, **more}


def _name(row: Row, chosen: dict[str, Any]) -> str:
    fewer = f"-{chosen['images']}-images" if chosen["images"] < ALL else ""
    return f"nielsen_convolutional-{row.name}-{chosen['epochs']}-epochs{fewer}"


def _figures(row: Row, runs: list[dict[str, Any]]) -> tuple[Figure, ...]:
    selected, last, epochs, seconds = (
        tuple(float(each[name]) for each in runs) for name in ("selected", "last", "best_epoch", "seconds")
    )
    return (
        Figure("test accuracy at the best validation epoch", selected, "%", row.published, row.low),
        Figure("test accuracy at the last epoch", last, "%"),
        Figure("best validation epoch", epochs, form=".1f"),
        Figure("training time", seconds, "s", form=".0f"),
    )


def _picture(record: Record) -> Any:
    accuracies = np.array(record.curves["validation_accuracy"])
    return plots.curves(
        {"validation": accuracies.T}, xlabel="epoch", ylabel="accuracy on validation images / %",
        title=f"{textwrap.fill(record.title, 60)}\nmean and range of {len(record.seeds)} runs",
    )  # fmt: skip
