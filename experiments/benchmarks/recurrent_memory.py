"""The memory of one cost and gradient of long sequences, with the whole trace and with checkpoints.

    python -m experiments.benchmarks memory [--quick] [--lengths 1000 10000 100000]

    explicit                  net.cost_and_gradient, every state kept                       O(T)
    explicit, checkpoints     a state kept every k steps, the rest computed again           O(T/k + k)
    jax.grad of a scan        over steps, as most would write it                            O(T)
    jax.grad of segments      the same over `jax.checkpoint`ed segments of k steps          O(T/k + k)

| symbol | name in code | shape |
|---|---|---|
| T | `options.lengths` | () |
| k | `interval(T)`, round(√T), where both terms are equal | () |
| bytes | `row["bytes"]`: temporary, arguments and outputs, by XLA's own analysis of the compiled function | () |

One answer a sequence, from the last state: 8 sequences of 4 inputs, 64 units, 10 classes, float32. The analysis only
compiles; at one length costs and gradients are also compared and timed in turn.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
from jax import lax

import fnnets as fn
from experiments.benchmarks import command, report, timing
from experiments.benchmarks import recurrent_setting as setting
from experiments.benchmarks.agreement import TOLERANCE
from experiments.benchmarks.recurrent_peers import STEPS, begin, by_grad, cross_entropy, transposed
from experiments.benchmarks.recurrent_setting import CELLS, Way, Work
from experiments.benchmarks.timing import Contestant, interleave, summary
from fnnets.core import validate

SEQUENCES, INPUTS, UNITS, CLASSES = 8, 4, 64, 10
EXPLICIT, EXPLICIT_SPARSE = "explicit", "explicit, checkpoints"
PLAIN, PLAIN_SPARSE = "jax.grad of a scan", "jax.grad of segments"


@dataclass(frozen=True)
class Options:
    """Analyse the memory of one cost and gradient of long sequences.

    Attributes:
        lengths: steps of the sequences.
        timed: the length at which costs and gradients are compared and timed.
        cells: some of simple, lstm.
        rounds: samples of each at the timed length.
        out: folder for the results.
        quick: lengths of 100 and 1000, timed at 100, to see that all works.
    """

    lengths: tuple[int, ...] = (1_000, 10_000, 100_000)
    timed: int = 10_000
    cells: tuple[str, ...] = tuple(CELLS)
    rounds: int = 3
    out: Path = Path("results/benchmarks")
    quick: bool = False


def interval(steps: int) -> int:
    """k of the checkpoints.

    >>> [interval(steps) for steps in (1_000, 10_000, 100_000)]
    [32, 100, 316]
    """
    return max(1, round(math.sqrt(steps)))


def classifier(cell: str, checkpoint_every: int | None) -> fn.Network:
    """fnnets' network of one recurrent layer, of which only the last state is read."""
    kept: Any = {"return_sequences": False, "checkpoint_every": checkpoint_every}
    simple = cell == "simple"
    layer = fn.layers.recurrent(UNITS, fn.activations.tanh, **kept) if simple else fn.layers.lstm(UNITS, **kept)
    return fn.network(fn.chain(layer, fn.layers.dense(CLASSES)), fn.objectives.softmax_log_likelihood, (INPUTS,))


def ways(one: Work) -> list[Way]:
    """The four contestants; those that keep everything first."""
    k, found = interval(one.sizes.steps), []
    for name, every in ((EXPLICIT, None), (EXPLICIT_SPARSE, k)):
        net = classifier(one.cell, every)
        given = setting.as_library(one.params, net), fn.Batch(one.inputs, one.labels)
        found.append(Way(name, functools.partial(jax.jit(net.cost_and_gradient), *given), setting.packed))
    for name, scanned in ((PLAIN, whole), (PLAIN_SPARSE, functools.partial(segments, k))):
        found.append(by_grad(name, plain_cost(one, scanned), transposed(one.params), one))
    return found


def plain_cost(one: Work, scanned: Callable[..., Any]) -> Callable[..., Any]:
    """The cost of the last state, by a scan of one kind or the other."""

    def cost(params, inputs, labels):
        def step(params, state, x):
            z = x @ params.weights + state[0] @ params.recurrent_weights + params.biases
            return STEPS[one.cell](z, state)[0]

        last = scanned(functools.partial(step, params), begin(one), inputs)
        return cross_entropy(last[0] @ params.output_weights + params.output_biases, labels)

    return cost


