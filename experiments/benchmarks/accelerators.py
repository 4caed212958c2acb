"""VGG-A and an LSTM of 1 024 cells: a step measured here, and the arithmetic from there to 8, 64, 256 accelerators.

    python -m experiments.benchmarks accelerators [--quick] [--counts 8 64 256] [--assumed.outside 25e9]

    counted     parameters, bytes of an all-reduce, FLOP, bytes of the traces: from shapes alone
    measured    seconds of one cost and gradient of few examples, and of a matrix product, on this device
    assumed     `Assumptions`: an accelerator and its links
    computed    everything else, by `accelerators_arithmetic`

| symbol | name in code | shape |
|---|---|---|
| N, T | `count`, `subject.steps` | examples of a minibatch and their time steps, 1 for images |
| FLOP of an example | `load.flops` | 3 · 2 Σ (weights · positions) over the layers, less the first one's dx |

On a CPU the share of the matrix product's rate with which one more example is worked off is what an accelerator is
taken to reach too. On an accelerator its own measured step is used, and only the links are assumed.

`python -m experiments.benchmarks table --collect results/benchmarks` writes SCALING.md. VGG-A is configuration A of
[Simonyan2014] without dropout: 133 million parameters there and here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks import accelerators_page as page
from experiments.benchmarks import command, report
from experiments.benchmarks.accelerators_arithmetic import FLOAT_BYTES, Assumptions, Load, check, check_counts
from experiments.benchmarks.timing import Contestant, interleave, summary
from experiments.harness import results
from fnnets.core import validate

VGG_A = (
    "conv3-64 maxpool2 | conv3-128 maxpool2 | conv3-256 conv3-256 maxpool2 | conv3-512 conv3-512 maxpool2 |"
    "conv3-512 conv3-512 maxpool2 | fc-4096 fc-4096 fc-1000"
)
GEMM_SIZE = 2048
KERNELS_A_STAGE = 4


class Subject(NamedTuple):
    """A network and how much of it a machine is given.

    Attributes:
        name, net: the network.
        steps: time steps of an example, 1 for images.
        load: its work and bytes.
        counts: the two numbers of examples that are measured.
        examples: on each accelerator, where their number is fixed.
        together: on all accelerators, where that is fixed.
        analysed: examples of one time step for which XLA's own count of FLOP has no loop but of one turn.
    """

    name: str
    net: fn.Network
    steps: int
    load: Load
    counts: tuple[int, int]
    examples: int
    together: int
    analysed: int


def vgg(input_shape: Sequence[int] = (224, 224, 3), table: str = VGG_A) -> Subject:
    """VGG-A, or another network of images.

    >>> vgg((4, 4, 1), "conv3-2 maxpool2 | fc-2").load.flops == 2 * (3 * (16 * 18 + 16) - 16 * 18)
    True
    """
    objective = fn.objectives.softmax_log_likelihood
    net = fn.convolutional(input_shape, table, fn.activations.relu, objective=objective, padding="same")
    products, wide, features = _layers(net)
    total, convolved = sum(products), sum(products[: len(products) - len(wide)])
    flops = 3 * total - products[0]
    load = Load(
        FLOAT_BYTES * parameters(net), 2.0 * flops, 6, KERNELS_A_STAGE * len(net.layer.parts),
        (2 * convolved - products[0]) / flops, FLOAT_BYTES * sum(wide), features,
    )  # fmt: skip
    few, many = (1, 4) if jax.default_backend() == "cpu" else (8, 32)
    return Subject("VGG-A", net, 1, load, (few, many), 32, 256, 1)


def lstm(symbols: int = 65, cells: int = 1024, steps: int = 100) -> Subject:
    """A network of characters with one layer of LSTM cells and an answer at every step.

    >>> lstm(2, 3, steps=5).load.flops == 5 * 2 * (3 * (12 * 5 + 6) - 12 * 2)
    True
    """
    net = fn.recurrent([symbols, cells, symbols], "lstm", objective=fn.objectives.softmax_log_likelihood)
    gates, outputs = 4 * cells * (symbols + cells), cells * symbols
    flops = 2.0 * steps * (3 * (gates + outputs) - 4 * cells * symbols)
    # every weight gradient but the output layer's is complete after the last step of the reverse scan
    load = Load(FLOAT_BYTES * parameters(net), flops, 2 * steps + 4, KERNELS_A_STAGE * steps, 0.0)
    return Subject(f"LSTM {cells}", net, steps, load, (16, 64), 64, 512, 64)


SUBJECTS: dict[str, Callable[[], Subject]] = {"vgg-a": vgg, "lstm-1024": lstm}


@dataclass(frozen=True)
class Options:
    """Measure a step here, then compute what it takes on many accelerators.

    Attributes:
        nets: some of vgg-a, lstm-1024.
        counts: numbers of accelerators.
        assumed: the accelerator and its links.
        rounds: samples of each step.
        out: folder for the results.
        quick: one round of lstm-1024, to see that all works.
    """

    nets: tuple[str, ...] = tuple(SUBJECTS)
    counts: tuple[int, ...] = (8, 64, 256)
    assumed: Assumptions = field(default_factory=Assumptions)
    rounds: int = 5
    out: Path = Path("results/benchmarks")
    quick: bool = False


def parameters(net: fn.Network) -> int:
    """The number of parameters of a network, none of which is made.

    >>> parameters(fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood))
    8
    """
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(net.init, jax.random.key(0))))


def _layers(net):
    """Weights · positions of each layer; of the fully connected ones parameters, and features read and given."""
    params, shape = jax.eval_shape(net.init, jax.random.key(0)), net.input_shape
    products, wide, features = [], [], 0
    for part, own in zip(net.layer.parts, params, strict=True):
        x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
        before, shape = (
            shape,
            jax.eval_shape(lambda own, x, f=part.forward: f(own, x, fn.Context())[0], own, x).shape[1:],
        )
        if own:
            positions = shape[0] * shape[1] if len(shape) == 3 else 1
            products.append(own.weights.size * positions)
        if own and len(shape) == 1:
            wide.append(own.weights.size + own.biases.size)
            features += before[0]
    return products, wide, features + shape[0]


def batch(subject: Subject, count: int, steps: int | None = None) -> fn.Batch:
    """Uniform images or sequences of random symbols, with random labels."""
    random = np.random.default_rng(0)
    (classes,) = subject.net.output_shape
    if subject.net.layer.is_sequential:
        times = steps or subject.steps
        symbols = random.integers(0, subject.net.input_shape[0], (times, count))
        inputs = np.eye(subject.net.input_shape[0], dtype=np.float32)[symbols]
        return fn.Batch(jnp.asarray(inputs), jnp.asarray(random.integers(0, classes, (times, count), np.int32)))
    images = random.random((count, *subject.net.input_shape), np.float32)
    return fn.Batch(jnp.asarray(images), jnp.asarray(random.integers(0, classes, count, np.int32)))


def analysed(subject: Subject) -> float:
    """XLA's count of FLOP over ours, of one time step: it counts a loop's body once, however often it is run."""
    params = jax.eval_shape(subject.net.init, jax.random.key(0))
    given = batch(subject, subject.analysed, steps=1)
    found: Any = jax.jit(subject.net.cost_and_gradient).lower(params, given).cost_analysis()
    return found["flops"] / (subject.load.flops / subject.steps * subject.analysed)


def trace_bytes(subject: Subject) -> int:
    """Bytes that an example adds to what the backward pass reads; arrays that two layers share count twice."""
    params = jax.eval_shape(subject.net.init, jax.random.key(0))

    def size(count):
        forward = functools.partial(subject.net.layer.forward, context=fn.Context())
        trace = jax.eval_shape(lambda params, x: forward(params, x)[1], params, batch(subject, count).inputs)
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(trace))

    return size(2) - size(1)


def measure(subject: Subject, rounds: int) -> dict[str, Any]:
    """Everything of one network that is counted or measured."""
    params = jax.jit(subject.net.init)(jax.random.key(0))
    entered, temporaries = [], 0
    for count in subject.counts:
        given = params, batch(subject, count)
        compiled: Any = jax.jit(subject.net.cost_and_gradient).lower(*given).compile()
        temporaries = compiled.memory_analysis().temp_size_in_bytes
        entered.append(Contestant(str(count), functools.partial(compiled, *given)))
    x = jnp.asarray(np.random.default_rng(0).random((GEMM_SIZE, GEMM_SIZE), np.float32))
    entered.append(Contestant("GEMM", functools.partial(jax.jit(jnp.matmul), x, x)))
    samples = interleave(entered, rounds)
    gemm = 2 * GEMM_SIZE**3 / summary(samples.pop("GEMM")).low
    return {
        "name": subject.name, "load": subject.load._asdict(), "steps": subject.steps,
        "examples": subject.examples, "together": subject.together,
        "analysed": analysed(subject), "trace": trace_bytes(subject), "temporaries": temporaries,
        "gemm": gemm, "samples": samples,
    }  # fmt: skip


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table: what was measured; the arithmetic has a page of its own."""
    return (
        f"{report.table(page.measured_rows(content))}What follows for many accelerators: [SCALING.md](SCALING.md).\n\n"
    )


def run(options: Options) -> int:
    """Count, measure, compute, print and write."""
    if options.quick:
        options = replace(options, nets=("lstm-1024",), rounds=1)
    validate.count(options.rounds, "rounds", "give the number of samples")
    check(options.assumed)
    unknown = [name for name in options.nets if name not in SUBJECTS]
    if unknown or not options.nets:
        raise ValueError(f"nets: {unknown or 'none'} came, expected some of {', '.join(SUBJECTS)}; name one of them")
    subjects = [SUBJECTS[name]() for name in options.nets]
    check_counts(options.counts, options.assumed.node, tuple(subject.together for subject in subjects))
    content: dict[str, Any] = {
        "settings": {"rounds": options.rounds, "counts": options.counts, "assumed": asdict(options.assumed)},
        **results.environment(), "backend": jax.default_backend(),
        "nets": [measure(subject, options.rounds) for subject in subjects],
    }  # fmt: skip
    print(page.text(content))
    return command.finish("accelerators", options.out, content)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "accelerators", arguments)
