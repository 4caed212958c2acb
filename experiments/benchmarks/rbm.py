"""Restricted Boltzmann machines and a deep autoencoder: epochs of training, and annealed importance sampling.

    python -m experiments.benchmarks rbm [--quick] [--works cd pcd annealing autoencoder]

    explicit     `fn.fit` for an epoch, its checks and copies included; `fn.boltzmann` for annealing
    automatic    the same with `jax.grad` of the same cost, samples held fixed
    PyTorch      an ordinary eager loop (`rbm_peers`), with the number of threads that is faster
    scikit-learn `BernoulliRBM`, whose learning is PCD-1

    FLOP of a step   CD-1: 6 products 2Npq; annealing: 2 a temperature; autoencoder: as in `setting`

| symbol | name in code | shape |
|---|---|---|
| v | `work.v`, binary, 30 % ones | (n, 784) |
| W, b, c | `work.params` | (500, 784), (784,), (500,) |

Gradients on equal samples, and the two estimates of log Z, are compared first. float32.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks import command, peers, report
from experiments.benchmarks import rbm_peers as loops
from experiments.benchmarks.timing import Contestant, interleave, ratio, summary
from fnnets.core import validate

EXPLICIT, AUTOMATIC, TORCH, SCIKIT, GEMM = "explicit", "automatic", "PyTorch", "scikit-learn", "GEMM"
NAMES = ("cd", "pcd", "annealing", "autoencoder")
TITLES = {
    "cd": "CD-1, 784-500, an epoch", "pcd": "PCD-1, 784-500, an epoch",
    "annealing": "annealed importance sampling, 784-500, 100 chains", "autoencoder": "784-1000-500-250-30, an epoch",
}  # fmt: skip
SIZES, HIDDEN, BATCH, CHAINS = (784, 1000, 500, 250, 30), 500, 100, 100
TOLERANCE = 1e-4
SLOW_ROUNDS = 3
GEMM_SIZE = 1024


@dataclass(frozen=True)
class Options:
    """Time RBMs and an autoencoder against their peers.

    Attributes:
        works: some of cd, pcd, annealing, autoencoder.
        examples: examples in an epoch.
        temperatures: steps of annealing.
        rounds: samples of each contestant; scikit-learn runs in the first three only.
        out: folder for the results.
        quick: 1000 examples, 50 temperatures, one round.
    """

    works: tuple[str, ...] = NAMES
    examples: int = 60_000
    temperatures: int = 1000
    rounds: int = 5
    out: Path = Path("results/benchmarks")
    quick: bool = False


class Work(NamedTuple):
    """One row: who does it, by how much each differs from the first, and its FLOP."""

    contestants: list[Contestant]
    agreement: dict[str, float]
    flops: float


def rbm(options: Options, persistent: bool) -> Work:
    """An epoch of CD-1 or PCD-1."""
    cd, pcd = fn.boltzmann.contrastive_divergence, fn.boltzmann.persistent_contrastive_divergence
    net = fn.rbm(SIZES[0], HIDDEN, sampler=pcd(chains=BATCH) if persistent else cd())
    v = binary(options.examples)
    params = net.init(jax.random.key(0))
    optimizer = optax.sgd(loops.LEARNING_RATE)
    found = [_trained(name, net, optimizer, params, v) for name in (EXPLICIT, AUTOMATIC)]
    arrays = loops.Arrays(*(np.asarray(leaf) for leaf in params))
    batch, samples = v[:BATCH], v[BATCH : 2 * BATCH]
    explicit = functools.partial(jax.jit(net.gradient), params)
    automatic = jax.jit(jax.grad(net.cost))(params, _batch(batch, samples))
    agreement = {AUTOMATIC: _difference(automatic, explicit(_batch(batch, samples)))}
    if peers.has_torch():
        epoch = loops.torch_rbm(arrays, v, BATCH, persistent)
        found.append(Contestant(TORCH, _fastest(epoch)))
        theirs = loops.torch_gradient(arrays, batch, samples)
        agreement[TORCH] = _difference(theirs, explicit(_batch(batch, samples)))
    if persistent:
        found.append(Contestant(SCIKIT, loops.scikit_rbm(arrays, v, BATCH), SLOW_ROUNDS))
        theirs, drawn = loops.scikit_gradient(arrays, batch)
        agreement[SCIKIT] = _difference(theirs, explicit(_batch(batch, drawn)))
    return Work(found, agreement, 6 * 2.0 * options.examples * SIZES[0] * HIDDEN)


def annealing(options: Options) -> Work:
    """log Z by 100 chains; the estimates must agree within five standard errors."""
    net = fn.rbm(SIZES[0], HIDDEN, deviation=0.05)
    params = net.init(jax.random.key(0))
    run = functools.partial(
        fn.boltzmann.annealed_importance_sampling, net, params, key=jax.random.key(1),
        chains=CHAINS, temperatures=options.temperatures,
    )  # fmt: skip
    found, agreement = [Contestant(EXPLICIT, run)], {}
    if peers.has_torch():
        arrays = loops.Arrays(*(np.asarray(leaf) for leaf in params))
        theirs = loops.torch_annealing(arrays, CHAINS, options.temperatures)
        found.append(Contestant(TORCH, _fastest(theirs)))
        (log_z, error), ours = theirs(), run()
        deviation = abs(log_z - float(ours.log_partition)) / np.hypot(error, float(ours.standard_error))
        agreement[TORCH] = float(deviation) / 5 * TOLERANCE
    return Work(found, agreement, 2 * 2.0 * options.temperatures * CHAINS * SIZES[0] * HIDDEN)


def autoencoder(options: Options) -> Work:
    """An epoch of backpropagation with momentum through eight layers."""
    net = fn.autoencoder(SIZES)
    x, params = binary(options.examples), net.init(jax.random.key(0))
    optimizer = optax.sgd(loops.LEARNING_RATE, loops.MOMENTUM)
    found = [_trained(name, net, optimizer, params, x) for name in (EXPLICIT, AUTOMATIC)]
    explicit = jax.jit(net.gradient)(params, _batch(x[:BATCH]))
    agreement = {AUTOMATIC: _difference(jax.jit(jax.grad(net.cost))(params, _batch(x[:BATCH])), explicit)}
    if peers.has_torch():
        pairs = [(np.asarray(layer.weights), np.asarray(layer.biases)) for half in params for layer in half]
        epoch, gradient = loops.torch_autoencoder(pairs, x, BATCH)
        agreement[TORCH] = _difference(gradient(), jax.tree.leaves(explicit))
        found.append(Contestant(TORCH, _fastest(epoch)))
    products = sum(p * q for p, q in itertools.pairwise(SIZES))
    return Work(found, agreement, 2.0 * options.examples * (6 * products - SIZES[0] * SIZES[1]))


WORKS: dict[str, Callable[[Options], Work]] = {
    "cd": functools.partial(rbm, persistent=False),
    "pcd": functools.partial(rbm, persistent=True),
    "annealing": annealing,
    "autoencoder": autoencoder,
}


def binary(examples: int, features: int | None = None) -> np.ndarray:
    """(n, 784) float32, 30 % ones: the same everywhere."""
    shape = examples, features or SIZES[0]
    return (np.random.default_rng(0).random(shape, np.float32) < 0.3).astype(np.float32)


def measure(name: str, options: Options) -> dict[str, Any]:
    """Differences, and samples of every contestant and of a large matrix product."""
    work = WORKS[name](options)
    samples = interleave([*work.contestants, Contestant(GEMM, _gemm())], options.rounds)
    gemm = 2e-9 * GEMM_SIZE**3 / summary(samples[GEMM]).low
    return {"name": name, "flops": work.flops, "agreement": work.agreement, "samples": samples, "gemm": gemm}


def bars(row: Mapping[str, Any]) -> list[report.Bar]:
    """The project's bars, as far as the contestants ran."""
    wanted = {(SCIKIT, "pcd"): 3.0, (TORCH, "cd"): 1.0, (TORCH, "pcd"): 1.0, (AUTOMATIC, "autoencoder"): 1.0}
    return [
        report.Bar(f"{peer} / explicit", row["name"], ratio(row["samples"], peer, EXPLICIT), low)
        for (peer, name), low in wanted.items()
        if name == row["name"] and peer in row["samples"]
    ]


