"""Hidden units of an RBM of unlabelled digits as features for logistic regression: scikit-learn's example.

    features          E[h | v] = σ(W v + c) of an RBM with 100 hidden units
    RBM               persistent contrastive divergence, k = 1:  w ← w − η (⟨∂F/∂w⟩ of the data − of the chains)
    classifier        softmax of a linear map, min Σ c + 1/(2C) Σ w²:  C = 6000 on features, C = 100 on pixels

Digits and their copies moved up, left, right and down by one pixel, each pixel divided by its largest value; 80 % to
train and 20 % to test, in scikit-learn's split with its random state 0. The copies of a digit fall on both sides of the
split, so that accuracies are higher than on digits by other hands; all three classifiers have the same ones.
`BernoulliRBM` stands beside the RBM with the same settings: weights from N(0, 0.01²), biases 0, as many chains as
there are examples in a minibatch, steps of η times the mean over a minibatch. It keeps one order of the minibatches,
`fit` has a fresh one each epoch. Current versions of the example end their descent at once (tol = 1); here lbfgs
descends until the gradient is below 1e-4, scikit-learn's default.

| symbol | name in code | shape |
|---|---|---|
| v | `train.inputs`, `test.inputs` | (7188, 64), (1797, 64) |
| E[h given v] | `net.predict(params, v)` | (N, 100) |

Source: Y. Dauphin, V. Niculae, G. Synnaeve, "Restricted Boltzmann Machine features for digit classification", in
scikit-learn's examples.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command, given
from experiments.harness.results import Figure, Record
from experiments.rbm import training
from fnnets.storage import errors

ORDER = (0, 1, 3, 4, 2)  # the example's moves are none, up, left, right, down; `nudge` has none, up, down, left, right
PUBLISHED, MARGIN, RAW = 94.0, 1.5, 78.0
FEATURES_C, PIXELS_C = 6000.0, 100.0
OURS, THEIRS, PIXELS = "features of fnnets", "features of scikit-learn", "pixels"


@dataclass(frozen=True)
class Options(Common):
    """Classify digits by the features of an RBM, of scikit-learn's RBM, and by their pixels.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one RBM of each kind for each seed; the split stays as it is.
        hidden: hidden units, which are the features.
        epochs: passes through the training digits.
        learning_rate: step size eta.
        batch_size: digits in a minibatch, and chains.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    hidden: int = 100
    epochs: int = 20
    learning_rate: float = 0.06
    batch_size: int = 10


def run(options: Options) -> int:
    """Train, classify, write; 1 where the bar is missed."""
    begin = time.perf_counter()
    train, test = data()
    raw = accuracy(train.inputs, train.targets, test.inputs, test.targets, PIXELS_C)
    print(f"{PIXELS}: {raw:.2f} %", flush=True)
    accuracies, seconds = compare(train, test, options)
    figures = (
        Figure(f"test accuracy, {OURS}", accuracies[OURS], "%", PUBLISHED, PUBLISHED - MARGIN, PUBLISHED + MARGIN),
        Figure(f"test accuracy, {THEIRS}", accuracies[THEIRS], "%", PUBLISHED),
        Figure(f"test accuracy, {PIXELS}", (raw,), "%", RAW),
        Figure("training time, fnnets, compiled before", seconds[OURS], "s"),
        Figure("training time, scikit-learn", seconds[THEIRS], "s"),
    )
    record = Record(
        "rbm_features", "digits and their one-pixel moves: logistic regression on features of RBMs and on pixels",
        command("rbm_features", options), _settings(options), figures, options.seeds, time.perf_counter() - begin,
    )  # fmt: skip
    return results.finish(record, options.out / "rbm_features", {})


