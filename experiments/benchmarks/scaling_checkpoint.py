"""The time of saving after every epoch: [784, 100, 10] on 50 000 examples, with a checkpoint each epoch and without.

    cost    median over rounds of (b with saves / b without) − 1        b: seconds of an epoch
    fixed   median over rounds of (a with saves − a without)            a: all else

A run ends when its last save is on disk, so what is written in the background is in the cost as far as training waits
for it or shares its cores. The fixed cost is that of opening the directory, of the fingerprint, and of the last write.
Training data are not judged after each epoch: the epoch would be longer, and the share of saving smaller.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

import fnnets as fn
from experiments.benchmarks import report
from experiments.benchmarks.scaling_setting import (
    DESCENT,
    Options,
    Part,
    Table,
    dense,
    difference,
    epoch_ratio,
    timed,
)
from experiments.benchmarks.setting import mnist_examples, random_examples
from experiments.benchmarks.timing import summary

SIZES = (10, 128)
WITHOUT, WITH = "no saves", "a save each epoch"
BAR, BARRED = 1.05, 10  # of minibatches of 10
TEXT = (
    "An epoch waits for the copy of the state; serialising and writing go on in other threads and take their share of "
    "the cores and of the disk. A save costs the same however long its epoch, so the shorter epoch pays the larger "
    "share. The fixed cost is paid once a run: the directory is opened, the examples are read for the fingerprint, and "
    "the last save is waited for."
)


def measure(options: Options) -> dict[str, Any]:
    """Both sizes of minibatches."""
    if options.data_dir is None:
        given = random_examples(options.examples)
    else:
        given = mnist_examples(options.examples, options.data_dir)
    train = fn.Batch(jnp.asarray(given[0]), jnp.asarray(given[1]))
    data = "random" if options.data_dir is None else "MNIST"
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        found = [_measured(train, size, options, folder) for size in SIZES]
    return {"data": data, "examples": len(train.inputs), "rows": found}


def _measured(train: fn.Batch, size: int, options: Options, folder: str) -> dict[str, Any]:
    net = dense()

    def run(epochs, saves):
        return fn.fit(
            net, DESCENT, train, key=jax.random.key(0), epochs=epochs, batch_size=size, evaluate_training=False,
            progress=False, checkpoint=tempfile.mkdtemp(dir=folder) if saves else None,
        ).params  # fmt: skip

    far = difference(run(2, True), run(2, False))
    runs = {WITHOUT: lambda epochs: run(epochs, False), WITH: lambda epochs: run(epochs, True)}
    return {"size": size, "difference": far, "runs": timed(runs, options.epochs, options.rounds)}


def rows(part: Mapping[str, Any]) -> Table:
    """The table as text, the header first."""
    table: Table = [("minibatch", "epoch s", "min", "max", "with saves s", "min", "max", "cost", "fixed s")]
    for row in part["rows"]:
        runs = row["runs"]
        cells = [f"{number:.3f}" for name in (WITHOUT, WITH) for number in summary(runs[name]["epoch"])]
        fixed = [a - b for a, b in zip(runs[WITH]["rest"], runs[WITHOUT]["rest"], strict=True)]
        cost = 100 * (epoch_ratio(runs, WITH, WITHOUT) - 1)
        table.append((str(row["size"]), *cells, f"{cost:.1f} %", f"{summary(fixed).median:.2f}"))
    return table


def bars(part: Mapping[str, Any]) -> list[report.Bar]:
    """At most 5 per cent where an epoch is of minibatches of 10."""
    return [
        report.Bar(
            "epoch with a save / without", f"784-100-10:{row['size']}, {part['data']}, {part['examples']} examples",
            epoch_ratio(row["runs"], WITH, WITHOUT), high=BAR,
        )
        for row in part["rows"] if row["size"] == BARRED
    ]  # fmt: skip


def wrong(part: Mapping[str, Any]) -> list[str]:
    """Saving must leave every bit of the parameters as it is."""
    return [
        f"checkpoint: with saves, minibatches of {row['size']} end {row['difference']:.1e} from those without"
        for row in part["rows"] if row["difference"] != 0
    ]  # fmt: skip


CHECKPOINT = Part("Checkpoints", TEXT, measure, rows, wrong, bars)
