"""A training step inside `fit`, on one device and on all, against the best loop of each peer.

    python -m experiments.benchmarks training [--rows nielsen-128 lstm-100-32-64-128-10 …] [--families LSTM …]

    fnnets             `fn.fit`
    fnnets, all        `fn.fit(devices="all")`, a device for each core; entered twice, which is the control
    automatic          `fn.fit(devices="all", gradient="automatic")`
    PyTorch            eager, and compiled where that runs, as each is fastest (`training_torch`)
    Flax, Equinox      a jitted call a step on one device or on all, or a scan, as it is fastest (`training_loops`)
    scikit-learn       `BernoulliRBM`, for the RBMs

    step of fit        (t(1 + m epochs) − t(1 epoch)) / S m         without compilation, checks and copies
    step of a peer     t(m epochs) / S m

All take the S steps of an epoch from the same parameters in the same order with the same optimiser first, in every
configuration that is tried, and must arrive at the same parameters. Examples are random, float32.
"""

from __future__ import annotations

import functools
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import fnnets as fn
from experiments.benchmarks import command, cores, report
from experiments.benchmarks import training_page as page
from experiments.benchmarks import training_rows as table
from experiments.benchmarks.timing import Contestant, interleave
from experiments.benchmarks.training_field import OPTIONAL, Runner, field, missing
from experiments.benchmarks.training_page import CALL
from experiments.benchmarks.training_rows import Amount, Boltzmann, Row
from fnnets.core import validate

TOLERANCE = 0.02  # of the way that the parameters went
PACKAGES = {"sklearn": "scikit-learn"}
QUICK: dict[str, Any] = {"rows": ("784-30-10:10", "simple-50-1-64-128-10"), "rounds": 2, "compile": False}
SHORT, LONG = "1 epoch", "1 + m epochs"


@dataclass(frozen=True)
class Options:
    """Time a training step inside fit, on one device and on all, against its peers.

    Attributes:
        rows: names of rows: sizes and minibatch.
        families: some of feedforward, convolutional, recurrent, LSTM, "RBM, autoencoder": only their rows.
        rounds: samples of each contestant; scikit-learn and automatic convolutions run in the first three.
        steps: steps of a sample, at least.
        seconds: by an estimate, the longest sample; a row whose steps take longer has fewer of them.
        compile: try torch.compile too, which compiles C++ for up to a minute a row.
        out: folder for the results.
        quick: two rounds of two small rows, to see that all works.
    """

    rows: tuple[str, ...] = table.NAMES
    families: tuple[str, ...] = table.FAMILIES
    rounds: int = 9
    steps: int = Amount().steps
    seconds: float = Amount().seconds
    compile: bool = True
    out: Path = Path("results/benchmarks")
    quick: bool = False


def measure(row: Row, rounds: int, compiles: bool = True, device: str = "cpu") -> dict[str, Any]:
    """Differences, and seconds of a step of everyone in each round."""
    found = field(row, compiles, device)
    entered = []
    for each in found.runners:
        counts = {f"{each.name}: {SHORT}": 1, f"{each.name}: {LONG}": 1 + each.epochs}
        for name, epochs in counts.items() if each.begins else ((each.name, each.epochs),):
            entered.append(Contestant(name, functools.partial(each.run, epochs), each.rounds))
    call = single_call(row)
    samples = interleave([*entered, *([Contestant(CALL, call)] if call else [])], rounds)
    steps = {each.name: step_seconds(samples, row, each) for each in found.runners}
    return {
        "name": row.name, "family": row.family, "flops": row.flops, "size": row.size, "epoch": row.steps,
        "steps": row.taken, "agreement": found.agreement, "how": found.how,
        "absent": {name: why for name, why in found.absent.items() if why},
        "samples": steps, "call": samples.get(CALL), "faults": faults(call) if call else None,
    }  # fmt: skip