def data() -> tuple[fn.Batch, fn.Batch]:
    """The example's training and test digits, pixels in [0, 1].

    >>> train, test = data()
    >>> train.inputs.shape, test.inputs.shape, float(train.inputs.max())
    ((7188, 64), (1797, 64), 1.0)
    """
    nudged = fn.data.nudge(fn.data.digits(), (8, 8))
    labels = np.asarray(nudged.targets)
    inputs = np.asarray(nudged.inputs).reshape(5, -1, 64)[list(ORDER)].reshape(-1, 64)
    inputs = inputs / inputs.max(axis=0)
    split = errors.scikit_learn("model_selection", "rbm_features").train_test_split
    x, x_test, y, y_test = split(inputs, labels, test_size=0.2, random_state=0)
    return fn.Batch(x, y), fn.Batch(x_test, y_test)


def compare(train: fn.Batch, test: fn.Batch, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """Test accuracies in per cent and training times in seconds, one a seed, of both RBMs."""
    accuracies: dict[str, Any] = {OURS: (), THEIRS: ()}
    seconds: dict[str, Any] = {OURS: (), THEIRS: ()}
    ours = learner(train.inputs, options)
    for seed in options.seeds:
        for name, learn in ((OURS, ours), (THEIRS, lambda seed: scikit_learn(train.inputs, seed, options))):
            begin = time.perf_counter()
            features = learn(seed)
            seconds[name] += (time.perf_counter() - begin,)
            x, x_test = features(train.inputs), features(test.inputs)
            accuracies[name] += (accuracy(x, train.targets, x_test, test.targets, FEATURES_C),)
        done = ", ".join(f"{name} {accuracies[name][-1]:.2f} % ({seconds[name][-1]:.1f} s)" for name in accuracies)
        print(f"seed {seed}: {done}", flush=True)
    return accuracies, seconds


def learner(v: Any, options: Options):
    """`seed -> (v -> features)`: trains the RBM, whose epoch is compiled before."""
    chains = fn.boltzmann.persistent_contrastive_divergence(1, chains=options.batch_size)
    net = fn.rbm(v.shape[1], options.hidden, sampler=chains)
    optimizer = optax.sgd(options.learning_rate)
    how: dict[str, Any] = {"batch_size": options.batch_size}
    training.last(training.train(net, optimizer, v, 0, epochs=1, progress=False, **how))

    def learn(seed: int):
        parts = training.train(net, optimizer, v, seed, epochs=options.epochs, progress=options.progress, **how)
        params = jax.block_until_ready(training.last(parts))
        return lambda v: np.asarray(net.predict(params, v))

    return learn


def scikit_learn(v: Any, seed: int, options: Options):
    """`v -> features` of scikit-learn's RBM."""
    rbm = errors.scikit_learn("neural_network", "rbm_features").BernoulliRBM(
        options.hidden, learning_rate=options.learning_rate, batch_size=options.batch_size, n_iter=options.epochs,
        random_state=seed,
    )  # fmt: skip
    return rbm.fit(v).transform


def accuracy(x: Any, labels: Any, x_test: Any, test_labels: Any, c: float) -> float:
    """Per cent of the test examples that logistic regression, fitted to the others, gets right.

    >>> x, labels = np.array([[0.0], [0.1], [0.9], [1.0]]), np.array([0, 0, 1, 1])
    >>> accuracy(x, labels, x, 1 - labels, 100.0)
    0.0
    """
    regression = errors.scikit_learn("linear_model", "rbm_features").LogisticRegression(C=c, max_iter=20_000)
    # products as small as these are slower on several threads, and much slower where others use the cores
    with importlib.import_module("threadpoolctl").threadpool_limits(1):
        fitted = regression.fit(np.asarray(x, np.float64), labels)
        return 100 * float(fitted.score(np.asarray(x_test, np.float64), test_labels))


def _settings(options: Options) -> dict[str, Any]:
    return {
        **given(options), "sampler": "persistent, k = 1", "C_of_features": FEATURES_C, "C_of_pixels": PIXELS_C,
        "split": "train_test_split(test_size=0.2, random_state=0) of the nudged digits",
    }  # fmt: skip
