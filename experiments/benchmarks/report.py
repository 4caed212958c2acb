"""Report of a benchmark of training: aligned rows, the limit of each, and the bars that the project set itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from experiments.benchmarks.timing import ratio, summary

EXPLICIT, AUTOMATIC, BARE, TORCH = "fnnets explicit", "fnnets automatic", "bare scan", "PyTorch eager"
MONITORED, PER_STEP, SCIKIT, NUMPY = "fnnets explicit, monitored", "JAX per step", "scikit-learn", "NumPy"
ARITHMETIC_SHARE = 0.5
COLUMNS = ("contestant", "median s", "min", "max", "ratio", "µs/step", "GFLOP/s", "of GEMM", "limited by")


class Bar(NamedTuple):
    """A ratio that should be at most `high` or at least `low`."""

    name: str
    net: str
    ratio: float
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """Whether it was reached.

        >>> Bar("a", "b", 1.5, low=1.2).verdict, Bar("a", "b", 1.5, high=1.02).verdict
        ('reached', 'missed')
        """
        good = (self.low is None or self.ratio >= self.low) and (self.high is None or self.ratio <= self.high)
        return "reached" if good else "missed"


def limit(share: float, loops: bool) -> str:
    """The limit of a row: arithmetic where it runs near the rate of the matrix product, else what lies between.

    >>> limit(0.8, True), limit(0.1, True), limit(0.1, False)
    ('matrix products', 'calls from Python', 'memory and small operations')
    """
    if share >= ARITHMETIC_SHARE:
        return "matrix products"
    return "calls from Python" if loops else "memory and small operations"


def rows(net: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The rows of one network's table as text, the header first.

    Args:
        net: with "samples", "flops", "steps", "gemm" (GFLOP/s by name), and "loops", the names of Python loops.
    """
    best = max(net["gemm"].values())
    table: list[tuple[str, ...]] = [COLUMNS]
    for name, seconds in net["samples"].items():
        median, low, high = summary(seconds)
        rate = 1e-9 * net["flops"] / median
        table.append((
            name, f"{median:.3f}", f"{low:.3f}", f"{high:.3f}", f"{ratio(net['samples'], name, EXPLICIT):.2f}",
            f"{1e6 * median / net['steps']:.0f}", f"{rate:.1f}", f"{100 * rate / best:.0f} %",
            limit(rate / best, name in net["loops"]),
        ))  # fmt: skip
    return table


def bars(net: Mapping[str, Any]) -> list[Bar]:
    """The bars of one network, as far as their contestants ran."""
    samples, name = net["samples"], net["name"]
    found = [
        Bar("explicit / automatic", name, ratio(samples, EXPLICIT, AUTOMATIC), high=1.02),
        Bar("fit / bare scan", name, ratio(samples, EXPLICIT, BARE), high=1.03),
    ]
    wanted = {10: 3.0}.get(net["batch_size"], 1.2 if 512 in net["sizes"] else None)
    if TORCH in samples and wanted is not None:
        found.append(Bar("PyTorch eager / fit", name, ratio(samples, TORCH, EXPLICIT), low=wanted))
    return found


def text(net: Mapping[str, Any]) -> str:
    """One network's part of the report."""
    gradient = {name: 1e6 * summary(seconds).median for name, seconds in net["gradient"].items()}
    share = ratio(net["gradient"], "explicit", "automatic")
    rates = ", ".join(f"{name} {rate:.0f}" for name, rate in net["gemm"].items())
    lines = [
        f"{net['name']}: {net['steps']} steps, {1e-6 * net['flops'] / net['steps']:.2f} MFLOP a step",
        aligned(rows(net)),
        f"  one gradient: explicit {gradient['explicit']:.1f} µs, automatic {gradient['automatic']:.1f} µs, "
        f"ratio {share:.3f}",
        f"  largest product, GFLOP/s: {rates}",
        *([f"  PyTorch: {how(net['torch'])}"] if net["torch"] else []),
        *(f"  {bar.name}: {bar.ratio:.3f}, bar {bound(bar)}: {bar.verdict}" for bar in bars(net)),
    ]
    return "\n".join(lines)


def how(torch: Mapping[str, Any]) -> str:
    """PyTorch's threads and optimiser, in words.

    >>> how({"threads": 1, "default_threads": 2, "optimizer": "fused"})
    '1 of 2 threads, optimiser fused'
    """
    return f"{torch['threads']} of {torch['default_threads']} threads, optimiser {torch['optimizer']}"


def bound(bar: Bar) -> str:
    """The bar in words.

    >>> bound(Bar("a", "b", 1.0, low=3.0))
    'at least 3'
    """
    return f"at least {bar.low:g}" if bar.low is not None else f"at most {bar.high:g}"


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as a table in Markdown, the header first.

    >>> table([("a", "b"), ("1", "2")]).splitlines()[:3]
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n\n"


def aligned(table: list[tuple[str, ...]]) -> str:
    """Columns of equal width; the first and the last to the left, numbers to the right.

    >>> print(aligned([("name", "s", "why"), ("a", "1.25", "b")]))
      name     s  why
      a     1.25  b
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    last = len(widths) - 1
    lines = [
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)