def step_seconds(samples: Mapping[str, Sequence[float]], row: Row, each: Runner) -> tuple[float, ...]:
    """Seconds of a step of a contestant in each round.

    Where noise makes the shorter run of `fit` the longer one, the whole longer run counts, its beginning included.
    """
    seconds = samples.get(each.name, ())
    if each.begins:
        short, long = samples[f"{each.name}: {SHORT}"], samples[f"{each.name}: {LONG}"]
        m = each.epochs
        pairs = zip(short, long, strict=True)
        seconds = [t_long - t_short if t_long > t_short else t_long * m / (1 + m) for t_short, t_long in pairs]
    return tuple(t / row.steps / each.epochs for t in seconds)


def minibatch(row: Row) -> fn.Batch:
    """The first examples of a row."""
    first = (slice(None), slice(row.size)) if row.axis else slice(row.size)
    return fn.Batch(jnp.asarray(row.inputs[first]), None if row.targets is None else jnp.asarray(row.targets[first]))


def single_call(row: Row) -> Callable[[], Any] | None:
    """One jitted cost and gradient of a minibatch; None for an RBM, whose gradient is of samples."""
    if isinstance(row.model, Boltzmann):
        return None
    return functools.partial(jax.jit(row.net.cost_and_gradient), row.params, minibatch(row))


def faults(call: Callable[[], Any]) -> int:
    """Page faults of a call after its first.

    >>> faults(lambda: None) < 1000
    True
    """
    jax.block_until_ready(call())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    jax.block_until_ready(call())
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def chosen(options: Options) -> list[str]:
    """The names of the rows, each checked.

    Raises:
        ValueError: an unknown family, a row of no form, none left.
    """
    for family in options.families:
        if family not in table.FAMILIES:
            raise ValueError(f"families: one is {family!r}, expected some of {', '.join(table.FAMILIES)}")
    names = [name for name in options.rows if table.family(name) in options.families]
    if not names:
        raise ValueError(f"rows, families: none is left of {', '.join(options.rows)}; name one of both")
    return names


def run(options: Options) -> int:
    """Compare and time all rows; 1 if a contestant arrives at other parameters."""
    options = replace(options, **QUICK) if options.quick else options
    for name in ("rounds", "steps"):
        validate.count(getattr(options, name), name, "give a number of them")
    if not options.seconds >= 0:
        raise ValueError(f"seconds is {options.seconds}, expected at least 0; give the longest sample, or inf")
    amount, names = Amount(options.steps, options.seconds), chosen(options)
    devices = cores.use_all()
    for name in missing():
        print(f"{name}: skipped, {OPTIONAL[name]} is not installed; `make benchmark` installs the peers")
    print(f"{devices} devices, {len(names)} rows, {options.rounds} rounds", flush=True)
    rates = cores.rates(options.rounds, cores.SIZE)
    rows = []
    for number, name in enumerate(names, 1):
        print(f"{number}/{len(names)} {name}", flush=True)
        rows.append(measure(table.row(name, amount), options.rounds, options.compile))
        print("\n".join([report.aligned(page.rows(rows[-1])), *page.notes(rows[-1]), ""]), flush=True)
    settings = {"rounds": options.rounds, "steps": options.steps, "seconds": options.seconds, "devices": devices}
    content = {"settings": settings, "rates": rates, "missing": missing(), "rows": rows}
    print(page.text(content))
    return command.finish("training", options.out, content, wrong(rows), versions())


def wrong(rows: Sequence[Mapping[str, Any]], tolerance: float = TOLERANCE) -> list[str]:
    """A line for each contestant that arrives at other parameters."""
    return [
        f"{row['name']}: {name} arrives at other parameters, by {far:.1e}; its time is worthless"
        for row in rows for name, far in row["agreement"].items() if not far <= tolerance
    ]  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of the peers that are installed."""
    absent = missing()
    packages = [PACKAGES.get(module, module) for name, module in OPTIONAL.items() if name not in absent]
    return {package: metadata.version(package) for package in packages}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "training", arguments)
