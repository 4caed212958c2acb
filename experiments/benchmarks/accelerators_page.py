"""SCALING.md: tables of what was counted and measured, what is assumed, and what follows for many accelerators.

Every table names which of the three its figures are. The page is written from a result alone, so that another
assumption needs no new measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from experiments.benchmarks import accelerators_arithmetic as arithmetic
from experiments.benchmarks import report
from experiments.benchmarks.accelerators_arithmetic import REASONS, Assumptions, Efficiency, Load, Step
from experiments.benchmarks.timing import summary

HEAD = """<!-- Written by `python -m experiments.benchmarks table`; do not edit. -->

# From one step to 8, 64 and 256 accelerators

Arithmetic, no measurement of many accelerators: a step is measured on one device, gradients are counted in bytes, and
the rest follows from assumptions that stand in a table. `python -m experiments.benchmarks accelerators --help` lists
the options that change them; the formulas stand in `experiments/benchmarks/accelerators_arithmetic.py`.

Every accelerator has all parameters and its own examples; a step ends when the gradients are summed and the parameters
moved. *Counted* is what follows from shapes, *measured* what a clock said, *assumed* what stands in the table of
assumptions, *computed* what the formulas make of these.

"""
TAIL = """## What this cannot show

- Stragglers, contention of the network, reading of data, a step that waits for Python: all are taken to be nothing.
- Whether an accelerator reaches the share of its matrix products that was measured here. A share half as large doubles
  b, hides twice as much communication and flatters the efficiency; the speed is halved all the same.
- Overlap is a bound: it takes the gradients of the fully connected layers, which are ready first, to be summed while
  the convolutions go back. On a CPU the program has one all-reduce of all gradients (a test reads it), which starts
  after the last of them: the column without overlap. The LSTM's weight gradients are contractions over all steps after
  the reverse scan, so nothing is left to hide them behind.
- Cutting the fully connected layers over a node takes the examples to be cut over all accelerators outside of these
  layers. Where examples are cut over the axis `data` alone, as in `fit`, the accelerators along `model` repeat the
  convolutions.
- Whether a batch as large still learns as well in as many epochs.
"""


class Case(NamedTuple):
    """A network of a result with the step of its accelerator, where that comes from, and its share of GEMM."""

    name: str
    net: Mapping[str, Any]
    load: Load
    own: Step
    origin: str
    share: str


def assumptions(content: Mapping[str, Any]) -> Assumptions:
    """The assumptions of a result."""
    return Assumptions(**content["settings"]["assumed"])


def measured(net: Mapping[str, Any]) -> Step:
    """The step on the device that measured, by the best of the rounds, as the rate of the matrix product is."""
    (few, t_few), (many, t_many) = ((int(count), summary(each).low) for count, each in net["samples"].items())
    return arithmetic.line(few, t_few, many, t_many)


def share(net: Mapping[str, Any]) -> float:
    """The share of the matrix product's rate with which one more example is worked off, at most all of it.

    The fixed part of a measured step stays out: an accelerator has its own.
    """
    return min(1.0, net["load"]["flops"] / measured(net).each / net["gemm"])


def cases(content: Mapping[str, Any]) -> list[Case]:
    """Each network with the step that the tables of accelerators use."""
    found = []
    for net in content["nets"]:
        load = Load(**net["load"])
        if content["backend"] == "cpu":
            own, origin = arithmetic.step(load, assumptions(content), share(net)), "assumed accelerator"
            reached = assumptions(content).share or share(net)
        else:
            own, origin = measured(net), f"measured on {content['device']}"
            reached = share(net)
        found.append(Case(net["name"], net, load, own, origin, f"{100 * reached:.0f} %"))
    return found


def counted_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Figures that follow from shapes, the header first."""
    table: list[tuple[str, ...]] = [
        ("network", "parameters", "all-reduce MB", "GFLOP an example", "XLA's count / ours", "trace MB an example")
    ]
    for net in content["nets"]:
        load = Load(**net["load"])
        table.append((
            net["name"], f"{load.bytes // arithmetic.FLOAT_BYTES:,}".replace(",", " "), f"{1e-6 * load.bytes:.1f}",
            f"{1e-9 * load.flops:.2f}", f"{net['analysed']:.2f}", f"{1e-6 * net['trace']:.1f}",
        ))  # fmt: skip
    return table


