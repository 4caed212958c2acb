"""Log-likelihoods of test images under restricted Boltzmann machines: exact ones, and those by annealing.

    log-likelihood          −mean F(v) − log Z,    log Z by a sum over all 2^q hidden states
    annealing (AIS)         100 chains, 1000 equal steps of β, from units that are on as often as in the training data;
                            in reverse from 100 exact samples
    pseudo-log-likelihood   Σ_i log p(v_i | v without v_i), all i, mean over the first 2000 images
    free-energy gap         mean F(test) − mean F(as many training images)

Images are binary: 1 where a grey level is at least 0.5. RBMs of up to 25 hidden units are judged by the exact
log Z; where neither side can be enumerated, log Z is that of annealing. Every epoch has its own order of the images.
Without MNIST the rows run on binary 8 x 8 digits, with nothing to compare with.
Rows, settings and sources: `experiments/rbm/rbm_likelihood_rows.py`.

| symbol | name in code | shape |
|---|---|---|
| v | `data.train`, `data.test` | (N, p) |
| a figure, one a seed | `values[way][name]` | (K,) |
| a curve, a point every few epochs | `lines[label]` | (E, K) |
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command, find
from experiments.harness.results import Figure, Record
from experiments.harness.training import Choice
from experiments.rbm import rbm_likelihood_rows as rows
from experiments.rbm import training
from experiments.rbm.rbm_likelihood_rows import CENTRED, LIKELIHOOD, PSEUDO_TEST, PSEUDO_TRAIN, ROWS, Row
from experiments.rbm.training import Images
from fnnets import plots

CHAINS, TEMPERATURES, SUBSET, RATE, LIMIT = 100, 1000, 2000, 0.01, 25
SAMPLERS = {
    "CD-1": lambda chains: fn.boltzmann.contrastive_divergence(1),
    "PCD-1": lambda chains: fn.boltzmann.persistent_contrastive_divergence(1, chains=chains),
    "PCD-15": lambda chains: fn.boltzmann.persistent_contrastive_divergence(15, chains=chains),
    "parallel tempering": lambda chains: fn.boltzmann.parallel_tempering(1, chains=chains),
}


@dataclass(frozen=True)
class Options(Common):
    """Train RBMs and judge them by log-likelihoods, beside published ones where there is MNIST.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        rows: names of rows, such as pcd-1; all of them if none is given.
        images: MNIST, scikit-learn's digits, or MNIST where it is and digits elsewhere.
        seeds: one RBM for each seed, one after another.
        epochs: passes through the training images in place of the row's, to try things out.
        data_dir: folder with MNIST's IDX files; the environment variable FNNETS_DATA if none is given.
    """

    rows: tuple[str, ...] = ()
    images: Choice = "auto"
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int | None = None
    data_dir: Path | None = None

    def __post_init__(self):
        super().__post_init__()
        find(self.rows, ROWS)


class Data(NamedTuple):
    """Training inputs, binary states of training and test images, and the mean of the training states."""

    inputs: np.ndarray
    train: np.ndarray
    test: np.ndarray
    mean: Any


def run(options: Options) -> int:
    """Measure the rows one after another and write each as soon as it is done."""
    images = training.load(options.images, options.data_dir, "rbm_likelihood")
    for row in find(options.rows, ROWS):
        record, picture = measure(rows.adapted(row, images.name, options.epochs), images, options)
        results.finish(record, options.out / "rbm_likelihood", {record.name: picture})
    return 0


def measure(row: Row, images: Images, options: Options) -> tuple[Record, Any]:
    """One row: train its RBMs for each seed, judge them, and gather figures and curves."""
    begin = time.perf_counter()
    data = prepared(row, images)
    values: dict[str, Any] = {}
    lines: dict[str, Any] = {}
    epochs: list[int] = []
    for way in row.ways:
        net, optimizer = build(row, way, data)
        runs = [learn(row, way, net, optimizer, data, seed, options) for seed in options.seeds]
        values[way] = {name: tuple(found[name] for found, _ in runs) for name in runs[0][0]}
        epochs = list(runs[0][1])
        for name in runs[0][1][row.epochs]:
            label = way if name == LIKELIHOOD else name
            lines[label] = np.array([[points[epoch][name] for _, points in runs] for epoch in epochs])
    title = f"{row.name}: {images.name}, {len(data.mean)}-{row.hidden}, {row.sampler}"
    record = Record(
        f"rbm_likelihood-{row.name}", title,
        command("rbm_likelihood", training.repeated(options, images, rows=(row.name,))), settings(row, data),
        tuple(figures(row, values, images.name)), options.seeds, time.perf_counter() - begin,
        {"epochs": epochs, **lines},
    )  # fmt: skip
    return record, _picture(lines, epochs, title)


def prepared(row: Row, images: Images) -> Data:
    """The row's images.

    >>> data = prepared(ROWS[0], training.load("digits", None, "prepared"))
    >>> data.train.shape, sorted(set(data.test.ravel().tolist()))
    ((898, 64), [0.0, 1.0])
    """
    grey = images.train[: row.examples]
    train = training.binary(grey)
    return Data(grey if row.grey else train, train, training.binary(images.test), jnp.asarray(train.mean(axis=0)))


def build(row: Row, way: str, data: Data) -> tuple[fn.Network, Any]:
    """The RBM and its descent."""
    net = fn.rbm(
        len(data.mean), row.hidden, sampler=SAMPLERS[row.sampler](row.chains),
        mean=data.mean if row.log_odds else None, centred=RATE if way == CENTRED else None,
        deviation=0.0 if row.deviation is None else row.deviation,
    )  # fmt: skip
    return net, optax.sgd(row.learning_rate)


def begun(row: Row, way: str, net: fn.Network, data: Data, key: Any) -> Any:
    """The RBM's initial parameters."""
    params = net.init(key)
    if row.deviation is not None:
        return params
    q, p = params.weights.shape
    bound = 4 * (6 / (p + q)) ** 0.5
    weights = jax.random.uniform(key, (q, p), params.weights.dtype, -bound, bound)
    if way == rows.NORMAL:
        return params._replace(weights=weights)
    # b and 0 are meant as biases of the centred form, whose ω begins at 1/2
    b, c = params.visible_biases - 0.5 * weights.sum(axis=0), params.hidden_biases - weights @ data.mean
    return type(params)(weights, b, c)


