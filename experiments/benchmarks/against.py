"""The training step inside `fit` of this checkout against another one: interleaved pairs, and the other against itself.

    python -m experiments.benchmarks against --other ../old

Three processes hold the same data and programs: this checkout, the other one, and the other one again as the control.
They run in turn, one at a time, so that a ratio is of two neighbours in time. The parameters after an epoch are
compared first. A difference is within the control where the median ratio is no further from 1 than 5 %, or than the
10th and 90th percentiles of the control's ratios.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
WORK = ("feedforward", "convolutional", "recurrent", "lstm")


@dataclass(frozen=True)
class Options:
    """The options of the comparison.

    Attributes:
        other: the folder of the other checkout.
        pairs: interleaved pairs for each kind of work.
        work: which kinds of work.
        share: the share of the examples that an epoch has, more than 0 and at most 1.
        out: the folder for the results.
    """

    other: Path
    pairs: int = 15
    work: tuple[str, ...] = WORK
    share: float = 1.0
    out: Path = Path("results/benchmarks")


def run(options: Options) -> int:
    """A line and a record for each kind of work; 1 where a difference is larger than the control's.

    Raises:
        ValueError: a folder without the package, no pairs, a kind of work that is none, parameters that differ.
    """
    _check(options)
    folders = {"new": ROOT, "old": options.other.resolve(), "again": options.other.resolve()}
    sides = {name: _started(folder) for name, folder in folders.items()}
    rows = {}
    for work in options.work:
        request = f"{work} {options.share}"
        first = {name: _answer(side, request) for name, side in sides.items()}  # compiles
        if not np.isclose(first["new"]["total"], first["old"]["total"], rtol=1e-4):
            raise ValueError(f"{work}: the parameters after an epoch differ: {first}")
        rounds = [
            {name: _answer(side, request)["seconds"] for name, side in _turned(sides, i)} for i in range(options.pairs)
        ]
        rows[work] = row = compared(rounds)
        print(f"{work:14} {line(row)}", flush=True)
    for side in sides.values():
        side.communicate()
    from experiments.benchmarks import command  # a worker has the other checkout's experiments

    wrong = [f"{work}: {line(row)}" for work, row in rows.items() if not row["within"]]
    return command.finish("against", options.out, {"pairs": options.pairs, "rows": rows}, wrong)


def _check(options: Options) -> None:
    if not (options.other / "fnnets" / "__init__.py").is_file():
        raise ValueError(
            f"other is {options.other}, expected a checkout with a folder fnnets; make one by git worktree"
        )
    if options.pairs < 1:
        raise ValueError(f"pairs is {options.pairs}, expected at least 1")
    if not 0 < options.share <= 1:
        raise ValueError(f"share is {options.share}, expected more than 0 and at most 1")
    for name in options.work:
        if name not in WORK:
            raise ValueError(f"work is {name!r}, expected one of {', '.join(WORK)}")


def compared(rounds: Sequence[dict[str, float]]) -> dict[str, float | bool]:
    """Median ratio of new to old, the control's percentiles, and whether the difference is within them or 5 %.

    >>> rows = [{"new": 1.2, "old": 1.0, "again": 1.0 + 0.01 * i} for i in range(5)]
    >>> compared(rows)["within"], round(compared(rows)["ratio"], 3)
    (False, 1.2)
    """
    ratio, control = (np.array([each[name] / each["old"] for each in rounds]) for name in ("new", "again"))
    low, high = np.percentile(control, [10, 90])
    allowed = max(0.05, high - 1, 1 - low)
    return {
        "ratio": float(np.median(ratio)), "control": float(np.median(control)), "low": float(low), "high": float(high),
        "allowed": float(allowed), "within": bool(abs(np.median(ratio) - 1) <= allowed),
        "seconds": float(np.median([each["old"] for each in rounds])),
    }  # fmt: skip


def line(row: dict[str, float | bool]) -> str:
    """A row of the comparison as text."""
    return (
        f"new/old {row['ratio']:.3f}, old/old {row['control']:.3f} ({row['low']:.3f} to {row['high']:.3f}), "
        f"{'within' if row['within'] else 'OUTSIDE'} {row['allowed']:.3f}, an epoch of {row['seconds']:.2f} s"
    )


def worker() -> None:
    """Train for an epoch on request: a line of work and share on standard input, a line of JSON for its answer."""
    import jax
    import optax

    import fnnets as fn

    # before the redesign `fit` stood in `training`, and "silent" was its word for False
    fit: Callable[..., Any] = fn.fit if hasattr(fn, "fit") else fn.training.fit
    quiet = False if hasattr(fn, "fit") else "silent"
    sgd, made = optax.sgd(0.01), functools.cache(_problem)
    for request in sys.stdin:
        net, train, size = made(*request.split())
        began = time.perf_counter()
        result = fit(net, sgd, train, key=jax.random.key(0), epochs=1, batch_size=size, progress=quiet)
        jax.block_until_ready(result.params)
        seconds = time.perf_counter() - began
        total = sum(float(np.abs(np.asarray(leaf)).sum()) for leaf in jax.tree.leaves(result.params))
        print(json.dumps({"seconds": seconds, "total": total}), flush=True)


def _problem(work: str, share: str):
    """Network, examples and size of a minibatch of one kind of work."""
    import jax

    import fnnets as fn

    softmax, draw = fn.objectives.softmax_log_likelihood, np.random.default_rng(0)
    images = "conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10"
    net, shape, size = {
        "feedforward": lambda: (fn.feedforward([784, 100, 10], objective=softmax), (20_000, 784), 10),
        "convolutional": lambda: (fn.convolutional((28, 28, 1), images, objective=softmax), (1_000, 28, 28, 1), 10),
        "recurrent": lambda: (fn.recurrent([64, 128, 10], objective=softmax), (100, 320, 64), 32),
        "lstm": lambda: (fn.recurrent([64, 128, 10], "lstm", objective=softmax), (100, 320, 64), 32),
    }[work]()
    axis = int(work in ("recurrent", "lstm"))  # of the examples
    shape = (*shape[:axis], max(size, round(float(share) * shape[axis])), *shape[axis + 1 :])
    labels = draw.integers(0, 10, shape[: axis + 1]).astype(np.int32)
    return net, fn.Batch(jax.numpy.asarray(draw.random(shape, np.float32)), jax.numpy.asarray(labels)), size


def _started(folder: Path) -> subprocess.Popen[str]:
    """A worker that imports the package of that folder."""
    code = f"import runpy; runpy.run_path({__file__!r}, run_name='worker')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    arguments = [sys.executable, "-c", code]
    return subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
    )


def _answer(side: subprocess.Popen[str], work: str) -> dict[str, float]:
    assert side.stdin is not None
    assert side.stdout is not None
    side.stdin.write(work + "\n")
    side.stdin.flush()
    return json.loads(side.stdout.readline())


def _turned(sides: dict[str, subprocess.Popen[str]], by: int) -> list[tuple[str, subprocess.Popen[str]]]:
    """The sides in another order each round, so that none is always the first."""
    pairs = list(sides.items())
    return pairs[by % len(pairs) :] + pairs[: by % len(pairs)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: the exit status."""
    from experiments.benchmarks import command

    return command.main(run, Options, "against", arguments)


if __name__ == "worker":
    worker()
