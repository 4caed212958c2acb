"""One cost and gradient of convolutional networks: by hand, by `jax.grad`, by the textbook's formulation, by PyTorch.

    python -m experiments.benchmarks convolutional [--quick] [--nets nielsen-10 …]

    explicit         net.cost_and_gradient
    automatic        jax.value_and_grad(net.cost)
    textbook         jax.value_and_grad of `conv_general_dilated` and `reduce_window`
    PyTorch          eager, in the memory format that is fastest here

    in a call        one jitted call, waited for
    in a scan        steps of descent in one `lax.scan`, which is how `fit` trains

| symbol | name in code | shape |
|---|---|---|
| FLOP of a step | `flops(one)` | 3·2N Σ H'W'hwCK over the layers, less the first one's dx |

All costs and gradients are compared with the explicit ones first. Images are uniform, labels random, float32.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import fnnets as fn
from experiments.benchmarks import command, convolutional_peers, peers, report
from experiments.benchmarks.agreement import TOLERANCE
from experiments.benchmarks.convolutional_peers import NAMES, Work, work
from experiments.benchmarks.timing import Contestant, interleave, ratio, summary
from fnnets.core import validate

EXPLICIT, AUTOMATIC, TEXTBOOK, TORCH, GEMM = "explicit", "automatic", "textbook", "PyTorch", "GEMM"
CALL, SCAN = "in a call", "in a scan"
GEMM_SIZE = 1024


@dataclass(frozen=True)
class Options:
    """Time one cost and gradient of convolutional networks against their peers.

    Attributes:
        nets: some of nielsen-10, nielsen-128, vgg-32: the network and its minibatch.
        rounds: samples of each contestant; derivatives that take seconds in a scan run in the first two only.
        out: folder for the results.
        quick: two rounds of nielsen-10, to see that all works.
    """

    nets: tuple[str, ...] = NAMES
    rounds: int = 15
    out: Path = Path("results/benchmarks")
    quick: bool = False


def flops(one: Work) -> float:
    """FLOP of the products of one cost and gradient.

    >>> round(1e-6 * flops(work("nielsen-10")))
    92
    """
    shape: tuple[int, ...] = one.net.input_shape
    products = []
    for part, own in zip(one.net.layer.parts, one.params, strict=True):
        shape = jax.eval_shape(
            lambda x, part=part, own=own: part.forward(own, x, fn.Context())[0], _example(shape)
        ).shape[1:]
        if own:
            products.append(own.weights.size * (shape[0] * shape[1] if len(shape) == 3 else 1))
    return 2.0 * len(one.batch.inputs) * (3 * sum(products) - products[0])


def _example(shape):
    return jax.ShapeDtypeStruct((1, *shape), jnp.float32)


def measure(one: Work, rounds: int) -> dict[str, Any]:
    """Differences from the explicit gradient, and samples of every contestant."""
    ways: dict[str, Any] = {
        EXPLICIT: one.net.cost_and_gradient,
        AUTOMATIC: jax.value_and_grad(one.net.cost),
        TEXTBOOK: convolutional_peers.textbook(one),
    }
    answers = {name: jax.jit(way)(one.params, one.batch) for name, way in ways.items()}
    steps = _steps(one)
    entered = []
    for name, way in ways.items():
        entered.append(Contestant(f"{name} {CALL}", functools.partial(jax.jit(way), one.params, one.batch)))
        slow = None if name == EXPLICIT else 2
        entered.append(Contestant(f"{name} {SCAN}", _scanned(way, one, steps), slow, steps))
    torch_settings: dict[str, Any] = {}
    if peers.has_torch():
        step, torch_settings = convolutional_peers.fastest_torch(one)
        answers[TORCH] = convolutional_peers.as_params(step(), one)
        entered.append(Contestant(f"{TORCH} {CALL}", step))
    entered.append(Contestant(GEMM, _gemm()))
    differences = {name: _difference(answer, answers[EXPLICIT]) for name, answer in answers.items() if name != EXPLICIT}
    samples = interleave(entered, rounds)
    return {
        "name": one.name, "flops": flops(one), "agreement": differences, "samples": samples, "steps": steps,
        "gemm": 2e-9 * GEMM_SIZE**3 / summary(samples[GEMM]).low, "torch": torch_settings,
    }  # fmt: skip


def _steps(one: Work) -> int:
    return max(1, round(3e9 / flops(one)))


def _scanned(way, one: Work, steps: int):
    def step(params, _):
        cost, d_params = way(params, one.batch)
        return jax.tree.map(lambda p, d: p - 1e-6 * d, params, d_params), cost

    return functools.partial(jax.jit(lambda params: lax.scan(step, params, None, length=steps)), one.params)


def _gemm():
    x = jnp.asarray(np.random.default_rng(0).random((GEMM_SIZE, GEMM_SIZE), np.float32))
    return functools.partial(jax.jit(jnp.matmul), x, x)


def _difference(answer, reference) -> float:
    pairs = zip(jax.tree.leaves(answer), jax.tree.leaves(reference), strict=True)
    found = [float(np.max(np.abs(np.asarray(a) - b)) / np.max(np.abs(b))) for a, b in pairs]
    return max(found) if np.isfinite(found).all() else np.inf


def bars(net: Mapping[str, Any]) -> list[report.Bar]:
    """The issue's bars, as far as their contestants ran."""
    found, samples = [], net["samples"]
    wanted = [(f"{TEXTBOOK} {CALL}", 2.0), (f"{AUTOMATIC} {CALL}", 1.0), (f"{TORCH} {CALL}", 1.0)]
    for name, low in wanted:
        if name in samples:
            found.append(report.Bar(f"{name} / explicit", net["name"], ratio(samples, name, f"{EXPLICIT} {CALL}"), low))
    return found


