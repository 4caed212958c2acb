"""The table of benchmarks: `experiments/benchmarks/README.md`, from `experiments/benchmarks/measured/*.json`.

SCALING.md, the page of `accelerators`, is written beside it.

    python -m experiments.benchmarks table                                  writes the table again
    python -m experiments.benchmarks table --collect results/benchmarks     first takes over newer results

CPUs and accelerators stand apart, each under its device's name: a collected file is named after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmarks import (
    accelerators,
    accelerators_page,
    checks,
    class_map,
    compilation,
    convolutional,
    crashes,
    gpu_page,
    implementations,
    import_time,
    rbm,
    recurrent,
    recurrent_memory,
    report,
    scaling,
    training_page,
    verdicts,
    verification,
    verifiers,
)
from experiments.benchmarks.timing import summary
from experiments.harness import results
from fnnets.data import DataNotFoundError

HERE = Path(__file__).parent
HEAD = """<!-- Written by `python -m experiments.benchmarks table`; do not edit. -->

# Benchmarks

Outputs are compared first, then contestants are timed in turn; a time is the median of the rounds, a ratio the median
of the rounds' ratios.

Feedforward: all take 300 equal steps from equal parameters; then each runs an epoch of 50 000 examples of 784
features, reshuffled by everyone, float32; ratios are to `fnnets explicit`. Samples of fnnets and of the bare scan are
the mean of three epochs, as `fit` has a beginning: it reads the data once for NaN and copies the parameters. "of GEMM"
is the rate of the row's matrix products over the best rate that the machine reached, in the same run, with the
network's largest product alone. PyTorch runs as it is fastest: each implementation of its optimiser is tried, with its
default number of threads and with one. scikit-learn also computes its cost in each step.

Convolutional: one cost and gradient, in a jitted call and as steps of descent in one `lax.scan`, which is how `fit`
trains; ratios are to `explicit` in the same place, "of GEMM" to a product of two matrices of 1024 x 1024. XLA's CPU
code for the weight gradient of a convolution, which `jax.grad` comes to, is slow in a loop.

Implementations: an epoch inside `fit` with the plain pages of `fnnets.layers` over the same with the kernels of
`fnnets.kernels`, which are the default; the control is the fast one against itself.

Checks: a `fit` of one epoch, 784-30-10 on 50 000 images, whose values are looked at over one whose values are not. An
array of JAX is looked at once ("new arrays"), and not again; of a stream the targets, in the program of each chunk.

Class map: a network of two convolutions over a larger image in one pass, against crop by crop at the map's stride.

Recurrent: one cost and gradient of one recurrent layer with an answer at every step, in a jitted call; T-N-m-H-d are
steps, sequences, inputs, units and classes; ratios are to `explicit`. The floor is the sum of the seven matrix products
alone, each a jitted call of its own. Flax, Equinox, PyTorch and the hoisted scan run as they are fastest here, which
the last column has.

Memory: XLA's own analysis of one compiled cost and gradient with one answer a sequence: temporaries, arguments and
outputs. Checkpoints keep a state every √T steps and compute the others again.

RBMs: an epoch of 60 000 binary examples of 784 units with 500 hidden ones, in minibatches of 100, each library with
its own random numbers; gradients on equal samples are compared first. The autoencoder's epoch is backpropagation with
momentum through eight layers.

Verification: every mutant of `fnnets.mutation` before each tool, in networks of a few units; the others get the
cost with the changed gradient as its custom derivative and their own default tolerances. Mutants of samplers and ties
have no wrong gradient and are for fnnets alone. Correct code is each of those networks with other parameters: float32,
saturated, bfloat16 (not for those that demand float64), all zero (ties), one example. Seconds are for the mutants,
compilation included.

Verdicts: what `fnnets.verify` costs on right code, in fresh processes without a compilation cache, over one
`jax.jit(jax.grad(cost))` that is compiled and called once; memory is what a process had at most, less what it had with
its arrays alone. The control is one gradient over another.

Verifiers: the same faults, and the same right code, before five verifiers, each with its own default tolerances and the
precision that it asks for; arithmetic is the same in JAX and in PyTorch. Without marks fnnets is given what the others
are. gradgradcheck compares the given backward pass with differences of itself, so its place is second order.
"Named" counts messages that have an argument, or an equation, that the fault makes wrong.

Accelerators: a step of VGG-A and of an LSTM of 1024 cells on this device; [SCALING.md](SCALING.md) is the arithmetic
that carries it to 8, 64 and 256 accelerators. Rates are those of the best round; GEMM is a product of 2048 x 2048.

Compilation: seconds of a fresh process before `fit` trains, without a cache. The programs of the beginning draw the
parameters and copy them; the epoch is one program, a short last minibatch and two evaluations included. Ratios are of
all seconds; the control is explicit against explicit.

Scaling: an epoch is the difference of runs of several epochs and of one, so that compilation, checks and copies drop
out; examples are random, and outputs are compared first. Forced devices and processes share this machine's cores, which
shows overhead and right programs, and no speed-up.

Training: a step inside `fit`, on one device and on a device a core, against the best loop of each peer with all cores.
Rows are named by sizes and minibatch, or as in the tables above (T-N-m-H-d); recurrent ones take Adam, the others
momentum, RBMs plain descent; examples are random. Everyone takes an epoch of equal steps from equal parameters, in
every configuration that is tried, and must arrive at the same parameters, to 2 % of the way that each array of them
went ("difference": ReLUs and poolings turn rounding into a choice of another unit); the fastest configuration is timed.
RBMs of other libraries draw other samples, so a gradient on equal samples is compared. A step of `fit` is the
difference of a longer and a shorter run over the number of steps between them; a peer goes on from its own state.
"Control" is "fnnets, all cores" over itself, the 10th and 90th percentiles of the rounds; a bar "at most 1.08" allows
the further of the two. "x products" is the step of all cores over the time of its matrix products at the rate of one
large product on all cores. A sample has at least 40 steps; where these take longer than 0.7 s by an estimate, it has as
many as that holds, at least 8, so that all rows take twenty minutes (`--seconds inf` gives all of them 40, in an hour).
The automatic gradient of a convolution is several times as slow in a loop: its sample is one `fit` of one epoch, the
beginning included, in three rounds.

