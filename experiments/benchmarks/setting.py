"""Inputs of every contestant: a network's sizes, initial parameters, the examples and the optimiser's numbers.

    steps  s = ⌈n / N⌉                                                              in an epoch
    work   per step 2N Σ_l p_l q_l (forward) + 2N Σ_l p_l q_l (∂C/∂W) + 2N Σ_{l>1} p_l q_l (δ)      FLOP

| symbol | name in code | shape |
|---|---|---|
| n | `len(setting.inputs)` | () |
| N | `setting.batch_size` | () |
| W(l), b(l) | `setting.params[l]` | (q, p), (q,) |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import fnnets as fn
from fnnets.core import validate

LEARNING_RATE, MOMENTUM = 0.1, 0.9
SEED = 0
Parameters = list[tuple[np.ndarray, np.ndarray]]


class Setting(NamedTuple):
    """One row of networks: sizes, minibatch, examples as NumPy arrays, the fnnets network and initial parameters."""

    sizes: tuple[int, ...]
    batch_size: int
    inputs: np.ndarray
    targets: np.ndarray
    net: fn.Network
    params: Any

    @property
    def name(self) -> str:
        """Sizes and minibatch, as on the command line.

        >>> setting("2-3-2:5", *random_examples(10, 2, 2)).name
        '2-3-2:5'
        """
        return "-".join(map(str, self.sizes)) + f":{self.batch_size}"

    @property
    def steps(self) -> int:
        """Minibatches in an epoch, a short last one included."""
        return -(-len(self.inputs) // self.batch_size)

    @property
    def biggest(self) -> tuple[int, int]:
        """(p, q) of the largest weight matrix."""
        return max(zip(self.sizes[:-1], self.sizes[1:], strict=True), key=lambda pair: pair[0] * pair[1])

    @property
    def flops(self) -> int:
        """FLOP of the matrix products of one epoch.

        >>> setting("4-3-2:5", *random_examples(10, 4, 2)).flops
        840
        """
        products = [p * q for p, q in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        return 2 * len(self.inputs) * (3 * sum(products) - products[0])


class Trainer(NamedTuple):
    """One contestant.

    Attributes:
        name: what tables call it.
        epoch: one reshuffled epoch over all examples; returns what is to be waited for.
        walk: from the initial parameters through the given examples in their order, (inputs, targets) ->
            parameters; None where nothing is to be compared.
        loops: whether each step is called from Python.
        rounds: as in `timing.Contestant`.
        epochs: how many epochs `epoch` runs; the time of one is what counts.
    """

    name: str
    epoch: Callable[[], Any]
    walk: Callable[[np.ndarray, np.ndarray], Parameters] | None
    loops: bool = False
    rounds: int | None = None
    epochs: int = 1


def setting(name: str, inputs: np.ndarray, targets: np.ndarray) -> Setting:
    """The setting called "784-30-10:10": sizes, then the minibatch.

    Raises:
        ValueError: a name of another form, or sizes that the examples do not fit.
    """
    try:
        layers, batch = name.split(":")
        sizes, batch_size = tuple(int(size) for size in layers.split("-")), int(batch)
    except ValueError:
        raise ValueError(f"nets: one is {name!r}, expected sizes and a minibatch as in 784-30-10:10") from None
    validate.count(batch_size, "nets: the minibatch", "write 784-30-10:10")
    if sizes[0] != inputs.shape[1]:
        raise ValueError(f"nets: {name!r} takes {sizes[0]} inputs, expected {inputs.shape[1]}; write that first")
    if batch_size > len(inputs):
        raise ValueError(f"nets: {name!r} has minibatches of {batch_size}, expected at most {len(inputs)} examples")
    net = fn.feedforward(sizes, objective=fn.objectives.softmax_log_likelihood)
    return Setting(sizes, batch_size, inputs, targets, net, net.init(jax.random.key(SEED)))


def random_examples(examples: int, features: int = 784, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Uniform inputs in [0, 1), (n, p) float32, and random labels, (n,) int32: the same everywhere."""
    random = np.random.default_rng(SEED)
    return random.random((examples, features), np.float32), random.integers(0, classes, examples, np.int32)


def mnist_examples(examples: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first training images of MNIST and their labels."""
    train = fn.data.mnist(folder).train
    return np.asarray(train.inputs[:examples], np.float32), np.asarray(train.targets[:examples], np.int32)


def plain(params: Any) -> Parameters:
    """Copies of a network's parameters as pairs of NumPy arrays, W (q, p) and b (q,)."""
    return [(np.array(layer.weights), np.array(layer.biases)) for layer in params]


def cut(order: np.ndarray, batch_size: int) -> Sequence[np.ndarray]:
    """The order in minibatches, the last one short where the size does not divide.

    >>> [part.tolist() for part in cut(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return [order[begin : begin + batch_size] for begin in range(0, len(order), batch_size)]