def learn(row: Row, way: str, net: fn.Network, optimizer: Any, data: Data, seed: int, options: Options) -> Any:
    """The figures of one trained RBM, and those that are followed: epoch -> figures."""
    key = jax.random.key(seed)
    points: dict[int, dict[str, float]] = {}
    for epoch, params in training.train(
        net, optimizer, data.inputs, seed, epochs=row.epochs, every=row.every, params=begun(row, way, net, data, key),
        batch_size=row.batch_size, progress=options.progress,
    ):  # fmt: skip
        points[epoch] = watched(net, params, data)
        shown = ", ".join(f"{name} {value:.2f}" for name, value in points[epoch].items())
        print(f"{row.name}, {way}, seed {seed}, epoch {epoch}: {shown}", flush=True)
    found = judged(net, params, data, jax.random.fold_in(key, 1))
    return found if small(net) else {rows.FIRST: points[min(points)][PSEUDO_TRAIN], **found}, points


def small(net: fn.Network) -> bool:
    """Whether the hidden units can be enumerated."""
    return net.output_shape[0] <= LIMIT


def watched(net: fn.Network, params: Any, data: Data) -> dict[str, float]:
    """The figures along training, in nats: the log-likelihood, or the pseudo-log-likelihoods of large RBMs."""
    if small(net):
        return {LIKELIHOOD: _log_likelihood(net, params, data, fn.boltzmann.log_partition(net, params))}
    return _pseudo_log_likelihoods(net, params, data)


