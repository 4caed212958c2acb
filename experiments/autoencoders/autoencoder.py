"""A deep autoencoder, pretrained layer by layer and fine-tuned, beside PCA with codes of the same size.

    h = W(4) σ(W(3) σ(W(2) σ(W(1) x + c(1)) + c(2)) + c(3)) + c(4)        and the mirror image of that from h to x̂
    E = 1/N Σ_n Σ_i (x_ni − x̂_ni)²                                        squared error of an image, pixels in [0, 1]

RBMs give the first parameters; all of them are then trained by the cross-entropy between x and x̂, with Adam, whose
steps fall to zero along a cosine. The figure is E of the test images after the last epoch; no epoch is selected by
them. `--full` takes the long schedule, and the same command goes on where it was interrupted or killed, bit for bit as
if it had not been. For that each seed has a folder in the results, which is left there; remove it to begin afresh.

    state-DATA-seed-SEED/start.safetensors    the pretrained parameters, and as notes the settings
                         checkpoints/         states of fine-tuning, as `fit` saves them
                         measured.json        epochs, errors, seconds

| symbol | name in code | shape |
|---|---|---|
| x | `images.train`, `images.test` | (N, p) |
| E | `run.errors`, after each measured epoch: of training and of test images | (S, 2) |

Source: [Hinton2006b]: 3.00 for the autoencoder 784-1000-500-250-30 on MNIST, 13.87 for PCA.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
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
from fnnets.training.checkpoint import directories

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
MEASURED = ("epochs", "errors", "seconds")


@dataclass(frozen=True)
class Options(autoencoders.Options):
    """Train a deep autoencoder and set the squared error of its reconstructions beside PCA's.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one autoencoder for each seed, one after another; 0 1 2 for digits and 0 for MNIST if none is given.
        sizes: units of the encoder's layers, the code last; 100 50 10 for digits, 1000 500 250 30 for MNIST.
        pretraining_epochs: passes through the images for each RBM; 30 for digits, 10 for MNIST, 50 with --full.
        epochs: passes of fine-tuning; 100 for digits, 40 for MNIST, 500 and 200 with --full.
        learning_rate: Adam's first step size in fine-tuning.
        batch_size: images in a minibatch; 20 for digits, 100 for MNIST.
        data_dir: folder with MNIST's IDX files, or the environment variable FNNETS_DATA; digits if none is given.
        full: whether to take the long schedule, which goes on where it was interrupted.
        every: epochs from one measurement, and with --full one saved state, to the next.
    """

    progress: Progress = False
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
        command("autoencoder", replace(options, seeds=seeds)), autoencoders.settings(images, schedule),
        figures(net, images, schedule, runs, pca_error), seeds, seconds + sum(each.seconds for each in runs),
        {"epochs": runs[0].epochs, "errors": [each.errors for each in runs]},
    )  # fmt: skip
    rows = _reconstructions(images, autoencoders.reconstructed(net, runs[0].state.params, images.test), projected)
    pictures = {"learning": _learning(runs, pca_error, record.title), "reconstructions": rows}
    named = {f"{record.name}-{name}": picture for name, picture in pictures.items()}
    return results.finish(record, options.out / "autoencoder", named)


def train(net: fn.Network, images: Images, schedule: Schedule, seed: int, options: Options) -> Run:
    """Train with one seed, some epochs at a time, with a measurement and, with --full, a saved state after each.

    Raises:
        KeyboardInterrupt, OptionError: training was interrupted, or diverged.
        DataError: the folder of an earlier run is damaged, or of other settings.
        ImportError, OSError: what saves states is not installed, or cannot write.
    """
    folder = options.out / "autoencoder" / f"state-{images.name}-seed-{seed}" if options.full else None
    known = {"seed": seed, **autoencoders.settings(images, schedule), "every": options.every}
    optimizer = _optimizer(images, schedule)
    current = _begin(net, optimizer, images, schedule, known, folder, options)
    first = current.state
    while (done := int(current.state.epoch)) < schedule.epochs:
        begin = time.perf_counter()
        target = min(done - done % options.every + options.every, schedule.epochs)
        with _going_on(folder):
            state = first if folder else current.state  # with checkpoints `fit` is called as at the beginning
            result = _fit(net, optimizer, images, schedule, state, target, folder, options)
        if not result.stopped.startswith(("finished", "interrupted")):
            raise OptionError(f"seed {seed}: {result.stopped}")
        current = current._replace(state=result.state, seconds=current.seconds + time.perf_counter() - begin)
        current = _reached(net, images, known, current, folder)
        _keep(folder, current)
        if result.stopped.startswith("interrupted"):
            where = f", saved in {folder}" * options.full
            print(f"seed {seed}: stopped after epoch {int(current.state.epoch)}{where}", flush=True)
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
    steps = training.steps(len(images.train), schedule.epochs, schedule.batch_size)
    return training.adam(schedule.learning_rate, steps)


def _begin(net, optimizer, images, schedule, known, folder, options) -> Run:
    """Pretrained parameters, with what was measured since; `start.safetensors`, written last, says that both exist."""
    begin, (key, run_key) = time.perf_counter(), jax.random.split(jax.random.key(known["seed"]))
    if folder is not None:
        directories.orbax()  # where it is missing, say so before hours of pretraining
        if (folder / "start.safetensors").exists():
            with _going_on(folder):
                params, measured = _read(folder, net, known)
            print(f"seed {known['seed']}: measured to epoch {measured[0][-1]}, goes on from {folder}", flush=True)
            return Run(fn.training.start(net, optimizer, key=run_key, params=params), *measured)
    print(f"seed {known['seed']}: pretraining, {schedule.pretraining_epochs} epochs an RBM", flush=True)
    params = autoencoders.pretrained(net, images.train, key, schedule, options.progress)
    state = fn.training.start(net, optimizer, key=run_key, params=params)
    current = _measured(net, images, known, Run(state, [], [], time.perf_counter() - begin))
    _keep(folder, current)
    if folder is not None:
        fn.storage.save(params, folder / "start.safetensors", {name: str(value) for name, value in known.items()})
    return current


def _fit(net, optimizer, images, schedule, state, target, folder, options) -> fn.training.Result:
    """`fit` from the state, or from where the folder's checkpoints have come to, until `target` epochs or those."""
    settings: dict[str, Any] = {
        "state": state, "batch_size": schedule.batch_size, "evaluate_training": False, "progress": options.progress,
        "devices": "all",
        "checkpoint": folder and fn.training.Checkpoint(folder / "checkpoints", every=options.every),
    }  # fmt: skip
    try:
        return fn.fit(net, optimizer, fn.Batch(images.train), epochs=target - int(state.epoch), **settings)
    except fn.training.CheckpointAheadError as ahead:
        return fn.fit(net, optimizer, fn.Batch(images.train), epochs=ahead.epochs, **settings)


