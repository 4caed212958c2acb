"""A deep autoencoder, pretrained layer by layer and fine-tuned, beside PCA with codes of the same size.

    h = W(4) σ(W(3) σ(W(2) σ(W(1) x + c(1)) + c(2)) + c(3)) + c(4)        and the mirror image of that from h to x̂
    E = 1/N Σ_n Σ_i (x_ni − x̂_ni)²                                        squared error of an image, pixels in [0, 1]

Machines give the first parameters; all of them are then trained by the cross-entropy between x and x̂, with Adam, whose
steps fall to zero along a cosine. The figure is E of the test images after the last epoch; no epoch is selected by
them. `--full` takes the long schedule and goes on where it was interrupted: after every few
epochs the state of training is written to a file in the results folder, and the same command goes on from there, bit
for bit as if it had not been interrupted. The file is left when training is done; remove it to begin afresh.

| symbol | name in code | shape |
|---|---|---|
| x | `images.train`, `images.test` | (N, p) |
| E | `run.errors`, after each measured epoch: of training and of test images | (S, 2) |

Source: Hinton & Salakhutdinov 2006, *Reducing the dimensionality of data with neural networks*: 3.00 for the
autoencoder 784-1000-500-250-30 on MNIST, 13.87 for PCA.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

import fnnets as fn
from experiments import autoencoders, convolutional, results
from experiments.autoencoders import Images, Schedule
from experiments.options import OptionError, Progress
from experiments.results import Figure, Record
from fnnets import plots

SCHEDULES = {
    "digits": Schedule((100, 50, 10), 30, 100, 2e-3, 20),
    "MNIST": Schedule((1000, 500, 250, 30), 10, 40, 2e-3, 100),
}
FULL = {
    "digits": SCHEDULES["digits"]._replace(pretraining_epochs=50, epochs=500),
    "MNIST": SCHEDULES["MNIST"]._replace(pretraining_epochs=50, epochs=200),
}
PUBLISHED, PUBLISHED_PCA, PARAMETERS = 3.00, 13.87, 2_837_314
BAR, BAR_PCA = 5.0, (13.865, 13.875)


@dataclass(frozen=True)
class Options(autoencoders.Options):
    """Train a deep autoencoder and set the squared error of its reconstructions beside PCA's.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: progress of training on standard error: a bar, plain lines, or nothing.
        seeds: one autoencoder for each seed, one after another; 0 1 2 for digits and 0 for MNIST if none is given.
        sizes: units of the encoder's layers, the code last; 100 50 10 for digits, 1000 500 250 30 for MNIST.
        pretraining_epochs: passes through the images for each machine; 30 for digits, 10 for MNIST, 50 with --full.
        epochs: passes of fine-tuning; 100 for digits, 40 for MNIST, 500 and 200 with --full.
        learning_rate: Adam's first step size in fine-tuning.
        batch_size: images in a minibatch; 20 for digits, 100 for MNIST.
        data_dir: folder with MNIST's IDX files, or the environment variable FNNETS_DATA; digits if none is given.
        full: whether to take the long schedule, which goes on where it was interrupted.
        every: epochs from one measurement, and with --full one written state, to the next.
    """

    progress: Progress = "silent"
    full: bool = False
    every: int = 5


class Run(NamedTuple):
    """The state of training, the epochs that were measured, their errors on training and test images, the seconds."""

    state: fn.training.TrainingState
    epochs: list[int]
    errors: list[list[float]]
    seconds: float


def run(options: Options) -> int:
    """Pretrain, fine-tune, compare, write; 1 where a bar is missed."""
    begin = time.perf_counter()
    images = autoencoders.load(options.data_dir)
    schedule = autoencoders.chosen(options, (FULL if options.full else SCHEDULES)[images.name], images)
    seeds = options.seeds or autoencoders.SEEDS[images.name]
    net, components = autoencoders.network(images, schedule.sizes), schedule.sizes[-1]
    pca = autoencoders.pca(images.train, components)
    projected = pca.inverse_transform(pca.transform(np.asarray(images.test)))
    pca_error = autoencoders.error(images.test, projected)
    print(f"PCA, {components} components: squared error of a test image {pca_error:.2f}")
    print(f"autoencoder, {autoencoders.label(images, schedule.sizes)}: {autoencoders.size(net)} parameters", flush=True)
    seconds = time.perf_counter() - begin
    runs = [train(net, images, schedule, seed, options) for seed in seeds]
    record = Record(
        f"autoencoder-{images.name}" + "-full" * options.full,
        f"{images.name}: autoencoder {autoencoders.label(images, schedule.sizes)}, {schedule.epochs} epochs",
        autoencoders.command("autoencoder", options, seeds), autoencoders.settings(images, schedule),
        figures(net, images, schedule, runs, pca_error), seeds, seconds + sum(each.seconds for each in runs),
        {"epochs": runs[0].epochs, "errors": [each.errors for each in runs]},
    )  # fmt: skip
    folder = options.out / "autoencoder"
    results.save(record, folder)
    plots.save(_learning(runs, pca_error, record.title), folder / f"{record.name}-learning.png")
    rows = _reconstructions(images, autoencoders.reconstructed(net, runs[0].state.params, images.test), projected)
    plots.save(rows, folder / f"{record.name}-reconstructions.png")
    print(results.show(record))
    print(f"Results and pictures: {folder} ({record.seconds:.0f} s in all)")
    return autoencoders.status(record)


def train(net: fn.Network, images: Images, schedule: Schedule, seed: int, options: Options) -> Run:
    """Train with one seed, some epochs at a time, with a measurement and, with --full, a written state after each.

    Raises:
        KeyboardInterrupt: training was interrupted; with --full after the running epoch's state was written.
        DataError: the file of an earlier state is damaged, or of other settings.
        OptionError: training diverged.
    """
    path = options.out / "autoencoder" / f"state-{images.name}-seed-{seed}.npz" if options.full else None
    known = {"seed": seed, **autoencoders.settings(images, schedule), "every": options.every}
    optimizer = _optimizer(images, schedule)
    current = _begin(net, optimizer, images, schedule, known, path, options)
    while (done := int(current.state.epoch)) < schedule.epochs:
        begin = time.perf_counter()
        result = fn.training.fit(
            net, optimizer, fn.Batch(images.train), state=current.state, batch_size=schedule.batch_size,
            epochs=min(options.every - done % options.every, schedule.epochs - done), monitor_training=False,
            progress=options.progress,
        )  # fmt: skip
        if not result.stopped.startswith(("finished", "interrupted")):
            raise OptionError(f"seed {seed}: {result.stopped}")
        reached = int(result.state.epoch)
        current = current._replace(state=result.state, seconds=current.seconds + time.perf_counter() - begin)
        if reached % options.every == 0 or reached == schedule.epochs:
            current = _measured(net, images, known, current)
        _keep(path, current, known)
        if result.stopped.startswith("interrupted"):
            print(f"seed {seed}: stopped after epoch {reached}" + f", written to {path}" * options.full, flush=True)
            raise KeyboardInterrupt
    return current


def figures(
    net: fn.Network, images: Images, schedule: Schedule, runs: list[Run], pca_error: float
) -> tuple[Figure, ...]:
    """Errors, with the published ones beside those of the published network."""
    training, test = (tuple(run.errors[-1][i] for run in runs) for i in (0, 1))
    known = images.name == "MNIST" and schedule.sizes == SCHEDULES["MNIST"].sizes
    more: dict[str, Any] = {"published": PUBLISHED, "high": BAR} if known else {}
    pca: dict[str, Any] = {"published": PUBLISHED_PCA, "low": BAR_PCA[0], "high": BAR_PCA[1]} if known else {}
    count: dict[str, Any] = dict.fromkeys(("published", "low", "high"), PARAMETERS) if known else {}
    return (
        Figure("squared error of a test image, autoencoder", test, **more),
        Figure(f"squared error of a test image, PCA with {schedule.sizes[-1]} components", (pca_error,), **pca),
        Figure("the autoencoder's minus PCA's", tuple(each - pca_error for each in test), high=0.0),
        Figure("squared error of a test image, pretrained only", tuple(run.errors[0][1] for run in runs)),
        Figure("squared error of a training image, autoencoder", training),
        Figure("parameters", (autoencoders.size(net),), form=".0f", **count),
    )


def _optimizer(images: Images, schedule: Schedule) -> Any:
    """The same object for all seeds, so that `fit` compiles once."""
    steps = convolutional.steps(len(images.train), schedule.epochs, schedule.batch_size)
    return convolutional.adam(schedule.learning_rate, steps)


def _begin(net, optimizer, images, schedule, known, path, options) -> Run:
    """Where an earlier run was interrupted, or else pretrained parameters."""
    if path is not None and path.is_file():
        state, about = autoencoders.read_state(path, net, optimizer, known)
        print(f"seed {known['seed']}: goes on after epoch {int(state.epoch)}, from {path}", flush=True)
        return Run(state, about["epochs"], about["errors"], about["seconds"])
    begin = time.perf_counter()
    key, run_key = jax.random.split(jax.random.key(known["seed"]))
    print(f"seed {known['seed']}: pretraining, {schedule.pretraining_epochs} epochs a machine", flush=True)
    params = autoencoders.pretrained(net, images.train, key, schedule, options.progress)
    state = fn.training.start(net, optimizer, run_key, params)
    current = _measured(net, images, known, Run(state, [], [], time.perf_counter() - begin))
    _keep(path, current, known)
    return current


def _measured(net, images, known, current: Run) -> Run:
    """The run with the errors of its parameters, which are printed too."""
    errors = [autoencoders.judge(net, current.state.params, x) for x in (images.judged, images.test)]
    epoch = int(current.state.epoch)
    text = f"squared error {errors[0]:.3f} training, {errors[1]:.3f} test"
    print(f"seed {known['seed']}, epoch {epoch}: {text}; {current.seconds:.0f} s", flush=True)
    return current._replace(epochs=[*current.epochs, epoch], errors=[*current.errors, errors])


def _keep(path, current: Run, known) -> None:
    """Write the state and what is known of it where there is a path."""
    if path is not None:
        about = {name: value for name, value in current._asdict().items() if name != "state"}
        autoencoders.save_state(path, current.state, {"settings": known, **about})


def _learning(runs: list[Run], pca_error: float, title: str) -> Any:
    """Errors after the epochs that were measured."""
    epochs, errors = runs[0].epochs, np.array([run.errors for run in runs])
    lines = {
        "autoencoder, training images": errors[:, :, 0].T,
        "autoencoder, test images": errors[:, :, 1].T,
        "PCA, test images": np.full(len(epochs), pca_error),
    }
    title += f"\nmean and range of {len(runs)} seeds" if len(runs) > 1 else ""
    figure = plots.curves(
        lines, x=epochs, log="y", xlabel="epoch of fine-tuning", ylabel="squared error of an image",
        title=title,
    )  # fmt: skip
    for which in ("major", "minor"):
        getattr(figure.axes[0].yaxis, f"set_{which}_formatter")("{x:g}")
    return figure


def _reconstructions(images: Images, reconstructed: np.ndarray, projected: np.ndarray) -> Any:
    """The first test image of each class, the autoencoder's and PCA's reconstruction below, all cut to [0, 1]."""
    rows = [int(np.flatnonzero(np.asarray(images.test_labels) == label)[0]) for label in range(10)]
    shown = np.concatenate([np.asarray(each)[rows] for each in (images.test, reconstructed, projected)])
    side = round(shown.shape[1] ** 0.5)
    return plots.maps(
        np.clip(shown, 0, 1).reshape(-1, side, side), columns=10,
        rows=[
            "test image",
            f"autoencoder\nerror {autoencoders.error(images.test, reconstructed):.2f}",
            f"PCA\nerror {autoencoders.error(images.test, projected):.2f}",
        ],
        title="reconstructions, pixels cut to [0, 1]",
    )  # fmt: skip
