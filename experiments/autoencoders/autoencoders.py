"""Shared parts of the experiments with autoencoders: images, pretraining, errors and PCA.

    digits        8 x 8 pixels / 16: the first 898 train, the last 899, by other hands, test
    MNIST         28 x 28 pixels / 255: 60 000 images train, 10 000 test
    error         E = 1/N Σ_n Σ_i (x_ni − x̂_ni)²           summed over pixels, mean over images
    PCA           x̂ = m + U Uᵀ (x − m)                     U (p, q): the first components of the training images
    pretraining   CD-1 with means as reconstructions, η = 0.1 and 0.001 for the code's RBM, weight cost 0.0002,
                  momentum 0.5 for five epochs, then 0.9

| symbol | name in code | shape |
|---|---|---|
| x | `images.train`, `images.test` | (N, p) |
| x̂ | `reconstructed(net, params, x)`, `pca.inverse_transform(pca.transform(x))` | (N, p) |
| E | `error(x, reconstruction)` | () |

Source: [Hinton2006b], with its supporting text.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import fnnets as fn
from experiments.harness import training
from experiments.harness.options import Common, OptionError
from fnnets.core import validate
from fnnets.data.folders import VARIABLE
from fnnets.storage.errors import scikit_learn

TRAIN, CHUNK, JUDGED = 898, 1000, 10_000
RATE, CODE_RATE, WEIGHT_COST = 0.1, 0.001, 2e-4
MOMENTA, SWITCH = (0.5, 0.9), 5
PRETRAINING = "CD-1, rate 0.1, of the code 0.001, weight cost 0.0002, momentum 0.5, after 5 epochs 0.9"
SEEDS = {"digits": (0, 1, 2), "MNIST": (0,)}


class Images(NamedTuple):
    """Images (N, p) to train with and to judge by, their labels (N,), and the `name` of the data."""

    name: str
    train: Any
    test: Any
    labels: Any
    test_labels: Any

    @property
    def judged(self) -> Any:
        """The training images that training errors are measured on: the first 10 000 of them."""
        return self.train[:JUDGED]


class Schedule(NamedTuple):
    """Units of the encoder's layers after the inputs, the code last, and how they are trained."""

    sizes: tuple[int, ...]
    pretraining_epochs: int
    epochs: int
    learning_rate: float
    batch_size: int


@dataclass(frozen=True)
class Options(Common):
    """Options of every experiment with autoencoders; None leaves the choice to the experiment's schedule."""

    seeds: tuple[int, ...] | None = None
    sizes: tuple[int, ...] | None = None
    pretraining_epochs: int | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    data_dir: Path | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.sizes is not None:
            validate.shape(self.sizes, "sizes")
            validate.count(len(self.sizes), "sizes: their number", "write the units of each layer, the code last")


def load(data_dir: Path | None = None) -> Images:
    """MNIST where its folder, or FNNETS_DATA, is given, and else digits."""
    if data_dir is None and not os.environ.get(VARIABLE):
        x, labels, *_ = fn.data.digits()
        return Images("digits", x[:TRAIN], x[TRAIN:], labels[:TRAIN], labels[TRAIN:])
    train, _, test = fn.data.mnist(data_dir, divisor=255, validation=0)
    return Images("MNIST", train.inputs, test.inputs, train.targets, test.targets)


def chosen(options: Options, schedule: Any, images: Images) -> Any:
    """The schedule with what the options say, if it can be used for the images.

    Raises:
        OptionError: minibatches larger than the data, or a code larger than an image.
    """
    given = {name: getattr(options, name) for name in schedule._fields}
    schedule = schedule._replace(**{name: value for name, value in given.items() if value is not None})
    examples, pixels = images.train.shape
    if schedule.batch_size > examples:
        raise OptionError(f"batch_size is {schedule.batch_size}, expected at most the {examples} training images")
    if schedule.sizes[-1] > min(examples, pixels):
        raise OptionError(f"sizes end with a code of {schedule.sizes[-1]}, expected at most the {pixels} pixels")
    return schedule


def label(images: Images, sizes: tuple[int, ...]) -> str:
    """The encoder's sizes in words.

    >>> label(Images("", np.ones((9, 64)), *[None] * 3), (100, 10))
    '64-100-10'
    """
    return "-".join(map(str, (images.train.shape[1], *sizes)))