def judged(net: fn.Network, params: Any, data: Data, key: Any) -> dict[str, float]:
    """All figures of a trained RBM, in nats."""
    forward, reverse, samples = jax.random.split(key, 3)
    how: dict[str, Any] = {"temperatures": TEMPERATURES, "base": net.family.visible.bias(data.mean)}
    ais = fn.boltzmann.annealed_importance_sampling(net, params, key=forward, chains=CHAINS, **how)
    found: dict[str, float] = {}
    if small(net):
        log_z = fn.boltzmann.log_partition(net, params)
        how["reverse"] = fn.boltzmann.exact_samples(net, params, CHAINS, key=samples)
        backward = fn.boltzmann.annealed_importance_sampling(net, params, key=reverse, **how)
        found[LIKELIHOOD] = _log_likelihood(net, params, data, log_z)
        found[rows.LOG_PARTITION] = float(log_z)
        found[rows.AIS_DISTANCE] = abs(float(ais.log_partition - log_z))
        found["standard error of AIS"] = float(ais.standard_error)
        found[rows.REVERSE_DISTANCE] = abs(float(backward.log_partition - log_z))
    else:
        found[f"{LIKELIHOOD} by AIS"] = _log_likelihood(net, params, data, ais.log_partition)
        found["standard error of AIS"] = float(ais.standard_error)
    gap = fn.boltzmann.free_energy_gap(net, params, data.train[: len(data.test)], data.test)
    return {**found, **_pseudo_log_likelihoods(net, params, data), "free-energy gap": float(gap)}


def figures(row: Row, values: dict[str, dict[str, tuple[float, ...]]], images: str) -> list[Figure]:
    """The figures of each way of training, and by how much the centred RBMs are better.

    >>> values = {"normal": {"test log-likelihood": (-3.0,)}, "centred": {"test log-likelihood": (-2.0,)}}
    >>> [(each.name, each.mean) for each in figures(ROWS[0], values, "MNIST")][2]
    ('test log-likelihood, centred − normal', 1.0)
    """
    found = []
    for way, its in values.items():
        begin = f"{way}: " if len(values) > 1 else ""
        for name, each in its.items():
            found.append(Figure(begin + name, each, "nats", *rows.bar(row, way, name, images)))
    if len(values) > 1:
        pairs = zip(values[CENTRED][LIKELIHOOD], values[rows.NORMAL][LIKELIHOOD], strict=True)
        low = 0.0 if images == "MNIST" else None
        found.append(Figure(f"{LIKELIHOOD}, centred − normal", tuple(b - a for b, a in pairs), "nats", low=low))
    return found


def settings(row: Row, data: Data) -> dict[str, Any]:
    """The settings for the record."""
    names = ("hidden", "sampler", "learning_rate", "epochs", "batch_size")
    weights = "uniform within ±4 √(6/(p + q))" if row.deviation is None else f"N(0, {row.deviation:g}²)"
    return {
        **{name: getattr(row, name) for name in names},
        "chains": None if row.sampler.startswith("CD") else row.chains,
        "rate_of_offsets": RATE if CENTRED in row.ways else None,
        "initial_weights": weights, "visible_biases": "log-odds of the data" if row.log_odds else "0",
        "examples": len(data.train), "trained_with": "grey levels" if row.grey else "binary images",
        "AIS": f"{CHAINS} chains and {TEMPERATURES} temperatures",
    }  # fmt: skip


def _log_likelihood(net, params, data: Data, log_partition) -> float:
    return float(np.mean(fn.boltzmann.log_likelihood(net, params, data.test, log_partition)))


def _pseudo_log_likelihoods(net, params, data: Data) -> dict[str, float]:
    parts = ((PSEUDO_TRAIN, data.train), (PSEUDO_TEST, data.test))
    return {name: float(fn.boltzmann.pseudo_log_likelihood(net, params, v[:SUBSET])) for name, v in parts}


def _picture(lines, epochs, title: str) -> Any:
    what, shown = LIKELIHOOD, lines
    if PSEUDO_TEST in lines:
        what, shown = (
            "pseudo-log-likelihood",
            {"training images": lines[PSEUDO_TRAIN], "test images": lines[PSEUDO_TEST]},
        )
    title = f"{title}\nmean and range of the seeds"
    figure = plots.curves(shown, x=epochs, markers=True, xlabel="epoch", ylabel=f"{what} / nats", title=title)
    figure.axes[0].set_xticks(epochs)
    return figure