def _reached(net, images, known, current: Run, folder) -> Run:
    """The run with its measurements up to the epoch of its state, which is measured where that is due and not done."""
    reached, every = int(current.state.epoch), known["every"]
    n = sum(epoch <= reached for epoch in current.epochs)
    current = current._replace(epochs=current.epochs[:n], errors=current.errors[:n])
    if reached > current.epochs[-1] + every:
        text = f"measured to epoch {current.epochs[-1]}, but trained to {reached}, expected at most {every} more"
        raise fn.data.DataError(f"{folder} is {text}; remove it to begin afresh")
    is_due = reached % every == 0 or reached == known["epochs"]
    return _measured(net, images, known, current) if is_due and reached not in current.epochs else current


def _measured(net, images, known, current: Run) -> Run:
    """The run with the errors of its parameters, which are printed too."""
    errors = [autoencoders.judge(net, current.state.params, x) for x in (images.judged, images.test)]
    epoch = int(current.state.epoch)
    text = f"squared error {errors[0]:.3f} training, {errors[1]:.3f} test; {current.seconds:.0f} s"
    print(f"seed {known['seed']}, epoch {epoch}: {text}", flush=True)
    return current._replace(epochs=[*current.epochs, epoch], errors=[*current.errors, errors])


def _keep(folder: Path | None, current: Run) -> None:
    """Write what was measured, to the last bit, where there is a folder."""
    if folder is not None:
        text = json.dumps({name: getattr(current, name) for name in MEASURED})
        results.replace(folder / "measured.json", lambda temporary: temporary.write_text(text))


def _read(folder: Path, net, known) -> tuple[Any, tuple[list[int], list[list[float]], float]]:
    """The pretrained parameters in a folder, and what `_keep` wrote."""
    path = folder / "start.safetensors"
    found = fn.storage.about(path)
    for name, value in known.items():
        if found.get(name) != str(value):
            raise fn.data.DataError(
                f"{name} is {found.get(name)} there and {value} now; give the same or another --out"
            )
    return fn.storage.load(path, net), _measurements(folder / "measured.json", known)


def _measurements(path: Path, known) -> tuple[list[int], list[list[float]], float]:
    due = [*range(0, known["epochs"], known["every"]), known["epochs"]]
    try:
        epochs, errors, seconds = (json.loads(path.read_text())[name] for name in MEASURED)
        pairs = [[float(training), float(test)] for training, test in errors]
        if not pairs or epochs != due[: len(pairs)]:
            raise ValueError(f"{len(pairs)} errors for epochs {epochs}, expected some for the first of {due}")
        return epochs, pairs, float(seconds)
    except (FileNotFoundError, ValueError, LookupError, TypeError) as problem:
        raise fn.data.DataError(f"{path} cannot be used ({type(problem).__name__}: {problem}); restore it") from None


@contextlib.contextmanager
def _going_on(folder: Path | None) -> Iterator[None]:
    """Within it a fault in the folder is a DataError with a remedy."""
    try:
        yield
    except ValueError as problem:
        if folder is None:
            raise
        raise fn.data.DataError(
            f"cannot go on from {folder}: {problem}; or remove the folder to begin afresh"
        ) from None


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