def measured_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Measured figures, the header first; rates are those of the best round."""
    table: list[tuple[str, ...]] = [
        ("network", "examples", "median s", "min", "max", "GFLOP/s", "GEMM GFLOP/s", "of GEMM", "temporaries MB")
    ]
    for net in content["nets"]:
        gemm, last = net["gemm"], list(net["samples"])[-1]
        for count, seconds in net["samples"].items():
            median, low, high = summary(seconds)
            rate = int(count) * net["load"]["flops"] / low
            table.append((
                net["name"], count, *(f"{each:.3f}" for each in (median, low, high)), f"{1e-9 * rate:.0f}",
                f"{1e-9 * gemm:.0f}", f"{100 * rate / gemm:.0f} %",
                f"{1e-6 * net['temporaries']:.0f}" if count == last else "",
            ))  # fmt: skip
    return table


def assumed_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The assumptions with their reasons, the header first."""
    values = content["settings"]["assumed"]
    shown = {name: "as measured" if value is None else f"{value:g}" for name, value in values.items()}
    return [("option", "value", "what it is"), *((f"assumed.{name}", shown[name], REASONS[name]) for name in REASONS)]


def step_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """t(n) = a + b n of one accelerator, and its memory: weights, gradient and traces; the header first."""
    table: list[tuple[str, ...]] = [
        ("network", "step of", "of GEMM", "a, ms", "b, ms", "n", "t(n), ms", "TFLOP/s", "GB")
    ]
    for case in cases(content):
        n = case.net["examples"]
        seconds = case.own.seconds(n)
        table.append((
            case.name, case.origin, case.share, f"{1e3 * case.own.fixed:.2f}", f"{1e3 * case.own.each:.3f}", str(n),
            f"{1e3 * seconds:.2f}", f"{1e-12 * n * case.load.flops / seconds:.1f}",
            f"{1e-9 * (2 * case.load.bytes + n * case.net['trace']):.1f}",
        ))  # fmt: skip
    return table


def reduce_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Milliseconds of one all-reduce in three ways, the header first."""
    table: list[tuple[str, ...]] = [
        ("network", "accelerators", "one ring", "rings within and between", "trees between")
    ]
    for case in cases(content):
        for count in content["settings"]["counts"]:
            ways = (way(count, case.load.bytes, assumptions(content)) for way in ALL_REDUCES)
            table.append((case.name, str(count), *(f"{1e3 * seconds:.2f}" for seconds in ways)))
    return table


ALL_REDUCES = (arithmetic.flat, arithmetic.nested, arithmetic.tree)


def weak_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Examples on each accelerator fixed, the header first."""
    table: list[tuple[str, ...]] = [_columns("examples on each")]
    for case in cases(content):
        for count in content["settings"]["counts"]:
            seconds = arithmetic.nested(count, case.load.bytes, assumptions(content))
            found = arithmetic.weak(case.own, case.net["examples"], seconds, case.load.hideable)
            table.append(_efficiency(case, count, case.net["examples"], found))
    return table


