"""One cost and gradient of networks of one recurrent layer: by hand, by `jax.grad`, by Flax, Equinox, PyTorch.

    python -m experiments.benchmarks recurrent [--quick] [--nets 100-32-32-64-10 …] [--cells simple lstm]

    explicit         net.cost_and_gradient
    plain            the same of the layers' pages, implementation="plain"
    automatic        jax.value_and_grad(net.cost)
    textbook         jax.value_and_grad of a scan over steps, as most would write it
    hoisted          the same with the inputs' projection before the scan
    Flax             nnx or linen, as it is faster
    Equinox          its LSTM cell in a scan; it has no simple one
    PyTorch          nn.RNN, nn.LSTM, with one thread or all, as it is faster
    floor            the matrix products alone

| symbol | name in code | shape |
|---|---|---|
| T, N, m, H, d | `one.sizes`; steps, sequences, inputs, units, classes | () |
| x floor | time over that of the seven products, the median over rounds | () |

All are float32, one jitted call, inputs (T, N, m), a label at every step. All costs and gradients are compared with the
explicit ones first, gate by gate.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from experiments.benchmarks import command, recurrent_flax, recurrent_floor, recurrent_peers, recurrent_torch, report
from experiments.benchmarks import recurrent_setting as setting
from experiments.benchmarks.agreement import TOLERANCE
from experiments.benchmarks.recurrent_flax import FLAX
from experiments.benchmarks.recurrent_floor import FLOOR
from experiments.benchmarks.recurrent_peers import EQUINOX, HOISTED, TEXTBOOK
from experiments.benchmarks.recurrent_setting import CELLS, Way, Work
from experiments.benchmarks.recurrent_torch import TORCH
from experiments.benchmarks.timing import Contestant, interleave, ratio, summary
from fnnets.core import validate

NETS = (
    "100-32-32-64-10", "100-32-64-128-10", "100-32-64-256-65",
    "200-16-65-512-65", "784-64-1-100-10", "50-1-64-128-10",
)  # fmt: skip
EXPLICIT, PLAIN, AUTOMATIC = "explicit", "plain", "automatic"
PEERS = (TEXTBOOK, HOISTED, FLAX, EQUINOX, TORCH)
OPTIONAL = {FLAX: "flax", EQUINOX: "equinox", TORCH: "torch"}
MEDIAN, MEAN = "median", "geometric mean"
OVER_NETS = {
    "simple": ((TEXTBOOK, MEDIAN, 1.5), (AUTOMATIC, MEAN, 1.15)),
    "lstm": ((FLAX, MEAN, 1.3), (AUTOMATIC, MEAN, 1.3)),
}


@dataclass(frozen=True)
class Options:
    """Time one cost and gradient of recurrent networks against their peers.

    Attributes:
        nets: T-N-m-H-d of each network: steps, sequences, inputs, units, classes.
        cells: some of simple, lstm.
        rounds: samples of each contestant.
        out: folder for the results.
        quick: two rounds of the first network, to see that all works.
    """

    nets: tuple[str, ...] = NETS
    cells: tuple[str, ...] = tuple(CELLS)
    rounds: int = 15
    out: Path = Path("results/benchmarks")
    quick: bool = False


def missing() -> list[str]:
    """The peers that are not installed."""
    return [name for name, module in OPTIONAL.items() if not recurrent_peers.installed(module)]


def ways(one: Work) -> Iterator[Way]:
    """The contestants, explicit first, each as it is fastest."""
    net, params, batch = setting.library(one)
    pages = setting.library(one, "plain")[0]
    derivations = {
        EXPLICIT: net.cost_and_gradient, PLAIN: pages.cost_and_gradient, AUTOMATIC: jax.value_and_grad(net.cost),
    }  # fmt: skip
    for name, way in derivations.items():
        yield Way(name, functools.partial(jax.jit(way), params, batch), setting.packed)
    yield recurrent_peers.textbook(one)
    yield setting.fastest(recurrent_peers.hoisted(one))
    tried = {FLAX: recurrent_flax.ways, EQUINOX: recurrent_peers.equinox, TORCH: recurrent_torch.ways}
    absent = missing()
    for name, found in tried.items():
        candidates = [] if name in absent else found(one)
        if candidates:
            yield setting.fastest(candidates)


def measure(one: Work, rounds: int) -> dict[str, Any]:
    """Differences from the explicit gradient, samples of every contestant, and the floor of the same rounds."""
    entered = list(ways(one))
    answers = {way.name: setting.answer(way) for way in entered}
    differences = {
        name: setting.difference(found, answers[EXPLICIT], CELLS[one.cell])
        for name, found in answers.items()
        if name != EXPLICIT
    }
    products = recurrent_floor.contestants(one)
    samples = interleave([*(Contestant(way.name, way.run) for way in entered), *products], rounds)
    floor = {each.name: samples.pop(each.name) for each in products}
    samples[FLOOR] = recurrent_floor.total(floor)
    return {
        "name": one.name, "cell": one.cell, "sizes": one.sizes, "agreement": differences, "samples": samples,
        "floor": floor, "how": {way.name: way.how for way in entered if way.how},
    }  # fmt: skip


def bars(nets: Sequence[Mapping[str, Any]]) -> list[report.Bar]:
    """The bars, as far as their contestants ran: the fastest peer of each network, then ratios over them."""
    found = []
    for cell, wanted in OVER_NETS.items():
        own = [net for net in nets if net["cell"] == cell]
        for net in own:
            ratios = {name: _to_explicit(net, name) for name in PEERS if name in net["samples"]}
            name = min(ratios, key=lambda each: ratios[each])
            found.append(report.Bar(f"fastest peer ({name}) / explicit", net["name"], ratios[name], 1.0))
        for name, kind, low in wanted:
            if own and all(name in net["samples"] for net in own):
                over = statistics.median if kind == MEDIAN else statistics.geometric_mean
                value = over([_to_explicit(net, name) for net in own])
                found.append(report.Bar(f"{name} / explicit, {kind}", f"{cell}, {len(own)} networks", value, low))
    return found


def _to_explicit(net, name) -> float:
    return ratio(net["samples"], name, EXPLICIT)


def rows(net: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of one network as text, the header first."""
    table: list[tuple[str, ...]] = [("contestant", "median ms", "min", "max", "ratio", "x floor", "how")]
    for name, seconds in net["samples"].items():
        times = (f"{1e3 * each:.2f}" for each in summary(seconds))
        of_floor = f"{ratio(net['samples'], name, FLOOR):.2f}"
        table.append((name, *times, f"{_to_explicit(net, name):.2f}", of_floor, net["how"].get(name, "")))
    return table


