"""What a verdict of fnnets.verify costs: seconds and memory, over one jitted gradient with its compilation.

    python -m experiments.benchmarks verdicts [--rows network lstm] [--rounds 3]

    gradient   jax.jit(jax.grad(cost)), compiled and called once                    in a process of its own
    first      the first verdict of a process, compilation included                 "imports" stand beside it
    second     the same verdict again                                               programs are kept
    ten        ten more, at ten other draws of parameters and examples
    memory     what the process had at most, less what it had before                of both

Ratios are the medians over rounds, verdict over gradient; the control is gradient over gradient. No process reads or
writes the persistent compilation cache. Memory is read from Linux's /proc.
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

import fnnets as fn
from experiments.benchmarks import command, processes, report
from fnnets.core import validate

CHILD = (
    "import time; begin = time.perf_counter(); import fnnets; spent = time.perf_counter() - begin; "
    "from experiments.benchmarks import verdicts; verdicts.child({!r}, {!r}, spent)"
)
CONTESTANTS = {"verdict": "verdict", "gradient": "gradient", "control": "gradient"}
ROWS = {
    "network": "feedforward, 20-30-20-10",
    "lstm": "LSTM, T = 200, H = 128",
    "leaves": "plain JAX, 300 leaves of 2",
    "large": "plain JAX, ten million parameters",
}
BARS = {"network": (3.0, "first, imports included"), "lstm": (15.0, "first"), "leaves": (10.0, "first"),
        "large": (10.0, "first")}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Measure what verdicts cost.

    Attributes:
        rows: which cases: network, lstm, leaves, large.
        rounds: fresh processes of each kind.
        out: folder for the results.
    """

    rows: tuple[str, ...] = tuple(ROWS)
    rounds: int = 3
    out: Path = Path("results/benchmarks")


def run(options: Options) -> int:
    """Start the processes in turn, print and write the table."""
    validate.count(options.rounds, "rounds", "give the number of samples")
    for row in options.rows:
        validate.choice(row, tuple(ROWS), "rows", "choose some")
    samples = {row: measure(row, options.rounds) for row in options.rows}
    print(table(samples))
    wrong = [f"{row}: {found['verdict'][0]['answer']}" for row, found in samples.items() if not _is_right(found)]
    return command.finish("verdicts", options.out, {"rows": samples}, wrong)