GPU: the contract's float32 checks on the device, then steps inside `fit` as in "Training", in one precision of matrix
products for all: TF32 on, then off. On a CPU it has a small form.

Crashes: runs that are killed at random moments and go on from their checkpoints, against one that nobody killed.

The command over each table measures it again; `make benchmark` installs the peers and measures the feedforward ones.

"""


@dataclass(frozen=True)
class Options:
    """Write the table of benchmarks.

    Attributes:
        collect: folder with results whose figures replace those of the same device.
        measured: folder of the collected results.
        readme: the file to write; SCALING.md is written beside it.
    """

    collect: Path | None = None
    measured: Path = HERE / "measured"
    readme: Path = HERE / "README.md"


def run(options: Options) -> int:
    """Collect where a folder is given, then write the table."""
    name, source = ("measured", options.measured) if options.collect is None else ("collect", options.collect)
    if not source.is_dir():
        raise DataNotFoundError(f"{name} is {source}, expected a folder of results; give one")
    if options.collect is not None:
        print(f"collected {collect(options.collect, options.measured)} files into {options.measured}")
    contents = load(options.measured)
    page = accelerators_page.markdown([content for content in contents if content["name"] == "accelerators"])
    for path, text in ((options.readme, markdown(contents)), (options.readme.with_name("SCALING.md"), page)):
        results.replace(path, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))
    print(f"{options.readme}: {len(contents)} results")
    return 0


def collect(source: Path, measured: Path) -> int:
    """Copy every result in `source` under a name with its device; returns how many there were."""
    paths = sorted(source.glob("*.json"))
    for path in paths:
        content = json.loads(path.read_text(encoding="utf-8"))
        results.save_json(content, measured / f"{path.stem}-{_slug(content['device'])}.json")
    return len(paths)


def load(measured: Path) -> list[dict[str, Any]]:
    """The collected results, CPUs first, then by device and name."""
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(measured.glob("*.json"))]
    return sorted(contents, key=lambda each: (not each["device"].startswith("CPU"), each["device"], each["name"]))


def markdown(contents: list[dict[str, Any]]) -> str:
    """The table as Markdown: a section for each device.

    >>> print(markdown([]).splitlines()[2])
    # Benchmarks
    """
    parts, last = [HEAD], ""
    for content in contents:
        if content["device"] != last:
            parts.append(f"## {content['device']}\n\n")
        versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
        parts.append(f"`{content['command']}`: {versions}.\n\n")
        parts.append(PARTS[content["name"]](content))
        last = content["device"]
    return "".join(parts).rstrip() + "\n"


def _feedforward(content: Mapping[str, Any]) -> str:
    return "".join([_bars(content), *_nets(content)])


def _import(content: Mapping[str, Any]) -> str:
    medians = {modules: summary(seconds).median for modules, seconds in content["samples"].items()}
    return (
        f"`import {import_time.WITHOUT}` takes {medians[import_time.WITHOUT]:.2f} s, fnnets adds "
        f"{content['added']:.2f} s; the bar is {import_time.BAR} s.\n\n"
    )


def _bars(content: Mapping[str, Any]) -> str:
    found = [bar for net in content["nets"] for bar in report.bars(net)]
    lines = [(bar.name, bar.net, f"{bar.ratio:.2f}", f"{report.bound(bar)}: {bar.verdict}") for bar in found]
    call = f"A call of a jitted function that does nothing takes {1e6 * content['call']:.1f} µs.\n\n"
    return report.table([("ratio of times", "network", "measured", "bar"), *lines]) + call


def _nets(content: Mapping[str, Any]) -> list[str]:
    parts = []
    for net in content["nets"]:
        gradient = {name: 1e6 * summary(seconds).median for name, seconds in net["gradient"].items()}
        worst, torch = max(net["agreement"].values()), net["torch"]
        notes = [
            f"Largest relative difference of a parameter after the equal steps: {worst:.1e}.",
            f"One gradient alone: explicit {gradient['explicit']:.1f} µs, automatic {gradient['automatic']:.1f} µs.",
        ]
        if torch:
            notes.append(f"PyTorch ran with {report.how(torch)}.")
        parts.append(f"### {net['name']}\n\n{report.table(report.rows(net))}{' '.join(notes)}\n\n")
    return parts


PARTS = {
    "accelerators": accelerators.markdown,
    "checks": checks.markdown,
    "class_map": lambda content: class_map.table(content["images"]),
    "compilation": compilation.markdown,
    "convolutional": convolutional.markdown,
    "crashes": lambda content: crashes.line(content) + "\n\n",
    "feedforward": _feedforward,
    "gpu": gpu_page.markdown,
    "implementations": implementations.markdown,
    "import_time": _import,
    "memory": recurrent_memory.markdown,
    "rbm": rbm.markdown,
    "recurrent": recurrent.markdown,
    "scaling": scaling.markdown,
    "training": training_page.markdown,
    "verdicts": verdicts.markdown,
    "verification": lambda content: verification.table(content["rows"]),
    "verifiers": verifiers.markdown,
}


def _slug(device: str) -> str:
    """The device as part of a file's name.

    >>> _slug("CPU, 2 cores")
    'cpu-2-cores'
    """
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