def notes(net: Mapping[str, Any]) -> str:
    """Remarks on one network."""
    parts = ", ".join(f"{name} {1e3 * summary(seconds).median:.2f}" for name, seconds in net["floor"].items())
    worst = max(net["agreement"].values())
    return f"floor in ms: {parts}; largest relative difference from the explicit gradient {worst:.1e}"


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table."""
    lines = [
        (bar.name, bar.net, f"{bar.ratio:.2f}", f"{report.bound(bar)}: {bar.verdict}") for bar in bars(content["nets"])
    ]
    parts = [report.table([("ratio of times", "network", "measured", "bar"), *lines])]
    for net in content["nets"]:
        said = notes(net)
        parts.append(f"### {net['name']}\n\n{report.table(rows(net))}{said[0].upper()}{said[1:]}.\n\n")
    return "".join(parts)


def run(options: Options) -> int:
    """Compare and time all networks; 1 if a contestant has another gradient."""
    if options.quick:
        options = replace(options, nets=NETS[:1], rounds=2)
    validate.count(options.rounds, "rounds", "give the number of samples")
    setting.check(options.nets, options.cells)
    for name in missing():
        print(f"{name}: skipped, {OPTIONAL[name]} is not installed; `make benchmark` installs it")
    nets = []
    for cell in options.cells:
        for name in options.nets:
            net = measure(setting.work(name, cell), options.rounds)
            print("\n".join([net["name"], report.aligned(rows(net)), f"  {notes(net)}", ""]), flush=True)
            nets.append(net)
    for bar in bars(nets):
        print(f"  {bar.name}, {bar.net}: {bar.ratio:.2f}, bar {report.bound(bar)}: {bar.verdict}")
    wrong = [
        f"{net['name']}: {name} has another gradient; its time is worthless"
        for net in nets for name, far in net["agreement"].items() if not far <= TOLERANCE
    ]  # fmt: skip
    absent = missing()
    versions = {module: metadata.version(module) for name, module in OPTIONAL.items() if name not in absent}
    content = {"settings": {"rounds": options.rounds}, "nets": nets}
    return command.finish("recurrent", options.out, content, wrong, versions)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "recurrent", arguments)
