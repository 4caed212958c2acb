"""Overfitting on 1000 images, and what helps: L2, dropout, more data by augmentation, early stopping.

    none             C = mean c                                   the network learns its images by heart
    L2               C + λ/2n Σ w²                                small weights
    dropout          hidden units forced to zero at random        in prediction their outgoing weights are scaled
    augmentation     each image and nine copies, moved, turned and scaled a little
    early stopping   the parameters with the best accuracy on validation images, which are not trained on

The first 1000 images of MNIST train, the first 1000 of its validation images choose, its 10 000 test images judge.
Without MNIST, digits: the first 400 train, the next 498 choose, the second half judges. Every remedy takes the same
number of steps; the seeds train side by side. Test curves are drawn to look at, nothing is chosen by them.
Source: [Rauber], section 4; [Nielsen2015], chapter 3.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results, training
from experiments.harness.options import Common, command, given, keys
from experiments.harness.results import Figure, Record
from fnnets import plots

REMEDIES = ("none", "L2", "dropout", "augmentation", "early stopping")
COPIES = 9
BATCH_SIZE = 10


@dataclass(frozen=True)
class Options(Common):
    """Train on few images without a remedy against overfitting and with four of them, and compare.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        images: MNIST, scikit-learn's digits, or MNIST where it is and digits elsewhere.
        seeds: one network for each seed and remedy, trained side by side.
        epochs: passes through the training images; augmentation takes as many steps, with more images.
        hidden: units of the hidden layer.
        initializer: how weights begin: large as in the book's early chapters, which overfits most, or default.
        learning_rate: step size eta of the descent.
        l2: weight penalty lambda of the remedy L2.
        dropout: share of the hidden units that the remedy dropout drops; 0 for none.
        data_dir: folder with MNIST's IDX files; the environment variable FNNETS_DATA if none is given.
    """

    images: training.Choice = "auto"
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 200
    hidden: int = 100
    initializer: Literal["large", "default"] = "large"
    learning_rate: float = 0.2
    l2: float = 1.0
    dropout: float = 0.5
    data_dir: Path | None = None


class Images(NamedTuple):
    """Few images to train with, some to choose by, many to judge by."""

    name: str
    train: fn.Batch
    validation: fn.Batch
    test: fn.Batch
    shape: tuple[int, int]


class Trained(NamedTuple):
    """One remedy: accuracies (K,) in per cent, the curve (epochs, K) that was monitored, and its steps."""

    training: np.ndarray
    test: np.ndarray
    curve: np.ndarray
    steps: np.ndarray


def run(options: Options) -> int:
    """Train with each remedy; 1 unless the network without one has the largest gap from training to test."""
    begin = time.perf_counter()
    images = load(options)
    trained = {}
    for remedy in REMEDIES:
        trained[remedy] = train(remedy, images, options)
        each = trained[remedy]
        print(f"{remedy:<15} training {each.training.mean():6.2f} %   test {each.test.mean():6.2f} %", flush=True)
    record = Record(
        "overfitting", f"{len(images.train.inputs)} images of {images.name}", command("overfitting", options),
        {**given(options), "images": images.name, "copies": COPIES, "batch_size": BATCH_SIZE},
        _figures(trained), options.seeds, time.perf_counter() - begin,
        {remedy: each._asdict() for remedy, each in trained.items()},
    )  # fmt: skip
    results.finish(record, options.out / "overfitting", {"overfitting": _picture(trained, record.title)})
    gaps = {remedy: (each.training - each.test).mean() for remedy, each in trained.items()}
    return 0 if gaps["none"] >= max(gaps.values()) - 0.5 else 1


def load(options: Options) -> Images:
    """The first images of MNIST, or of digits.

    >>> images = load(Options(images="digits"))
    >>> [len(part.inputs) for part in (images.train, images.validation, images.test)]
    [400, 498, 899]
    """
    found = training.mnist(options.images, options.data_dir, "overfitting")
    if found is not None:
        side = round(found.train.inputs.shape[1] ** 0.5)
        few, more = training.first(found.train, 1000), training.first(found.validation, 1000)
        return Images("MNIST", few, more, found.test, (side, side))
    few, more, test = fn.data.split(fn.data.digits(), (400, 498, 899), key=None)
    return Images("digits", few, more, test, (8, 8))


def network(remedy: str, images: Images, options: Options) -> fn.Network:
    """One hidden layer of sigmoid units, with the remedy that belongs to the network."""
    return fn.feedforward(
        [images.train.inputs.shape[1], options.hidden, 10],
        objective=fn.objectives.softmax_log_likelihood,
        l2=options.l2 if remedy == "L2" else 0.0,
        dropout=options.dropout if remedy == "dropout" else None,
        initializer={"large": fn.initializers.large, "default": fn.initializers.default}[options.initializer],
    )


def train(remedy: str, images: Images, options: Options) -> Trained:
    """Train a network for each seed with one remedy, and judge it."""
    net, epochs, examples = network(remedy, images, options), options.epochs, images.train
    if remedy == "augmentation":
        examples, epochs = augmented(images), max(1, options.epochs // (1 + COPIES))
    is_early = remedy == "early stopping"
    result = fn.training.fit_many(
        lambda: (net, optax.sgd(options.learning_rate)), examples, keys=keys(options.seeds), epochs=epochs,
        batch_size=BATCH_SIZE, validation=images.validation if is_early else images.test, monitor="accuracy",
        evaluate_training=False, progress=options.progress,
    )  # fmt: skip
    params = result.state.best.params if is_early else result.params
    epochs_taken = np.asarray(result.state.best.epoch) if is_early else np.arange(1, epochs + 1)
    return Trained(
        training.accuracies(net, params, images.train),
        training.accuracies(net, params, images.test),
        100 * result.history.validation_accuracy,
        epochs_taken * (len(examples.inputs) // BATCH_SIZE),
    )


def augmented(images: Images) -> fn.Batch:
    """The images and nine moved, turned and scaled copies of each."""
    amounts: dict[str, Any] = {"pixels": images.shape[0] / 14, "degrees": 10.0, "factors": (0.9, 1.1)}
    draws = jax.random.split(jax.random.key(0), COPIES)
    copies = [fn.data.augment(images.train.inputs, key=key, **amounts, image_shape=images.shape) for key in draws]
    return fn.Batch(jnp.concatenate([images.train.inputs, *copies]), jnp.tile(images.train.targets, 1 + COPIES))


def _figures(trained: dict[str, Trained]) -> tuple[Figure, ...]:
    figures = []
    for remedy, each in trained.items():
        figures.append(Figure(f"{remedy}: test accuracy", tuple(each.test.tolist()), "%"))
        figures.append(Figure(f"{remedy}: training accuracy", tuple(each.training.tolist()), "%"))
    return tuple(figures)


def _picture(trained: dict[str, Trained], title: str) -> Any:
    figure, [left, right] = plots.panels(2, height=4.8)
    curves = {remedy: each for remedy, each in trained.items() if remedy != "early stopping"}
    for number, (remedy, each) in enumerate(curves.items()):
        style = [{"color": plots.COLOURS[number], "linestyle": plots.DASHES[number]}]
        plots.draw(left, {remedy: each.curve}, x=each.steps / 1000, xlabel="", ylabel="", styles=style)
    early = trained["early stopping"]
    left.plot(early.steps / 1000, early.test, "*", color="black", markersize=9, label="early stopping, each seed")
    limits = {"ylim": _limits(trained), "ylabel": "test accuracy / %"}
    left.set(xlabel="thousand steps", title=f"{title}: mean and range of the seeds", **limits)
    plots.legend(left)
    for place, each in enumerate(trained.values()):
        right.plot([place] * len(each.test), each.test, "o", color=plots.COLOURS[0], alpha=0.6)
        right.plot([place - 0.25, place + 0.25], [each.test.mean()] * 2, color="black")
    right.set(title="at the end: each seed and the mean", **limits)
    right.set_xticks(range(len(trained)), [remedy.replace(" ", "\n") for remedy in trained])
    right.grid(alpha=0.3)
    return figure


def _limits(trained: dict[str, Trained]) -> tuple[float, float]:
    """Room for the differences, not for the first epochs."""
    low, high = min(each.test.min() for each in trained.values()), max(each.test.max() for each in trained.values())
    return low - 0.3 * (high - low) - 1, high + 0.1 * (high - low) + 0.5
