"""The cost of looking at values: an epoch inside `fit` with its checks against one without, in interleaved pairs.

    python -m experiments.benchmarks checks [--work "new arrays" arrays stream] [--pairs 15]

    new arrays    all values are looked at once, before the first epoch: the share of a `fit` of one epoch, and of 30
    arrays        those of an earlier call of `fit`, `evaluate` or any other function are not looked at again
    stream        targets are looked at in the program of each chunk, the first thousand rows beforehand

The network is 784-30-10 on 50 000 images of MNIST's shape, in minibatches of 10. Both must arrive at the same
parameters. Without checks means that every array counts as one whose values are unknown, as while JAX traces.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks import command
from experiments.benchmarks.against import compared
from fnnets.core import arrays, batches, looks, validate

WORK, EXAMPLES, EPOCHS = ("new arrays", "arrays", "stream"), 50_000, 30


@dataclass(frozen=True)
class Options:
    """Time an epoch with the checks of values against one without.

    Attributes:
        work: some of the kinds of data; all where none is given.
        pairs: interleaved pairs for each.
        out: folder for the results.
        quick: two pairs, few examples.
    """

    work: tuple[str, ...] = WORK
    pairs: int = 15
    out: Path = Path("results/benchmarks")
    quick: bool = False


def run(options: Options) -> int:
    """A line and a record for each kind of data; 1 where parameters differ."""
    for name in options.work:
        validate.choice(name, WORK, "work")
    validate.count(options.pairs, "pairs", "give the number of pairs")
    examples, pairs = (2_000, 2) if options.quick else (EXAMPLES, options.pairs)
    rows = {}
    for name in options.work:
        row = rows[name] = measured(name, examples, pairs)
        print(f"{name:10} {line(row)}", flush=True)
    wrong = [f"{name}: parameters differ by {row['agreement']:.1e}" for name, row in rows.items() if row["agreement"]]
    settings = {"pairs": pairs, "examples": examples}
    return command.finish("checks", options.out, {"settings": settings, "rows": rows}, wrong)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """No value is looked at; shapes and dtypes are."""
    with contextlib.ExitStack() as stack:
        for module in (validate, arrays):
            stack.enter_context(mock.patch.object(module, "is_concrete", return_value=False))
            stack.enter_context(mock.patch.object(module, "finite"))
        stack.enter_context(mock.patch.object(batches, "holds", return_value=jnp.asarray(True)))
        yield


def measured(name: str, examples: int, pairs: int) -> dict[str, Any]:
    """Median ratio with / without of an epoch inside `fit`, the control's percentiles, the difference of parameters."""
    random = np.random.default_rng(0)
    x, y = random.random((examples, 784), np.float32), random.integers(0, 10, examples).astype(np.int32)
    data = fn.data.stream(x, y) if name == "stream" else fn.Batch(jnp.asarray(x), jnp.asarray(y))
    net = fn.feedforward([784, 30, 10], objective=fn.objectives.softmax_log_likelihood)

    def epoch(optimizer, has_checks: bool) -> tuple[float, Any]:
        with contextlib.nullcontext() if has_checks else unchecked():
            if name == "new arrays":
                looks.forget()
            began = time.perf_counter()
            result = fn.fit(
                net, optimizer, data, key=jax.random.key(0), epochs=1, batch_size=10, progress=False,
                evaluate_training=False,
            )  # fmt: skip
            jax.block_until_ready(result.params)
            return time.perf_counter() - began, result.params

    # programs are kept by their optimiser: three of them are three programs
    kinds = {run: (optax.sgd(0.01), run == "new") for run in ("new", "old", "again")}
    last = {run: epoch(*kind)[1] for run, kind in kinds.items()}
    rounds, order = [], list(kinds.items())
    for i in range(pairs):
        turned = order[i % 3 :] + order[: i % 3]
        rounds.append({run: epoch(*kind)[0] for run, kind in turned})
    differences = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), last["new"], last["old"])
    return {**compared(rounds), "agreement": max(jax.tree.leaves(differences))}


def line(row: dict[str, Any]) -> str:
    """A row as text."""
    share = row["ratio"] - 1
    return (
        f"with/without {row['ratio']:.4f}, without/without {row['control']:.4f} ({row['low']:.4f} to "
        f"{row['high']:.4f}), an epoch of {row['seconds']:.2f} s; where all is looked at once, {share / EPOCHS:.3%} of "
        f"{EPOCHS} epochs"
    )


def markdown(content: dict[str, Any]) -> str:
    """The benchmark's part of the table."""
    from experiments.benchmarks import report

    head = ("data", "with / without, one epoch", "control, 10th to 90th percentile", "s an epoch")
    rows = [
        (name, f"{row['ratio']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}", f"{row['seconds']:.2f}")
        for name, row in content["rows"].items()
    ]
    return report.table([head, *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: the exit status."""
    return command.main(run, Options, "checks", arguments)
