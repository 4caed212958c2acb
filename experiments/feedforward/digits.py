"""The demo: scikit-learn's digits, classified by a network that the hand-written gradient trained, and by jax.grad's.

    explicit    δ(L), δ(l), ∂C/∂w, ∂C/∂b by statements (1)-(6)
    automatic   jax.grad of the same cost

The first half of the 1797 digits trains (its last fifth validates), the second half tests, in the source's order:
other hands wrote the second half. Scikit-learn's SVC(gamma=.001) has 0.9689 right in this split; a shuffled one
is much easier. The gradient is proven before and after training, then both runs are compared: parameters, accuracy,
time. Source of the split and its figure: scikit-learn's example "Recognizing hand-written digits".

With `--processes N` the N processes train together, each from its share of every minibatch, and keep checkpoints in
the results' folder until the end: where one dies, the same command goes on. The figures are those of one process to
rounding.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, OptionError, arguments, command, given
from experiments.harness.results import Figure, Record
from fnnets import plots
from fnnets.command import cache

SVC = 0.9689
ROUNDING = 1e-3
GRADIENTS = ("explicit", "automatic")


@dataclass(frozen=True)
class Options(Common):
    """Train a digit classifier with the hand-written gradient and again with jax.grad, and compare them.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one run of each gradient for each seed; initial weights and orders follow from it.
        epochs: passes through the training digits.
        hidden: units of the hidden layer.
        learning_rate: step size eta of the descent.
        momentum: decay mu of the velocity.
        l2: weight penalty lambda.
        processes: processes on this machine that train together; 0 joins those that a scheduler has started.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 30
    hidden: int = 30
    learning_rate: float = 0.1
    momentum: float = 0.9
    l2: float = 0.0
    processes: int = 1


class Run(NamedTuple):
    """One training run: its result, and the seconds that its epochs took without compilation."""

    result: fn.training.Result
    seconds: float


def run(options: Options) -> int:
    """Prove, train, compare, write; 1 where the gradient is not proven or the two runs part."""
    if options.processes > 1 and not fn.training.processes.launched():
        words = [sys.executable, "-m", "experiments", "digits", *arguments(options)]
        return fn.training.processes.launch(words, options.processes)
    return _compare(options) if options.processes == 1 else _together(options)


def _together(options: Options) -> int:
    """As one of several processes, which must not wait for the others where it fails."""
    try:
        fn.training.processes.join()
    except (ValueError, RuntimeError) as error:
        raise OptionError(f"digits: processes is {options.processes}: {error}") from None
    try:
        return _compare(options)
    except (fn.data.DataError, ImportError, OSError) as error:
        fn.training.processes.leave(f"digits: {error}", 2)
    except KeyboardInterrupt:
        fn.training.processes.leave("digits: interrupted; the same command goes on from the last checkpoint", 130)


def _compare(options: Options) -> int:
    """All runs of both gradients; process 0 judges them."""
    begin = time.perf_counter()
    net, optimizer = network(options)
    with cache.suspended():
        compilation = {gradient: _compile(net, optimizer, gradient) for gradient in GRADIENTS}
    runs: dict[str, list[Run]] = {gradient: [] for gradient in GRADIENTS}
    for seed in options.seeds:
        for gradient in GRADIENTS:
            _heading(options, f"{gradient} gradient, seed {seed}: {options.epochs} epochs")
            runs[gradient].append(_train(net, optimizer, gradient, seed, options))
    if not fn.training.processes.is_first():
        return 0
    status = _judge(net, runs, compilation, begin, options)
    if _checkpoints(options).exists():  # of a run that has finished: the next one begins afresh
        shutil.rmtree(_checkpoints(options))
    return status


def _judge(net, runs, compilation, begin, options: Options) -> int:
    """The work of process 0 after the runs: prove, compare, write, print."""
    train, _, test = data()
    _heading(options, "verification: the explicit gradient beside jax.grad and differences, statement by statement")
    proofs = _prove(net, train, options.seeds[0], runs["explicit"][0].result.params)
    difference = max(_difference(*pair) for pair in zip(runs["explicit"], runs["automatic"], strict=True))
    figures = _figures(net, test, runs, compilation, difference)
    record = Record(
        "digits", "scikit-learn's digits, first half against second half",
        command("digits", replace(options, processes=1)), _settings(options), figures, options.seeds,
        time.perf_counter() - begin, _curves(runs),
    )  # fmt: skip
    folder = options.out / "digits"
    _write(record, proofs, net, test, runs, folder)
    _print(record, proofs, difference, folder)
    return 0 if all(proof.ok for proof in proofs.values()) and difference < ROUNDING else 1


@functools.cache
def data() -> tuple[fn.Batch, fn.Batch, fn.Batch]:
    """Training, validation and test digits: 718, 180 and 899, in the source's order.

    >>> [len(part.inputs) for part in data()]
    [718, 180, 899]
    """
    return fn.data.split(fn.data.digits(), (718, 180, 899), key=None)  # type: ignore[return-value]


def network(options: Options) -> tuple[fn.Network, Any]:
    """The network and its optimiser."""
    objective = fn.objectives.softmax_log_likelihood
    net = fn.feedforward([64, options.hidden, 10], objective=objective, l2=options.l2)
    return net, optax.sgd(options.learning_rate, options.momentum)


