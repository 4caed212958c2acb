"""Runs that are killed at random moments and go on from their checkpoints, against a run that is not killed.

    python -m experiments.benchmarks crashes --kills 50

A worker trains on a stream by blocks, with dropout and momentum, and saves every few milliseconds, within epochs too.
It is killed with SIGKILL at a random moment of its training, every second time while a save is being written, started
again, and so on; what it ends with is compared bit for bit with a run that nobody killed.

| what is looked at | what must hold |
|---|---|
| final parameters, optimiser's state, history | the bits of the uninterrupted run |
| where a killed run goes on | at the newest save that is whole: nothing but the last interval is lost |
| the directory at the end | no temporary files; no more saves than are kept |
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks import command
from fnnets.core import validate
from fnnets.training.checkpoint import directories

KEEP = 3
GOES_ON = re.compile(r"goes on after (?:(\d+) minibatches of )?epoch (\d+)")


@dataclass(frozen=True)
class Options:
    """Kill a training run again and again, and compare what it ends with.

    Attributes:
        kills: how many times in all.
        per_run: how many of them one run suffers before it may end.
        epochs: epochs of a run.
        seconds: the longest time that a worker trains before it is killed.
        seed: for the moments.
        out: folder for the JSON.
    """

    kills: int = 50
    per_run: int = 10
    epochs: int = 60
    seconds: float = 3.0
    seed: int = 0
    out: Path = Path("results/benchmarks")

    def __post_init__(self):
        for name in ("kills", "per_run", "epochs"):
            validate.count(getattr(self, name), name)


class Kill(NamedTuple):
    """One SIGKILL: whether a save was being written, and the number of the newest whole save after it."""

    in_save: bool
    newest: int


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "crashes", arguments)


def run(options: Options) -> int:
    """Kill, compare, print, write; 1 where a run ended elsewhere."""
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        finish(Path(folder) / "whole", options.epochs)
        kills: list[Kill] = []
        ends: list[bool] = []
        while len(kills) < options.kills:
            place = Path(folder) / f"run-{len(ends)}"
            count = min(options.per_run, options.kills - len(kills))
            kills += [kill_one(place, options, moments, i % 2 == 1) for i in range(count)]
            finish(place, options.epochs)
            ends.append(same(Path(folder) / "whole", place) and tidy(place))
            print(f"{len(kills)} kills, {len(ends)} runs, {sum(ends)} end where nothing had happened", flush=True)
    content = {
        "command": f"python -m experiments.benchmarks crashes --kills {options.kills}", "kills": len(kills),
        "runs": len(ends), "same": sum(ends), "in_save": sum(kill.in_save for kill in kills),
    }  # fmt: skip
    print(line(content))
    command.finish("crashes", options.out, content)
    return int(not all(ends))


def line(content: dict[str, Any]) -> str:
    """The result in a sentence.

    >>> line({"kills": 50, "in_save": 20, "runs": 5, "same": 5})
    '50 SIGKILLs, 20 of them while a save was being written, in 5 runs: 5 end bit for bit where nothing had happened.'
    """
    return (
        f"{content['kills']} SIGKILLs, {content['in_save']} of them while a save was being written, in "
        f"{content['runs']} runs: {content['same']} end bit for bit where nothing had happened."
    )


def kill_one(place: Path, options: Options, moments: random.Random, in_save: bool) -> Kill:
    """Start a worker, check where it goes on, and kill it in the midst of its training.

    Raises:
        RuntimeError: it went on elsewhere than at the newest whole save, or ended by itself.
    """
    before = newest(place / "checkpoints")
    with start(place, options.epochs) as worker:
        try:
            _check_start(worker, before)
            caught = _await_moment(worker, place, options, moments, in_save)
        finally:
            worker.send_signal(signal.SIGKILL)
    return Kill(caught, (newest(place / "checkpoints") or (0,))[0])


def _await_moment(worker, place: Path, options: Options, moments: random.Random, in_save: bool) -> bool:
    """Wait for the moment to kill; whether a save is then being written."""
    until = time.monotonic() + moments.uniform(0.05, options.seconds)
    while time.monotonic() < until:
        time.sleep(0.01)
    while in_save and not leftovers(place / "checkpoints") and time.monotonic() < until + options.seconds:
        pass
    caught = bool(leftovers(place / "checkpoints"))
    if worker.poll() is not None:
        raise RuntimeError(f"the run ended before it was killed: {worker.returncode}; give more --epochs")
    return caught


def _check_start(worker: subprocess.Popen, before: tuple[int, int, int] | None) -> None:
    """Wait until the worker trains; it must go on where the newest whole save stands."""
    assert worker.stderr is not None
    for text in worker.stderr:
        found = GOES_ON.search(text)
        if found:
            position, epoch = int(found[1] or 0), int(found[2]) - bool(found[1])
            if before is None or (epoch, position) != before[1:]:
                raise RuntimeError(f"the run went on at {(epoch, position)}, but its newest whole save is {before}")
        elif before is not None:
            raise RuntimeError(f"the run did not go on from {before}, it printed: {text.strip()}")
        return
    raise RuntimeError("the run ended before it trained")


def finish(place: Path, epochs: int) -> None:
    """Let a run end.

    Raises:
        RuntimeError: it failed.
    """
    with start(place, epochs) as worker:
        _, errors = worker.communicate()
    if worker.returncode:
        raise RuntimeError(f"the run failed: {errors.strip().splitlines()[-1]}")


def start(place: Path, epochs: int) -> subprocess.Popen:
    """A worker that trains in `place`; its standard error has its progress."""
    words = [sys.executable, "-m", "experiments.benchmarks.crashes", str(place), str(epochs)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True)


def newest(directory: Path) -> tuple[int, int, int] | None:
    """Number, epoch and position of the newest whole save."""
    for step in directories.steps(directory):
        about = directories.metadata(directory / str(step))
        return step, about["epoch"], about["position"]
    return None


def leftovers(directory: Path) -> list[str]:
    """Names of what is not yet whole, or never will be."""
    return [entry.name for entry in directory.iterdir() if "tmp" in entry.name] if directory.is_dir() else []


def tidy(place: Path) -> bool:
    """Whether the directory of a finished run holds whole saves alone, and no more than are kept."""
    return not leftovers(place / "checkpoints") and len(directories.steps(place / "checkpoints")) <= KEEP


def same(first: Path, second: Path) -> bool:
    """Whether two finished runs ended with the same bits."""
    with np.load(first / "end.npz") as a, np.load(second / "end.npz") as b:
        return a.files == b.files and all(np.array_equal(a[name], b[name]) for name in a.files)


def work(place: Path, epochs: int) -> None:
    """A run, from its checkpoints or from the beginning, to its end."""
    x: Any = np.random.default_rng(0).random((6000, 200), np.float32)
    labels = (x[:, :10].argmax(axis=1)).astype(np.int32)
    net = fn.feedforward([200, 50, 10], objective=fn.objectives.softmax_log_likelihood, dropout=0.2)
    result = fn.fit(
        net, optax.sgd(0.1, 0.9), fn.data.stream(x, labels, block=32, pool=8), key=jax.random.key(1),
        epochs=epochs, batch_size=20, validation=fn.Batch(x[:500], labels[:500]), progress=True,
        checkpoint=fn.training.Checkpoint(place / "checkpoints", every=1, minutes=1e-4, keep=KEEP),
    )  # fmt: skip
    place.mkdir(exist_ok=True)
    leaves = jax.tree.leaves((result.params, result.state.optimizer_state, result.history, result.state.best))
    np.savez(place / "end.npz", *leaves)


if __name__ == "__main__":  # a worker
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    work(Path(sys.argv[1]), int(sys.argv[2]))
