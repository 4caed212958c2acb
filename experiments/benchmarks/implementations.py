"""The fast implementation against the plain one: the epoch inside `fit`, in interleaved pairs, and fast against itself.

    python -m experiments.benchmarks implementations [--work recurrent lstm …]

    pays    plain / fast ≥ 1.10: a kernel is kept for less only where it saves memory, as checkpoints do

Both are trained for an epoch from equal parameters, which must agree afterwards. Sizes are those of
`experiments.benchmarks.against`, 128 units, 64 features, 100 steps, minibatches of 32 sequences; images are 28 x 28.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks import command
from experiments.benchmarks.against import compared
from fnnets.core import validate

SOFTMAX, PAYS = fn.objectives.softmax_log_likelihood, 1.10
NIELSEN = "conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10"


class Work(NamedTuple):
    """`(implementation) -> network`, the shape of its inputs, examples of a minibatch, and its kernel."""

    make: Callable[[str], fn.Network]
    shape: tuple[int, ...]
    size: int
    kernel: str


def _images(table: str | list[Any], n: int = 1_000) -> Work:
    def make(implementation: str) -> fn.Network:
        return fn.convolutional((28, 28, 1), table, objective=SOFTMAX, implementation=implementation)

    return Work(make, (n, 28, 28, 1), 10, "convolution, pooling")


def _sequences(cell: str, n: int = 320) -> Work:
    def make(implementation: str) -> fn.Network:
        return fn.recurrent([64, 128, 10], cell, objective=SOFTMAX, implementation=implementation)

    return Work(make, (100, n, 64), 32, "scan, recurrent" if cell == "simple" else f"scan, {cell.split('_')[0]}")


WORK = {
    "convolutional": _images(NIELSEN),
    **{cell: _sequences(cell) for cell in ("simple", "lstm", "lstm_peepholes", "lstm_1997", "gru")},
}


@dataclass(frozen=True)
class Options:
    """Time the fast implementations against the plain ones.

    Attributes:
        work: some of the kinds of work; all where none is given.
        pairs: interleaved pairs for each.
        out: folder for the results.
        quick: two pairs, few examples.
    """

    work: tuple[str, ...] = tuple(WORK)
    pairs: int = 15
    out: Path = Path("results/benchmarks")
    quick: bool = False


def run(options: Options) -> int:
    """A line and a record for each kind of work; 1 where the two disagree."""
    unknown = [name for name in options.work if name not in WORK]
    if unknown:
        raise ValueError(f"work is {unknown[0]!r}, expected some of {', '.join(WORK)}")
    validate.count(options.pairs, "pairs", "give the number of pairs")
    rows, wrong = {}, []
    for name in options.work:
        row = rows[name] = measured(WORK[name], 2 if options.quick else options.pairs, options.quick)
        print(f"{name:26} {line(row)}", flush=True)
        if not row["agreement"] <= 1e-3:
            wrong.append(f"{name}: parameters after an epoch differ by {row['agreement']:.1e}, relatively")
    return command.finish("implementations", options.out, {"settings": {"pairs": options.pairs}, "rows": rows}, wrong)


def measured(work: Work, pairs: int, is_quick: bool = False) -> dict[str, Any]:
    """Median plain / fast of an epoch, the control's percentiles, and the largest relative difference of parameters."""
    batch, sgd = _batch(work, is_quick), optax.sgd(0.01)

    def epoch(net: fn.Network) -> tuple[float, Any]:
        began = time.perf_counter()
        key = jax.random.key(0)
        result = fn.fit(
            net, sgd, batch, key=key, epochs=1, batch_size=work.size, progress=False, evaluate_training=False
        )
        jax.block_until_ready(result.params)
        return time.perf_counter() - began, result.params

    nets = {"new": work.make("plain"), "old": work.make("fast"), "again": work.make("fast")}
    last = {name: epoch(net)[1] for name, net in nets.items()}  # compiles
    rounds, order = [], list(nets.items())
    for i in range(pairs):
        turned = order[i % 3 :] + order[: i % 3]
        rounds.append({name: epoch(net)[0] for name, net in turned})
    return {**compared(rounds), "agreement": _apart(last["new"], last["old"]), "kernel": work.kernel}


def _batch(work: Work, is_quick: bool) -> fn.Batch:
    random, axis = np.random.default_rng(0), int(len(work.shape) == 3)
    n = 2 * work.size if is_quick else work.shape[axis]
    shape = (*work.shape[:axis], n, *work.shape[axis + 1 :])
    labels = random.integers(0, 10, shape[: axis + 1]).astype(np.int32)
    return fn.Batch(jax.numpy.asarray(random.random(shape, np.float32)), jax.numpy.asarray(labels))


def _apart(one: Any, other: Any) -> float:
    pairs = zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in (one, other)), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def line(row: dict[str, Any]) -> str:
    """A row as text."""
    return (
        f"plain/fast {row['ratio']:.2f} ({'pays' if row['ratio'] >= PAYS else 'below 1.10'}), fast/fast "
        f"{row['control']:.3f} ({row['low']:.3f} to {row['high']:.3f}), an epoch of {row['seconds']:.2f} s, "
        f"parameters differ by {row['agreement']:.0e}"
    )


def markdown(content: dict[str, Any]) -> str:
    """The benchmark's part of the table."""
    from experiments.benchmarks import report

    head = ("work", "kernel", "plain / fast", "control, 10th to 90th percentile", "fast, s an epoch")
    rows = []
    for name, row in content["rows"].items():
        control = f"{row['low']:.3f} to {row['high']:.3f}"
        rows.append((name, row["kernel"], f"{row['ratio']:.2f}", control, f"{row['seconds']:.2f}"))
    return report.table([head, *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: the exit status."""
    return command.main(run, Options, "implementations", arguments)
