"""Codes of two numbers: images scattered in the plane by a deep autoencoder, beside the first two components of PCA.

    h = encoder(x)                          (N, 2), a linear code; the RBMs below it give the first parameters
    accuracy of k nearest neighbours        a test image is given the class of most of the k training images whose codes
                                            are nearest to its own: how far a plane without labels keeps classes apart

| symbol | name in code | shape |
|---|---|---|
| h | `fn.autoencoders.encode(net, params, x)`, `pca.transform(x)` | (N, 2) |
| squared error | summed over pixels, mean over test images | () |

Labels take no part in training; figures are those after the last epoch. Neighbours: scikit-learn's.
Source: [Hinton2006b], figure 3: 784-1000-500-250-2 on MNIST.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

import fnnets as fn
from experiments.autoencoders import autoencoders
from experiments.autoencoders.autoencoders import Images, Schedule
from experiments.harness import results, training
from experiments.harness.options import OptionError, Progress, command
from experiments.harness.results import Figure, Record
from fnnets import plots
from fnnets.storage.errors import scikit_learn

SCHEDULES = {
    "digits": Schedule((200, 100, 50, 2), 30, 100, 2e-3, 20),
    "MNIST": Schedule((1000, 500, 250, 2), 5, 15, 2e-3, 100),
}
COLOURS = (*plots.COLOURS, "#8C510A", "#7F7F7F", "#5E3C99")
SHOWN = 1500


@dataclass(frozen=True)
class Options(autoencoders.Options):
    """Scatter images in the plane by an autoencoder's codes and by PCA, and compare both.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one autoencoder for each seed, one after another; 0 1 2 for digits and 0 for MNIST if none is given.
        sizes: units of the encoder's layers, the last one 2; 200 100 50 2 for digits, 1000 500 250 2 for MNIST.
        pretraining_epochs: passes through the images for each RBM; 30 for digits, 5 for MNIST.
        epochs: passes of fine-tuning; 100 for digits, 15 for MNIST.
        learning_rate: Adam's first step size in fine-tuning.
        batch_size: images in a minibatch; 20 for digits, 100 for MNIST.
        data_dir: folder with MNIST's IDX files, or the environment variable FNNETS_DATA; digits if none is given.
        neighbours: how many training images give a test image its class.
    """

    progress: Progress = False
    neighbours: int = 15

    def __post_init__(self):
        super().__post_init__()
        if self.sizes is not None and self.sizes[-1] != 2:
            raise ValueError(f"sizes end with {self.sizes[-1]}, expected 2: codes are drawn in a plane")


class Plane(NamedTuple):
    """Places of the test images (N, 2), the squared error of their reconstructions, per cent right by neighbours."""

    places: np.ndarray
    error: float
    accuracy: float


def run(options: Options) -> int:
    """Train, place, compare, write; 1 where a bar is missed."""
    begin = time.perf_counter()
    images = autoencoders.load(options.data_dir)
    schedule = autoencoders.chosen(options, SCHEDULES[images.name], images)
    if options.neighbours > len(images.train):
        raise OptionError(
            f"neighbours is {options.neighbours}, expected at most the {len(images.train)} training images"
        )
    seeds = options.seeds or autoencoders.SEEDS[images.name]
    pca = by_pca(images, options.neighbours)
    print(f"PCA: squared error {pca.error:.2f}, {pca.accuracy:.1f} % right", flush=True)
    planes = []
    for seed in seeds:
        planes.append(by_autoencoder(images, schedule, seed, options))
        print(f"seed {seed}: squared error {planes[-1].error:.2f}, {planes[-1].accuracy:.1f} % right", flush=True)
    record = Record(
        f"codes-{images.name}", f"{images.name}: codes of {autoencoders.label(images, schedule.sizes)} and of PCA",
        command("codes", replace(options, seeds=seeds)),
        {**autoencoders.settings(images, schedule), "neighbours": options.neighbours},
        figures(planes, pca, options.neighbours), seeds, time.perf_counter() - begin,
    )  # fmt: skip
    drawn = picture(images, {"autoencoder": planes[0], "PCA": pca})
    return results.finish(record, options.out / "codes", {record.name: drawn})


def by_autoencoder(images: Images, schedule: Schedule, seed: int, options: Options) -> Plane:
    """Pretrain and fine-tune with one seed, and encode.

    Raises:
        KeyboardInterrupt: training was interrupted.
        OptionError: it diverged.
    """
    net = autoencoders.network(images, schedule.sizes)
    params = autoencoders.pretrained(net, images.train, jax.random.key(seed), schedule, options.progress)
    steps = training.steps(len(images.train), schedule.epochs, schedule.batch_size)
    result = training.train(
        net, training.adam(schedule.learning_rate, steps), fn.Batch(images.train), seed, params=params,
        epochs=schedule.epochs, batch_size=schedule.batch_size, progress=options.progress,
    )  # fmt: skip
    if not result.stopped.startswith("finished"):
        raise OptionError(f"seed {seed}: {result.stopped}")
    encoder, params = functools.partial(fn.autoencoders.encode, net), result.params
    known, places = (autoencoders.by_chunks(encoder, params, x) for x in (images.train, images.test))
    error = autoencoders.judge(net, params, images.test)
    return Plane(places, error, accuracy(known, images.labels, places, images.test_labels, options.neighbours))


def by_pca(images: Images, neighbours: int) -> Plane:
    """The first two components."""
    pca = autoencoders.pca(images.train, 2)
    known, places = (pca.transform(np.asarray(x)) for x in (images.train, images.test))
    error = autoencoders.error(images.test, pca.inverse_transform(places))
    return Plane(places, error, accuracy(known, images.labels, places, images.test_labels, neighbours))


def accuracy(known: Any, labels: Any, places: Any, true: Any, neighbours: int) -> float:
    """Per cent of `places` whose class is that of most of their nearest ones among `known`, which have `labels`.

    >>> accuracy(np.array([[0.0], [0.1], [5.0]]), [3, 3, 7], np.array([[0.2], [4.0], [1.0], [9.0]]), [3, 7, 7, 7], 1)
    75.0
    """
    made = scikit_learn("neighbors", "codes").KNeighborsClassifier(neighbours).fit(known, np.asarray(labels))
    return 100 * float(np.mean(made.predict(places) == np.asarray(true)))


def figures(planes: list[Plane], pca: Plane, neighbours: int) -> tuple[Figure, ...]:
    """Errors and accuracies of both planes, and how far they are apart."""
    errors = tuple(plane.error for plane in planes)
    right = tuple(plane.accuracy for plane in planes)
    name = f"test accuracy of {neighbours} nearest neighbours"
    return (
        Figure("squared error of a test image, autoencoder", errors),
        Figure("squared error of a test image, PCA", (pca.error,)),
        Figure("the autoencoder's minus PCA's", tuple(each - pca.error for each in errors), high=0.0),
        Figure(f"{name}, autoencoder", right, "%", form=".1f"),
        Figure(f"{name}, PCA", (pca.accuracy,), "%", form=".1f"),
        Figure("the autoencoder's minus PCA's, accuracy", tuple(each - pca.accuracy for each in right), "%", low=0.0,
               form=".1f"),
    )  # fmt: skip


def picture(images: Images, planes: dict[str, Plane]) -> Any:
    """The first test images, each drawn as its digit in the colour of its class."""
    figure, axes = plots.panels(len(planes), width=6.0, height=6.2)
    labels = np.asarray(images.test_labels)[:SHOWN]
    for panel, (name, plane) in zip(axes, planes.items(), strict=True):
        places = plane.places[:SHOWN]
        for label, colour in enumerate(COLOURS):
            panel.scatter(*places[labels == label].T, marker=f"${label}$", s=28, color=colour, linewidths=0.3)
        title = f"{name}: squared error {plane.error:.2f}, {plane.accuracy:.1f} % right by neighbours"
        panel.set(xlabel="first number of the code", ylabel="second number", title=title)
        panel.grid(alpha=0.3)
    return figure
