"""Time that `import fnnets` adds to `import jax, optax`, in fresh processes.

    python -m experiments.benchmarks import_time [--rounds 11]

    added    median over rounds of t(jax, optax, fnnets) − t(jax, optax)            seconds, within one process each

The bar is 0.3 s. Each process reads its own clock around its imports, so that the start of Python is not counted.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.benchmarks import command
from fnnets.core import validate

BAR = 0.3
CLOCKED = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"
WITHOUT, WITH = "jax, optax", "jax, optax, fnnets"


@dataclass(frozen=True)
class Options:
    """Time the import of fnnets beyond that of JAX and optax.

    Attributes:
        rounds: fresh processes of each kind.
        out: folder for the results.
    """

    rounds: int = 11
    out: Path = Path("results/benchmarks")


def run(options: Options) -> int:
    """Import in turn with and without fnnets, print and write what it adds."""
    validate.count(options.rounds, "rounds", "give the number of samples")
    samples = measure(options.rounds)
    seconds = added(samples)
    verdict = "reached" if seconds < BAR else "missed"
    print(f"import {WITHOUT}: {statistics.median(samples[WITHOUT]):.3f} s (median of {options.rounds})")
    print(f"fnnets adds {seconds:.3f} s, bar {BAR} s: {verdict}")
    return command.finish("import_time", options.out, {"samples": samples, "added": seconds})


def measure(rounds: int, clocked: Callable[[str], float] | None = None) -> dict[str, list[float]]:
    """Seconds of both imports in turn; a first process of the larger kind fills the cache of compiled modules.

    >>> measure(2, len)
    {'jax, optax': [10, 10], 'jax, optax, fnnets': [18, 18]}
    """
    clocked = in_fresh_process if clocked is None else clocked
    clocked(WITH)
    samples: dict[str, list[float]] = {WITHOUT: [], WITH: []}
    for _ in range(rounds):
        for modules, seconds in samples.items():
            seconds.append(clocked(modules))
    return samples


def added(samples: dict[str, list[float]]) -> float:
    """The median difference.

    >>> added({WITHOUT: [1.0, 2.0, 1.0], WITH: [1.5, 2.25, 1.25]})
    0.25
    """
    return statistics.median(b - a for a, b in zip(samples[WITHOUT], samples[WITH], strict=True))


def in_fresh_process(modules: str) -> float:
    """Seconds that `import MODULES` takes in a new process."""
    call = [sys.executable, "-c", CLOCKED.format(modules)]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "import_time", arguments)
