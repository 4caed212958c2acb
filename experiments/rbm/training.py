"""Shared parts of the experiments with restricted Boltzmann machines: images as states, training in parts.

    MNIST     60 000 images of 28 x 28 pixels to train with, 10 000 to judge by
    digits    8 x 8 pixels: the first half in the source's order trains, the second, by other hands, judges
    v         = 1 where a grey level is at least 0.5, else 0

| symbol | name in code | shape |
|---|---|---|
| grey levels in [0, 1] | `images.train`, `images.test` | (N, p) |
| v | `binary(images.train)` | (N, p) |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import fnnets as fn
from experiments.harness import training

FIRST_HALF = 898


class Images(NamedTuple):
    """Grey levels (N, p) in [0, 1] of images (H, W), to train with and to judge by, and their `name`."""

    name: str
    shape: tuple[int, int]
    train: np.ndarray
    test: np.ndarray


def load(choice: training.Choice, data_dir: Path | None, user: str) -> Images:
    """MNIST, or digits; "auto" takes digits where there is no MNIST, and `user` begins the line about it.

    Raises:
        DataError: `choice` is "mnist", and it is not found; a file of it is damaged.

    >>> images = load("digits", None, "training")
    >>> images.name, images.shape, images.train.shape, images.test.shape
    ('digits', (8, 8), (898, 64), (899, 64))
    """
    found = training.mnist(choice, data_dir, user, validation=0)
    if found is not None:
        side = round(found.train.inputs.shape[1] ** 0.5)
        return Images("MNIST", (side, side), np.asarray(found.train.inputs), np.asarray(found.test.inputs))
    inputs = np.asarray(fn.data.digits().inputs)
    return Images("digits", (8, 8), inputs[:FIRST_HALF], inputs[FIRST_HALF:])


def binary(grey: Any) -> np.ndarray:
    """States 0 and 1 of grey levels.

    >>> binary(np.array([[0.49, 0.5, 1.0]])).tolist()
    [[0.0, 1.0, 1.0]]
    """
    return (np.asarray(grey) >= 0.5).astype(np.float32)


def train(
    net: fn.Network, optimizer: optax.GradientTransformation, v: Any, seed: int, *, epochs: int,
    every: int | None = None, params: Any = None, **how: Any,
) -> Iterator[tuple[int, Any]]:  # fmt: skip
    """The epoch and the parameters after every `every` epochs and after the last; chains go on from part to part.

    Args:
        net: the RBM.
        optimizer: any optax transformation.
        v: (N, p) states, or probabilities of 1.
        seed: of initial parameters, chains and orders.
        epochs: passes through the states.
        every: epochs of a part; None for all of them in one.
        params: initial parameters in place of the RBM's own.
        how: further arguments of `fit`.

    Raises:
        KeyboardInterrupt: training was interrupted; half an RBM is none.
    """
    begin: dict[str, Any] = {"key": jax.random.key(seed), "params": params}
    done = 0
    while done < epochs:
        part = min(every or epochs, epochs - done)
        result = training.train(net, optimizer, fn.Batch(v), epochs=part, **begin, **how)
        begin, done = {"state": result.state}, done + part
        yield done, result.params


def last(parts: Iterator[tuple[int, Any]]) -> Any:
    """The parameters at the end of training.

    >>> last(iter([(1, "early"), (2, "late")]))
    'late'
    """
    *_, (_, params) = parts
    return params


def repeated(options: Any, images: Images, **changes: Any) -> Any:
    """The options that lead to the same images wherever MNIST is or is not."""
    if images.name == "digits":
        changes |= {"images": "digits", "data_dir": None}
    return replace(options, **changes)
