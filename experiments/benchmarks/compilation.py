"""Seconds of tracing, lowering and compiling before `fit` trains, explicit against automatic, in fresh processes.

    python -m experiments.benchmarks compilation [--rows lstm rbm] [--rounds 5]

    beginning    fit(…, epochs=0): parameters, the optimiser's state, checks of the data
    epoch        what fit(…, epochs=1) adds: one program, with its evaluation of training and validation data
    ratio        median over rounds of explicit / automatic, all seconds of a process; the control: explicit / explicit

JAX itself tells each duration (`jax.monitoring`). No process reads or writes the persistent compilation cache. Sizes do
not divide the minibatch, so that the last one is short.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks import command, processes, report
from fnnets.core import validate

STAGES = {
    "trace": "/jax/core/compile/jaxpr_trace_duration",
    "lower": "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "compile": "/jax/core/compile/backend_compile_duration",
}
CONTESTANTS = {"explicit": "explicit", "automatic": "automatic", "control": "explicit"}
CHILD = "from experiments.benchmarks import compilation; compilation.child({!r}, {!r})"
SOFTMAX = fn.objectives.softmax_log_likelihood
NIELSEN = "conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10"


def _labelled(*shape: int, sequences: bool = False) -> Callable[[int], fn.Batch]:
    def batch(n: int) -> fn.Batch:
        random = np.random.default_rng(n)
        whole = (shape[0], n, *shape[1:]) if sequences else (n, *shape)
        return fn.Batch(jnp.asarray(random.random(whole, np.float32)), random.integers(0, 10, n))

    return batch


def _binary(n: int) -> fn.Batch:
    return fn.Batch(jnp.asarray(np.random.default_rng(n).integers(0, 2, (n, 64)), jnp.float32))


def _recurrent(cell: str) -> fn.Network:
    return fn.recurrent([8, 32, 10], cell, objective=SOFTMAX, return_sequences=False)


ROWS: dict[str, tuple[Callable[[], fn.Network], Callable[[int], fn.Batch]]] = {
    "feedforward": (lambda: fn.feedforward([64, 30, 10], objective=SOFTMAX), _labelled(64)),
    "convolutional": (
        lambda: fn.convolutional((28, 28, 1), NIELSEN, fn.activations.relu, objective=SOFTMAX),
        _labelled(28, 28, 1),
    ),
    "recurrent": (lambda: _recurrent("simple"), _labelled(20, 8, sequences=True)),
    "lstm": (lambda: _recurrent("lstm"), _labelled(20, 8, sequences=True)),
    "rbm": (lambda: fn.rbm(64, 30), _binary),
}


@dataclass(frozen=True)
class Options:
    """Time what is traced, lowered and compiled before training.

    Attributes:
        rows: which networks.
        rounds: fresh processes of each contestant.
        out: folder for the results.
    """

    rows: tuple[str, ...] = tuple(ROWS)
    rounds: int = 5
    out: Path = Path("results/benchmarks")


def run(options: Options) -> int:
    """Start the processes in turn, print and write the table."""
    validate.count(options.rounds, "rounds", "give the number of samples")
    for row in options.rows:
        validate.choice(row, tuple(ROWS), "rows", "choose some")
    samples = {row: measure(row, options.rounds) for row in options.rows}
    content = {"rows": samples}
    print(table(samples))
    return command.finish("compilation", options.out, content)


def measure(row: str, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What each contestant's processes print, in turn."""
    return processes.alternate(CONTESTANTS, rounds, lambda gradient: in_fresh_process(row, gradient))


def in_fresh_process(row: str, gradient: str) -> dict[str, Any]:
    """What `child` prints in a new process."""
    return processes.printed(CHILD.format(row, gradient))


def child(row: str, gradient: str) -> None:
    """Print programs and seconds of `fit` with no epoch, and of what one epoch adds, as JSON."""
    network, batch = ROWS[row]
    net, train, validation = network(), batch(105), batch(55)
    optimizer, events = optax.sgd(0.1, momentum=0.9), []  # type: ignore[var-annotated]

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        events.append((event, duration_secs))

    jax.monitoring.register_event_duration_secs_listener(listen)
    found = {}
    for name, epochs in (("beginning", 0), ("epoch", 1)):
        events.clear()
        begin = time.perf_counter()
        fn.fit(
            net, optimizer, train, key=jax.random.key(0), epochs=epochs, batch_size=10, validation=validation,
            gradient=gradient, progress=False,
        )  # fmt: skip
        found[name] = {**totals(events), "wall": time.perf_counter() - begin}
    print(json.dumps(found))


def totals(events: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The number of compiled programs, and the seconds of each stage.

    >>> totals([(STAGES["compile"], 0.5), (STAGES["compile"], 0.25), ("other", 1.0)])
    {'programs': 2, 'trace': 0, 'lower': 0, 'compile': 0.75}
    """
    seconds = {stage: sum(s for event, s in events if event == name) for stage, name in STAGES.items()}
    return {"programs": sum(event == STAGES["compile"] for event, _ in events), **seconds}


def ratio(samples: Mapping[str, list[dict[str, Any]]], name: str, other: str) -> float:
    """The median over rounds of one contestant's seconds over another's.

    >>> part = {"trace": 1.0, "lower": 1.0, "compile": 1.0}
    >>> one = {"beginning": part, "epoch": part}
    >>> ratio({"explicit": [one], "automatic": [one]}, "explicit", "automatic")
    1.0
    """
    pairs = zip(samples[name], samples[other], strict=True)
    return statistics.median(_seconds(one) / _seconds(two) for one, two in pairs)


def table(rows: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> str:
    """Markdown: programs and seconds of each row, and its ratio beside the control's."""
    head = (
        "network", "gradient", "programs", "beginning", "epoch: trace", "lower", "compile", "explicit / automatic",
        "control",
    )  # fmt: skip
    lines = []
    for row, samples in rows.items():
        ratios = [
            f"{ratio(samples, name, other):.2f}" for name, other in (("explicit", "automatic"), ("control", "explicit"))
        ]
        for name, shown in (("explicit", ratios), ("automatic", ["", ""])):
            each = samples[name]
            programs = each[0]["beginning"]["programs"], each[0]["epoch"]["programs"]
            begun = statistics.median(sum(one["beginning"][stage] for stage in STAGES) for one in each)
            stages = [statistics.median(one["epoch"][stage] for one in each) for stage in STAGES]
            figures = [f"{seconds:.2f}" for seconds in (begun, *stages)]
            lines.append((row, name, f"{programs[0]} + {programs[1]}", *figures, *shown))
    return report.table([head, *lines])


def markdown(content: Mapping[str, Any]) -> str:
    """The section of the page."""
    return table(content["rows"])


def _seconds(found: Mapping[str, Mapping[str, float]]) -> float:
    return sum(part[stage] for part in found.values() for stage in STAGES)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "compilation", arguments)
