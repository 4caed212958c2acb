"""The rows of the benchmark of training: networks, examples, optimisers, and how much of each a sample takes.

    784-30-10:10                             feedforward: sizes and minibatch
    nielsen-10, vgg-32                       convolutional: the network and its minibatch
    simple-100-32-64-128-10, lstm-…          recurrent: T-N-m-H-d, an answer at every step
    cd-784-500:100, pcd-…, autoencoder-…     RBMs by CD-1 or PCD-1, and the deep autoencoder

| symbol | name in code | shape |
|---|---|---|
| N | `row.size` | () |
| FLOP of a step's matrix products | `row.flops` | () |
| S, m | `row.steps`, `row.epochs` | minibatches of an epoch, epochs of a sample |

A sample is S m steps: at least `Amount.steps`, or as many as `Amount.seconds` hold by the estimate `RATE`, which
only decides how many they are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks import convolutional, convolutional_peers, rbm, recurrent, recurrent_setting, setting
from experiments.benchmarks import rbm_peers as loops
from experiments.benchmarks.feedforward import NETS
from experiments.benchmarks.recurrent_setting import CELLS

FEEDFORWARD, CONVOLUTIONAL, SIMPLE, LSTM = "feedforward", "convolutional", "recurrent", "LSTM"
ENERGY = "RBM, autoencoder"
FAMILIES = (FEEDFORWARD, CONVOLUTIONAL, SIMPLE, LSTM, ENERGY)
NAMES = (
    *NETS, *convolutional_peers.NAMES, *(f"{cell}-{net}" for cell in CELLS for net in recurrent.NETS),
    "cd-784-500:100", "pcd-784-500:100", "autoencoder-784-1000-500-250-30:100",
)  # fmt: skip
RATE, OVERHEAD = 1e11, 5e-5  # FLOP/s and s a step: an estimate
LEAST, SHORTEST, LONGEST = 8, 0.06, 400  # steps; s a sample; minibatches of an epoch
CONVOLUTIONAL_RATE, ADAM_RATE = 0.01, 1e-3


class Amount(NamedTuple):
    """How much a sample takes: at least so many steps, but of long ones only those that fit into so many seconds."""

    steps: int = 40
    seconds: float = 0.7


class Descent(NamedTuple):
    """The optimiser of a row: "momentum" (none where it is 0) or "adam", and its numbers, for every library."""

    kind: str
    rate: float
    momentum: float = 0.0

    def optax(self) -> optax.GradientTransformation:
        """The optimiser of every contestant on JAX."""
        return optax.adam(self.rate) if self.kind == "adam" else optax.sgd(self.rate, self.momentum or None)


class Dense(NamedTuple):
    """Fully connected layers for the peers: pairs (W, b), places without a sigmoid, and whether x is the target."""

    layers: setting.Parameters
    linear: tuple[int, ...]
    is_autoencoder: bool


class Boltzmann(NamedTuple):
    """An RBM for the peers."""

    arrays: loops.Arrays
    persistent: bool


class Row(NamedTuple):
    """One kind of work.

    Attributes:
        name, family: as in the table.
        net, params: fnnets' network and the parameters that everyone begins with.
        inputs, targets: the examples of an epoch, NumPy arrays, along axis 1 of sequences; the targets may be None.
        size, steps, epochs: N, S and m.
        descent: the optimiser.
        flops: of one step.
        model: what the peers make theirs of.
        flat: parameters as a list of NumPy arrays, the order and layout in which all are compared.
    """

    name: str
    family: str
    net: fn.Network
    params: Any
    inputs: np.ndarray
    targets: np.ndarray | None
    size: int
    steps: int
    epochs: int
    descent: Descent
    flops: float
    model: Dense | Boltzmann | convolutional_peers.Work | recurrent_setting.Work
    flat: Callable[[Any], list[np.ndarray]]

    @property
    def axis(self) -> int:
        """The axis of the examples."""
        return int(self.family in (SIMPLE, LSTM))

    @property
    def taken(self) -> int:
        """Steps of a sample."""
        return self.steps * self.epochs


def row(name: str, amount: Amount) -> Row:
    """The row of that name.

    Raises:
        ValueError: a name of another form.

    >>> one = row("lstm-5-2-3-4-2", Amount(steps=40))
    >>> one.family, one.size, one.taken >= 40, one.inputs.shape == (5, 2 * one.steps, 3)
    ('LSTM', 2, True, True)
    """
    make, found = _matching(name)
    return make(name, *found.groups(), amount)


def family(name: str) -> str:
    """The family of the row of that name.

    Raises:
        ValueError: a name of another form.

    >>> family("lstm-5-2-3-4-2"), family("cd-6-5:4")
    ('LSTM', 'RBM, autoencoder')
    """
    make, found = _matching(name)
    if make is _recurrent:
        return LSTM if found.group(1) == "lstm" else SIMPLE
    return {_feedforward: FEEDFORWARD, _convolutional: CONVOLUTIONAL}.get(make, ENERGY)


def _matching(name: str) -> tuple[Callable[..., Row], re.Match[str]]:
    for pattern, make in PATTERNS.items():
        if found := re.fullmatch(pattern, name):
            return make, found
    raise ValueError(f"rows: one is {name!r}, expected some of {', '.join(NAMES)}, or other sizes of such a kind")


def portion(flops: float, amount: Amount) -> tuple[int, int]:
    """(S, m): minibatches of an epoch and epochs of a sample.

    >>> portion(1e6, Amount(40, 1.0)), portion(1e9, Amount(40, 1.0)), portion(1e11, Amount(40, 1.0))
    ((250, 4), (10, 4), (4, 2))
    """
    step = flops / RATE + OVERHEAD
    least = amount.steps if amount.steps * step <= amount.seconds else max(LEAST, round(amount.seconds / step))
    wanted = max(min(least, amount.steps), round(SHORTEST / step))
    steps = min(LONGEST, max(LEAST // 2, -(-wanted // 4)))
    return steps, max(2, -(-wanted // steps))


def _feedforward(name: str, amount: Amount) -> Row:
    sizes, size = _sizes(name)
    flops = 2.0 * size * _products(sizes)
    steps, epochs = portion(flops, amount)
    own = setting.setting(name, *setting.random_examples(steps * size, sizes[0], sizes[-1]))
    layers = setting.plain(own.params)
    return Row(
        name, FEEDFORWARD, own.net, own.params, own.inputs, own.targets, size, steps, epochs,
        Descent("momentum", setting.LEARNING_RATE, setting.MOMENTUM), flops, Dense(layers, (len(layers) - 1,), False),
        leaves,
    )  # fmt: skip


def _convolutional(name: str, kind: str, count: str, amount: Amount) -> Row:
    size, one = int(count), convolutional_peers.of_kind(kind, int(count))
    flops = convolutional.flops(one)
    steps, epochs = portion(flops, amount)
    many = convolutional_peers.of_kind(kind, steps * size).batch
    return Row(
        name, CONVOLUTIONAL, one.net, one.params, np.asarray(many.inputs), np.asarray(many.targets), size, steps,
        epochs, Descent("momentum", CONVOLUTIONAL_RATE, setting.MOMENTUM), flops, one, leaves,
    )  # fmt: skip


def _recurrent(name: str, cell: str, sizes: str, amount: Amount) -> Row:
    T, N, m, H, d = map(int, sizes.split("-"))
    G = CELLS[cell] * H
    flops = 2.0 * T * N * (2 * G * H + m * G + G * (H + m) + 3 * H * d)
    steps, epochs = portion(flops, amount)
    one = recurrent_setting.work(f"{T}-{steps * N}-{m}-{H}-{d}", cell)
    net, params, batch = recurrent_setting.library(one)
    return Row(
        name, LSTM if cell == "lstm" else SIMPLE, net, params, np.asarray(batch.inputs), np.asarray(batch.targets), N,
        steps, epochs, Descent("adam", ADAM_RATE), flops, one, lambda params: list(recurrent_setting.packed(params)),
    )  # fmt: skip


def _boltzmann(name: str, kind: str, sizes: str, amount: Amount) -> Row:
    (p, q), size = _sizes(sizes)
    flops = 6 * 2.0 * size * p * q
    steps, epochs = portion(flops, amount)
    persistent = kind == "pcd"
    pcd, cd = fn.boltzmann.persistent_contrastive_divergence, fn.boltzmann.contrastive_divergence
    net = fn.rbm(p, q, sampler=pcd(chains=size) if persistent else cd())
    params = net.init(jax.random.key(setting.SEED))
    return Row(
        name, ENERGY, net, params, rbm.binary(steps * size, p), None, size, steps, epochs,
        Descent("momentum", loops.LEARNING_RATE), flops, Boltzmann(loops.Arrays(*leaves(params)), persistent), leaves,
    )  # fmt: skip


def _autoencoder(name: str, sizes: str, amount: Amount) -> Row:
    widths, size = _sizes(sizes)
    flops = 2.0 * size * _products([*widths, *widths[-2::-1]])
    steps, epochs = portion(flops, amount)
    net = fn.autoencoder(widths)
    params = net.init(jax.random.key(setting.SEED))
    layers = [pair for half in params for pair in setting.plain(half)]
    linear = len(widths) - 2, len(layers) - 1
    return Row(
        name, ENERGY, net, params, rbm.binary(steps * size, widths[0]), None, size, steps, epochs,
        Descent("momentum", loops.LEARNING_RATE, loops.MOMENTUM), flops, Dense(layers, linear, True), leaves,
    )  # fmt: skip


PATTERNS: dict[str, Callable[..., Row]] = {
    r"(?:[1-9]\d*-)+[1-9]\d*:[1-9]\d*": _feedforward,
    r"(nielsen|vgg)-([1-9]\d*)": _convolutional,
    rf"({'|'.join(CELLS)})-((?:[1-9]\d*-){{4}}[1-9]\d*)": _recurrent,
    r"(cd|pcd)-([1-9]\d*-[1-9]\d*:[1-9]\d*)": _boltzmann,
    r"autoencoder-((?:[1-9]\d*-)+[1-9]\d*:[1-9]\d*)": _autoencoder,
}


def leaves(params: Any) -> list[np.ndarray]:
    """The leaves as NumPy arrays."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(params)]


def _sizes(name: str) -> tuple[tuple[int, ...], int]:
    layers, size = name.split(":")
    return tuple(map(int, layers.split("-"))), int(size)


def _products(sizes: Sequence[int]) -> int:
    """Multiplications of one example: three products a layer, less the first one's δ."""
    products = [p * q for p, q in itertools.pairwise(sizes)]
    return 3 * sum(products) - products[0]