def measure(row: str, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What each contestant's processes print, in turn."""
    return processes.alternate(CONTESTANTS, rounds, lambda kind: in_fresh_process(row, kind))


def in_fresh_process(row: str, kind: str) -> dict[str, Any]:
    """What `child` prints in a new process."""
    return processes.printed(CHILD.format(row, kind))


def child(row: str, kind: str, imports: float) -> None:
    """Print seconds and bytes of a verdict, or of a gradient, as JSON."""
    verify, cost, draw = CASES[row]()
    given = draw(0)
    jax.block_until_ready(given)
    before = _from_here()
    if kind == "gradient":
        seconds = [_seconds(lambda: jax.block_until_ready(jax.jit(jax.grad(cost))(*given)))[0]]
        print(json.dumps({"imports": imports, "seconds": seconds, "bytes": _status("VmHWM") - before}))
        return
    first, found = _seconds(lambda: verify(*given))
    held = _status("VmHWM") - before
    second, _ = _seconds(lambda: verify(*given))
    others = [draw(seed) for seed in range(1, 11)] if row == "network" else []
    ten = sum(_seconds(lambda given=given: verify(*given))[0] for given in others)
    answer = f"{found.verdict}, {len(found.rows)} rows"
    told = {"imports": imports, "seconds": [first, second, ten], "bytes": held, "answer": answer, "ok": found.ok}
    print(json.dumps(told))


def table(rows: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> str:
    """Markdown: seconds, their ratio to a gradient's, memory and its ratio."""
    head = (
        "case", "imports s", "first s", "second s", "ten others s", "gradient s", "first / gradient", "control",
        "memory MB", "of the gradient", "bar for the first",
    )  # fmt: skip
    lines = []
    for row, found in rows.items():
        first, second, ten = (_median(found["verdict"], lambda one, i=i: one["seconds"][i]) for i in range(3))
        gradient = _median(found["gradient"], lambda one: one["seconds"][0])
        imports = _median(found["verdict"], lambda one: one["imports"])
        bar, what = BARS[row]
        reached = "reached" if first + (imports if "imports" in what else 0) < bar else "missed"
        lines.append((
            ROWS[row], f"{imports:.1f}", f"{first:.1f}", f"{second:.2f}", f"{ten:.1f}" if ten else "",
            f"{gradient:.2f}", f"{ratio(found, 'verdict', 'gradient'):.0f}",
            f"{ratio(found, 'control', 'gradient'):.2f}",
            f"{1e-6 * _median(found['verdict'], lambda one: one['bytes']):.0f}",
            f"{ratio(found, 'verdict', 'gradient', 'bytes'):.1f}", f"{bar:.0f} s, {what}: {reached}",
        ))  # fmt: skip
    return report.table([head, *lines])


def ratio(found: Mapping[str, list[dict[str, Any]]], name: str, other: str, what: str = "seconds") -> float:
    """The median over rounds of one contestant's seconds, or bytes, over another's.

    >>> one, two = {"seconds": [3.0, 1.0], "bytes": 8}, {"seconds": [1.5], "bytes": 2}
    >>> ratio({"a": [one], "b": [two]}, "a", "b"), ratio({"a": [one], "b": [two]}, "a", "b", "bytes")
    (2.0, 4.0)
    """
    taken = (lambda one: one["seconds"][0]) if what == "seconds" else (lambda one: one[what])
    return statistics.median(taken(a) / taken(b) for a, b in zip(found[name], found[other], strict=True))


def markdown(content: Mapping[str, Any]) -> str:
    """The section of the page."""
    return table(content["rows"])


def _from_here() -> int:
    """The bytes that the process has in memory; Linux counts its peak anew from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _median(samples: Sequence[Mapping[str, Any]], of: Callable[[Mapping[str, Any]], float]) -> float:
    return statistics.median(map(of, samples))


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    found = work()
    return time.perf_counter() - begin, found


def _is_right(found: Mapping[str, list[dict[str, Any]]]) -> bool:
    return all(one["ok"] for one in found["verdict"])


def _network() -> tuple[Callable[..., Any], Callable[..., Any], Callable[[int], tuple[Any, ...]]]:
    """Verification, cost and draws of parameters and data for a feedforward network."""
    net = fn.feedforward([20, 30, 20, 10], objective=fn.objectives.softmax_log_likelihood, l2=0.1)

    def draw(seed):
        keys = jax.random.split(jax.random.key(seed), 3)
        x, y = jax.random.normal(keys[0], (8, 20)), jax.random.randint(keys[1], (8,), 0, 10)
        return net.init(keys[2]), fn.Batch(x, y, None, 100)

    return lambda *given: fn.verify.network(net, *given), net.cost, draw


def _lstm():
    net = fn.recurrent([16, 128, 10], "lstm", objective=fn.objectives.softmax_log_likelihood)

    def draw(seed):
        keys = jax.random.split(jax.random.key(seed), 3)
        x, y = jax.random.normal(keys[0], (200, 4, 16)), jax.random.randint(keys[1], (200, 4), 0, 10)
        return net.init(keys[2]), fn.Batch(x, y)

    return lambda *given: fn.verify.network(net, *given), net.cost, draw


def _leaves():
    def cost(params, x):
        return sum(jnp.tanh(w @ x) ** 2 for w in params)

    def gradient(params, x):
        return [2 * jnp.tanh(w @ x) * (1 - jnp.tanh(w @ x) ** 2) * x for w in params]

    def draw(seed):
        keys = jax.random.split(jax.random.key(seed), 301)
        return [jax.random.normal(key, (2,)) for key in keys[1:]], jax.random.normal(keys[0], (2,))

    return lambda *given: fn.verify.gradient(cost, gradient, *given), cost, draw


def _large():
    def cost(p, x, y):
        h = jnp.tanh(x @ p["w1"] + p["b1"])
        return 0.5 * jnp.mean((h @ p["w2"] - y) ** 2)

    def gradient(p, x, y):
        h = jnp.tanh(x @ p["w1"] + p["b1"])
        d_y = (h @ p["w2"] - y) / y.size
        d_z = d_y @ p["w2"].T * (1 - h**2)
        return {"w1": x.T @ d_z, "b1": d_z.sum(0), "w2": h.T @ d_y}

    def draw(seed):
        keys = jax.random.split(jax.random.key(seed), 5)
        shapes = {"w1": (2000, 2500), "b1": (2500,), "w2": (2500, 2000)}
        p = {
            name: 0.02 * jax.random.normal(key, shape)
            for (name, shape), key in zip(shapes.items(), keys[:3], strict=True)
        }
        return p, jax.random.normal(keys[3], (32, 2000)), jax.random.normal(keys[4], (32, 2000))

    return lambda *given: fn.verify.gradient(cost, gradient, *given), cost, draw


CASES = {"network": _network, "lstm": _lstm, "leaves": _leaves, "large": _large}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "verdicts", arguments)
