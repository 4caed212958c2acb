"""The table of the benchmark of training, its bars, and the distance of each row from the matrix products alone.

    PyTorch      eager or compiled, as it is faster in the row
    ratio        median over the rounds of t / t(fnnets, all cores)
    control      the 10th and 90th percentiles of t(again) / t(fnnets, all cores)
    x products   t / (FLOP / rate of all cores)

| symbol | name in code | shape |
|---|---|---|
| t | `row["samples"][name]`, seconds of a step | (rounds,) |
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.benchmarks import cores, report
from experiments.benchmarks.report import Bar
from experiments.benchmarks.timing import ratio, summary
from experiments.benchmarks.training_rows import CONVOLUTIONAL, FAMILIES, LSTM, SIMPLE

ONE, ALL, AGAIN = "fnnets, one device", "fnnets, all cores", "the same again"
AUTOMATIC, CALL = "fnnets, automatic", "single call"
TORCH, COMPILED, FLAX, EQUINOX, SCIKIT = "PyTorch", "torch.compile", "Flax", "Equinox", "scikit-learn"
PEERS = (TORCH, COMPILED, FLAX, EQUINOX, SCIKIT)
COLUMNS = (ONE, ALL, AUTOMATIC, *PEERS)
FAMILY_BAR, VGG_BAR, EXPLICIT_BAR, SCIKIT_BAR = 1.3, 1.5, 1.2, 2.0
CALLS_TEXT = (
    "One cost and gradient of a minibatch in a jitted call of its own, on one device, waited for. A call pays for "
    "fresh memory: what needs more than 32 MB is given back to the system after each, and is 16 000 to 45 000 page "
    "faults in the next. `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` makes these fewer. `fit` pays once an epoch. More "
    "single calls, against peers: `convolutional` and `recurrent`.\n\n"
)
Row = Mapping[str, Any]


def base(row: Row) -> str:
    """Whom the others are compared with: all cores, or the one device where there is only one.

    >>> base({"samples": {ONE: [1.0]}}) == ONE
    True
    """
    return ALL if ALL in row["samples"] else ONE


def control(row: Row) -> tuple[float, float]:
    """The 10th and 90th percentiles of the ratio of the same contestant to itself.

    >>> control({"samples": {ONE: [1.0, 1.0], AGAIN: [0.9, 1.1]}})
    (0.92, 1.08)
    """
    again, first = (np.array(row["samples"][name]) for name in (AGAIN, base(row)))
    low, high = np.percentile(again / first, [10, 90])
    return round(float(low), 4), round(float(high), 4)


def spread(row: Row) -> float:
    """How far from 1 a ratio may be by chance: the further of the control's two percentiles.

    >>> spread({"samples": {ONE: [1.0, 1.0], AGAIN: [0.9, 1.2]}})
    0.17
    """
    low, high = control(row)
    return round(max(1 - low, high - 1), 4)


def of(row: Row, name: str) -> float:
    """The ratio of a contestant's time to that of all cores."""
    return ratio(row["samples"], name, base(row))


def fastest_torch(row: Row) -> str | None:
    """PyTorch as it is faster, None where it is not there.

    >>> fastest_torch({"samples": {TORCH: [2.0], COMPILED: [1.0]}}) == COMPILED
    True
    """
    there = [name for name in (TORCH, COMPILED) if name in row["samples"]]
    return min(there, key=lambda name: summary(row["samples"][name]).median, default=None)


def bars(rows: Sequence[Row]) -> list[Bar]:
    """The bars, as far as their contestants ran."""
    found = [bar for row in rows for bar in _of_row(row)]
    for family in FAMILIES:
        own = [row for row in rows if row["family"] == family and fastest_torch(row)]
        if own:
            ratios = [of(row, str(fastest_torch(row))) for row in own]
            found.append(_mean("PyTorch / fnnets", f"{family}, {_counted(own)}", ratios, FAMILY_BAR))
    looped = (CONVOLUTIONAL, SIMPLE, LSTM)
    over = [of(row, AUTOMATIC) for row in rows if row["family"] in looped and AUTOMATIC in row["samples"]]
    if over:
        name = f"convolutional, recurrent, LSTM, {_counted(over)}"
        found.append(_mean("automatic / explicit", name, over, EXPLICIT_BAR))
    return found


def _of_row(row: Row) -> list[Bar]:
    name, allowed, torch = row["name"], spread(row), fastest_torch(row)
    rivals = [each for each in (ONE if base(row) == ALL else None, torch) if each]
    found = []
    if rivals:
        rival = min(rivals, key=lambda each: summary(row["samples"][each]).median)
        found.append(Bar(f"{base(row)} / {rival}", name, 1 / of(row, rival), high=round(1 + allowed, 2)))
    if torch and name.startswith("vgg"):
        found.append(Bar("PyTorch / fnnets", name, of(row, torch), VGG_BAR))
    found += [Bar(f"{each} / fnnets", name, of(row, each), 1.0) for each in (FLAX, EQUINOX) if each in row["samples"]]
    if AUTOMATIC in row["samples"]:
        found.append(Bar("explicit / automatic", name, 1 / of(row, AUTOMATIC), high=round(1 + allowed, 2)))
    if SCIKIT in row["samples"] and name.startswith("cd"):
        found.append(Bar("scikit-learn / fnnets", name, of(row, SCIKIT), SCIKIT_BAR))
    return found


def _counted(rows: Sequence[Any]) -> str:
    return f"{len(rows)} row{'s' * (len(rows) != 1)}"


def _mean(what: str, where: str, ratios: Sequence[float], low: float) -> Bar:
    return Bar(f"{what}, geometric mean", where, statistics.geometric_mean(ratios), low)


