"""Deep sigmoid autoencoders: with and without pretraining, and three kinds of descent from sparse weights.

    pretrained    first parameters from RBMs;  without: Glorot's, biases 0.     The same fine-tuning for both:
    momentum      v ← 0.9 v − η ∂C,  w ← w + v          and Adam with η_t = ½ η (1 + cos(π t / T))
    sparse        15 incoming weights of each unit from N(0, 1), the others 0, biases 0; then, minibatch by minibatch,
    SGD           w ← w − η ∂C
    momentum      v ← μ_t v − η ∂C,  w ← w + v          μ_t = min(1 − 2^(−1 − log2(⌊t/250⌋ + 1)), 0.99)
    Nesterov      v as before,       w ← w + μ_t v − η ∂C

C is the cross-entropy between x and x̂; its least value, where x̂ = x, is the pixels' own entropy. Figures are squared
errors of training images, summed over pixels, after the last epoch. The kinds of descent make equally many updates,
each with the rate η, of a few, at which the mean of its training errors over the seeds is least.

| symbol | name in code | shape |
|---|---|---|
| squared errors of training images | `tuned[optimiser, start].errors`, `descents[method].errors` | (K,), one a seed |
| the same at every rate | `descents[method].sweep` | (rates, K) |
| C − its least value, epoch by epoch | `….curves` | (E, K) |

Source: [Hinton2006b]: without pretraining a deep autoencoder reconstructs the average image. [Sutskever2013], table 1:
2.1, 0.77 and 0.73 on MNIST after 750 000 updates.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.autoencoders import autoencoders
from experiments.autoencoders.autoencoders import Images
from experiments.harness import results, training
from experiments.harness.options import OptionError, Progress, command, keys
from experiments.harness.results import Figure, Record
from fnnets import plots
from fnnets.core import validate


class Schedule(NamedTuple):
    """As for other autoencoders, and: the rate of descent in fine-tuning; the updates of each descent, its rates."""

    sizes: tuple[int, ...]
    pretraining_epochs: int
    epochs: int
    learning_rate: float
    descent_rate: float
    updates: int
    rates: tuple[float, ...]
    batch_size: int


SCHEDULES = {
    "digits": Schedule((100, 50, 25, 10), 30, 40, 2e-3, 0.03, 2000, (0.01, 0.03, 0.1, 0.3), 20),
    "MNIST": Schedule((1000, 500, 250, 30), 3, 5, 2e-3, 0.01, 1500, (0.003, 0.01, 0.03), 200),
}
METHODS = {"SGD": 2.1, "momentum": 0.77, "Nesterov": 0.73}
STARTS, OPTIMIZERS = ("pretrained", "not pretrained"), ("momentum 0.9", "Adam")
CONNECTIONS, MOST, EVERY, SLACK = 15, 0.99, 250, 1.05


@dataclass(frozen=True)
class Options(autoencoders.Options):
    """Train a deep autoencoder with and without pretraining, and by plain descent, momentum and Nesterov's momentum.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one of each autoencoder for each seed; 0 1 2 for digits and 0 for MNIST if none is given.
        sizes: units of the encoder's layers, the code last; 100 50 25 10 for digits, 1000 500 250 30 for MNIST.
        pretraining_epochs: passes through the images for each RBM; 30 for digits, 3 for MNIST.
        epochs: passes of fine-tuning with and without pretraining; 40 for digits, 5 for MNIST.
        learning_rate: Adam's first step size in fine-tuning.
        batch_size: images in a minibatch; 20 for digits, 200 for MNIST.
        data_dir: folder with MNIST's IDX files, or the environment variable FNNETS_DATA; digits if none is given.
        descent_rate: step size of descent with momentum in fine-tuning; 0.03 for digits, 0.01 for MNIST.
        updates: how many each kind of descent makes, in whole epochs; 2000 for digits, 1500 for MNIST.
        rates: step sizes of which each kind of descent has its best one.
    """

    progress: Progress = False
    descent_rate: float | None = None
    updates: int | None = None
    rates: tuple[float, ...] | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.rates is not None and not self.rates:
            raise ValueError("rates are (), expected at least one; write --rates 0.01 0.03")
        for rate in self.rates or ():
            validate.above(rate, 0.0, "rates: one", "0.01 is common")


class Tuned(NamedTuple):
    """Squared errors of training and of test images (K,), and C less its least value after each epoch (E, K)."""

    errors: np.ndarray
    test: np.ndarray
    curves: np.ndarray


class Descent(NamedTuple):
    """The best rate, its squared errors of training images (K,), its curves (E, K), and errors by rate (rates, K)."""

    rate: float
    errors: np.ndarray
    curves: np.ndarray
    sweep: np.ndarray


def run(options: Options) -> int:
    """Train, compare, write; 1 where a bar is missed."""
    begin = time.perf_counter()
    images = autoencoders.load(options.data_dir)
    schedule = autoencoders.chosen(options, SCHEDULES[images.name], images)
    seeds = options.seeds or autoencoders.SEEDS[images.name]
    tuned = with_and_without(images, schedule, seeds, options.progress)
    descents = {}
    for method in METHODS:
        descents[method] = descent(method, images, schedule, seeds, options.progress)
        means = dict(zip(schedule.rates, descents[method].sweep.mean(axis=1).round(2).tolist(), strict=True))
        print(f"{method}: squared errors by rate {means}", flush=True)
    record = Record(
        f"pretraining-{images.name}",
        f"{images.name}: autoencoder {autoencoders.label(images, schedule.sizes)}, beginnings and kinds of descent",
        command("pretraining", replace(options, seeds=seeds)), settings(images, schedule, descents),
        figures(images, schedule, tuned, descents), seeds, time.perf_counter() - begin,
        {"rates": schedule.rates, "errors": {method: each.sweep for method, each in descents.items()}},
    )  # fmt: skip
    drawn = picture(tuned, descents, updates(images, schedule))
    return results.finish(record, options.out / "pretraining", {record.name: drawn})


def sparse(connections: int) -> fn.initializers.Initializer:
    """So many incoming weights of each unit from N(0, 1), the others and the biases 0 [Martens2010].

    >>> weights = sparse(2).weights(1, 0)(jax.random.key(0), (4, 9))
    >>> (weights != 0).sum(axis=1).tolist()
    [2, 2, 2, 2]
    """

    def weights(in_axis, out_axis):
        def draw(key, shape, dtype=float):
            order_key, value_key = jax.random.split(key)
            rank = jnp.argsort(jnp.argsort(jax.random.uniform(order_key, shape), in_axis), in_axis)
            return jnp.where(rank < connections, jax.random.normal(value_key, shape, dtype), 0)

        return draw

    return fn.initializers.Initializer(weights, jax.nn.initializers.zeros)


def rising(most: float) -> Any:
    """The schedule μ_t = min(1 − 2^(−1 − log2(⌊t/250⌋ + 1)), most).

    >>> [round(float(rising(0.99)(t)), 4) for t in (0, 249, 250, 500, 100_000)]
    [0.5, 0.5, 0.75, 0.8333, 0.99]
    """
    return lambda t: jnp.minimum(1 - 0.5 / (jnp.asarray(t) // EVERY + 1).astype(float), most)


def entropy(x: Any) -> float:
    """The least cross-entropy that a reconstruction can have in nats an image: Σ −x log x − (1 − x) log(1 − x).

    >>> round(entropy(np.array([[0.5, 0.5, 1.0]])), 6)                                   # 2 log 2
    1.386294
    """
    p = np.stack([np.asarray(x, np.float64), 1 - np.asarray(x, np.float64)])
    return float(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=(0, 2)).mean())


def with_and_without(images: Images, schedule: Schedule, seeds: tuple[int, ...], progress: Any) -> dict[Any, Tuned]:
    """Fine-tuning by momentum and by Adam, from pretrained parameters and from Glorot's.

    Raises:
        KeyboardInterrupt: training was interrupted.
        OptionError: it diverged.
    """
    net = autoencoders.network(images, schedule.sizes)
    steps = training.steps(len(images.train), schedule.epochs, schedule.batch_size)
    rules = optax.sgd(schedule.descent_rate, 0.9), training.adam(schedule.learning_rate, steps)
    optimizers, least = dict(zip(OPTIMIZERS, rules, strict=True)), entropy(images.judged)
    found: dict[Any, list[Any]] = {}
    for seed in seeds:
        params = autoencoders.pretrained(net, images.train, jax.random.key(seed), schedule, progress)
        begun = dict(zip(STARTS, (params, None), strict=True))
        for name, start in itertools.product(optimizers, begun):
            result = training.train(
                net, optimizers[name], fn.Batch(images.train), seed, params=begun[start], epochs=schedule.epochs,
                batch_size=schedule.batch_size, validation=fn.Batch(images.judged), progress=progress,
            )  # fmt: skip
            if not result.stopped.startswith("finished"):
                raise OptionError(f"{name}, {start}: {result.stopped}")
            errors = [autoencoders.judge(net, result.params, x) for x in (images.judged, images.test)]
            found.setdefault((name, start), []).append((*errors, result.history.validation_cost - least))
            print(f"seed {seed}, {name}, {start}: squared error {errors[0]:.2f} training", flush=True)
    columns = {key: [np.array(each) for each in zip(*values, strict=True)] for key, values in found.items()}
    return {key: Tuned(errors, test, curves.T) for key, (errors, test, curves) in columns.items()}


def descent(method: str, images: Images, schedule: Schedule, seeds: tuple[int, ...], progress: Any) -> Descent:
    """One kind of descent at all rates and seeds, side by side, from sparse weights; inf is the error of divergence.

    Raises:
        KeyboardInterrupt: training was interrupted.
    """
    net = autoencoders.network(images, schedule.sizes, sparse(CONNECTIONS))
    members, (_, epochs) = (len(schedule.rates), len(seeds)), updates(images, schedule)
    result = fn.training.fit_many(
        lambda rate: (net, optimizer(method, rate)), fn.Batch(images.train), keys=keys(seeds * members[0]),
        hyperparameters={"rate": np.repeat(schedule.rates, members[1])}, epochs=epochs,
        batch_size=schedule.batch_size, validation=fn.Batch(images.judged), evaluate_training=False, progress=progress,
    )  # fmt: skip
    costs = np.asarray(result.history.validation_cost)
    if len(costs) < epochs:
        raise KeyboardInterrupt
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], result.params) for i in range(len(result.diverged))]
    errors = np.array([autoencoders.judge(net, params, images.judged) for params in each])
    sweep = np.where(result.diverged, np.inf, errors).reshape(members)
    best = int(sweep.mean(axis=1).argmin())
    curves = costs.reshape(epochs, *members)[:, best] - entropy(images.judged)
    return Descent(schedule.rates[best], sweep[best], curves, sweep)


def optimizer(method: str, rate: Any) -> Any:
    """Plain descent, or momentum whose decay rises, in its classical form or in Nesterov's.

    >>> len(optimizer("SGD", 0.1).init(jnp.ones(2)))                                     # nothing to remember
    0
    """
    decay = 0.0 if method == "SGD" else rising(MOST)
    return fn.training.momentum(rate, decay, nesterov=method == "Nesterov")


def updates(images: Images, schedule: Schedule) -> tuple[int, int]:
    """The updates of each descent, in whole epochs, and those epochs.

    >>> updates(Images("", np.ones((90, 4)), *[None] * 3), SCHEDULES["digits"]._replace(updates=12))     # 5 an epoch
    (15, 3)
    """
    steps = training.steps(len(images.train), 1, schedule.batch_size)
    epochs = -(-schedule.updates // steps)
    return epochs * steps, epochs


def settings(images: Images, schedule: Schedule, descents: dict[str, Descent]) -> dict[str, Any]:
    """The settings for the record, with the rate of each kind of descent."""
    return {
        **autoencoders.settings(images, schedule), "optimizer": f"{' and '.join(OPTIMIZERS)}, cosine",
        "updates": updates(images, schedule)[0], "incoming_weights": CONNECTIONS,
        "best_rates": ", ".join(f"{method} {each.rate:g}" for method, each in descents.items()),
    }  # fmt: skip


def figures(
    images: Images, schedule: Schedule, tuned: dict[Any, Tuned], descents: dict[str, Descent]
) -> tuple[Figure, ...]:
    """Errors with and without pretraining, and of the kinds of descent with the published ones, far later."""
    average = autoencoders.error(images.judged, np.asarray(images.train).mean(axis=0)[None])
    made = [_figure("training error of the average image", np.array([average]))]
    for (name, start), each in tuned.items():
        made.append(_figure(f"training error, {name}, {start}", each.errors))
        made.append(_figure(f"test error, {name}, {start}", each.test))
    for name in OPTIMIZERS:
        with_it, without = (tuned[name, start].errors for start in STARTS)
        made.append(_figure(f"training error, {name}: with pretraining minus without", with_it - without, high=0))
    known = images.name == "MNIST" and schedule.sizes == SCHEDULES["MNIST"].sizes
    for method, published in METHODS.items():
        name = f"training error after {updates(images, schedule)[0]} updates, {method}"
        made.append(_figure(name, descents[method].errors, published=published if known else None))
    plain, classical, ahead = (descents[method].errors for method in METHODS)
    made.append(_figure("training errors, momentum / SGD", classical / plain, high=1))
    made.append(_figure("training errors, Nesterov / momentum", ahead / classical, high=SLACK))
    return tuple(made)


def picture(tuned: dict[Any, Tuned], descents: dict[str, Descent], count: tuple[int, int]) -> Any:
    """Learning curves: fine-tuning on the left, on the right descent from sparse weights with `updates` and epochs."""
    figure, [left, right] = plots.panels(2, width=6.0, height=5.2)
    ylabel = "training cost above its least value / nats"
    lines = {f"{name}, {start}": each.curves for (name, start), each in tuned.items()}
    plots.draw(left, lines, xlabel="epoch", ylabel=ylabel, log="y", title="with and without pretraining")
    lines = {f"{method}, rate {each.rate:g}": each.curves for method, each in descents.items()}
    x = np.linspace(0, count[0], count[1] + 1)[1:]
    plots.draw(right, lines, x=x, xlabel="update", ylabel=ylabel, log="y", title="descent from sparse weights")
    return figure


def _figure(name: str, values: np.ndarray, **more: Any) -> Figure:
    return Figure(name, tuple(values.tolist()), **more)