def strong_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Examples on all accelerators fixed, the header first."""
    table: list[tuple[str, ...]] = [_columns("examples on all")]
    for case in cases(content):
        for count in content["settings"]["counts"]:
            seconds = arithmetic.nested(count, case.load.bytes, assumptions(content))
            found = arithmetic.strong(case.own, count, case.net["together"], seconds, case.load.hideable)
            table.append(_efficiency(case, count, case.net["together"], found))
    return table


def _columns(examples: str) -> tuple[str, ...]:
    return "network", "accelerators", examples, "step ms", "speed-up", "efficiency", "efficiency with overlap"


def _efficiency(case: Case, count: int, examples: int, found: Efficiency) -> tuple[str, ...]:
    return (
        case.name, str(count), str(examples), f"{1e3 * found.seconds:.2f}", f"{found.plain * count:.1f}",
        f"{100 * found.plain:.0f} %", f"{100 * found.overlapped:.0f} %",
    )  # fmt: skip


def even_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """From how many examples on each accelerator communication costs little, the header first."""
    table: list[tuple[str, ...]] = [("network", "accelerators", "all-reduce ms", "90 % without overlap", "hidden from")]
    for case in cases(content):
        for count in content["settings"]["counts"]:
            seconds = arithmetic.nested(count, case.load.bytes, assumptions(content))
            hidden = arithmetic.hidden_from(case.own, seconds, case.load.hideable)
            enough = arithmetic.enough(case.own, seconds)
            table.append((case.name, str(count), f"{1e3 * seconds:.2f}", str(enough), str(hidden or "never")))
    return table


def option_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Gains of a change, the header first."""
    counts = content["settings"]["counts"]
    table: list[tuple[str, ...]] = [("network", "efficiency, weak, without overlap", *(f"p = {p}" for p in counts))]
    for case in cases(content):
        columns = [
            arithmetic.options(case.load, assumptions(content), case.own, case.net["examples"], count)
            for count in counts
        ]
        table += [
            (case.name, row[0][0], *(f"{100 * efficiency:.0f} %" for _, efficiency in row))
            for row in zip(*columns, strict=True)
        ]
    return table


def machine_rows(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Machines like the one that measured, joined by Ethernet, weak: the header first."""
    assumed = assumptions(content)
    links = replace(assumed, node=1, outside=assumed.ethernet, outside_latency=assumed.ethernet_latency)
    table: list[tuple[str, ...]] = [_columns("examples on each")]
    for case in cases(content):
        examples = int(list(case.net["samples"])[-1])
        for count in content["settings"]["counts"]:
            seconds = arithmetic.nested(count, case.load.bytes, links)
            found = arithmetic.weak(measured(case.net), examples, seconds, case.load.hideable)
            table.append(_efficiency(case, count, examples, found))
    return table


def sections(content: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, ...]]]]:
    """The tables of a result, each under its title."""
    found = [
        ("Counted: from shapes, float32", counted_rows(content)),
        (
            f"Measured: one cost and gradient, {content['device']}; rates are those of the best round",
            measured_rows(content),
        ),
        ("Assumed", assumed_rows(content)),
        ("Computed: a step of one accelerator, t(n) = a + b n; GB of weights, gradient and traces", step_rows(content)),
        ("Computed: one all-reduce, ms", reduce_rows(content)),
        ("Computed: examples on each accelerator fixed", weak_rows(content)),
        ("Computed: examples on all together fixed", strong_rows(content)),
        ("Computed: examples on each accelerator from which communication costs little", even_rows(content)),
        ("Computed: what changes would bring", option_rows(content)),
    ]
    if content["backend"] == "cpu":
        title = "Computed: machines like the one that measured, each with Ethernet, from their measured step"
        found.append((title, machine_rows(content)))
    return found


def text(content: Mapping[str, Any]) -> str:
    """The tables for the terminal."""
    return "\n\n".join(f"{title}\n{report.aligned(rows)}" for title, rows in sections(content)) + "\n"


def markdown(contents: Sequence[Mapping[str, Any]]) -> str:
    """The page: a part for each device that measured.

    >>> print(markdown([]).splitlines()[2])
    # From one step to 8, 64 and 256 accelerators
    """
    parts = [HEAD]
    for content in contents:
        versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
        parts.append(f"## {content['device']}\n\n`{content['command']}`: {versions}.\n\n")
        parts += [f"### {title}\n\n{report.table(rows)}" for title, rows in sections(content)]
    return "".join(parts) + TAIL