def rows(row: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One work's table as text, the header first."""
    table: list[tuple[str, ...]] = [("contestant", "median s", "min", "max", "ratio", "GFLOP/s", "of GEMM")]
    for name, seconds in row["samples"].items():
        if name != GEMM:
            median, low, high = summary(seconds)
            rate = 1e-9 * row["flops"] / median
            table.append((
                name, *(f"{each:.3f}" for each in (median, low, high)), f"{ratio(row['samples'], name, EXPLICIT):.2f}",
                f"{rate:.0f}", f"{100 * rate / row['gemm']:.0f} %",
            ))  # fmt: skip
    return table


def notes(row: Mapping[str, Any]) -> str:
    """Remarks on one work."""
    products = (
        f"{1e-9 * row['flops']:.0f} GFLOP; matrix product of {GEMM_SIZE} x {GEMM_SIZE}: {row['gemm']:.0f} GFLOP/s"
    )
    if not row["agreement"]:
        return f"{products}; compared with nothing"
    if row["name"] == "annealing":
        errors = 5 * max(row["agreement"].values()) / TOLERANCE
        return f"{products}; estimates of log Z differ by {errors:.1f} of their standard errors, expected at most 5"
    return f"{products}; largest relative difference of a gradient: {max(row['agreement'].values()):.1e}"


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table."""
    found = [bar for row in content["works"] for bar in bars(row)]
    lines = [(bar.name, bar.net, f"{bar.ratio:.2f}", f"{report.bound(bar)}: {bar.verdict}") for bar in found]
    parts = [report.table([("ratio of times", "work", "measured", "bar"), *lines])]
    parts += [f"### {TITLES[row['name']]}\n\n{report.table(rows(row))}{notes(row)}.\n\n" for row in content["works"]]
    return "".join(parts)


def run(options: Options) -> int:
    """Compare and time; 1 if a contestant computes something else."""
    if options.quick:
        options = replace(options, examples=1000, temperatures=50, rounds=1)
    for name in options.works:
        if name not in NAMES:
            raise ValueError(f"works name {name!r}, expected some of {', '.join(NAMES)}")
    validate.count(options.examples, "examples", "give at least two minibatches", least=2 * BATCH)
    validate.count(options.temperatures, "temperatures", "1000 is the default", least=2)
    validate.count(options.rounds, "rounds", "give the number of samples")
    if not peers.has_torch():
        print("PyTorch: skipped, torch is not installed; `make benchmark` installs it")
    found, wrong = [], []
    for name in options.works:
        row = measure(name, options)
        found.append(row)
        off = [peer for peer, value in row["agreement"].items() if not value <= TOLERANCE]
        wrong += [f"{name}: {peer} computes something else; its time is worthless" for peer in off]
        lines = [f"  {bar.name}: {bar.ratio:.2f}, bar {report.bound(bar)}: {bar.verdict}" for bar in bars(row)]
        print("\n".join([TITLES[name], report.aligned(rows(row)), f"  {notes(row)}", *lines, ""]), flush=True)
    settings = {name: getattr(options, name) for name in ("examples", "temperatures", "rounds")}
    versions = {"scikit-learn": metadata.version("scikit-learn"), **peers.versions()}
    return command.finish("rbm", options.out, {"settings": settings, "works": found}, wrong, versions)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "rbm", arguments)


def _trained(name, net, optimizer, params, x) -> Contestant:
    """`fit` for an epoch, by one kind of gradient."""
    train = fn.Batch(jnp.asarray(x))
    how = {"epochs": 1, "batch_size": BATCH, "evaluate_training": False, "progress": False, "gradient": name}

    def epoch():
        return fn.fit(net, optimizer, train, key=jax.random.key(2), params=params, **how).params

    return Contestant(name, epoch)


def _fastest(epoch: Callable[[], Any]) -> Callable[[], Any]:
    """`epoch` with one thread or with PyTorch's default number, whichever is faster."""
    import torch

    default, seconds = torch.get_num_threads(), {}
    for threads in sorted({1, default}):
        torch.set_num_threads(threads)
        epoch()
        begin = time.perf_counter()
        epoch()
        seconds[threads] = time.perf_counter() - begin
    torch.set_num_threads(default)
    chosen = min(seconds, key=lambda threads: seconds[threads])

    def run():
        torch.set_num_threads(chosen)
        answer = epoch()
        torch.set_num_threads(default)
        return answer

    return run


def _batch(inputs, targets=None) -> fn.Batch:
    return fn.Batch(jnp.asarray(inputs), None if targets is None else jnp.asarray(targets))


def _gemm():
    x = jnp.asarray(np.random.default_rng(0).random((GEMM_SIZE, GEMM_SIZE), np.float32))
    return functools.partial(jax.jit(jnp.matmul), x, x)


def _difference(found, reference) -> float:
    """The largest difference of a leaf, relative to its largest element; NaN is infinite."""
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(reference), strict=True))
    worst = [float(np.max(np.abs(np.asarray(a) - b)) / np.max(np.abs(b))) for a, b in pairs]
    return max(worst) if np.isfinite(worst).all() else np.inf