def rows(net: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of one network as text, the header first."""
    table: list[tuple[str, ...]] = [("contestant", "median ms", "min", "max", "ratio", "GFLOP/s", "of GEMM")]
    for name, seconds in net["samples"].items():
        if name != GEMM:
            median, low, high = summary(seconds)
            rate = 1e-9 * net["flops"] / median
            base = f"{EXPLICIT} {SCAN if name.endswith(SCAN) else CALL}"
            table.append((
                name, *(f"{1e3 * each:.2f}" for each in (median, low, high)),
                f"{ratio(net['samples'], name, base):.2f}", f"{rate:.1f}", f"{100 * rate / net['gemm']:.0f} %",
            ))  # fmt: skip
    return table


def notes(net: Mapping[str, Any]) -> list[str]:
    """Remarks on one network."""
    lines = [
        f"{1e-6 * net['flops']:.0f} MFLOP; matrix product of {GEMM_SIZE} x {GEMM_SIZE}: {net['gemm']:.0f} GFLOP/s; "
        f"largest relative difference from the explicit gradient {max(net['agreement'].values()):.1e}"
    ]
    if net["torch"]:
        lines.append(f"PyTorch: {net['torch']['memory format']}, {net['torch']['threads']} threads")
    return lines


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table."""
    found = [bar for net in content["nets"] for bar in bars(net)]
    lines = [(bar.name, bar.net, f"{bar.ratio:.2f}", f"{report.bound(bar)}: {bar.verdict}") for bar in found]
    parts = [report.table([("ratio of times", "network", "measured", "bar"), *lines])]
    parts += [f"### {net['name']}\n\n{report.table(rows(net))}{'. '.join(notes(net))}.\n\n" for net in content["nets"]]
    return "".join(parts)


def run(options: Options) -> int:
    """Compare and time all networks; 1 if a contestant has another gradient."""
    if options.quick:
        options = replace(options, nets=NAMES[:1], rounds=2)
    validate.count(options.rounds, "rounds", "give the number of samples")
    works = [work(name) for name in options.nets]
    if not peers.has_torch():
        print("PyTorch: skipped, torch is not installed; `make benchmark` installs it")
    nets, wrong = [], []
    for one in works:
        net = measure(one, options.rounds)
        nets.append(net)
        off = [name for name, value in net["agreement"].items() if not value <= TOLERANCE]
        wrong += [f"{one.name}: {name} has another gradient; its time is worthless" for name in off]
        lines = [f"  {bar.name}: {bar.ratio:.2f}, bar {report.bound(bar)}: {bar.verdict}" for bar in bars(net)]
        print("\n".join([one.name, report.aligned(rows(net)), *(f"  {n}" for n in notes(net)), *lines, ""]), flush=True)
    content = {"settings": {"rounds": options.rounds}, "nets": nets}
    return command.finish("convolutional", options.out, content, wrong, peers.versions())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "convolutional", arguments)