def settings(images: Images, schedule: Any) -> dict[str, Any]:
    """The settings for the record."""
    counts = {"training_images": len(images.train), "test_images": len(images.test)}
    return {
        "data": images.name,
        **counts,
        **schedule._asdict(),
        "optimizer": "Adam, cosine",
        "pretraining": PRETRAINING,
    }


def network(images: Images, sizes: tuple[int, ...], initializer: Any = fn.initializers.glorot) -> fn.Network:
    """The autoencoder of sigmoid layers and a linear code."""
    return fn.autoencoder([images.train.shape[1], *sizes], initializer=initializer)


def size(net: fn.Network) -> int:
    """The number of parameters of a network.

    >>> size(fn.autoencoder([784, 1000, 500, 250, 30]))
    2837314
    """
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(net.init, jax.random.key(0))))


def pretrained(net: fn.Network, x: Any, key: Any, schedule: Any, progress: Any = False) -> Any:
    """The parameters of an autoencoder that begins as a stack of RBMs, trained one after another.

    Raises:
        KeyboardInterrupt: training was interrupted.
    """
    sizes, examples = (x.shape[1], *schedule.sizes), len(x)
    rbms, optimizers = stack(sizes, examples, training.steps(examples, 1, schedule.batch_size))
    result = fn.training.pretrain(
        rbms, optimizers, fn.Batch(x), key=key, epochs=schedule.pretraining_epochs,
        batch_size=schedule.batch_size, evaluate_training=False, progress=progress,
    )  # fmt: skip
    if result.stopped[-1].startswith("interrupted"):
        raise KeyboardInterrupt
    return fn.autoencoders.unroll(net, result.params)


@functools.cache
def stack(sizes: tuple[int, ...], examples: int, steps: int) -> tuple[list[fn.Network], list[Any]]:
    """RBMs and their optimisers, for epochs of so many steps; the same objects for all seeds, to compile once.

    >>> rbms, optimizers = stack((64, 30, 2), 898, 9)
    >>> [net.family.hidden.name for net in rbms], round(rbms[0].l2 / 898, 6)
    (['binary', 'gaussian'], 0.0002)
    """
    first, later = MOMENTA
    decay = optax.piecewise_constant_schedule(first, {SWITCH * steps: later / first})
    means = fn.boltzmann.contrastive_divergence(means=True)
    rbms = fn.training.rbm_stack(sizes, sampler=means, l2=WEIGHT_COST * examples)
    optimizers = [fn.training.momentum(rate, decay) for rate in (RATE, CODE_RATE)]
    return rbms, [optimizers[0]] * (len(rbms) - 1) + [optimizers[1]]


def reconstructed(net: fn.Network, params: Any, x: Any) -> np.ndarray:
    """The network's prediction of x."""
    return by_chunks(net.predict, params, x)


def by_chunks(function: Any, params: Any, x: Any) -> np.ndarray:
    """function(params, x), so that memory does not grow with N; the same function compiles once."""
    return np.asarray(_mapped(function, params, x))


def judge(net: fn.Network, params: Any, x: Any) -> float:
    """The squared error of an autoencoder on x."""
    return error(x, reconstructed(net, params, x))


def error(x: Any, reconstruction: Any) -> float:
    """The mean over the images of the squared error, summed over pixels.

    >>> error(np.zeros((2, 3)), np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]))
    7.0
    """
    return float(((np.asarray(x, np.float64) - np.asarray(reconstruction, np.float64)) ** 2).sum(axis=1).mean())


def pca(x: Any, components: int) -> Any:
    """scikit-learn's PCA, fitted to x.

    >>> line = np.outer(np.arange(5.0), [3.0, 4.0])
    >>> found = pca(line, 1)
    >>> bool(np.allclose(found.inverse_transform(found.transform(line)), line))
    True
    """
    made = scikit_learn("decomposition", "pca").PCA(components, svd_solver="covariance_eigh")
    return made.fit(np.asarray(x))


@functools.partial(jax.jit, static_argnums=0)
def _mapped(function, params, x):
    return jax.lax.map(lambda one: function(params, one[None])[0], x, batch_size=CHUNK)