def whole(step, state, inputs):
    """The last state of a scan.

    >>> float(whole(lambda state, x: state + x, 0.0, jax.numpy.arange(5.0)))
    10.0
    """
    return lax.scan(lambda state, x: (step(state, x), None), state, inputs)[0]


def segments(k: int, step, state, inputs):
    """The same in segments of k steps and a shorter last one, of each of which only the beginning is kept.

    >>> float(segments(2, lambda state, x: state + x, 0.0, jax.numpy.arange(5.0)))
    10.0
    """
    segment = jax.checkpoint(functools.partial(whole, step), prevent_cse=False)
    cut = len(inputs) - len(inputs) % k
    state = whole(segment, state, inputs[:cut].reshape(-1, k, *inputs.shape[1:]))
    return segment(state, inputs[cut:]) if cut < len(inputs) else state


def classification(steps: int, cell: str) -> Work:
    """The work of one length: one label a sequence."""
    one = setting.work(f"{steps}-{SEQUENCES}-{INPUTS}-{UNITS}-{CLASSES}", cell)
    return one._replace(labels=one.labels[-1])


def bytes_of(way: Way) -> int:
    """Bytes of temporaries, arguments and outputs of a way's jitted call."""
    run: Any = way.run
    found = run.func.lower(*run.args).compile().memory_analysis()
    return found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes


def analyse(cell: str, steps: int) -> dict[str, Any]:
    """One row: the bytes of each contestant."""
    found = {way.name: bytes_of(way) for way in ways(classification(steps, cell))}
    return {"cell": cell, "steps": steps, "interval": interval(steps), "bytes": found}


def timed(cell: str, steps: int, rounds: int) -> dict[str, Any]:
    """Differences from the explicit gradient, and samples, at one length."""
    entered = ways(classification(steps, cell))
    answers = {way.name: setting.answer(way) for way in entered}
    first = answers.pop(EXPLICIT)
    return {
        "cell": cell, "steps": steps,
        "agreement": {name: setting.difference(found, first, CELLS[cell]) for name, found in answers.items()},
        "samples": interleave([Contestant(way.name, way.run) for way in entered], rounds),
    }  # fmt: skip


def memory_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of bytes as text, the header first."""
    names = list(content["rows"][0]["bytes"])
    table: list[tuple[str, ...]] = [("cell", "steps", *(f"{name}, MB" for name in names), "interval")]
    for row in content["rows"]:
        megabytes = (f"{1e-6 * row['bytes'][name]:.2f}" for name in names)
        table.append((row["cell"], str(row["steps"]), *megabytes, str(row["interval"])))
    return table


def time_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of times as text, the header first."""
    table: list[tuple[str, ...]] = [("cell", "steps", "median ms", "ratio", "contestant")]
    for row in content["timed"]:
        for name, seconds in row["samples"].items():
            ms, to_explicit = 1e3 * summary(seconds).median, timing.ratio(row["samples"], name, EXPLICIT)
            table.append((row["cell"], str(row["steps"]), f"{ms:.1f}", f"{to_explicit:.2f}", name))
    return table


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table."""
    return report.table(memory_rows(content)) + report.table(time_rows(content))


def run(options: Options) -> int:
    """Analyse, compare, time, print and write; 1 if a contestant has another gradient."""
    if options.quick:
        options = replace(options, lengths=(100, 1_000), timed=100)
    validate.count(options.rounds, "rounds", "give the number of samples")
    for steps in (*options.lengths, options.timed):
        validate.count(steps, "lengths, timed: one", "give a number of steps")
    setting.check([f"{steps}-1-1-1-1" for steps in options.lengths], options.cells)
    content: dict[str, Any] = {
        "settings": {"rounds": options.rounds},
        "rows": [analyse(cell, steps) for cell in options.cells for steps in options.lengths],
        "timed": [timed(cell, options.timed, options.rounds) for cell in options.cells],
    }  # fmt: skip
    print(report.aligned(memory_rows(content)) + "\n\n" + report.aligned(time_rows(content)) + "\n")
    wrong = [
        f"{row['cell']}: {name} has another gradient; its memory is worthless"
        for row in content["timed"] for name, far in row["agreement"].items() if not far <= TOLERANCE
    ]  # fmt: skip
    return command.finish("memory", options.out, content, wrong)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "memory", arguments)
