"""The contestants of a row of the benchmark of training, each compared with `fit` on one device before it is timed.

    fit(E epochs)     has a beginning besides its epochs: a sample is the difference of two of them
    a peer            goes on from its own state, so that a sample is its epochs alone

An RBM draws its samples; each library has its own numbers, so a gradient on given samples is compared instead.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks import rbm_peers as loops
from experiments.benchmarks import recurrent_peers, training_equinox, training_flax, training_torch
from experiments.benchmarks.setting import SEED
from experiments.benchmarks.training_loops import Entered, difference, enter
from experiments.benchmarks.training_page import AGAIN, ALL, AUTOMATIC, COMPILED, EQUINOX, FLAX, ONE, SCIKIT, TORCH
from experiments.benchmarks.training_rows import CONVOLUTIONAL, Boltzmann, Row

OPTIONAL = {TORCH: "torch", FLAX: "flax", EQUINOX: "equinox", SCIKIT: "sklearn"}
SLOW_ROUNDS = 3


class Runner(NamedTuple):
    """A contestant.

    Attributes:
        name: as in the table.
        run: trains for so many epochs; what it returns is waited for.
        begins: whether `run` has a beginning besides its epochs, that of `fit`.
        rounds: as in `timing.Contestant`.
        epochs: of a sample.
    """

    name: str
    run: Callable[[int], Any]
    begins: bool
    rounds: int | None
    epochs: int


class Field(NamedTuple):
    """The contestants of a row: differences, configurations, and why some are not there."""

    runners: list[Runner]
    agreement: dict[str, float]
    how: dict[str, str]
    absent: dict[str, str]


def missing() -> list[str]:
    """The peers that are not installed."""
    return [name for name, module in OPTIONAL.items() if not recurrent_peers.installed(module)]


def fitted(row: Row, name: str, devices: str | None, gradient: str = "explicit") -> Runner:
    """`fit` on a row; its walk of an epoch has the order of `contestants.drawn_order`."""
    train = fn.Batch(jnp.asarray(row.inputs), None if row.targets is None else jnp.asarray(row.targets))
    seeds, optimizer = itertools.count(SEED), row.descent.optax()

    def run(epochs):
        return fn.fit(
            row.net, optimizer, train, key=jax.random.key(next(seeds)), epochs=epochs, batch_size=row.size,
            params=row.params, gradient=gradient, devices=devices, evaluate_training=False, progress=False,
        ).params  # fmt: skip

    slow = gradient == "automatic" and row.family == CONVOLUTIONAL
    return Runner(name, run, not slow, SLOW_ROUNDS if slow else None, 1 if slow else row.epochs)


def field(row: Row, compiles: bool = True, device: str = "cpu") -> Field:
    """Everyone who runs on a row, compared after an epoch of equal steps with `fit` on one device."""
    found = Field([fitted(row, ONE, None)], {}, {}, {})
    reference = row.flat(found.runners[0].run(1))
    shared = "all" if jax.device_count() > 1 else None
    others = [(ALL, shared, "explicit")] if shared else []
    for name, devices, gradient in (*others, (AUTOMATIC, shared, "automatic")):
        runner = fitted(row, name, devices, gradient)
        try:
            with _told(name):
                found.agreement[name] = difference(row.flat(runner.run(1)), reference, row.flat(row.params))
        except (TypeError, ValueError) as error:  # fit refuses it
            found.absent[name] = str(error)
            continue
        found.runners.append(runner)
    again = ALL if ALL in found.agreement else ONE
    found.runners.append(next(each for each in found.runners if each.name == again)._replace(name=AGAIN))
    _join_peers(found, row, reference, compiles, device)
    return found


def _join_peers(found: Field, row: Row, reference: list[np.ndarray], compiles: bool, device: str) -> None:
    absent = missing()
    if TORCH not in absent:
        with _told(TORCH):
            _join(found, row, TORCH, training_torch.eager(row, reference, device))
        found.absent[COMPILED] = training_torch.cannot_compile(row) if compiles else "it was not asked for"
        if not found.absent[COMPILED]:
            _join_compiled(found, row, reference, device)
    for name, library in ((FLAX, training_flax), (EQUINOX, training_equinox)):
        if name not in absent:
            candidates = list(library.sessions(row))
            if candidates:
                with _told(name):
                    _join(found, row, name, enter(row, candidates, reference))
    if isinstance(row.model, Boltzmann) and SCIKIT not in absent:
        _join_scikit(found, row, row.model)


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """A line of progress: how long a contestant took to be compiled, compared and tried."""
    began = time.perf_counter()
    yield
    print(f"  {name}: compared and tried in {time.perf_counter() - began:.0f} s", flush=True)


def _join(found: Field, row: Row, name: str, entered: Entered) -> None:
    random, size = np.random.default_rng(SEED), row.size * row.steps

    def run(epochs):
        for _ in range(epochs):
            answer = entered.session.epoch(random.permutation(size).astype(np.int32))
        return answer

    found.runners.append(Runner(name, run, False, None, row.epochs))
    found.agreement[name], found.how[name] = entered.difference, entered.session.how


def _join_compiled(found: Field, row: Row, reference: list[np.ndarray], device: str) -> None:
    try:
        with _told(COMPILED):
            _join(found, row, COMPILED, training_torch.compiled(row, reference, found.how[TORCH], device))
    except Exception as error:  # whatever its C++ compiler does not like
        found.absent[COMPILED] = f"torch.compile fails: {str(error).strip().splitlines()[0]}"
    else:
        del found.absent[COMPILED]


def _join_scikit(found: Field, row: Row, model: Boltzmann) -> None:
    gradient, drawn = loops.scikit_gradient(model.arrays, row.inputs[: row.size])
    batch = fn.Batch(jnp.asarray(row.inputs[: row.size]), jnp.asarray(drawn))
    ours = row.flat(jax.jit(row.net.gradient)(row.params, batch))
    found.agreement[SCIKIT] = difference([np.asarray(leaf) for leaf in gradient], ours)
    epoch = loops.scikit_rbm(model.arrays, row.inputs, row.size)
    found.runners.append(Runner(SCIKIT, lambda epochs: epoch(), False, SLOW_ROUNDS, 1))