def rows(row: Row) -> list[tuple[str, ...]]:
    """One row's contestants as text, the header first."""
    table: list[tuple[str, ...]] = [("contestant", "ms a step", "min", "max", "ratio", "GFLOP/s", "how")]
    for name, seconds in row["samples"].items():
        median, low, high = summary(seconds)
        times = (f"{1e3 * each:.3f}" for each in (median, low, high))
        rate = f"{1e-9 * row['flops'] / median:.1f}"
        table.append((name, *times, f"{of(row, name):.2f}", rate, row["how"].get(name, "")))
    return table


def notes(row: Row) -> list[str]:
    """Remarks on one row."""
    low, high = control(row)
    worst = max(row["agreement"].items(), key=lambda each: each[1], default=("", 0.0))
    compared = f"after {row['epoch']} equal steps parameters differ by"
    if samples(row):
        compared = f"parameters of fit after {row['epoch']} equal steps, and the peers' gradients, differ by"
    found = [
        f"  {row['steps']} steps a sample, {1e-6 * row['flops']:.3g} MFLOP a step; control {low:.2f} to {high:.2f}",
        f"  {compared} {worst[1]:.1e} at most ({worst[0]})",
    ]
    return found + [f"  {name}: left out, {why}" for name, why in row["absent"].items()]


def samples(row: Row) -> bool:
    """Whether a row draws samples, so that libraries are compared by a gradient on equal samples.

    >>> samples({"name": "cd-9-6:8"}), samples({"name": "autoencoder-9-6:8"})
    (True, False)
    """
    return row["name"].startswith(("cd-", "pcd-"))


def text(content: Mapping[str, Any]) -> str:
    """What is printed at the end: the table and the bars."""
    parts = [report.aligned(overview(content)), rates(content["rates"]), report.aligned(judged(content))]
    return "\n\n".join(parts) + "\n"


def rates(found: Mapping[str, float]) -> str:
    """The rates of the matrix product in words."""
    return (
        f"A product of two matrices of {cores.SIZE} x {cores.SIZE}: {1e-9 * found[cores.ONE]:.0f} GFLOP/s on one core, "
        f"{1e-9 * cores.best(found):.0f} on all (JAX {1e-9 * found[cores.CALL]:.0f}, "
        f"NumPy {1e-9 * found[cores.NUMPY]:.0f})."
    )


def overview(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line for each row: milliseconds of a step, the control, and the distance from the matrix products."""
    there = [name for name in COLUMNS if any(name in row["samples"] for row in content["rows"])]
    head = ("row", *there, "PyTorch / fnnets", "control", "x products", "limited by", "steps")
    table, rate = [head], cores.best(content["rates"])
    for row in content["rows"]:
        torch, (low, high) = fastest_torch(row), control(row)
        cells = [cell(row, name) for name in there]
        floor = summary(row["samples"][base(row)]).median * rate / row["flops"]
        table.append((
            row["name"], *cells, f"{of(row, torch):.2f}" if torch else "", f"{low:.2f} to {high:.2f}", f"{floor:.1f}",
            report.limit(1 / floor, loops=False), str(row["steps"]),
        ))  # fmt: skip
    return table


def cell(row: Row, name: str) -> str:
    """Milliseconds of a contestant's step, the empty string where it did not run.

    >>> cell({"samples": {ONE: [0.002]}}, ONE), cell({"samples": {}}, ONE)
    ('2', '')
    """
    return f"{1e3 * summary(row['samples'][name]).median:.3g}" if name in row["samples"] else ""


def judged(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The bars as text, those that are missed first."""
    found = sorted(bars(content["rows"]), key=lambda bar: bar.verdict != "missed")
    lines = [(bar.name, bar.net, f"{bar.ratio:.2f}", f"{report.bound(bar)}: {bar.verdict}") for bar in found]
    return [("ratio of times", "row", "measured", "bar"), *lines]


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table."""
    single = calls(content)
    parts = [
        f"Milliseconds of a step inside `fit` or of a peer's loop. {rates(content['rates'])}\n\n",
        report.table(overview(content)),
        *([f"Not installed: {', '.join(content['missing'])}.\n\n"] if content["missing"] else []),
        "### Bars of a training step\n\n", report.table(judged(content)),
        "### How the peers ran, and who was left out\n\n", report.table(ways(content)),
        *(("### Single calls\n\n", CALLS_TEXT, report.table(single)) if len(single) > 1 else ()),
    ]  # fmt: skip
    return "".join(parts)


def ways(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """How each peer was fastest, the steps that were compared, and why others are not there."""
    peers = [name for name in PEERS if any(name in row["how"] for row in content["rows"])]
    table: list[tuple[str, ...]] = [("row", *peers, "equal steps", "difference", "left out")]
    for row in content["rows"]:
        absent = "; ".join(f"{name}: {why}" for name, why in row["absent"].items())
        worst = max(row["agreement"].values(), default=0.0)
        how = [row["how"].get(name, "") for name in peers]
        compared = f"{row['epoch']}, peers 1 gradient" if samples(row) else str(row["epoch"])
        table.append((row["name"], *how, compared, f"{worst:.0e}", absent))
    return table


def calls(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A jitted cost and gradient of one minibatch beside the step in `fit` on one device."""
    table: list[tuple[str, ...]] = [("row", "single call, ms", "min", "max", "page faults", "step in fit, ms")]
    for row in content["rows"]:
        if row["call"]:
            times = (f"{1e3 * each:.3g}" for each in summary(row["call"]))
            table.append((row["name"], *times, str(row["faults"]), cell(row, ONE)))
    return table