def _heading(options: Options, text: str) -> None:
    """A line above a part of the work, on standard error as its progress is; process 0 prints it."""
    if options.progress is not False and fn.training.processes.is_first():
        print(f"digits: {text}", file=sys.stderr, flush=True)


def _compile(net, optimizer, gradient) -> float:
    """Seconds that the first epoch takes longer than the second; what all runs share is compiled before."""
    seconds = []
    for epochs in (0, 1, 1):
        begin = time.perf_counter()
        _fit(net, optimizer, gradient=gradient, key=jax.random.key(0), epochs=epochs, progress=False)
        seconds.append(time.perf_counter() - begin)
    return seconds[1] - seconds[2]


def _train(net, optimizer, gradient, seed, options) -> Run:
    begin = time.perf_counter()
    place = _checkpoints(options) / f"{gradient}-{seed}" if fn.training.processes.count() > 1 else None
    result = _fit(
        net, optimizer, gradient=gradient, key=jax.random.key(seed), epochs=options.epochs, progress=options.progress,
        checkpoint=place,
    )  # fmt: skip
    if result.stopped.startswith("interrupted"):
        raise KeyboardInterrupt
    params = jax.tree.map(jnp.asarray, jax.device_get(result.params))  # on this process's own device
    return Run(result._replace(params=params), time.perf_counter() - begin)


def _fit(net, optimizer, **settings) -> fn.training.Result:
    """`fit` in one process from arrays; in several from a stream, of which each reads its rows, in the same order."""
    train, validation, _ = data()
    if fn.training.processes.count() == 1:
        return fn.fit(net, optimizer, train, validation=validation, **settings)
    source = fn.data.stream(train.inputs, train.targets)
    return fn.fit(net, optimizer, source, validation=validation, devices="all", evaluate_training=True, **settings)


def _checkpoints(options: Options) -> Path:
    return options.out / "digits" / "checkpoints"


def _prove(net, train, seed, trained) -> dict[str, Any]:
    batch = fn.Batch(train.inputs[:50], train.targets[:50], dataset_size=len(train.inputs))
    places = {"initial": net.init(jax.random.key(seed)), "trained": trained}
    return {place: fn.verify.network(net, params, batch) for place, params in places.items()}


def _difference(explicit: Run, automatic: Run) -> float:
    """The largest difference of two parameters that belong together, relative to the largest of their leaf."""
    pairs = zip(*(jax.tree.leaves(run.result.params) for run in (explicit, automatic)), strict=True)
    return max(float(jnp.abs(a - b).max() / jnp.abs(b).max()) for a, b in pairs)


def _figures(net, test, runs, compilation, difference) -> tuple[Figure, ...]:
    figures = []
    for gradient in GRADIENTS:
        right = [fn.evaluate(net, run.result.params, test).accuracy for run in runs[gradient]]
        accuracies = tuple(100 * float(each) for each in right)  # type: ignore[arg-type]
        figures.append(Figure(f"test accuracy, {gradient} gradient", accuracies, "%"))
    for gradient in GRADIENTS:
        figures.append(Figure(f"training time, {gradient} gradient", tuple(r.seconds for r in runs[gradient]), "s"))
        figures.append(Figure(f"compile time, {gradient} gradient", (compilation[gradient],), "s"))
    return (*figures, Figure("largest relative difference of the parameters", (difference,), form=".1e"))


def _settings(options: Options) -> dict[str, Any]:
    return {
        **given(options),
        "batch_size": 10,
        "split": "718 training, 180 validation, 899 test, in the source's order",
    }


def _curves(runs) -> dict[str, Any]:
    return {gradient: [run.result.history._asdict() for run in runs[gradient]] for gradient in GRADIENTS}


def _write(record, proofs, net, test, runs, folder: Path) -> None:
    results.save(record, folder)
    for place, proof in proofs.items():
        results.save_json(json.loads(proof.to_json()), folder / f"verification-{place}.json")
    first = {gradient: runs[gradient][0].result for gradient in GRADIENTS}
    histories = {gradient: result.history for gradient, result in first.items()}
    plots.save(plots.learning_curves(histories, "nats"), folder / "learning-curves.png")
    params = first["explicit"].params
    title = "incoming weights of the hidden units, 8 x 8 pixels"
    plots.save(plots.filters(params[0].weights, (8, 8), title=title), folder / "filters.png")
    predicted = np.asarray(net.predict(params, test.inputs).argmax(-1))
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (np.asarray(test.targets), predicted), 1)
    plots.save(plots.confusion(matrix, "899 test digits"), folder / "confusion.png")


def _print(record, proofs, difference, folder) -> None:
    for place, proof in proofs.items():
        print(f"Verification with {place} parameters\n{proof.table()}\n")
    print(results.show(record))
    same = "the same parameters to rounding" if difference < ROUNDING else "DIFFERENT parameters"
    print(f"Both gradients ended with {same}: largest relative difference {difference:.1e}.")
    print(f"The split's published figure is scikit-learn's SVC, {100 * SVC:.2f} %.")
    print(f"Results and pictures: {folder} ({record.seconds:.0f} s in all)")
