"""Shared parts of the benchmark of scaling: options, networks, runs of one and of more epochs, processes.

    a run of e epochs     t(e) = a + e · b         a: checks, copies, opening, compilation if any;  b: an epoch
    an epoch              b = (t(1 + m) − t(1)) / m
    all else              a = t(1) − b

| symbol | name in code | shape |
|---|---|---|
| b, a of each round | `timed["epoch"]`, `timed["rest"]` | (rounds,) |
| m | `more` | () |

XLA reads the number of forced host devices when it starts, so each such number needs a process of its own.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks import report
from experiments.benchmarks.timing import Contestant, interleave, summary
from fnnets.training.distributed import processes

NAMES = ("devices", "processes", "checkpoint", "streaming", "many", "memory")
DESCENT = optax.sgd(0.1, 0.9)
CHILD = "experiments.benchmarks.scaling_child"
Table = list[tuple[str, ...]]


@dataclass(frozen=True)
class Options:
    """Time and memory of training on several devices, with checkpoints, on streams, and of many networks.

    Attributes:
        parts: some of devices, processes, checkpoint, streaming, many, memory.
        rounds: samples of each.
        epochs: by how many epochs the longer of two runs is longer.
        examples: examples of an epoch of checkpoint and streaming; many takes a tenth of them.
        steps: minibatches of an epoch on devices and in processes; the LSTM takes a tenth of them.
        counts: numbers of forced host devices, the first of which the others are compared with.
        networks: how many are trained at once.
        gigabytes: size of the file of the part memory, all of which is read.
        data_dir: folder with MNIST for checkpoint, in place of random examples.
        scratch: folder for temporary files; None takes the system's.
        out: folder for the results.
        quick: small numbers of all of these, to see that all works.
    """

    parts: tuple[str, ...] = NAMES
    rounds: int = 5
    epochs: int = 6
    examples: int = 50_000
    steps: int = 40
    counts: tuple[int, ...] = (1, 2, 4, 8)
    networks: int = 30
    gigabytes: float = 20.0
    data_dir: Path | None = None
    scratch: Path | None = None
    out: Path = Path("results/benchmarks")
    quick: bool = False


class Answer(NamedTuple):
    """Results of a process: numbers by name, and arrays to be compared."""

    found: dict[str, Any]
    arrays: list[np.ndarray]


class Part(NamedTuple):
    """A part of the benchmark.

    Attributes:
        title: what it is.
        text: how its figures are to be read, and what limits them.
        measure: `Options -> JSON content`; {"skipped": why} where it cannot run here.
        rows: the content's table as text, the header first.
        wrong: what makes the content's figures worth nothing, one line each.
        bars: the content's bars.
    """

    title: str
    text: str
    measure: Callable[[Options], dict[str, Any]]
    rows: Callable[[Mapping[str, Any]], Table]
    wrong: Callable[[Mapping[str, Any]], list[str]]
    bars: Callable[[Mapping[str, Any]], list[report.Bar]] = lambda content: []


def dense(hidden: int = 100) -> fn.Network:
    """[784, hidden, 10], sigmoid units and a softmax output."""
    return fn.feedforward([784, hidden, 10], objective=fn.objectives.softmax_log_likelihood)


def timed(runs: Mapping[str, Callable[[int], Any]], more: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of an epoch and of all else, for each function of the number of epochs, in turn.

    Args:
        runs: who trains; called with 1 and with 1 + `more` epochs.
        more: the difference of both.
        rounds: samples of each.

    >>> sorted(timed({"a": lambda epochs: None}, 2, 1)["a"])
    ['epoch', 'rest']
    """
    entered = [
        Contestant(f"{name}: {count}", functools.partial(run, count))
        for name, run in runs.items()
        for count in (1, 1 + more)
    ]
    samples = interleave(entered, rounds)
    return {name: _line(samples[f"{name}: 1"], samples[f"{name}: {1 + more}"], more) for name in runs}


def _line(short: Sequence[float], long: Sequence[float], more: int) -> dict[str, list[float]]:
    epoch = [(t_long - t_short) / more for t_short, t_long in zip(short, long, strict=True)]
    return {"epoch": epoch, "rest": [t - b for t, b in zip(short, epoch, strict=True)]}


def epoch_ratio(found: Mapping[str, Mapping[str, Sequence[float]]], name: str, base: str) -> float:
    """Ratio of the times of an epoch: the median of the ratios round by round.

    >>> epoch_ratio({"a": {"epoch": [1.0, 2.0, 2.0]}, "b": {"epoch": [2.0, 3.0, 6.0]}}, "b", "a")
    2.0
    """
    pairs = zip(found[name]["epoch"], found[base]["epoch"], strict=True)
    return summary([t / t_base for t, t_base in pairs]).median


def difference(first: Any, second: Any) -> float:
    """The largest difference of a leaf, relative to the largest element of the second's; NaN is infinite.

    >>> difference([np.array([1.0, 4.0])], [np.array([1.0, 2.0])])
    1.0
    """
    pairs = list(zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True))
    worst = [np.max(np.abs(np.asarray(a) - np.asarray(b))) / (np.max(np.abs(np.asarray(b))) or 1.0) for a, b in pairs]
    return float(max(far if np.isfinite(far) else np.inf for far in worst))


def ask(job: str, given: Mapping[str, Any], devices: int = 1, count: int = 0) -> list[Answer]:
    """Have a job of `scaling_child` done in a process with so many devices, or in `count` processes that have joined.

    Raises:
        RuntimeError: it failed; the message has its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        request = json.dumps({"job": job, "given": dict(given), "devices": devices, "folder": folder})
        words = [sys.executable, "-m", CHILD, request]
        if count:
            status, said = processes.launch(words, count), "see above"
        else:
            ended = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
            status, said = ended.returncode, (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if status:
            raise RuntimeError(f"the part {job} ended with status {status} in another process: {said}")
        return [read(Path(folder), index) for index in range(max(1, count))]


def write(folder: Path, index: int, answer: Answer) -> None:
    """Leave an answer for `read`.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder), 0, Answer({"peak": 2}, [np.ones(3)]))
    ...     read(Path(folder), 0)
    Answer(found={'peak': 2}, arrays=[array([1., 1., 1.])])
    """
    (folder / f"{index}.json").write_text(json.dumps(answer.found), encoding="utf-8")
    np.savez(folder / f"{index}.npz", *answer.arrays)  # type: ignore[arg-type]


def read(folder: Path, index: int) -> Answer:
    """The answer that `write` left."""
    with np.load(folder / f"{index}.npz") as arrays:
        return Answer(
            json.loads((folder / f"{index}.json").read_text("utf-8")), [arrays[name] for name in arrays.files]
        )


def peak() -> int:
    """The most bytes that this process has had in memory.

    ru_maxrss is what the parent had, where that was more: it survives the start of a program. Linux has the process's
    own in /proc.

    >>> peak() > 10**6
    True
    """
    status = Path("/proc/self/status")
    for line in status.read_text("utf-8").splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
